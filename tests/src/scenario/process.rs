//! The process itself (T26, F60).

use super::transfer;
use crate::client::Request;
use crate::legacy::{Legacy, Variant, Verb};
use crate::subject::Launch;

/// F60: a server that is asked to end answers who waits, and ends well.
pub async fn a_server_that_is_asked_to_end_answers_who_waits(launch: &Launch) {
    let legacy = Legacy::start(Variant::default()).await;
    let bank = launch.clone().with_legacy(&legacy).start().await;
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let waiting = tokio::spawn(async move { bob.send(Request::get(flow.url()).wait(30)).await });
    // Only for somebody who waits is the authority asked.
    legacy.called(Verb::Check, 1).await;
    bank.terminate().await;
    waiting.await.expect("an answer").flow().assert_live();
    let status = bank.ended().await;
    assert!(status.success(), "{status}");
}

/// T26, T53: whatever is logged, no secret is in it.
pub async fn no_secret_is_in_the_log(launch: &Launch) {
    let bank = launch.clone().set("RUST_LOG", "trace").start().await;
    let mut alice = bank.login("alice").await;
    let flow = alice.send(transfer("bob", 250)).await.refused("missing");
    let pin = bank.newest_pin().await;
    let mut secrets = vec![("PIN", pin.clone()), ("key", bank.authority().key.clone())];
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.send(transfer("bob", 250)).await.assert_status(201);
    let mut bob = bank.login("bob").await;
    let flow = bob.get("/statements").await.refused("missing");
    let link = bank.newest_link().await;
    secrets.push(("link", link.token().to_owned()));
    link.approve(flow.match_number()).await.assert_status(200);
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    for client in [&alice, &bob] {
        secrets.extend(client.cookies().iter().map(|(_, value)| ("cookie", value.clone())));
    }
    bank.terminate().await;
    let output = bank.output();
    for line in output.iter().filter(|line| !line.starts_with("authority on ")) {
        for (name, secret) in &secrets {
            assert!(!line.contains(secret), "the {name} is in the log: {line}");
        }
    }
}
