//! The app whose requests are held, on either framework.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::thread;

use actix_web::{App, HttpServer, web};
use axum::Router;
use axum::routing::post;
use flexsecure_core::{Gate, Identity, Requirement};
use tokio::runtime::{self, Runtime};

use super::Adapter;
use crate::crowd::Crowd;
use crate::report::say;

/// Serves until the input ends. It says its address, and takes orders: a number, and it says `held`
/// once it has asked about so many flows at a time; `approve`.
pub(crate) fn serve(adapter: Adapter) -> ExitCode {
    let crowd = Crowd::new();
    let gate = Gate::builder(crowd.clone()).build().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    say(&listener.local_addr().unwrap().to_string());
    let orders = runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match adapter {
        Adapter::Axum => on_axum(&orders, gate, listener),
        Adapter::Actix => on_actix(gate, listener),
    }
    for order in std::io::stdin().lines().map_while(Result::ok) {
        if let Ok(many) = order.parse() {
            orders.block_on(crowd.waiting(many));
            say("held");
        } else {
            crowd.approve();
        }
    }
    ExitCode::SUCCESS
}

fn on_axum(runtime: &Runtime, gate: Gate, listener: TcpListener) {
    let step_up = flexsecure_tower::StepUp::new(gate)
        .identify(|head| identity(head.headers.get("x-user")?.to_str().ok()?));
    let transfers = post(|| async { "transferred\n" }).layer(step_up.require(requirement()));
    let app = Router::new().route("/transfers", transfers).merge(step_up.routes());
    // As apps are served whose gate is to know the addresses of clients; and a router that is served by
    // itself copies its tables for each connection.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, app).await.unwrap();
    });
}

fn on_actix(gate: Gate, listener: TcpListener) {
    let step_up = flexsecure_actix::StepUp::new(gate)
        .identify(|head| identity(head.headers.get("x-user")?.to_str().ok()?));
    let app = move || {
        let transfers = web::resource("/transfers").wrap(step_up.require(requirement()));
        App::new().service(transfers.post(|| async { "transferred\n" })).service(step_up.scope())
    };
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            HttpServer::new(app).disable_signals().listen(listener).unwrap().run().await.unwrap();
        });
    });
}

/// An app has a login; here a header says who asks.
#[expect(clippy::unnecessary_wraps, reason = "it is what both adapters ask for")]
fn identity(user: &str) -> Option<Identity> {
    Some(Identity::new(user, user))
}

fn requirement() -> Requirement {
    Requirement::system("bank")
}
