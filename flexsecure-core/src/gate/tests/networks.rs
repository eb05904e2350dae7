//! Where a request comes from: T23.

use std::net::IpAddr;
use std::sync::Arc;

use super::world::{PIN, World, alice, bank};
use crate::authority::ScriptedAuthority;
use crate::policy::{Networks, Rules, same_network, within};
use crate::refusal::{Problem, Reason};
use crate::{Check, PlainRequest, Policy, RequestView, Verdict};

/// The proof has the address that it was asked for from, as our proxy told it.
#[tokio::test]
async fn a_proof_is_of_the_network_from_which_it_was_asked_for() {
    let world = behind_a_proxy();
    let policy = || Rules::floor(bank()).raise("moved", same_network("bank"));
    let home = |headers| From { peer: PROXY, headers };
    let asked = ask(&world, policy(), &home(&[("x-forwarded-for", "192.0.2.7")])).await;
    assert_eq!(asked, Some(Problem::StepUpRequired(Reason::Missing)));
    let pin = &[("x-forwarded-for", "192.0.2.8"), ("flexsecure-pin", PIN)];
    assert_eq!(ask(&world, policy(), &home(pin)).await, None);
    for (peer, forwarded, expected) in [
        (PROXY, "192.0.2.200", None),
        (PROXY, "6.6.6.6, 192.0.2.7", None),
        ("192.0.2.9", "6.6.6.6", None),
        (PROXY, "198.51.100.1", Some(Problem::StepUpRequired(Reason::Network))),
        (PROXY, "192.0.2.7, 198.51.100.1", Some(Problem::StepUpRequired(Reason::Network))),
        ("198.51.100.1", "192.0.2.7", Some(Problem::StepUpRequired(Reason::Network))),
    ] {
        let headers = &[("x-forwarded-for", forwarded)];
        let problem = ask(&world, policy(), &From { peer, headers }).await;
        assert_eq!(problem, expected, "{forwarded} by {peer}");
    }
}

/// Everybody comes through the proxy, and nobody is in the office for that, nor for saying so.
#[tokio::test]
async fn who_comes_through_a_proxy_is_where_the_proxy_says() {
    let world = behind_a_proxy();
    for (peer, forwarded, is_in_office) in [
        (PROXY, "192.0.2.7", true),
        (PROXY, "198.51.100.1", false),
        (PROXY, "192.0.2.7, 198.51.100.1", false),
        ("198.51.100.1", "192.0.2.7", false),
    ] {
        let office = Networks::parse([PROXY, "192.0.2.0/24"]).unwrap();
        let policy = Rules::floor(bank()).relax_to_nothing_when("office", within(office));
        let headers = &[("x-forwarded-for", forwarded)];
        let problem = ask(&world, policy, &From { peer, headers }).await;
        assert_eq!(problem.is_none(), is_in_office, "{forwarded} by {peer}");
    }
}

fn behind_a_proxy() -> World {
    World::with(ScriptedAuthority::pin(PIN), |builder| builder.trust_proxies("10.0.0.0/24"))
}

/// Why `alice` is refused, if she is.
async fn ask(world: &World, policy: impl Policy, request: &From<'_>) -> Option<Problem> {
    let policy: Arc<dyn Policy> = Arc::new(policy);
    let verdict = match world.gate.check(&policy, request, Some(&alice())) {
        Check::Done(verdict) => verdict,
        Check::Pending(pending) => pending.await,
    };
    match verdict {
        Verdict::Pass(_) => None,
        Verdict::Refuse(refusal) => Some(refusal.problem()),
    }
}

/// A request over a connection from `peer`.
struct From<'a> {
    peer: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

impl From<'_> {
    const fn plain(&self) -> PlainRequest<'_> {
        PlainRequest { method: "POST", path: "/", headers: self.headers }
    }
}

impl RequestView for From<'_> {
    fn method(&self) -> &str {
        "POST"
    }

    fn path(&self) -> &str {
        "/"
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.plain().headers(show);
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer.parse().ok()
    }
}

const PROXY: &str = "10.0.0.1";
