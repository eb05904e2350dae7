//! Session cookies, on both frameworks.

use crate::browser::Browser;
use crate::program::{ASKED, NOBODY, Program, told, wrong};

const BOTH: [&str; 2] = [env!("CARGO_BIN_EXE_login-axum"), env!("CARGO_BIN_EXE_login-actix")];

fn shown(user: &str, method: &str) -> String {
    format!("200 recovery codes of {user}, shown by {method}: 4815-1623, 4242-1516\n")
}

#[tokio::test]
async fn each_login_proves_for_itself_and_until_its_logout() {
    for binary in BOTH {
        let program = Program::start(binary).await;
        let mut alice = Browser::of(&program);
        assert_eq!(alice.codes().await, NOBODY);
        alice.log_in("alice").await;
        assert!(told(alice.get("/account").await).await.contains("This is alice"));
        alice.prove(&program).await;
        for _ in 0..2 {
            assert_eq!(alice.codes().await, shown("alice", "pin"));
        }

        let mut elsewhere = Browser::of(&program);
        elsewhere.log_in("alice").await;
        assert_eq!(elsewhere.codes().await, ASKED);

        let mut copied = alice.clone();
        alice.log_out().await;
        assert_eq!(alice.codes().await, NOBODY);
        assert!(!copied.codes().await.starts_with("200"), "the proof outlives the logout");
        alice.log_in("alice").await;
        assert_eq!(alice.codes().await, ASKED);
        program.terminate().await;
    }
}

#[tokio::test]
async fn one_user_after_another_in_the_same_browser_proves_anew() {
    for binary in BOTH {
        let program = Program::start(binary).await;
        let mut browser = Browser::of(&program);
        browser.log_in("alice").await;
        browser.prove(&program).await;
        assert_eq!(browser.codes().await, shown("alice", "pin"));
        let copied = browser.clone();

        browser.log_in("bob").await;
        let flow = browser.flow().await;
        assert_eq!(flow["method"], "passwordless");
        program.approve(flow["match"].as_str().unwrap()).await;
        let url = flow["url"].as_str().unwrap();
        assert_eq!(told(browser.get(url).await).await.split(' ').next(), Some("200"));
        assert_eq!(browser.codes().await, shown("bob", "passwordless"));

        browser.log_in("alice").await;
        assert_eq!(browser.codes().await, ASKED);
        assert_eq!({ copied }.codes().await, ASKED);
        assert_eq!(told(browser.get(url).await).await, "404 flow-not-found");
        program.terminate().await;
    }
}

/// Even if the other user has proved nothing, which would have replaced what the first one had.
#[tokio::test]
async fn a_user_who_comes_back_to_the_browser_proves_anew() {
    for binary in BOTH {
        let program = Program::start(binary).await;
        let mut browser = Browser::of(&program);
        browser.log_in("alice").await;
        browser.prove(&program).await;
        browser.log_in("bob").await;
        browser.log_in("alice").await;
        assert_eq!(browser.codes().await, ASKED);
        program.terminate().await;
    }
}

#[tokio::test]
async fn a_flow_is_of_the_login_that_opened_it() {
    for binary in BOTH {
        let program = Program::start(binary).await;
        let (mut alice, mut elsewhere) = (Browser::of(&program), Browser::of(&program));
        alice.log_in("alice").await;
        elsewhere.log_in("alice").await;
        let url = format!("{}/pin", alice.flow().await["url"].as_str().unwrap());
        let pin = program.pin().await;
        let typed = elsewhere.post(&url, &[("pin", &pin)]).await;
        assert_eq!(told(typed).await, "404 flow-not-found");
        let typed = alice.post(&url, &[("pin", &wrong(&pin))]).await;
        assert_eq!(told(typed).await, "403 pin-rejected");
        assert_eq!(alice.codes().await, ASKED);
        assert_eq!(alice.post(&url, &[("pin", &pin)]).await.status(), 200);
        assert_eq!(
            (alice.codes().await, elsewhere.codes().await),
            (shown("alice", "pin"), ASKED.to_owned())
        );
        program.terminate().await;
    }
}

#[tokio::test]
async fn who_does_not_exist_cannot_log_in() {
    for binary in BOTH {
        let program = Program::start(binary).await;
        let mut eve = Browser::of(&program);
        assert_eq!(eve.post("/login", &[("user", "eve")]).await.status(), 403);
        assert_eq!(eve.codes().await, NOBODY);
        assert!(eve.get("/account").await.status().as_u16() != 200);
        program.terminate().await;
    }
}
