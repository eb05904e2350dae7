use std::sync::Arc;

use crate::authority::ScriptedAuthority;
use crate::{BuildError, Check, Gate, Identity, PlainRequest, Policy, Requirement, Verdict};

/// The challenges that a program gets which holds no proof.
async fn challenges(gate: &Gate, identity: Option<&Identity>) -> Vec<String> {
    let request = PlainRequest { method: "GET", path: "/", headers: &[] };
    let policy: Arc<dyn Policy> = Arc::new(Requirement::system("bank"));
    let verdict = match gate.check(&policy, &request, identity) {
        Check::Done(verdict) => verdict,
        Check::Pending(pending) => pending.await,
    };
    let Verdict::Refuse(refusal) = verdict else { panic!("it was let through") };
    let headers = refusal.answer().headers().iter();
    headers.filter(|(name, _)| *name == "www-authenticate").map(|(_, it)| it.clone()).collect()
}

#[tokio::test]
async fn clients_of_oauth_are_challenged_by_a_gate_that_is_told_to_and_for_a_proof_alone() {
    let alice = Identity::new("alice", "session");
    let gate = |builder: fn(crate::GateBuilder) -> crate::GateBuilder| {
        builder(Gate::builder(ScriptedAuthority::pin("48151623"))).build().unwrap()
    };
    let plain = gate(|builder| builder);
    assert_eq!(challenges(&plain, Some(&alice)).await.len(), 1);

    let bearer = gate(|builder| builder.bearer("urn:bank:2 phr"));
    let [own, other] = &*challenges(&bearer, Some(&alice)).await else { panic!("not two") };
    assert!(own.starts_with("FlexSecure error="), "{own}");
    assert!(other.starts_with("Bearer error=\"insufficient_user_authentication\""), "{other}");
    assert!(other.contains(", acr_values=\"urn:bank:2 phr\", max_age=\""), "{other}");
    assert_eq!(challenges(&bearer, None).await.len(), 1, "a token is not what is missing");
}

#[test]
fn values_that_a_header_could_not_hold_are_no_setting() {
    for acr_values in ["", "a  b", " a", "a\"", "a\r\nset-cookie: b=c"] {
        let built = Gate::builder(ScriptedAuthority::pin("48151623")).bearer(acr_values).build();
        let expected = BuildError::AcrValues { acr_values: acr_values.to_owned() };
        assert_eq!(built.err().unwrap().to_string(), expected.to_string(), "{acr_values:?}");
    }
}
