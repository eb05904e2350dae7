//! Sessions of `tower-sessions`: a layer of the app reads who is logged in, and tells.

use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use flexsecure_tower::{Identity, Requirement, StepUp};
use http::header;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

use crate::client::Client;
use crate::{ASKED, NOT_LOGGED_IN, PASSED, step_up, transfer, transferred};

const USER: &str = "user";

/// An id says nothing without a user: until the session is found, it is what the cookie says.
async fn identify(session: Session, mut request: Request, next: Next) -> Response {
    let user: Option<String> = session.get(USER).await.unwrap();
    if let (Some(user), Some(id)) = (user, session.id()) {
        request.extensions_mut().insert(Identity::new(&user, &id.to_string()));
    }
    next.run(request).await
}

async fn login(session: Session, Path(user): Path<String>) {
    session.cycle_id().await.unwrap();
    session.insert(USER, user).await.unwrap();
}

/// The id is gone once the session is flushed.
async fn logout(session: Session, State(step_up): State<StepUp>) {
    if let Some(id) = session.id() {
        step_up.gate().revoke_session(&id.to_string()).await.unwrap();
    }
    session.flush().await.unwrap();
}

async fn flush(session: Session) {
    session.flush().await.unwrap();
}

async fn cycle(session: Session) {
    session.cycle_id().await.unwrap();
}

async fn visit(session: Session) {
    let visits: u32 = session.get("visits").await.unwrap().unwrap_or_default();
    session.insert("visits", visits.saturating_add(1)).await.unwrap();
}

fn routes(step_up: &StepUp) -> Router {
    Router::new()
        .route("/transfer", transfer(step_up))
        .route("/visit", get(visit))
        .route("/login/{user}", get(login))
        .route("/cycle", get(cycle))
        .route("/flush", get(flush))
        .route("/logout", get(logout))
        .with_state(step_up.clone())
        .merge(step_up.routes())
}

fn sessions(store: &MemoryStore) -> SessionManagerLayer<MemoryStore> {
    SessionManagerLayer::new(store.clone())
}

fn app(step_up: &StepUp, store: &MemoryStore) -> Router {
    routes(step_up).layer(from_fn(identify)).layer(sessions(store))
}

/// A user agent in which Alice is logged in and has given a proof.
async fn elevated(app: &Router) -> Client {
    let mut alice = Client::of(app);
    alice.get("/login/alice").await;
    alice.prove("/transfer").await;
    assert_eq!(alice.get("/transfer").await.told(), PASSED);
    alice
}

#[tokio::test]
async fn an_elevation_survives_further_requests_of_its_session_alone() {
    let app = app(&step_up(), &MemoryStore::default());
    let mut alice = elevated(&app).await;
    for _ in 0..3 {
        assert_eq!(alice.get("/visit").await.told(), "200 ");
        assert_eq!(alice.get("/transfer").await.told(), PASSED);
    }

    let mut elsewhere = Client::of(&app);
    assert_eq!(elsewhere.get("/transfer").await.told(), NOT_LOGGED_IN);
    elsewhere.get("/login/alice").await;
    assert_eq!(elsewhere.get("/transfer").await.told(), ASKED);
}

#[tokio::test]
async fn a_session_is_asked_again_once_its_id_is_cycled() {
    let app = app(&step_up(), &MemoryStore::default());
    let mut alice = elevated(&app).await;
    let mut with_old_cookie = alice.clone();

    alice.get("/cycle").await;
    assert_ne!(alice.session_id(), with_old_cookie.session_id());
    assert_eq!(alice.get("/transfer").await.told(), ASKED);
    assert_eq!(with_old_cookie.get("/transfer").await.told(), NOT_LOGGED_IN);
}

#[tokio::test]
async fn a_login_after_a_flush_is_asked_again() {
    let app = app(&step_up(), &MemoryStore::default());
    let mut alice = elevated(&app).await;
    let mut with_old_cookie = alice.clone();

    alice.get("/flush").await;
    for client in [&mut alice, &mut with_old_cookie] {
        assert_eq!(client.get("/transfer").await.told(), NOT_LOGGED_IN);
        client.get("/login/alice").await;
        assert_eq!(client.get("/transfer").await.told(), ASKED);
    }
}

/// After a logout that revokes, nothing is left even for who brings the session's id back.
#[tokio::test]
async fn a_logout_takes_the_elevation_along() {
    for (path, left) in [("/flush", PASSED), ("/logout", ASKED)] {
        let step_up = step_up();
        let app = app(&step_up, &MemoryStore::default());
        let mut alice = elevated(&app).await;
        let identity = Identity::new("alice", alice.session_id().unwrap());

        assert_eq!(alice.get(path).await.told(), "200 ");
        assert_eq!(alice.get("/transfer").await.told(), NOT_LOGGED_IN);
        let brought_back = routes(&step_up).layer(Extension(identity));
        assert_eq!(Client::of(&brought_back).get("/transfer").await.told(), left, "{path}");
    }
}

#[tokio::test]
async fn a_made_up_session_id_is_nobodys() {
    let app = app(&step_up(), &MemoryStore::default());
    let made_up = "id=AAAAAAAAAAAAAAAAAAAAAA";
    let mut stranger = Client::of(&app).with(header::COOKIE, made_up);
    assert_eq!(stranger.get("/transfer").await.told(), NOT_LOGGED_IN);
    stranger.get("/login/alice").await;
    assert_ne!(stranger.session_id(), made_up.strip_prefix("id="));
    assert_eq!(stranger.get("/transfer").await.told(), ASKED);
}

/// Not even an elevated session gets through layers in another order.
#[tokio::test]
async fn layers_in_another_order_let_nobody_through() {
    let (step_up, store) = (step_up(), MemoryStore::default());
    let alice = elevated(&app(&step_up, &store)).await;

    let identified_outside_the_session =
        routes(&step_up).layer(sessions(&store)).layer(from_fn(identify));
    let told = alice.at(&identified_outside_the_session).get("/transfer").await.told();
    assert!(told.starts_with("500 Can't extract session"), "{told}");

    let routes_added_last = Router::new()
        .route("/", get(visit))
        .layer(from_fn(identify))
        .layer(sessions(&store))
        .merge(routes(&step_up));
    let step_up_outside = Router::new()
        .route("/transfer", get(transferred))
        .layer(from_fn(identify))
        .layer(sessions(&store))
        .layer(step_up.require(Requirement::system("bank")));
    for app in [routes_added_last, step_up_outside] {
        assert_eq!(alice.at(&app).get("/transfer").await.told(), NOT_LOGGED_IN);
    }
}
