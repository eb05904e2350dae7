//! T26, T53: what neither trail nor log says, and what the log says of the trail.

use std::time::Duration;

use tracing::Level;

use super::trail::Trail;
use super::world::{World, bank};
use crate::audit::{Event, TracingAudit};
use crate::authority::{Accepted, MatchNumber, ScriptedAuthority, StartReply, Txn};
use crate::captured::Log;
use crate::policy::{Decision, Facts};
use crate::{Audit, Identity, Method, Operation, Requirement, SessionKey};

/// Whatever the gate gets to see that is nobody's business.
const SECRETS: [&str; 11] = [
    PIN,
    WRONG_PIN,
    "canary-txn",
    SESSION,
    RENEWED,
    "canary-cookie",
    "canary-bearer",
    "canary-header",
    "canary-agent",
    "canary-query",
    "canary-field",
];

#[tokio::test]
async fn nothing_secret_is_told_or_logged() {
    let (log, trail) = (Log::default(), Trail::default());
    let guard = tracing::subscriber::set_default(log.clone());
    let both = Both(trail.clone(), TracingAudit);
    let world = World::with(ScriptedAuthority::pin(PIN), |builder| builder.audit(both));
    every_kind_of_event(&world).await;
    drop(guard);

    let told = trail.take();
    let mut kinds: Vec<_> = told.iter().map(|told| told.kind.name()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 10, "{kinds:?}");
    let lines = log.lines();
    assert!(lines.iter().any(|(level, _)| *level == Level::DEBUG));
    assert_eq!(log.of("flexsecure::audit").len(), told.len());
    let texts = told.iter().flat_map(|told| [told.json.to_string(), told.debug.clone()]);
    let texts: Vec<_> = texts.chain(lines.into_iter().map(|(_, text)| text)).collect();
    assert!(texts.iter().filter(|text| text.contains("alice@canary")).count() > 20);
    let keys = [SESSION, RENEWED].map(|session| hexadecimal(&SessionKey::of(session)));
    for text in &texts {
        for secret in SECRETS.into_iter().chain(keys.iter().map(String::as_str)) {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        assert!(!words.any(|word| word == MATCH), "the match number is in {text}");
    }
}

#[tokio::test]
async fn what_somebody_has_to_look_into_is_a_warning() {
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    every_kind_of_event(&World::new(ScriptedAuthority::pin(PIN))).await;
    drop(guard);
    let lines = log.of("flexsecure::audit");
    let warnings: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::WARN).collect();
    let is_a_warning = |part: &str| warnings.iter().any(|(_, text)| text.contains(part));
    for part in [
        r#"problem="denied""#,
        r#"end="declined""#,
        r#"event="misconfigured""#,
        r#"revoked="user""#,
    ] {
        assert!(is_a_warning(part), "{part} in {lines:#?}");
    }
    for part in [r#"reason="missing""#, r#"end="authenticated""#, r#"revoked="session""#] {
        assert!(!is_a_warning(part), "{part}");
        assert!(lines.iter().any(|(level, text)| *level == Level::INFO && text.contains(part)));
    }
    assert!(lines[0].1.starts_with(r#"flexsecure::audit event="flow-opened" at=1000000000 "#));
}

#[tokio::test]
async fn a_line_stays_one_line_whatever_a_user_is_called() {
    let (world, trail) = Trail::of(ScriptedAuthority::pin(PIN));
    let eve = Identity::new("eve\n{\"event\":\"ended\"}\u{1b}[2J", "session");
    world.request(&eve, bank()).await.flow();
    for told in trail.take() {
        assert!(!told.json.to_string().contains(|c: char| c.is_control()));
        assert!(!told.debug.contains(|c: char| c.is_control()));
    }
}

/// Does all that leaves a trail, with secrets in all that it may not have.
async fn every_kind_of_event(world: &World) {
    let alice = Identity::new("alice@canary", SESSION);
    let headers = [
        ("cookie", "session=canary-cookie"),
        ("authorization", "Bearer canary-bearer"),
        ("x-secret", "canary-header"),
        ("user-agent", "canary-agent"),
    ];
    let with_pin = |pin| [&headers[..], &[("flexsecure-pin", pin)]].concat();
    let transfer = || {
        let operation = Operation::new("Transfer").field("iban", "canary-field");
        bank().single_use().operation(operation)
    };
    let told = Accepted::default()
        .txn(Txn::new("canary-txn"))
        .match_number(MatchNumber::parse(MATCH).unwrap());
    world.authority.push_start(StartReply::Accepted(told.clone().method(Method::Pin)));
    let flow = world.request_with(&alice, transfer(), &headers).await.flow();
    world.clock.advance(Duration::from_secs(2));
    world.endpoint_with(&alice, &format!("GET {flow}?canary-query"), "", &headers).await;
    world.request_with(&alice, transfer(), &with_pin(WRONG_PIN)).await.problem();
    world.authority.push_pin_check(crate::authority::CheckReply::Authenticated);
    assert!(world.request_with(&alice, transfer(), &with_pin(PIN)).await.has_passed());

    world.authority.push_start(StartReply::Accepted(told.method(Method::Passwordless)));
    let vault = Requirement::system("vault");
    let flow = world.request_with(&alice, vault, &headers).await.flow();
    world.clock.advance(Duration::from_secs(2));
    world.authority.push_check(crate::authority::CheckReply::SecurityError {
        attempts_left: None,
        reason: Some(crate::authority::SecurityErrorReason::Declined),
    });
    world.endpoint_with(&alice, &format!("GET {flow}"), "", &headers).await;

    world.request_with(&alice, |_: &Facts<'_>| Decision::Deny, &headers).await.problem();
    watched(world, &alice, &headers).await;
    world.authority.push_start(StartReply::Misconfigured);
    world.request_with(&alice, Requirement::system("other"), &headers).await.problem();
    let renewed = Identity::new("alice@canary", RENEWED);
    world.gate.rebind(SESSION, &renewed).await.unwrap();
    world.gate.revoke_session(RENEWED).await.unwrap();
    world.gate.revoke_user("alice@canary").await.unwrap();
}

async fn watched(world: &World, alice: &Identity, headers: &[(&str, &str)]) {
    let policy: std::sync::Arc<dyn crate::Policy> =
        std::sync::Arc::new(crate::policy::Annotate::new(bank()));
    let request = crate::PlainRequest { method: "GET", path: "/?canary-query", headers };
    let crate::Check::Pending(pending) = world.gate.check(&policy, &request, Some(alice)) else {
        panic!("nothing is held")
    };
    let _ = pending.await;
}

fn hexadecimal(key: &SessionKey) -> String {
    key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug)]
struct Both(Trail, TracingAudit);

impl Audit for Both {
    fn record(&self, event: &Event<'_>) {
        self.0.record(event);
        self.1.record(event);
    }
}

const PIN: &str = "73519264";
const WRONG_PIN: &str = "64291537";
const MATCH: &str = "83";
const SESSION: &str = "canary-session";
const RENEWED: &str = "canary-renewed";
