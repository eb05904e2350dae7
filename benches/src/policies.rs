//! What it costs to decide: the gate alone, with policies of each kind, for a request that passes.

use std::borrow::Cow;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::policy::cedar::CedarRules;
use flexsecure_core::policy::{Decision, Facts, OwnedFacts, Rules, any_of, asynchronous};
use flexsecure_core::{
    Check, Gate, Identity, Pass, PlainRequest, Policy, RequestView, Requirement, Verdict,
};
use tokio::runtime::{Builder, Runtime};

use crate::{gate, identity, requirement};

/// A request to decide about, and all that it takes.
pub struct Asked {
    gate: Gate,
    policy: Arc<dyn Policy>,
    identity: Identity,
    runtime: Runtime,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// The policies, by name: what each of them comes to is satisfied by the same elevation.
///
/// # Panics
///
/// If one of them cannot be made.
#[must_use]
pub fn all() -> Vec<(&'static str, Asked)> {
    vec![
        ("a requirement", fixed()),
        ("a closure", closure()),
        ("any of two requirements", either()),
        ("three rules above a floor", rules()),
        ("a policy that awaits", awaiting()),
        ("rules in Cedar", cedar()),
    ]
}

/// The same requirement for every request.
#[must_use]
pub fn fixed() -> Asked {
    asked(requirement())
}

/// A closure that gives it.
#[must_use]
pub fn closure() -> Asked {
    let requirement = requirement();
    asked(move |facts: &Facts<'_>| match facts.method() {
        "DELETE" => Decision::Deny,
        _ => Decision::require(requirement.clone()),
    })
}

/// One of two.
#[must_use]
pub fn either() -> Asked {
    asked(any_of([requirement().passwordless(), requirement()]))
}

/// A floor, and three rules of which one asks for more.
#[must_use]
pub fn rules() -> Asked {
    let minute = requirement().within(Duration::from_secs(60));
    asked(
        Rules::floor(requirement())
            .relax_when("health", |facts| facts.method() == "TRACE", requirement())
            .raise_when("reads", |facts| facts.method() == "GET", minute)
            .deny_when("deletes", |facts| facts.method() == "DELETE"),
    )
}

/// A future that is ready at once.
#[must_use]
pub fn awaiting() -> Asked {
    let requirement = requirement();
    asked(asynchronous(move |_: OwnedFacts| {
        let requirement = requirement.clone();
        async move { Ok::<_, std::io::Error>(Decision::require(requirement)) }
    }))
}

/// Two policies in Cedar, of which one is about the route and looks at the network.
///
/// # Panics
///
/// If they do not parse.
#[must_use]
pub fn cedar() -> Asked {
    let rules = CedarRules::builder().route("GET", ROUTE).system("bank").read_text(RULES).unwrap();
    asked(rules)
}

fn asked(policy: impl Policy) -> Asked {
    let requirement: Requirement = requirement();
    let asked = Asked {
        gate: gate(&requirement, &[identity()]),
        policy: Arc::new(policy),
        identity: identity(),
        runtime: Builder::new_current_thread().enable_time().build().unwrap(),
    };
    // The allocator and the runtime of a server that runs are warm.
    decide(decide(asked))
}

/// One decision; what it took is given back so that dropping it costs nothing here.
///
/// # Panics
///
/// If the request does not pass.
#[inline(never)]
#[must_use]
pub fn decide(asked: Asked) -> Asked {
    let headers = [("host", "bank.example"), ("accept", "application/json")];
    let request = PlainRequest { method: "GET", path: ROUTE, headers: &headers };
    let request = Routed(request);
    let verdict = match asked.gate.check(&asked.policy, &request, Some(&asked.identity)) {
        Check::Done(verdict) => verdict,
        Check::Pending(pending) => asked.runtime.block_on(pending),
    };
    assert!(matches!(black_box(verdict), Verdict::Pass(Pass::Elevated(_))));
    asked
}

/// A request of which the framework tells route and address.
struct Routed<'a>(PlainRequest<'a>);

impl RequestView for Routed<'_> {
    fn method(&self) -> &str {
        self.0.method()
    }

    fn path(&self) -> &str {
        self.0.path()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.0.headers(show);
    }

    fn matched_route(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(ROUTE))
    }

    fn peer(&self) -> Option<IpAddr> {
        Some([192, 0, 2, 7].into())
    }
}

const ROUTE: &str = "/statements";

const RULES: &str = r#"
@id("statements")
@system("bank")
@max_age("5m")
permit(principal, action == Action::"GET /statements", resource)
when { context has network && context.network.isInRange(ip("192.0.2.0/24")) };

@id("elsewhere")
forbid(principal, action, resource)
unless { context has network };
// end
"#;
