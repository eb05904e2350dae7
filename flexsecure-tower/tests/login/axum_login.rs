//! Users of `axum-login`: the gate reads its `AuthSession`.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use axum_login::{AuthManagerLayer, AuthManagerLayerBuilder, AuthUser, AuthnBackend};
use flexsecure_tower::{Identity, Requirement, StepUp};
use http::StatusCode;
use tower_sessions_014::{MemoryStore, SessionManagerLayer};

use crate::client::Client;
use crate::{ASKED, NOT_LOGGED_IN, PASSED, transfer, transferred};

type AuthSession = axum_login::AuthSession<Users>;

/// Knows Alice and Bob.
#[derive(Clone)]
struct Users;

#[derive(Clone, Debug)]
struct User(String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"changes with the password"
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, name: String) -> Result<Option<User>, Infallible> {
        self.get_user(&name).await
    }

    async fn get_user(&self, name: &String) -> Result<Option<User>, Infallible> {
        Ok(["alice", "bob"].contains(&name.as_str()).then(|| User(name.clone())))
    }
}

/// By what the layer of `axum-login` leaves, no layer of the app's own is needed.
fn step_up() -> StepUp {
    crate::step_up().identify(|head| {
        let login = head.extensions.get::<AuthSession>()?;
        Some(Identity::new(&login.user.as_ref()?.id(), &login.session.id()?.to_string()))
    })
}

async fn login(mut login: AuthSession, Path(name): Path<String>) -> StatusCode {
    let Some(user) = login.authenticate(name).await.unwrap() else {
        return StatusCode::FORBIDDEN;
    };
    login.login(&user).await.unwrap();
    StatusCode::OK
}

async fn logout(mut login: AuthSession, State(step_up): State<StepUp>) {
    if let Some(id) = login.session.id() {
        step_up.gate().revoke_session(&id.to_string()).await.unwrap();
    }
    login.logout().await.unwrap();
}

fn routes(step_up: &StepUp) -> Router {
    Router::new()
        .route("/transfer", transfer(step_up))
        .route("/login/{user}", get(login))
        .route("/logout", get(logout))
        .with_state(step_up.clone())
        .merge(step_up.routes())
}

fn logins(store: &MemoryStore) -> AuthManagerLayer<Users, MemoryStore> {
    AuthManagerLayerBuilder::new(Users, SessionManagerLayer::new(store.clone())).build()
}

fn app(step_up: &StepUp, store: &MemoryStore) -> Router {
    routes(step_up).layer(logins(store))
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
async fn whoever_is_logged_in_is_asked_once_a_session() {
    let app = app(&step_up(), &MemoryStore::default());
    let mut alice = elevated(&app).await;
    assert_eq!(alice.get("/transfer").await.told(), PASSED);

    let mut elsewhere = Client::of(&app);
    assert_eq!(elsewhere.get("/transfer").await.told(), NOT_LOGGED_IN);
    assert_eq!(elsewhere.get("/login/eve").await.told(), "403 ");
    assert_eq!(elsewhere.get("/transfer").await.told(), NOT_LOGGED_IN);
    elsewhere.get("/login/alice").await;
    assert_eq!(elsewhere.get("/transfer").await.told(), ASKED);
}

/// `axum-login` keeps the session's id when another user logs in over the one before.
#[tokio::test]
async fn another_user_in_the_same_session_is_asked_again() {
    let app = app(&step_up(), &MemoryStore::default());
    let mut browser = elevated(&app).await;
    let session_of_alice = browser.session_id().unwrap().to_owned();

    browser.get("/login/bob").await;
    assert_eq!(browser.session_id(), Some(session_of_alice.as_str()));
    assert_eq!(browser.get("/transfer").await.told(), ASKED);
    browser.prove("/transfer").await;
    assert_eq!(browser.get("/transfer").await.told(), PASSED);
}

/// The session's id is gone once `AuthSession::logout` has run.
#[tokio::test]
async fn a_login_after_a_logout_is_asked_again() {
    let app = app(&step_up(), &MemoryStore::default());
    let mut alice = elevated(&app).await;
    let mut with_old_cookie = alice.clone();

    assert_eq!(alice.get("/logout").await.told(), "200 ");
    for client in [&mut alice, &mut with_old_cookie] {
        assert_eq!(client.get("/transfer").await.told(), NOT_LOGGED_IN);
        client.get("/login/alice").await;
        assert_eq!(client.get("/transfer").await.told(), ASKED);
    }
}

/// Not even an elevated session gets through layers in another order.
#[tokio::test]
async fn layers_in_another_order_let_nobody_through() {
    let (step_up, store) = (step_up(), MemoryStore::default());
    let alice = elevated(&app(&step_up, &store)).await;

    let step_up_outside = Router::new()
        .route("/transfer", get(transferred))
        .layer(logins(&store))
        .layer(step_up.require(Requirement::system("bank")));
    let routes_added_last =
        Router::new().route("/", get(|| async {})).layer(logins(&store)).merge(routes(&step_up));
    for app in [step_up_outside, routes_added_last] {
        assert_eq!(alice.at(&app).get("/transfer").await.told(), NOT_LOGGED_IN);
    }
}

/// The flow endpoints have to know who asks, too.
#[tokio::test]
async fn a_flow_outside_the_login_is_not_found() {
    let step_up = step_up();
    let flows_outside = Router::new()
        .route("/transfer", transfer(&step_up))
        .route("/login/{user}", get(login))
        .layer(logins(&MemoryStore::default()))
        .merge(step_up.routes());
    let mut alice = Client::of(&flows_outside);
    alice.get("/login/alice").await;
    let flow = alice.ask("/transfer").await;
    assert_eq!(alice.type_pin(&flow).await.told(), "404 flow-not-found");
    assert_eq!(alice.get("/transfer").await.told(), ASKED);
}
