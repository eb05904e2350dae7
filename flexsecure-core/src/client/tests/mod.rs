//! The client against servers that mean it no good; with real ones it is tested where the banks are.

mod answers;
mod origin;
mod pace;
mod server;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use self::server::{Answer, Request, Server, answer};
use super::{Challenge, ClientError, Prompt, StepUpClient};
use crate::pin::Pin;

const ID: &str = "0123456789abcdef0123456789abcdef";
const FLOW: &str = "/step-up/flows/0123456789abcdef0123456789abcdef";
const PROBLEM: &str = "content-type: application/problem+json\r\n";

/// A user who always has a PIN to give, and patience for a number of news.
#[derive(Clone, Default)]
struct User(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    pins: Vec<Challenge>,
    news: Vec<Challenge>,
    impatient: bool,
    has_no_pin: bool,
}

#[async_trait]
impl Prompt for User {
    async fn pin(&self, challenge: &Challenge) -> Option<Pin> {
        let mut seen = self.0.lock().unwrap();
        seen.pins.push(challenge.clone());
        (!seen.has_no_pin).then(|| Pin::parse("48151623").unwrap())
    }

    fn waiting(&self, challenge: &Challenge) -> ControlFlow<()> {
        let mut seen = self.0.lock().unwrap();
        seen.news.push(challenge.clone());
        if seen.impatient { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl User {
    fn pins(&self) -> usize {
        self.0.lock().unwrap().pins.len()
    }

    fn news(&self) -> usize {
        self.0.lock().unwrap().news.len()
    }

    fn client(&self) -> StepUpClient {
        StepUpClient::new(reqwest::Client::builder().no_proxy(), self.clone()).unwrap()
    }

    /// What comes of `GET /balance` with credentials.
    async fn get(&self, server: &Server) -> Result<reqwest::Response, ClientError> {
        let client = self.client();
        let request = client
            .http()
            .get(server.url("/balance"))
            .header("authorization", "Bearer token")
            .header("cookie", "session=alice")
            .header("x-other", "of no concern");
        let sent = client.send(request.build().unwrap());
        tokio::time::timeout(Duration::from_secs(30), sent).await.expect("it ends")
    }
}

/// A flow object with `fields` beside the ones that are always there.
fn flow(state: &str, fields: &str) -> String {
    format!("{{\"id\":\"{ID}\",\"url\":\"{FLOW}\",\"state\":\"{state}\"{fields}}}")
}

/// A problem with `flow`.
fn problem(status: u16, name: &str, headers: &str, flow: &str) -> Answer {
    let body = format!(
        "{{\"type\":\"urn:flexsecure:problem:{name}\",\"status\":{status},\"reason\":\"missing\",\
         \"system\":\"bank\",\"operation\":\"Read\\u001b[2J\\u202eall\",\"flow\":{flow}}}"
    );
    answer(status, &format!("{PROBLEM}{headers}"), &body)
}

fn refusal(flow: &str) -> Answer {
    problem(401, "step-up-required", "", flow)
}

fn ok(flow: &str) -> Answer {
    answer(200, "content-type: application/json\r\n", flow)
}

fn is_last(heard: &[Request], line: &str) -> bool {
    heard.last().is_some_and(|request| request.line == line)
}

fn times(heard: &[Request], line: &str) -> usize {
    heard.iter().filter(|request| request.line == line).count()
}
