use std::panic::Location;

use serde_json::json;

use super::{Browser, Settings};
use crate::client::Client;
use crate::subject::{Launch, Subject};

/// A bank, and somebody in front of a browser.
#[derive(Debug)]
pub struct Visit {
    /// The bank.
    pub bank: Subject,
    /// The browser.
    pub browser: Browser,
}

/// Starts a bank and a browser.
pub async fn start(launch: &Launch, settings: &Settings) -> Visit {
    let (bank, browser) = tokio::join!(launch.start(), Browser::start(settings));
    Visit { bank, browser }
}

impl Visit {
    /// The whole address of `path`.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.bank.address())
    }

    /// Goes to a page of the bank.
    pub async fn open(&self, path: &str) {
        self.browser.open(&self.at(path)).await;
    }

    /// Gives the browser the cookies of somebody who has just logged in as `user`.
    pub async fn log_in(&self, user: &str) -> Client {
        let client = self.bank.login(user).await;
        for (name, value) in client.cookies() {
            let cookie = json!({
                "url": self.at("/"), "name": name, "value": value,
                "httpOnly": true, "sameSite": "Lax",
            });
            self.browser.cdp("Network.setCookie", cookie).await;
        }
        client
    }

    /// The flow that the page is about, once its state is `state`.
    #[track_caller]
    pub fn flow_in(&self, state: &str) -> impl Future<Output = String> {
        let main = format!("main#step-up[data-state={state}]");
        let caller = Location::caller();
        async move {
            self.browser.find_for(&main, caller).await;
            let url = self.browser.attribute(&main, "data-url").await;
            url.expect("the page names its flow")
        }
    }

    /// Types the newest PIN and sends it.
    pub async fn type_pin(&self) {
        let pin = self.bank.newest_pin().await;
        self.browser.press("#pin", &pin).await;
        self.browser.click("#pin-form button").await;
    }

    /// Approves the newest link elsewhere, with the number that the page shows.
    pub async fn approve(&self) {
        let number = self.browser.text("#match").await;
        self.bank.newest_link().await.approve(&number).await.assert_status(200);
    }

    /// Ends it, and fails if a page has broken its own policy meanwhile.
    pub async fn end(self) {
        let violations = self.browser.policy_violations().await;
        assert!(violations.is_empty(), "{violations:#?}");
        self.browser.close().await;
    }
}
