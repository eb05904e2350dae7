//! One long story of requests, for subjects that have to answer alike to the byte.

use serde_json::json;

use super::transfer;
use crate::client::{Answer, Client, Request};
use crate::flow::Flow;
use crate::inbox::{wrong, wrong_match};
use crate::masking::Mask;
use crate::subject::{Subject, login};

/// What was asked and what was answered, with placeholders where subjects must differ.
#[derive(Debug)]
pub struct Story {
    mask: Mask,
    entries: Vec<(String, String)>,
}

impl Story {
    /// Plays the story with `bank`.
    pub async fn play(bank: &Subject) -> Self {
        let mut story = Self { mask: Mask::default(), entries: Vec::new() };
        story.mask.learn(&bank.address().to_string(), "bank");
        story.mask.learn(&bank.authority().address.to_string(), "authority");
        story.strangers(bank).await;
        story.pins(bank).await;
        story.endpoints(bank).await;
        story.links(bank).await;
        story.browsers(bank).await;
        story.refusals(bank).await;
        story.sessions(bank).await;
        story
    }

    /// Each request in words, and its answer.
    #[must_use]
    pub fn entries(&self) -> &[(String, String)] {
        &self.entries
    }

    async fn strangers(&mut self, bank: &Subject) {
        let mut nobody = bank.stranger();
        for path in [
            "/",
            "/healthz",
            "/balance",
            "/statements",
            "/transfers",
            "/admin/users",
            "/admin/zzz",
            "/probe?path=/statements",
            "/step-up/flows/0",
            "/step-up/step-up.css",
            "/step-up/step-up.js",
            "/step-up/logo",
            "/step-up/zzz",
            "/step-up",
            "/step-up/",
            "/zzz",
            "/login",
            "/rotate",
            "/password",
        ] {
            for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"] {
                self.ask(&mut nobody, Request::new(method, path)).await;
                self.ask(&mut nobody, Request::new(method, path).navigate()).await;
            }
        }
        self.ask(&mut nobody, Request::post("/login").json(&json!({"user": "mallory"}))).await;
        self.ask(&mut nobody, Request::post("/login").json(&json!({"name": "alice"}))).await;
        self.ask(&mut nobody, Request::post("/login").body("application/json", "{")).await;
        self.ask(&mut nobody, Request::post("/login").body("text/plain", "alice")).await;
        self.ask(&mut nobody, Request::post("/logout")).await;
        self.ask(&mut nobody, Request::post("/login").form(&[("user", "bob")])).await;
        self.ask(&mut nobody, Request::post("/logout")).await;
        self.ask(&mut nobody, Request::get("/balance")).await;
    }

    async fn pins(&mut self, bank: &Subject) {
        let mut alice = bank.stranger();
        self.ask(&mut alice, Request::post("/login").json(&json!({"user": "alice"}))).await;
        self.ask(&mut alice, Request::get("/balance")).await;
        self.ask(&mut alice, Request::get("/")).await;
        for amount in [json!(0), json!("x"), json!("1.234"), json!(null), json!(5), json!(20_000)] {
            self.ask(&mut alice, transfer("bob", amount)).await;
        }
        for body in ["", "{", "[]", "{\"to\":\"bob\"}"] {
            self.ask(&mut alice, Request::post("/transfers").body("application/json", body)).await;
            self.ask(&mut alice, Request::post("/transfers").body("text/plain", body)).await;
        }
        self.ask(&mut alice, Request::post("/transfers").form(&[("to", "bob")])).await;
        let large = "x".repeat(3 << 20);
        self.ask(&mut alice, Request::post("/transfers").body("application/json", large)).await;
        let flow = self.ask(&mut alice, transfer("bob", 250)).await.flow_within();
        let pin = bank.newest_pin().await;
        self.mask.learn(&pin, "PIN");
        self.mask.learn(&wrong(&pin), "wrong PIN");
        for answer in [&*wrong(&pin), "1234", &pin] {
            self.ask(&mut alice, flow.submit(answer)).await;
        }
        for _ in 0..2 {
            self.ask(
                &mut alice,
                Request::get("/probe?path=/transfers&method=POST&to=bob&amount=250"),
            )
            .await;
            self.ask(&mut alice, transfer("bob", 250)).await;
        }
        self.ask(&mut alice, transfer("bob", 251)).await;
        self.ask(&mut alice, Request::get("/transfers")).await;
        self.ask(&mut alice, Request::get(flow.url())).await;
        self.ask(&mut alice, Request::get(flow.url()).navigate()).await;
        self.ask(&mut alice, flow.cancel()).await;
    }

    async fn endpoints(&mut self, bank: &Subject) {
        let mut alice = bank.stranger();
        login(&mut alice, "alice").await;
        let flow = self.ask(&mut alice, Request::get("/admin/users")).await.flow_within();
        let pin = bank.newest_pin().await;
        self.mask.learn(&wrong(&pin), "wrong PIN");
        for rest in ["", "/start", "/pin", "/zzz", "/"] {
            for method in ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "TRACE"] {
                self.ask(&mut alice, Request::new(method, &flow.path(rest))).await;
            }
        }
        let path = flow.path("/pin");
        for body in ["", "{", "{\"pin\":1}", "{\"pin\":null}"] {
            self.ask(&mut alice, Request::post(&path).body("application/json", body)).await;
            self.ask(&mut alice, Request::post(&path).body("text/plain", body)).await;
        }
        self.ask(&mut alice, Request::post(&path).untyped("pin")).await;
        self.ask(&mut alice, Request::post(&path).form(&[("pin", "12")]).navigate()).await;
        let large = "x".repeat(17 * 1024);
        self.ask(&mut alice, Request::post(&path).body("application/json", large)).await;
        self.ask(&mut alice, flow.start()).await;
        self.ask(&mut alice, flow.start().header("origin", "http://evil.example")).await;
        self.ask(&mut alice, flow.start().navigate()).await;
        let header = Request::get("/admin/users").header("flexsecure-pin", "abc");
        self.ask(&mut alice, header).await;
        for _ in 0..5 {
            self.ask(&mut alice, flow.submit(&wrong(&pin))).await;
        }
        self.ask(&mut alice, Request::get(flow.url())).await;
        self.ask(&mut alice, Request::get(flow.url()).navigate()).await;
        self.ask(&mut alice, flow.submit(&pin)).await;
    }

    async fn links(&mut self, bank: &Subject) {
        let mut bob = bank.stranger();
        login(&mut bob, "bob").await;
        let flow = self.ask(&mut bob, Request::get("/statements")).await.flow_within();
        let link = bank.newest_link().await;
        self.ask(&mut bob, Request::get(flow.url())).await;
        self.ask(&mut bob, Request::get(flow.url()).navigate()).await;
        self.ask(&mut bob, flow.submit("48151623")).await;
        link.approve(flow.match_number()).await.assert_status(200);
        self.ask(&mut bob, Request::get(flow.url()).wait(30)).await;
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            self.ask(&mut bob, Request::new(method, "/statements")).await;
        }
        let flow = self.ask(&mut bob, transfer("alice", 300)).await.flow_within();
        let link = bank.newest_link().await;
        link.approve(wrong_match(flow.match_number())).await.assert_status(200);
        self.ask(&mut bob, Request::get(flow.url()).wait(30)).await;
        self.ask(&mut bob, flow.start()).await;
        let flow = self.ask(&mut bob, transfer("alice", 400)).await.flow_within();
        self.ask(&mut bob, flow.cancel()).await;
        self.ask(&mut bob, flow.cancel()).await;
    }

    async fn browsers(&mut self, bank: &Subject) {
        let mut alice = bank.stranger();
        login(&mut alice, "alice").await;
        let cross = |request: Request| request.header("sec-fetch-site", "cross-site");
        let answer = self.ask(&mut alice, cross(Request::get("/statements"))).await;
        let flow = answer.flow_within();
        self.ask(&mut alice, Request::get("/statements").header("sec-purpose", "prefetch")).await;
        self.ask(&mut alice, cross(flow.start())).await;
        self.ask(&mut alice, Request::get(flow.url()).navigate()).await;
        self.ask(&mut alice, Request::new("HEAD", flow.url()).navigate()).await;
        self.ask(&mut alice, flow.submit("48151623")).await;
        self.ask(&mut alice, Request::get("/statements?month=11").navigate()).await;
        let form = Request::post("/transfers").form(&[("to", "<b>"), ("amount", "500")]).navigate();
        self.ask(&mut alice, form).await;
        let other = cross(Request::get("/statements").header("accept", "text/html"));
        self.ask(&mut alice, other).await;
    }

    async fn refusals(&mut self, bank: &Subject) {
        let mut carol = bank.stranger();
        login(&mut carol, "carol").await;
        let flow = self.ask(&mut carol, Request::get("/statements")).await.flow_within();
        self.ask(&mut carol, Request::get(flow.url())).await;
        self.ask(&mut carol, Request::get(flow.url()).navigate()).await;
        self.ask(&mut carol, Request::get("/admin/zzz").navigate()).await;
        let grpc = Request::post("/admin/zzz").body("application/grpc", "\0\0\0\0\0");
        self.ask(&mut carol, grpc).await;
        let upgrade = Request::get("/statements")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        self.ask(&mut carol, upgrade).await;
        let strange = Flow::unknown("0123456789abcdef0123456789abcdef");
        for request in [strange.start(), strange.cancel(), strange.submit("1")] {
            self.ask(&mut carol, request).await;
        }
    }

    async fn sessions(&mut self, bank: &Subject) {
        let mut carol = bank.stranger();
        login(&mut carol, "carol").await;
        let flow = self.ask(&mut carol, Request::get("/admin/users")).await.flow_within();
        let before = carol.clone();
        self.ask(&mut carol, Request::post("/rotate")).await;
        for mut client in [before, carol] {
            self.ask(&mut client, Request::get(flow.url())).await;
            self.ask(&mut client, Request::post("/password")).await;
            self.ask(&mut client, Request::get(flow.url())).await;
        }
    }

    async fn ask(&mut self, client: &mut Client, request: Request) -> Answer {
        for (_, cookie) in client.cookies() {
            self.mask.learn(cookie, "cookie");
        }
        let asked = self.mask.replace(&String::from_utf8_lossy(&client.wire_form(&request)));
        let answer = client.send(request).await;
        let answered = self.mask.apply(&answer);
        self.entries.push((asked.chars().take(LONGEST_SHOWN).collect(), answered));
        answer
    }
}

const LONGEST_SHOWN: usize = 1000;
