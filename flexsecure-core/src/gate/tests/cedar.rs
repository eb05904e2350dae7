//! Rules from a file, in front of a route.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::remote::RemoteStore;
use super::world::{PIN, World, alice, bank};
use crate::authority::ScriptedAuthority;
use crate::policy::cedar::{CedarBuilder, CedarRules};
use crate::refusal::{Problem, Reason};
use crate::{Check, Pass, Policy, RequestView, Verdict};

/// `GET /a`, from a proxy at 10.0.0.1.
#[derive(Clone, Copy, Default)]
struct Forwarded {
    headers: &'static [(&'static str, &'static str)],
}

impl RequestView for Forwarded {
    fn method(&self) -> &str {
        "GET"
    }

    fn path(&self) -> &str {
        "/a"
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.headers.iter().for_each(|(name, value)| show(name, value));
    }

    fn matched_route(&self) -> Option<Cow<'_, str>> {
        Some("/a".into())
    }

    fn peer(&self) -> Option<IpAddr> {
        "10.0.0.1".parse().ok()
    }
}

const ASKED: Forwarded = Forwarded { headers: &[] };
const WITH_PIN: Forwarded = Forwarded { headers: &[("flexsecure-pin", PIN)] };

fn builder() -> CedarBuilder {
    CedarRules::builder().route("GET", "/a").system("bank")
}

fn rules(text: &str) -> CedarRules {
    builder().read_text(text).unwrap()
}

async fn verdict(world: &World, rules: &CedarRules, request: Forwarded) -> Verdict {
    let policy: Arc<dyn Policy> = Arc::new(rules.clone());
    match world.gate.check(&policy, &request, Some(&alice())) {
        Check::Done(verdict) => verdict,
        Check::Pending(pending) => pending.await,
    }
}

async fn problem(world: &World, rules: &CedarRules, request: Forwarded) -> Option<Problem> {
    match verdict(world, rules, request).await {
        Verdict::Refuse(refusal) => Some(refusal.problem()),
        Verdict::Pass(_) => None,
    }
}

const MISSING: Option<Problem> = Some(Problem::StepUpRequired(Reason::Missing));

const BANK: &str = r#"@id("all") @system("bank") permit(principal, action, resource);"#;

/// Where a store can tell at once and where it has to be asked.
fn worlds() -> [World; 2] {
    [
        World::new(ScriptedAuthority::pin(PIN)),
        World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(RemoteStore::default())),
    ]
}

#[tokio::test]
async fn a_proof_is_asked_for_and_then_does() {
    for world in worlds() {
        let rules = rules(BANK);
        assert_eq!(problem(&world, &rules, ASKED).await, MISSING);
        let passed = verdict(&world, &rules, WITH_PIN).await;
        assert!(matches!(passed, Verdict::Pass(Pass::Elevated(_))), "{passed:?}");
        assert_eq!(problem(&world, &rules, ASKED).await, None);
    }
}

#[tokio::test]
async fn what_the_session_holds_is_known_to_the_rules() {
    for world in worlds() {
        let fresh = rules(
            r#"permit(principal, action, resource) when { context.held has bank
               && context.held.bank.age <= 60 && context.held.bank.method == "pin" };"#,
        );
        assert_eq!(problem(&world, &fresh, ASKED).await, Some(Problem::Denied));
        world.request(&alice(), bank()).await.refused();
        let headers = [("flexsecure-pin", PIN)];
        assert!(world.request_with(&alice(), bank(), &headers).await.has_passed());
        assert_eq!(problem(&world, &fresh, ASKED).await, None);
        world.clock.advance(Duration::from_secs(61));
        assert_eq!(problem(&world, &fresh, ASKED).await, Some(Problem::Denied));
    }
}

#[tokio::test]
async fn refusals_are_counted_where_they_are_asked_for() {
    let world = World::new(ScriptedAuthority::pin(PIN));
    let lately = builder()
        .count_refusals(Duration::from_secs(600))
        .read_text("permit(principal, action, resource) when { context.refusals >= 1 };")
        .unwrap();
    assert_eq!(problem(&world, &lately, ASKED).await, Some(Problem::Denied));
    world.authority.push_start(crate::authority::StartReply::Refused);
    world.request(&alice(), bank()).await.refused();
    assert_eq!(problem(&world, &lately, ASKED).await, None);
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(problem(&world, &lately, ASKED).await, Some(Problem::Denied));
}

#[tokio::test]
async fn a_store_that_is_down_lets_nothing_through() {
    let store = RemoteStore::default();
    let is_down = Arc::clone(&store.is_down);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.store(store));
    let open = rules("permit(principal, action, resource);");
    assert_eq!(problem(&world, &open, ASKED).await, None);
    is_down.store(true, Ordering::SeqCst);
    assert_eq!(problem(&world, &open, ASKED).await, Some(Problem::PolicyUnavailable));
}

/// T23: an address is what our own proxies say it is.
#[tokio::test]
async fn a_network_is_that_of_the_client_behind_our_proxies() {
    let office = rules(
        r#"permit(principal, action, resource)
           when { context has network && context.network.isInRange(ip("192.0.2.0/24")) };"#,
    );
    let from_office = Forwarded { headers: &[("x-forwarded-for", "192.0.2.7")] };
    let forged = Forwarded { headers: &[("x-forwarded-for", "192.0.2.7, 198.51.100.1")] };
    let trusting = World::with(ScriptedAuthority::pin(PIN), |it| it.trust_proxies("10.0.0.0/8"));
    assert_eq!(problem(&trusting, &office, from_office).await, None);
    assert_eq!(problem(&trusting, &office, forged).await, Some(Problem::Denied));
    assert_eq!(problem(&trusting, &office, ASKED).await, Some(Problem::Denied));
    let wary = World::new(ScriptedAuthority::pin(PIN));
    assert_eq!(problem(&wary, &office, from_office).await, Some(Problem::Denied));
}

#[tokio::test]
async fn an_explanation_names_the_policies_that_decided_and_their_version() {
    for world in worlds() {
        let explained = async |rules: &CedarRules| {
            world.gate.explain(rules, &ASKED, Some(&alice())).await.to_string()
        };
        let proved = rules(&format!(
            "{BANK}\n@system(\"bank\") @methods(\"pin\")\n  permit(principal, action, resource);\n\
             forbid(principal == User::\"bob\", action, resource);"
        ));
        let version = proved.version();
        assert_eq!(
            explained(&proved).await,
            format!(
                "refused: step-up-required (missing)\n  \
                 permit \"all (rules, version {version})\": a proof for bank of the last 600 s\n  \
                 permit \"line 2 (rules, version {version})\": a proof for bank by pin of the last 600 s\n  \
                 needs a proof for bank by pin of the last 600 s: missing"
            )
        );
        let forbids = rules(&format!("{BANK} @id(\"no\") forbid(principal, action, resource);"));
        let version = forbids.version();
        assert_eq!(
            explained(&forbids).await,
            format!(
                "refused: denied\n  forbid \"no (rules, version {version})\": nothing would do"
            )
        );
        let silent = rules("forbid(principal == User::\"bob\", action, resource);");
        let version = silent.version();
        assert_eq!(
            explained(&silent).await,
            format!(
                "refused: denied\n  forbid \"no policy (rules, version {version})\": nothing would do"
            )
        );
    }
}
