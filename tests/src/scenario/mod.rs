//! What has to hold, one sentence a function.
//!
//! Whether something ran without a proof is read from `GET /transfers` or from a protected answer,
//! never from a status code alone.

pub mod admin;
pub mod binding;
pub mod browser;
pub mod bypass;
pub mod cross_site;
pub mod crowd;
pub mod endpoint;
pub mod foreign;
pub mod grpc;
pub mod holding;
pub mod lifecycle;
pub mod link;
pub mod matrix;
pub mod operation;
pub mod outage;
pub mod pin;
pub mod pin_header;
pub mod pin_input;
pub mod probe;
pub mod process;
pub mod pseudo;
pub mod refusal;
pub mod replay;
pub mod script;
pub mod session;
pub mod smuggling;
pub mod transfer;
pub mod v1;
pub mod v1_fault;
pub mod v1_flow;

use serde_json::{Value, json};

use crate::client::{Client, Request};
use crate::subject::Subject;

/// The transfer that most scenarios are about.
pub fn transfer(to: &str, amount: impl Into<Value>) -> Request {
    Request::post("/transfers").json(&json!({"to": to, "amount": amount.into()}))
}

/// The amounts of what has really been done for the user.
pub async fn done(client: &Client) -> Vec<String> {
    let list = client.peek(Request::get("/transfers")).await.with(200).json();
    let amount = |transfer: &Value| transfer["amount"].as_str().expect("an amount").to_owned();
    list.as_array().expect("a list").iter().map(amount).collect()
}

/// `alice`, who has just proved by PIN that she may see her statements.
pub async fn alice_with_statements(bank: &Subject) -> Client {
    let mut alice = bank.login("alice").await;
    let flow = alice.get("/statements").await.refused("missing");
    let pin = bank.newest_pin().await;
    alice.send(flow.submit(&pin)).await.flow().assert_state("authenticated");
    alice.get("/statements").await.assert_status(200);
    alice
}
