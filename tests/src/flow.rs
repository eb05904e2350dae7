//! A flow as a client reads it, and what a client asks of it.

use serde_json::{Value, json};

use crate::client::{Answer, Client, Request};

/// The flow object of one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow(Value);

impl Answer {
    /// The flow of a request that is refused for `reason`.
    #[must_use]
    #[track_caller]
    pub fn refused(&self, reason: &str) -> Flow {
        self.assert_problem(401, "step-up-required");
        let problem = self.json();
        assert_eq!(problem["reason"], reason, "{self:?}");
        self.flow_within()
    }

    /// The flow inside a problem.
    #[must_use]
    #[track_caller]
    pub fn flow_within(&self) -> Flow {
        Flow::read(&self.json()["flow"])
    }

    /// The flow that is all of the body.
    #[must_use]
    #[track_caller]
    pub fn flow(&self) -> Flow {
        self.assert_status(200);
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        Flow::read(&self.json())
    }
}

impl Flow {
    /// The flow that would be called `id`.
    #[must_use]
    pub fn unknown(id: &str) -> Self {
        Self(json!({"id": id, "url": format!("/step-up/flows/{id}")}))
    }

    #[track_caller]
    fn read(object: &Value) -> Self {
        let flow = Self(object.clone());
        assert_eq!(flow.url(), format!("/step-up/flows/{}", flow.id()), "{object}");
        flow
    }

    /// Its name.
    #[must_use]
    #[track_caller]
    pub fn id(&self) -> &str {
        self.0["id"].as_str().unwrap_or_else(|| panic!("no flow: {}", self.0))
    }

    /// Its path.
    #[must_use]
    #[track_caller]
    pub fn url(&self) -> &str {
        self.0["url"].as_str().unwrap_or_else(|| panic!("no flow: {}", self.0))
    }

    /// Its path with `rest` behind.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.url())
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> &str {
        self.0["state"].as_str().unwrap_or_default()
    }

    /// A field that may be absent.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// How many PINs may still be tried.
    #[must_use]
    pub fn attempts_left(&self) -> Option<u64> {
        self.field("attempts_left").and_then(Value::as_u64)
    }

    /// The number to type on the approval page.
    #[must_use]
    #[track_caller]
    pub fn match_number(&self) -> &str {
        let number = self.0["match"].as_str().unwrap_or_else(|| panic!("no number: {}", self.0));
        assert_eq!(number.len(), 2, "{}", self.0);
        number
    }

    /// Fails unless its state is `state`.
    #[track_caller]
    pub fn assert_state(&self, state: &str) {
        assert_eq!(self.state(), state, "{}", self.0);
    }

    /// Fails unless the user can still answer it.
    #[track_caller]
    pub fn assert_live(&self) {
        assert!(matches!(self.state(), "started" | "polling"), "{}", self.0);
    }

    /// Fails unless it has ended over `over`.
    #[track_caller]
    pub fn assert_over(&self, over: &str) {
        self.assert_state("expired");
        assert_eq!(self.0["over"], over, "{}", self.0);
    }

    /// Submits `pin`.
    pub fn submit(&self, pin: &str) -> Request {
        Request::post(&self.path("/pin")).json(&json!({"pin": pin}))
    }

    /// Asks for a message, the first or another.
    pub fn start(&self) -> Request {
        Request::post(&self.path("/start"))
    }

    /// Cancels it.
    pub fn cancel(&self) -> Request {
        Request::new("DELETE", self.url())
    }

    /// How it stands.
    pub async fn status(&self, client: &Client) -> Self {
        client.peek(Request::get(self.url())).await.flow()
    }
}
