//! Secrets over gRPC, by a client that knows no more than the messages.

use http::uri::PathAndQuery;
use prost::Message;
use reqwest::Client;
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::program::{Program, wrong};

#[derive(Clone, PartialEq, Message)]
struct Secret {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Names {
    #[prost(string, repeated, tag = "1")]
    names: Vec<String>,
}

#[derive(Clone)]
struct Caller {
    channel: Channel,
    url: String,
    token: &'static str,
}

type Metadata<'a> = &'a [(&'static str, &'a str)];

impl Caller {
    async fn connect(program: &Program, token: &'static str) -> Self {
        let channel = Channel::from_shared(program.url.clone()).unwrap().connect().await.unwrap();
        Self { channel, url: program.url.clone(), token }
    }

    async fn call<A: Message + 'static, B: Message + Default + 'static>(
        &self,
        path: &'static str,
        message: A,
        metadata: Metadata<'_>,
    ) -> Result<B, Status> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.token);
        let authorization = (!self.token.is_empty()).then_some(("authorization", &*bearer));
        for (name, value) in metadata.iter().copied().chain(authorization) {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static(path);
        Ok(grpc.unary(request, path, ProstCodec::<A, B>::default()).await?.into_inner())
    }

    async fn store(&self, name: &str, value: &str) -> Result<(), Status> {
        let secret = Secret { name: name.to_owned(), value: value.to_owned() };
        self.call("/vault.Vault/Store", secret, &[]).await
    }

    async fn list(&self) -> Result<Vec<String>, Status> {
        Ok(self.call::<_, Names>("/vault.Vault/List", (), &[]).await?.names)
    }

    async fn reveal(&self, name: &str, metadata: Metadata<'_>) -> Result<String, Status> {
        let wanted = Secret { name: name.to_owned(), value: String::new() };
        let secret: Secret = self.call("/vault.Vault/Reveal", wanted, metadata).await?;
        assert_eq!(secret.name, name);
        Ok(secret.value)
    }

    async fn delete(&self, name: &str, metadata: Metadata<'_>) -> Result<(), Status> {
        let wanted = Secret { name: name.to_owned(), value: String::new() };
        self.call("/vault.Vault/Delete", wanted, metadata).await
    }

    /// Types the PIN on the page of the flow.
    async fn type_pin(&self, refused: &Status, pin: &str) {
        let flow = refused.metadata().get("flexsecure-flow").expect("a flow").to_str().unwrap();
        let url = format!("{}/step-up/flows/{flow}/pin", self.url);
        let typed = Client::new().post(url).bearer_auth(self.token).form(&[("pin", pin)]);
        assert_eq!(typed.send().await.unwrap().status(), 200);
    }
}

/// What a client is told of a refusal.
fn problem(refused: &Status) -> Value {
    let problem = refused.metadata().get("flexsecure-problem").expect("a problem");
    let problem: Value = serde_json::from_str(problem.to_str().unwrap()).unwrap();
    let name = problem["type"].as_str().unwrap().strip_prefix("urn:flexsecure:problem:").unwrap();
    let expected =
        if name == "pin-malformed" { Code::InvalidArgument } else { Code::Unauthenticated };
    assert_eq!(refused.code(), expected);
    problem
}

#[track_caller]
fn reason<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    problem(&answer.unwrap_err())["reason"].as_str().unwrap().to_owned()
}

async fn vault() -> (Program, Caller) {
    let program = Program::start(env!("CARGO_BIN_EXE_tonic-vault")).await;
    let alice = Caller::connect(&program, "alice-laptop").await;
    alice.store("prod-db", "hunter").await.unwrap();
    alice.store("test-db", "harmless").await.unwrap();
    (program, alice)
}

#[tokio::test]
async fn a_login_stores_and_lists_and_nobody_else_does() {
    let (program, alice) = vault().await;
    assert_eq!(alice.list().await.unwrap(), ["prod-db", "test-db"]);
    assert_eq!(alice.store("prod-db", "other").await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(alice.reveal("nothing", &[]).await.unwrap_err().code(), Code::NotFound);
    assert!(program.messages().await.is_empty(), "none of it takes a proof");
    for token in ["", "made-up"] {
        let nobody = Caller::connect(&program, token).await;
        let refusals = [
            nobody.list().await.map(drop),
            nobody.store("x", "y").await,
            nobody.reveal("prod-db", &[]).await.map(drop),
            nobody.delete("prod-db", &[]).await,
        ];
        for refused in refusals {
            let problem = problem(&refused.unwrap_err());
            assert_eq!(problem["type"], "urn:flexsecure:problem:identification-required");
        }
    }
    program.terminate().await;
}

#[tokio::test]
async fn a_pin_for_one_secret_reveals_that_one_and_once() {
    let (program, alice) = vault().await;
    let refused = alice.reveal("prod-db", &[]).await.unwrap_err();
    let told = problem(&refused);
    assert_eq!(told["reason"], "missing");
    assert_eq!(told["operation"], "Reveal the secret prod-db");
    let pin = program.pin().await;
    assert!(program.messages().await[0]["text"].as_str().unwrap().contains("secret prod-db"));
    alice.type_pin(&refused, &pin).await;

    assert_eq!(reason(alice.reveal("test-db", &[]).await), "operation");
    assert_eq!(reason(alice.delete("prod-db", &[]).await), "operation");
    let elsewhere = Caller::connect(&program, "alice-phone").await;
    assert_eq!(reason(elsewhere.reveal("prod-db", &[]).await), "missing");
    assert_eq!(alice.reveal("prod-db", &[]).await.unwrap(), "hunter");
    assert_eq!(reason(alice.reveal("prod-db", &[]).await), "spent");
    program.terminate().await;
}

#[tokio::test]
async fn the_pin_may_ride_on_the_repeated_call() {
    let (program, alice) = vault().await;
    let refused = alice.reveal("prod-db", &[]).await.unwrap_err();
    assert!(refused.metadata().contains_key("flexsecure-flow"));
    let pin = program.pin().await;
    let rejected = alice.reveal("prod-db", &[("flexsecure-pin", &wrong(&pin))]).await.unwrap_err();
    let rejected = problem(&rejected);
    assert_eq!(rejected["type"], "urn:flexsecure:problem:pin-rejected");
    assert_eq!(rejected["attempts_left"], 4);
    let malformed = alice.reveal("prod-db", &[("flexsecure-pin", "1234")]).await.unwrap_err();
    assert_eq!(problem(&malformed)["type"], "urn:flexsecure:problem:pin-malformed");
    // It was sent for prod-db: with the other secret it answers another flow, if any.
    assert!(alice.reveal("test-db", &[("flexsecure-pin", &pin)]).await.is_err());
    let value = alice.reveal("prod-db", &[("flexsecure-pin", &pin)]).await.unwrap();
    assert_eq!(value, "hunter");
    assert_eq!(reason(alice.reveal("prod-db", &[("flexsecure-pin", &pin)]).await), "spent");
    program.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_calls_with_one_proof_one_is_answered() {
    let (program, alice) = vault().await;
    let refused = alice.reveal("prod-db", &[]).await.unwrap_err();
    alice.type_pin(&refused, &program.pin().await).await;
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let alice = alice.clone();
            tokio::spawn(async move { alice.reveal("prod-db", &[]).await })
        })
        .collect();
    let mut revealed = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(value) => {
                assert_eq!(value, "hunter");
                revealed += 1;
            }
            Err(refused) => assert_eq!(problem(&refused)["reason"], "spent"),
        }
    }
    assert_eq!(revealed, 1);
    assert_eq!(program.messages().await.len(), 1, "a repeat sends nothing");
    program.terminate().await;
}

#[tokio::test]
async fn a_user_of_links_waits_with_the_call_itself() {
    let (program, _) = vault().await;
    let bob = Caller::connect(&program, "bob-laptop").await;
    let refused = problem(&bob.delete("prod-db", &[]).await.unwrap_err());
    let number = refused["flow"]["match"].as_str().expect("a number to compare").to_owned();
    let held = tokio::spawn({
        let bob = bob.clone();
        async move { bob.delete("prod-db", &[("prefer", "wait=60")]).await }
    });
    assert_eq!(bob.list().await.unwrap(), ["prod-db", "test-db"]);
    program.approve(&number).await;
    held.await.unwrap().unwrap();
    assert_eq!(bob.list().await.unwrap(), ["test-db"]);
    program.terminate().await;
}

/// What bob has is links, and to reveal takes a PIN.
#[tokio::test]
async fn a_proof_by_link_reveals_nothing() {
    let (program, _) = vault().await;
    let bob = Caller::connect(&program, "bob-laptop").await;
    let refused = problem(&bob.reveal("prod-db", &[]).await.unwrap_err());
    assert_eq!(refused["type"], "urn:flexsecure:problem:step-up-required");
    if let Some(number) = refused["flow"]["match"].as_str() {
        program.approve(number).await;
    }
    let held = bob.reveal("prod-db", &[("prefer", "wait=2")]).await;
    assert!(held.is_err(), "{held:?}");
    program.terminate().await;
}
