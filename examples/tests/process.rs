//! Starts the real binaries and clicks through the whole story over sockets.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it is how a test fails"
)]

use std::process::{Output, Stdio};
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const BANKS: [&str; 2] = [env!("CARGO_BIN_EXE_axum-bank"), env!("CARGO_BIN_EXE_actix-bank")];

/// A bank in a process of its own.
struct Bank {
    process: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
    url: String,
    authority: Option<(String, String)>,
    http: Client,
    cookie: String,
}

fn command(binary: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs([("BANK_ADDR", "127.0.0.1:0"), ("AUTHORITY_ADDR", "127.0.0.1:0")])
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Bank {
    async fn start(binary: &str, environment: &[(&str, &str)]) -> Self {
        let mut process = command(binary, environment).stderr(Stdio::inherit()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut authority = None;
        let url = loop {
            let line = stdout.next_line().await.unwrap().expect("it says where it listens");
            if let Some(rest) = line.strip_prefix("authority on ") {
                let (url, key) = rest.split_once(" key ").unwrap();
                authority = Some((url.to_owned(), key.to_owned()));
            } else if let Some(url) = line.strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { process, _stdout: stdout, url, authority, http, cookie: String::new() }
    }

    async fn login(&mut self, user: &str) {
        let answer = self.post("/login", &json!({ "user": user })).await;
        assert_eq!(answer.status(), 204);
        let header = answer.headers()["set-cookie"].to_str().unwrap();
        self.cookie = header.split(';').next().unwrap().to_owned();
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).header("cookie", &self.cookie)
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    /// The newest message to anybody.
    async fn message(&self) -> Value {
        let (authority, _) = self.authority.as_ref().unwrap();
        let inbox = self.http.get(format!("{authority}/inbox.json")).send().await.unwrap();
        inbox.json::<Value>().await.unwrap()[0].take()
    }

    async fn terminate(mut self) {
        let id = self.process.id().unwrap().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await;
        assert!(sent.unwrap().success());
        assert_eq!(self.process.wait().await.unwrap().code(), Some(0));
    }
}

async fn body(answer: Response, status: u16) -> Value {
    assert_eq!(answer.status(), status);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn alice_transfers_by_pin() {
    for binary in BANKS {
        let mut bank = Bank::start(binary, &[]).await;
        let transfer = json!({ "to": "bob", "amount": 250 });
        let nobody = body(bank.post("/transfers", &transfer).await, 401).await;
        assert_eq!(nobody["type"], "urn:flexsecure:problem:identification-required");

        bank.login("alice").await;
        let small = json!({ "to": "bob", "amount": "99.99" });
        let made = body(bank.post("/transfers", &small).await, 201).await;
        assert_eq!(made, json!({ "id": 1, "to": "bob", "amount": "99.99" }));

        let refused = body(bank.post("/transfers", &transfer).await, 401).await;
        assert_eq!(refused["reason"], "missing");
        assert_eq!(refused["operation"], "Transfer 250.00 EUR to bob");
        assert_eq!(refused["flow"]["method"], "pin");
        let pin = bank.message().await["pin"].clone();
        let flow = refused["flow"]["url"].as_str().unwrap();
        let done = body(bank.post(&format!("{flow}/pin"), &json!({ "pin": pin })).await, 200).await;
        assert_eq!(done["state"], "authenticated");

        let made = body(bank.post("/transfers", &transfer).await, 201).await;
        assert_eq!(made["amount"], "250.00");
        assert_eq!(made["elevation"]["method"], "pin");
        assert_eq!(made["elevation"]["operation"], "Transfer 250.00 EUR to bob");
        let again = body(bank.post("/transfers", &transfer).await, 401).await;
        assert_eq!((&again["reason"], &again["flow"]["state"]), (&json!("spent"), &json!("idle")));

        let list = body(bank.get("/transfers").await, 200).await;
        assert_eq!(list.as_array().unwrap().len(), 2);
        assert_eq!(body(bank.get("/balance").await, 200).await["balance"], "49650.01");
        bank.terminate().await;
    }
}

#[tokio::test]
async fn bob_reads_statements_by_link() {
    for binary in BANKS {
        let mut bank = Bank::start(binary, &[]).await;
        bank.login("bob").await;
        let probe = json!({ "required": true, "reason": "missing" });
        assert_eq!(body(bank.get("/probe?path=/statements").await, 200).await, probe);

        let refused = body(bank.get("/statements").await, 401).await;
        let flow = refused["flow"]["url"].as_str().unwrap();
        let (link, number) = (bank.message().await["link"].clone(), &refused["flow"]["match"]);
        let answer = [("action", "approve"), ("match", number.as_str().unwrap())];
        let approved = bank.http.post(link.as_str().unwrap()).form(&answer).send().await.unwrap();
        assert_eq!(approved.status(), 200);
        let waiting = bank.request(Method::GET, flow).header("prefer", "wait=20");
        assert_eq!(body(waiting.send().await.unwrap(), 200).await["state"], "authenticated");

        body(bank.get("/statements").await, 200).await;
        let probe = json!({ "required": false });
        assert_eq!(body(bank.get("/probe?path=/statements").await, 200).await, probe);
        assert_eq!(bank.post("/logout", &json!({})).await.status(), 204);
        // The cookie still says bob; what it was elevated to is gone.
        assert_eq!(body(bank.get("/statements").await, 401).await["reason"], "missing");
        bank.terminate().await;
    }
}

#[tokio::test]
async fn nodes_on_both_frameworks_share_an_authority_and_sessions() {
    let secret = ("BANK_SECRET", "shared by both nodes of this test");
    let mut axum = Bank::start(BANKS[0], &[secret]).await;
    let (url, key) = axum.authority.clone().unwrap();
    let remote = [secret, ("FLEXSECURE_URL", &*url), ("FLEXSECURE_API_KEY", &*key)];
    let mut actix = Bank::start(BANKS[1], &remote).await;
    assert!(actix.authority.is_none());

    axum.login("alice").await;
    actix.cookie.clone_from(&axum.cookie);
    assert_eq!(body(actix.get("/balance").await, 200).await["user"], "alice");
    let refused = body(actix.get("/admin/users").await, 401).await;
    assert_eq!(refused["flow"]["method"], "pin");
    assert_eq!(axum.message().await["system"], "bank-admin");
    actix.terminate().await;
    axum.terminate().await;
}

/// What differs between frameworks, if one lets it: statuses, headers and bytes of all that is wrong.
#[tokio::test]
async fn both_banks_answer_alike() {
    let big = "x".repeat(17 * 1024);
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    let requests: &[(&str, &str, &str, &str)] = &[
        ("GET", "/", "", ""),
        ("HEAD", "/", "", ""),
        ("GET", "/healthz", "", ""),
        ("HEAD", "/healthz", "", ""),
        ("GET", "/nowhere", "", ""),
        ("GET", "/balance/", "", ""),
        ("GET", "//balance", "", ""),
        ("DELETE", "/balance", "", ""),
        ("HEAD", "/balance", "", ""),
        ("OPTIONS", "/transfers", "", ""),
        ("PUT", "/login", "", ""),
        ("GET", "/admin", "", ""),
        ("GET", "/admin/", "", ""),
        ("GET", "/admin/nowhere", "", ""),
        ("GET", "/admin/users", "", ""),
        ("GET", "/adminx", "", ""),
        ("POST", "/statements", "", ""),
        ("GET", "/step-up/flows/nothing", "", ""),
        ("GET", "/step-up", "", ""),
        ("POST", "/login", json, "{\"user\":\"mallory\"}"),
        ("POST", "/login", form, "user=mallory"),
        ("POST", "/login", json, "{\"user\""),
        ("POST", "/login", "", ""),
        ("GET", "/transfers", "", ""),
        ("GET", "/balance", "", ""),
        ("POST", "/transfers", "text/plain", "to=bob"),
        ("POST", "/transfers", "", ""),
        ("POST", "/transfers", json, &big),
        ("POST", "/transfers", json, "{\"to\":\"bob\",\"amount\":1e2}"),
        ("POST", "/transfers", json, "{\"to\":\"bob\",\"amount\":250,\"amount\":1}"),
        ("POST", "/transfers", json, "[]"),
        ("POST", "/transfers", form, "to=bob"),
        ("POST", "/transfers", form, "to=bob&amount=1&amount=2"),
        ("POST", "/transfers", form, "to=bob&amount=10000.01"),
        ("POST", "/transfers", form, "to=bob&amount=50"),
        (
            "POST",
            "/transfers",
            "application/json; charset=utf-8",
            "{\"to\":\"bob\",\"amount\":0.1}",
        ),
        ("GET", "/transfers", "", ""),
        ("GET", "/probe", "", ""),
        ("GET", "/probe?path=/nowhere", "", ""),
        ("GET", "/probe?path=/balance", "", ""),
        ("GET", "/probe?path=/transfers&method=POST&to=bob&amount=250", "", ""),
        ("GET", "/probe?path=/transfers&method=POST&to=bob&amount=10001", "", ""),
        ("POST", "/logout", "", ""),
    ];
    let mut axum = Bank::start(BANKS[0], &[("BANK_SECRET", "alike")]).await;
    let mut actix = Bank::start(BANKS[1], &[("BANK_SECRET", "alike")]).await;
    let mut differences = Vec::new();
    for user in ["", "alice"] {
        if !user.is_empty() {
            axum.login(user).await;
            actix.cookie.clone_from(&axum.cookie);
        }
        for (method, path, kind, sent) in requests {
            // A flow has a name of its own each time.
            let is_gated = path.starts_with("/admin") || *path == "/statements";
            if is_gated && !user.is_empty() {
                continue;
            }
            let answer = async |bank: &Bank| {
                let mut request = bank.request(method.parse().unwrap(), path);
                if !kind.is_empty() {
                    request = request.header("content-type", *kind);
                }
                shown(request.body((*sent).to_owned()).send().await.unwrap(), bank).await
            };
            let what = format!("{user} {method} {path} {kind} {:.50}", sent);
            let (axum, actix) = (answer(&axum).await, answer(&actix).await);
            if axum != actix {
                differences.push(format!("{what}\n--- axum\n{axum}\n--- actix\n{actix}\n"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// An answer without what is different each time.
async fn shown(answer: Response, bank: &Bank) -> String {
    let mut headers: Vec<_> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !["date", "connection"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let (status, headers) = (answer.status(), headers.join("\n"));
    let (authority, _) = bank.authority.as_ref().unwrap();
    let body = answer.text().await.unwrap().replace(authority, "AUTHORITY");
    format!("{status}\n{headers}\n\n{body}")
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_told_in_one_sentence() {
    for binary in BANKS {
        for (name, value) in [
            ("BANK_ADDR", "3000"),
            ("AUTHORITY_ADDR", "0.0.0.0:0"),
            ("STEP_UP_DEFAULT_METHOD", "sms"),
            ("REDIS_URL", "ftp://127.0.0.1"),
            ("FLEXSECURE_URL", "http://127.0.0.1:4000"),
            ("FLEXSECURE_API_KEY", "key"),
        ] {
            let running = command(binary, &[(name, value)]).output();
            let ended = tokio::time::timeout(Duration::from_secs(20), running).await;
            let Output { status, stdout, stderr } = ended.expect("it ends by itself").unwrap();
            let sentence = String::from_utf8(stderr).unwrap();
            assert!(!status.success() && stdout.is_empty(), "{name}");
            assert_eq!(sentence.lines().count(), 1, "{sentence}");
            assert!(sentence.contains("set ") && sentence.contains("_"), "{sentence}");
        }
    }
}
