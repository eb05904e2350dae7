//! Services of tonic, of which a table knows each RPC.

use std::convert::Infallible;
use std::future::Ready;
use std::task::{Context, Poll};

use axum::body::Body;
use flexsecure_tower::RouteTable;
use flexsecure_tower::core::policy::{Decision, Facts};
use http::{Request, Response};
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::{Layer, Service};

use crate::outer::{Vault, bank, send, step_up};

/// What `tonic-build` makes of a service: it tells RPCs apart by the path as it was sent.
#[derive(Clone)]
struct Secrets(Vault);

impl NamedService for Secrets {
    const NAME: &'static str = "vault.Vault";
}

impl Service<Request<tonic::body::Body>> for Secrets {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let answer = match request.uri().path() {
            "/vault.Vault/Reveal" | "/vault.Vault/Purge" => {
                drop(self.0.secret()());
                "0"
            }
            "/vault.Vault/List" => "0",
            _ => "12",
        };
        let response = Response::builder().header("grpc-status", answer);
        std::future::ready(Ok(response.body(tonic::body::Body::empty()).unwrap()))
    }
}

fn logged_in(_: &Facts<'_>) -> Decision<'static> {
    Decision::Allow
}

fn table() -> RouteTable {
    RouteTable::new().rpc("/vault.Vault/Reveal", bank()).rpc("/vault.Vault/List", logged_in)
}

const EXPECTED: &[(&str, &str, u16)] = &[
    ("POST", "/vault.Vault/Reveal", 401),
    ("POST", "/vault.Vault/List", 200),
    ("POST", "/vault.Vault/Purge", 403),
    ("GET", "/vault.Vault/Reveal", 403),
    ("POST", "/vault.Vault/Reveal/", 403),
    ("POST", "//vault.Vault/Reveal", 403),
    ("POST", "/vault.Vault/%52eveal", 403),
    ("POST", "/vault.vault/Reveal", 403),
    ("POST", "/another.Vault/Reveal", 403),
];

#[tokio::test]
async fn in_the_router_of_tonic_each_rpc_takes_what_its_entry_says() {
    let vault = Vault::default();
    let routes = Routes::new(Secrets(vault.clone())).into_axum_router();
    let app = routes.layer(step_up().table(table()).unwrap());
    for (method, path, expected) in EXPECTED {
        assert_eq!(send(&app, method, path).await.status(), *expected, "{method} {path}");
    }
    assert_eq!(vault.opened(), 0);
}

/// As `tonic::Server::layer` does it, no route is known.
#[tokio::test]
async fn around_the_server_it_is_the_same() {
    let vault = Vault::default();
    let routes = Routes::new(Secrets(vault.clone())).into_axum_router();
    let app = step_up().table(table()).unwrap().layer(routes);
    for (method, path, expected) in EXPECTED {
        let answer: Response<flexsecure_tower::ResponseBody<Body>> = send(&app, method, path).await;
        assert_eq!(answer.status(), *expected, "{method} {path}");
    }
    assert_eq!(vault.opened(), 0);
}
