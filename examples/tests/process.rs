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

    /// What a browser sends when its user follows a link.
    fn click(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path).header("sec-fetch-mode", "navigate")
    }

    /// What it sends with a form.
    fn submit(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.request(Method::POST, path).header("sec-fetch-mode", "navigate").form(fields)
    }

    /// Types the newest PIN.
    async fn prove(&self, flow: &str) {
        let pin = self.message().await["pin"].clone();
        let typed = self.post(&format!("{flow}/pin"), &json!({ "pin": pin })).await;
        assert_eq!(body(typed, 200).await["state"], "authenticated");
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
        ("GET", "/bank.css", "", ""),
        ("HEAD", "/bank.js", "", ""),
        ("GET", "/bank.js", "", ""),
        ("GET", "/bank.svg", "", ""),
        ("POST", "/bank.js", "", ""),
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
        ("POST", "/password", "", ""),
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
        let everybody = requests.iter().flat_map(|request| [(request, false), (request, true)]);
        for ((method, path, kind, sent), is_person) in everybody {
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
                if is_person {
                    request = request.header("sec-fetch-mode", "navigate");
                }
                shown(request.body((*sent).to_owned()).send().await.unwrap(), bank).await
            };
            let what = format!("{user} {is_person} {method} {path} {kind} {sent:.50}");
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
    let address = authority.trim_start_matches("http://");
    let body = answer.text().await.unwrap().replace(address, "AUTHORITY");
    format!("{status}\n{headers}\n\n{body}")
}

#[tokio::test]
async fn a_person_who_clicks_sees_pages() {
    for binary in BANKS {
        let mut bank = Bank::start(binary, &[]).await;
        assert!(page(bank.click("/"), 200).await.contains("Log in as alice"));
        assert!(page(bank.submit("/login", &[("user", "eve")]), 401).await.contains("Unknown"));
        bank.login("alice").await;
        for (path, text) in [
            ("/", "alice’s account"),
            ("/balance", "50,000.00"),
            ("/transfers", "None yet."),
            ("/probe?path=/statements", "It would ask for a proof"),
        ] {
            let seen = page(bank.click(path), 200).await;
            assert!(seen.contains(text), "{path}: {seen}");
        }

        let sent = [("to", "<b>Zoë</b>"), ("amount", "50")];
        let receipt = page(bank.submit("/transfers", &sent), 201).await;
        assert!(receipt.contains("&lt;b&gt;Zoë") && !receipt.contains("<b>"), "{receipt}");
        let list = page(bank.click("/transfers"), 200).await;
        assert!(list.contains("&lt;b&gt;Zoë") && !list.contains("<b>"), "{list}");
        let wrong = page(bank.submit("/transfers", &[("to", "bob"), ("amount", "1e2")]), 422).await;
        assert!(wrong.contains("An amount is a positive number"), "{wrong}");
        assert!(page(bank.click("/nowhere"), 404).await.contains("Not found"));
        let wrong = page(bank.click("/login"), 405).await;
        assert!(wrong.contains("Method not allowed"), "{wrong}");

        let flow = bank.click("/statements").send().await.unwrap();
        bank.prove(flow.headers()["location"].to_str().unwrap()).await;
        assert!(page(bank.click("/statements"), 200).await.contains("January 2026"));
        let flow = bank.click("/admin/users").send().await.unwrap();
        bank.prove(flow.headers()["location"].to_str().unwrap()).await;
        assert!(page(bank.click("/admin/users"), 200).await.contains("49,950.00 EUR"));
        let nobody = page(bank.submit("/admin/freeze", &[("user", "eve")]), 404).await;
        assert!(nobody.contains("User not found"), "{nobody}");
        assert!(page(bank.click("/admin/nowhere"), 404).await.contains("Not found"));
        let frozen = page(bank.submit("/admin/freeze", &[("user", "alice")]), 200).await;
        assert!(frozen.contains("Account frozen"), "{frozen}");
        let refused = page(bank.submit("/transfers", &sent), 403).await;
        assert!(refused.contains("Nothing can be sent from this account."), "{refused}");
        assert!(page(bank.submit("/password", &[]), 200).await.contains("proved no more"));

        let out = bank.submit("/logout", &[]).send().await.unwrap();
        assert_eq!(
            (out.status().as_u16(), &out.headers()["location"]),
            (303, &"/".parse().unwrap())
        );
        assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(out.text().await.unwrap(), "");
        bank.terminate().await;
    }
}

/// A refusal in HTML and an answer in JSON, or the other way round, would help nobody.
#[tokio::test]
async fn the_bank_and_its_gate_agree_on_who_gets_a_page() {
    for binary in BANKS {
        let mut bank = Bank::start(binary, &[]).await;
        bank.login("alice").await;
        for (accept, mode, gets_page) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", "navigate", true),
            ("application/json", "navigate", true),
            ("text/html", "cors", true),
            ("text/html;q=0.9, application/json;q=0.8", "", true),
            ("TEXT/HTML ; level=1 ; Q=0.2,application/json;q=0.1", "", true),
            ("text/html;q=0.5, application/json", "", false),
            ("application/json, text/html", "", false),
            ("text/html;q=0", "", false),
            ("text/html;q=x", "", false),
            ("text/*", "", false),
            ("*/*", "cors", false),
            ("", "", false),
        ] {
            let ask = |path| {
                let request = bank.request(Method::GET, path).header("accept", accept);
                if mode.is_empty() { request } else { request.header("sec-fetch-mode", mode) }
            };
            let refused = ask("/statements").send().await.unwrap();
            let what = format!("{accept} {mode}");
            assert_eq!(refused.status(), if gets_page { 303 } else { 401 }, "{what}");
            let answer = ask("/balance").send().await.unwrap();
            let kind = if gets_page { "text/html; charset=utf-8" } else { "application/json" };
            assert_eq!(answer.headers()["content-type"], kind, "{what}");
        }
        bank.terminate().await;
    }
}

/// A page of the bank, which takes nothing from elsewhere and leads back.
async fn page(request: RequestBuilder, status: u16) -> String {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(
        answer.headers()["content-security-policy"],
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["referrer-policy"], "same-origin");
    let text = answer.text().await.unwrap();
    assert!(text.contains("href=\"/\"") && text.ends_with("</html>"), "{text}");
    text
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
