use std::sync::Arc;

use serde_json::Value;

use crate::authority::ScriptedAuthority;
use crate::refusal::{Answer, Problem};
use crate::test_util::SettableClock;
use crate::{
    Check, FlowBody, Gate, GateBuilder, Identity, Pass, PlainRequest, Policy, Requirement,
    Timestamp, Verdict,
};

pub(super) const PIN: &str = "48151623";

/// A gate in front of a scripted authority, with all that a test turns.
pub(super) struct World {
    pub(super) authority: ScriptedAuthority,
    pub(super) clock: Arc<SettableClock>,
    pub(super) gate: Gate,
}

impl World {
    pub(super) fn new(authority: ScriptedAuthority) -> Self {
        Self::with(authority, |builder| builder)
    }

    pub(super) fn with(
        authority: ScriptedAuthority,
        set: impl FnOnce(GateBuilder) -> GateBuilder,
    ) -> Self {
        let clock = Arc::new(SettableClock::at(Timestamp::from_millis(1_000_000_000)));
        let builder = Gate::builder(authority.clone()).clock(Arc::clone(&clock));
        Self { authority, gate: set(builder).build().unwrap(), clock }
    }

    /// A request of `identity` to a route that takes what `policy` says.
    pub(super) async fn request(&self, identity: &Identity, policy: impl Policy) -> Outcome {
        self.request_with(identity, policy, &[]).await
    }

    pub(super) async fn request_with(
        &self,
        identity: &Identity,
        policy: impl Policy,
        headers: &[(&str, &str)],
    ) -> Outcome {
        let view = PlainRequest { method: "POST", path: "/", headers };
        let policy: Arc<dyn Policy> = Arc::new(policy);
        let check = self.gate.check(&policy, &view, Some(identity));
        let verdict = match check {
            Check::Done(verdict) => verdict,
            Check::Pending(pending) => pending.await,
        };
        match verdict {
            Verdict::Pass(Pass::Elevated(_) | Pass::Held(..)) => Outcome::Passed,
            Verdict::Pass(pass) => panic!("there is a requirement: {pass:?}"),
            Verdict::Refuse(refusal) => {
                Outcome::Refused(refusal.problem(), Said(refusal.into_answer()))
            }
        }
    }

    /// A request to a flow endpoint.
    pub(super) async fn endpoint(&self, identity: &Identity, request: &str, body: &str) -> Said {
        self.endpoint_with(identity, request, body, &[]).await
    }

    pub(super) async fn endpoint_with(
        &self,
        identity: &Identity,
        request: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Said {
        let (method, path) = request.split_once(' ').unwrap();
        let rest = path.strip_prefix("/step-up").unwrap();
        let headers = [headers, &[("content-type", "application/json")]].concat();
        let view = PlainRequest { method, path, headers: &headers };
        let asked = self.gate.flow_request(rest, &view, Some(identity));
        let body = FlowBody::Complete(body.to_owned().into());
        Said(self.gate.answer(asked, body).await)
    }
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Passed,
    Refused(Problem, Said),
}

impl Outcome {
    pub(super) fn problem(self) -> Problem {
        self.refused().0
    }

    pub(super) fn refused(self) -> (Problem, Said) {
        match self {
            Self::Passed => panic!("the request was let through"),
            Self::Refused(problem, said) => (problem, said),
        }
    }

    pub(super) fn has_passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// The path of the flow in a refusal.
    pub(super) fn flow(self) -> String {
        self.refused().1.json()["flow"]["url"].as_str().unwrap().to_owned()
    }
}

#[derive(Debug)]
pub(super) struct Said(Answer);

impl Said {
    pub(super) fn status(&self) -> u16 {
        self.0.status()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap()
    }

    pub(super) fn retry_after(&self) -> Option<u64> {
        let headers = self.0.headers();
        headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, it)| it.parse().unwrap())
    }
}

pub(super) fn alice() -> Identity {
    Identity::new("alice", "the session of alice")
}

pub(super) fn bank() -> Requirement {
    Requirement::system("bank")
}
