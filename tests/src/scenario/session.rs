//! Elevations belong to one login of one user (T03, T04, T05).

use serde_json::json;

use super::alice_with_statements;
use crate::client::Request;
use crate::subject::{Launch, Subject, login};

/// A session cookie is all that a login gives, and a logout takes it back.
pub async fn a_login_gives_a_cookie_that_a_logout_takes_back(bank: &Subject) {
    let mut alice = bank.stranger();
    let answer = alice.post("/login", &json!({"user": "alice"})).await.with(204);
    let cookie = answer.header("set-cookie").expect("a cookie").to_ascii_lowercase();
    assert!(cookie.contains("httponly"), "{cookie}");
    assert!(cookie.contains("samesite="), "{cookie}");
    let balance = alice.get("/balance").await.with(200).json();
    assert_eq!(balance["user"], "alice");
    assert!(balance.get("balance").is_some(), "{balance}");
    alice.send(Request::post("/logout")).await.assert_status(204);
    alice.get("/balance").await.assert_problem(401, "identification-required");
}

/// The page of the bank posts a form, and is led back.
pub async fn a_login_by_form_leads_back_to_the_front_page(bank: &Subject) {
    let mut bob = bank.stranger();
    let answer = bob.send(Request::post("/login").form(&[("user", "bob")])).await.with(303);
    assert_eq!(answer.header("location"), Some("/"));
    assert_eq!(bob.get("/balance").await.with(200).json()["user"], "bob");
}

/// There are three users.
pub async fn an_unknown_user_cannot_log_in(bank: &Subject) {
    let mut mallory = bank.stranger();
    mallory.post("/login", &json!({"user": "mallory"})).await.assert_status(401);
    assert!(mallory.cookies().is_empty());
}

/// Whatever takes a login says so before anything else, and sends nothing (F60).
pub async fn nothing_is_told_or_sent_to_who_is_not_logged_in(bank: &Subject) {
    let stranger = bank.stranger();
    let body = json!({"to": "bob", "amount": 250});
    for request in [
        Request::get("/balance"),
        Request::get("/statements"),
        Request::get("/transfers"),
        Request::post("/transfers").json(&body),
        Request::post("/transfers").json(&json!({"to": "bob", "amount": 1})),
        Request::get("/admin/users"),
        Request::post("/admin/freeze").json(&json!({"user": "bob"})),
        Request::new("DELETE", "/admin/users/bob"),
        Request::get("/probe?path=/statements"),
    ] {
        let answer = stranger.peek(request.clone()).await;
        answer.assert_problem(401, "identification-required");
        let challenge = answer.header("www-authenticate").expect("a challenge (RFC 9110)");
        assert!(challenge.starts_with("FlexSecure error="), "{request:?}: {challenge}");
        assert!(answer.json().get("flow").is_none(), "{answer:?}");
    }
    assert_eq!(bank.message_count().await, 0);
    stranger.peek(Request::get("/healthz")).await.assert_status(200);
}

/// T05: a cookie that the bank did not sign is none.
pub async fn a_forged_cookie_identifies_nobody(bank: &Subject) {
    let alice = bank.login("alice").await;
    let other_user = |value: &str| value.replace("alice", "carol");
    let other_session = |value: &str| {
        let (rest, last) = value.split_at(value.len() - 1);
        format!("{rest}{}", if last == "0" { "1" } else { "0" })
    };
    let unsigned = |value: &str| value.rsplit('=').next().unwrap_or_default().to_owned();
    let garbled = |value: &str| value.chars().rev().collect();
    for forge in [&other_user as &dyn Fn(&str) -> String, &other_session, &unsigned, &garbled] {
        let mut forger = alice.clone();
        forger.tamper(forge);
        assert_ne!(forger.cookies(), alice.cookies());
        forger.get("/balance").await.assert_problem(401, "identification-required");
    }
}

/// T04: the proof ends with the session, even for who has kept the cookie.
pub async fn a_logout_revokes_what_the_session_held(bank: &Subject) {
    let mut alice = alice_with_statements(bank).await;
    let mut thief = alice.clone();
    alice.send(Request::post("/logout")).await.assert_status(204);
    thief.get("/statements").await.assert_status(401);
    login(&mut alice, "alice").await;
    alice.get("/statements").await.assert_status(401);
}

/// T04: a logout ends what has begun, too.
pub async fn a_flow_does_not_outlive_the_logout(bank: &Subject) {
    let mut alice = bank.login("alice").await;
    let kept = alice.clone();
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.send(Request::post("/logout")).await.assert_status(204);
    kept.peek(flow.submit(&pin)).await.assert_status(404);
    login(&mut alice, "alice").await;
    alice.send(flow.submit(&pin)).await.assert_problem(404, "flow-not-found");
    alice.get("/statements").await.assert_status(401);
}

/// T03, T04: the next user of the same browser is asked again.
pub async fn another_user_of_the_same_browser_is_asked_again(bank: &Subject) {
    let mut browser = alice_with_statements(bank).await;
    login(&mut browser, "bob").await;
    let flow = browser.get("/statements").await.refused("missing");
    assert_eq!(flow.field("method"), Some(&json!("passwordless")));
}

/// T03: another session of the same user is asked again.
pub async fn another_session_of_the_same_user_is_asked_again(bank: &Subject) {
    let _elevated = alice_with_statements(bank).await;
    let mut elsewhere = bank.login("alice").await;
    let _flow = elsewhere.get("/statements").await.refused("missing");
}

/// Banks that share `BANK_SECRET` are nodes of one bank, whatever they are made of.
pub async fn nodes_that_share_a_secret_serve_each_others_sessions(one: &Launch, other: &Launch) {
    let secret = "a secret that is long enough for any key, and then some more of it for good luck";
    let one = one.clone().set("BANK_SECRET", secret).start().await;
    let authority = one.authority().clone();
    let other = other.clone().set("BANK_SECRET", secret);
    let other = other.with_authority(authority.address, &authority.key).start().await;

    let alice = one.login("alice").await;
    let balance = alice.at(other.address()).get("/balance").await.with(200).json();
    assert_eq!(balance["user"], "alice");
    let bob = other.login("bob").await;
    assert_eq!(bob.at(one.address()).get("/balance").await.with(200).json()["user"], "bob");
}

/// Banks that do not share it are not.
pub async fn nodes_with_secrets_of_their_own_do_not(one: &Launch, other: &Launch) {
    let (one, other) = (one.start().await, other.start().await);
    let alice = one.login("alice").await;
    let answer = alice.at(other.address()).get("/balance").await;
    answer.assert_problem(401, "identification-required");
}
