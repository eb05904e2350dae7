//! Bearer tokens.

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::program::{ASKED, NOBODY, Program, told, wrong};

struct Caller {
    http: Client,
    url: String,
    token: String,
}

impl Caller {
    async fn log_in(program: &Program, user: &str) -> Self {
        let mut caller =
            Self { http: Client::new(), url: program.url.clone(), token: String::new() };
        let made = caller.send(Method::POST, "/tokens", &json!({ "user": user }), None).await;
        assert_eq!(made.status(), 200);
        made.json::<Value>().await.unwrap()["token"]
            .as_str()
            .unwrap()
            .clone_into(&mut caller.token);
        caller
    }

    async fn send(&self, method: Method, path: &str, body: &Value, pin: Option<&str>) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).json(body);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(pin) = pin {
            request = request.header("flexsecure-pin", pin);
        }
        request.send().await.unwrap()
    }

    async fn deploy(&self, version: &str, pin: Option<&str>) -> String {
        let order = json!({ "version": version });
        told(self.send(Method::POST, "/deployments", &order, pin).await).await
    }

    async fn deployed(&self) -> String {
        told(self.send(Method::GET, "/deployments", &json!(null), None).await).await
    }
}

#[tokio::test]
async fn a_token_deploys_what_its_user_has_approved_and_once() {
    let program = Program::start(env!("CARGO_BIN_EXE_bearer-api")).await;
    let nobody = Caller { http: Client::new(), url: program.url.clone(), token: String::new() };
    assert_eq!(
        (nobody.deploy("1.4", None).await, nobody.deployed().await),
        (NOBODY.into(), NOBODY.into())
    );

    let laptop = Caller::log_in(&program, "alice").await;
    assert_eq!(laptop.deployed().await, "200 null");
    assert_eq!(laptop.deploy("1.4", None).await, ASKED);
    let pin = program.pin().await;
    assert!(program.messages().await[0]["text"].as_str().unwrap().contains("Deploy version 1.4"));
    assert_eq!(laptop.deploy("1.4", Some(&wrong(&pin))).await, "403 pin-rejected");

    let phone = Caller::log_in(&program, "alice").await;
    assert_eq!(laptop.deployed().await, "200 null", "nothing has happened so far");
    let done = r#"200 {"version":"1.4","by":"alice"}"#;
    assert_eq!(laptop.deploy("1.4", Some(&pin)).await, done);
    assert_eq!(laptop.deploy("1.4", Some(&pin)).await, ASKED, "it was good once");
    assert_eq!(phone.deploy("1.4", None).await, ASKED);
    assert_eq!(phone.deployed().await, done);
    program.terminate().await;
}

#[tokio::test]
async fn a_proof_is_for_one_version_by_one_token() {
    let program = Program::start(env!("CARGO_BIN_EXE_bearer-api")).await;
    let laptop = Caller::log_in(&program, "alice").await;
    let order = json!({ "version": "1.4" });
    let refused = laptop.send(Method::POST, "/deployments", &order, None).await;
    let refused: Value = refused.json().await.unwrap();
    let url = format!("{}/pin", refused["flow"]["url"].as_str().unwrap());
    let pin = json!({ "pin": program.pin().await });
    assert_eq!(laptop.send(Method::POST, &url, &pin, None).await.status(), 200);
    assert_eq!(laptop.deploy("1.5", None).await, ASKED);
    let phone = Caller::log_in(&program, "alice").await;
    assert_eq!(phone.deploy("1.4", None).await, ASKED, "it is the other token's");
    assert_eq!(laptop.deployed().await, "200 null");
    assert!(laptop.deploy("1.4", None).await.starts_with("200"));
    program.terminate().await;
}

#[tokio::test]
async fn a_token_is_nobodys_after_its_logout() {
    let program = Program::start(env!("CARGO_BIN_EXE_bearer-api")).await;
    let (laptop, phone) =
        (Caller::log_in(&program, "alice").await, Caller::log_in(&program, "alice").await);
    assert_ne!(laptop.token, phone.token);
    let gone = laptop.send(Method::DELETE, "/tokens", &json!(null), None).await;
    assert_eq!(gone.status(), 204);
    assert_eq!(
        (laptop.deployed().await, phone.deployed().await),
        (NOBODY.into(), "200 null".into())
    );
    program.terminate().await;
}
