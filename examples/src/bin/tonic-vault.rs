//! A gRPC store of secrets on tonic: `cargo run --bin tonic-vault`.
//!
//! Any login may store secrets and list their names. To reveal one takes a PIN that was sent for it
//! by name, and to delete one a proof of either kind.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flexsecure_examples::startup::{Node, StartError, exit_code};
use flexsecure_tower::core::Operation;
use flexsecure_tower::{Ask, Identity, Requirement, StepUp};
use tokio::net::TcpListener;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use self::rpc::vault_server::{Vault, VaultServer};

/// What `build.rs` writes.
#[expect(clippy::allow_attributes, unreachable_pub, unused_qualifications, reason = "generated")]
mod rpc {
    tonic::include_proto!("vault.Vault");
}

#[derive(Clone, PartialEq, prost::Message)]
struct Secret {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Name {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Names {
    #[prost(string, repeated, tag = "1")]
    names: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

#[derive(Default)]
struct Secrets(Mutex<BTreeMap<String, String>>);

impl Secrets {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody is asked to prove anything for a secret that is not there.
    fn find(&self, name: &str) -> Result<String, Status> {
        let found = self.all().get(name).cloned();
        found.ok_or_else(|| Status::not_found("there is no such secret"))
    }
}

#[tonic::async_trait]
impl Vault for Secrets {
    async fn store(&self, request: Request<Secret>) -> Result<Response<Nothing>, Status> {
        let Secret { name, value } = request.into_inner();
        let mut all = self.all();
        if all.contains_key(&name) {
            return Err(Status::already_exists("there is such a secret"));
        }
        all.insert(name, value);
        Ok(Response::new(Nothing {}))
    }

    async fn list(&self, _: Request<Nothing>) -> Result<Response<Names>, Status> {
        Ok(Response::new(Names { names: self.all().keys().cloned().collect() }))
    }

    async fn reveal(&self, request: Request<Name>) -> Result<Response<Secret>, Status> {
        let ask = Ask::of(request.extensions())?;
        let Name { name } = request.into_inner();
        self.find(&name)?;
        ask.require(proof("Reveal", &name).pin()).await?;
        let value = self.find(&name)?;
        Ok(Response::new(Secret { name, value }))
    }

    async fn delete(&self, request: Request<Name>) -> Result<Response<Nothing>, Status> {
        let ask = Ask::of(request.extensions())?;
        let Name { name } = request.into_inner();
        self.find(&name)?;
        ask.require(proof("Delete", &name)).await?;
        self.all().remove(&name);
        Ok(Response::new(Nothing {}))
    }
}

/// The user is shown the text; the proof is good for this secret, and once.
fn proof(verb: &str, name: &str) -> Requirement {
    let operation = Operation::new(&format!("{verb} the secret {name}")).field("name", name);
    Requirement::system("vault").single_use().operation(operation)
}

fn identify(mut request: Request<()>) -> Result<Request<()>, Status> {
    let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer "));
    if let Some((token, user)) = TOKENS.iter().find(|(known, _)| Some(*known) == token) {
        request.extensions_mut().insert(Identity::new(user, token));
    }
    Ok(request)
}

async fn serve() -> Result<(), StartError> {
    let (node, listener) = Node::start().await?;
    let step_up = StepUp::new(node.gate().clone());
    let vault = Routes::new(VaultServer::new(Secrets::default()));
    let incoming = TcpListener::from_std(listener).map_err(StartError::Io)?;
    node.announce_with(HINT);
    Server::builder()
        // The flow endpoints are for any HTTP client.
        .accept_http1(true)
        .layer(InterceptorLayer::new(identify))
        .layer(step_up.on_demand())
        .add_routes(vault.into_axum_router().merge(step_up.routes()).into())
        .serve_with_incoming_shutdown(TcpIncoming::from(incoming), node.stopping())
        .await
        .map_err(|error| StartError::Io(std::io::Error::other(error)))?;
    node.stop().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code("tonic-vault", serve().await)
}

/// A token is a session; yours are random, and come from a login.
const TOKENS: [(&str, &str); 3] =
    [("alice-laptop", "alice"), ("alice-phone", "alice"), ("bob-laptop", "bob")];

/// In bytes: not compressed, how long it is, and each field with its number, kind and length.
const HINT: &str = r#"grpc() { curl -sv --http2-prior-knowledge -H 'content-type: application/grpc' -H 'te: trailers' \
  -H 'authorization: Bearer alice-laptop' --data-binary @- "$@"; }
printf '\0\0\0\0\021\012\007prod-db\022\006hunter' | grpc URL/vault.Vault/Store
printf '\0\0\0\0\011\012\007prod-db' | grpc URL/vault.Vault/Reveal    # and see INBOX
printf '\0\0\0\0\011\012\007prod-db' | grpc URL/vault.Vault/Reveal -H 'flexsecure-pin: PIN'"#;
