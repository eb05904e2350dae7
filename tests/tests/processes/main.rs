//! Real processes that are killed, ended, cut off, or told a wrong time.
//!
//! Counted are the messages that were sent, the approvals that were lost, and who came through a door
//! without a proof.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that fails should fail loudly, at the line that says why"
)]
#![expect(clippy::print_stdout, reason = "with --nocapture a test says what it has measured")]

mod cut_off;
mod ended;
mod killed;
mod wrong_time;

use std::time::Duration;

use flexsecure_conformance::client::{Answer, Request};
use flexsecure_conformance::cluster::Node;
use flexsecure_conformance::cluster::authority::Authority;
use flexsecure_conformance::cluster::redis::Redis;
use flexsecure_conformance::counts::Bearer;
use flexsecure_conformance::flow::Flow;
use flexsecure_conformance::subject::Launch;
use flexsecure_core::Method;

/// Two nodes with a store and an authority of their own.
struct Pair {
    first: Node,
    second: Node,
    authority: Authority,
    redis: Redis,
}

impl Pair {
    /// Of the frameworks named, with a store that forgets when it ends.
    async fn start(first: &str, second: &str) -> Self {
        Self::of(&counter(first), &counter(second), Redis::start().await, &users()).await
    }

    async fn of(first: &Launch, second: &Launch, redis: Redis, users: &[(&str, Method)]) -> Self {
        let authority = Authority::start(users).await;
        let to = (authority.address(), authority.key());
        let (first, second) = tokio::join!(
            Node::start(first, to, redis.address()),
            Node::start(second, to, redis.address()),
        );
        for node in [&first, &second] {
            let request = Request::get("/doors/bank").header("sec-fetch-site", "cross-site");
            let answer = until_there(&node.subject.bearer("nobody.0"), request).await;
            answer.assert_problem(401, "step-up-required");
        }
        Self { first, second, authority, redis }
    }

    /// The user of `flow` clicks.
    async fn approve(&self, user: &str, flow: &Flow) {
        let link = self.authority.newest_to(user).await.link();
        link.approve(flow.match_number()).await.assert_status(200);
    }
}

/// What is answered once the store is: a machine that is busy can take longer than a second for it.
async fn until_there(user: &Bearer, request: Request) -> Answer {
    loop {
        let answer = user.send(request.clone()).await;
        if answer.status != 503 {
            return answer;
        }
        answer.assert_problem(503, "store-unavailable");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Doors that count, on `framework`.
fn counter(framework: &str) -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_counter")).set("ADAPTER", framework)
}

fn users() -> [(&'static str, Method); 2] {
    [("alice", Method::Pin), ("bob", Method::Passwordless)]
}

/// Runs each on both frameworks, with the other as the second node.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod axum {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test("axum", "actix").await;
            })*
        }

        mod actix {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test("actix", "axum").await;
            })*
        }
    };
}

use on_both;
