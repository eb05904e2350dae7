//! An authority as the original service was: it knows the v1 API and nothing more.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// An authority that runs until this value ends.
#[derive(Debug)]
pub struct Legacy {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// What v1 leaves open.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// What a check answers while the user has not clicked.
    pub waiting: Waiting,
    /// Whether `authenticated` is said once only.
    pub once: bool,
}

/// An answer to a check of a login that nobody has approved yet.
#[derive(Clone, Copy, Debug)]
pub enum Waiting {
    /// `{"result":"pending"}`
    Pending,
    /// `{"result":"success"}`
    Success,
    /// `{"result":"waiting"}`
    Waiting,
    /// `200` with nothing in it
    Empty,
    /// `204`
    NoContent,
}

/// An answer that the documentation does not know.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A status, a content type and a body.
    Says(u16, &'static str, String),
    /// A status with a header.
    Header(u16, &'static str, String),
    /// The connection stays open and silent.
    Silence,
}

/// A call as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, or null if that is not JSON.
    pub body: Value,
}

/// Which of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `/v1/start`
    Start,
    /// `/v1/check`
    Check,
}

#[derive(Debug)]
struct Shared {
    variant: Variant,
    state: Mutex<Inner>,
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Inner {
    calls: Vec<Call>,
    logins: HashMap<(String, String), Login>,
    faults: HashMap<Verb, Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    Waiting,
    Approved,
    Expired,
    Refused,
}

impl Default for Variant {
    fn default() -> Self {
        Self { waiting: Waiting::Pending, once: false }
    }
}

impl Legacy {
    /// The key that it gives out.
    pub const KEY: &'static str = "fs_legacy_0123456789";

    /// The PIN of everybody.
    pub const PIN: &'static str = "48151623";

    /// Starts one.
    pub async fn start(variant: Variant) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared =
            Arc::new(Shared { variant, state: Mutex::default(), count: watch::Sender::new(0) });
        let app = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("a server");
        });
        Self { address, shared, server }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The user has got a message, whatever was answered.
    pub fn send(&self, system: &str, auth_id: &str) {
        self.set(system, auth_id, Login::Waiting);
    }

    /// The user clicks the link.
    pub fn approve(&self, system: &str, auth_id: &str) {
        self.set(system, auth_id, Login::Approved);
    }

    /// The login's time is over.
    pub fn expire(&self, system: &str, auth_id: &str) {
        self.set(system, auth_id, Login::Expired);
    }

    /// `security error` from now on.
    pub fn refuse(&self, system: &str, auth_id: &str) {
        self.set(system, auth_id, Login::Refused);
    }

    /// Answers every call of this kind with `fault`, or in the documented way again.
    pub fn break_down(&self, verb: Verb, fault: Option<Fault>) {
        let mut state = self.shared.lock();
        match fault {
            Some(fault) => state.faults.insert(verb, fault),
            None => state.faults.remove(&verb),
        };
    }

    /// All calls so far, in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// The calls of one kind.
    #[must_use]
    pub fn calls_to(&self, verb: Verb) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.verb() == Some(verb));
        calls
    }

    /// Waits until there have been `count` calls of one kind.
    pub async fn called(&self, verb: Verb, count: usize) {
        let mut news = self.shared.count.subscribe();
        let enough = async {
            while self.calls_to(verb).len() < count {
                news.changed().await.expect("it runs");
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), enough).await;
        waited.unwrap_or_else(|_| panic!("{count} times {verb:?}: {:#?}", self.calls()));
    }

    fn set(&self, system: &str, auth_id: &str, login: Login) {
        let key = (system.to_owned(), auth_id.to_owned());
        self.shared.lock().logins.insert(key, login);
    }
}

impl Drop for Legacy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Call {
    /// Which of the documented calls it is.
    #[must_use]
    pub fn verb(&self) -> Option<Verb> {
        match &*self.path {
            "/v1/start" => Some(Verb::Start),
            "/v1/check" => Some(Verb::Check),
            _ => None,
        }
    }

    /// Whether it submits a PIN.
    #[must_use]
    pub fn has_pin(&self) -> bool {
        self.body.get("pin").is_some()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().expect("nothing panics under this lock")
    }

    fn note(&self, head: &Parts, body: &[u8]) -> Call {
        let call = Call {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            headers: head.headers.clone(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
        };
        self.lock().calls.push(call.clone());
        self.count.send_modify(|count| *count += 1);
        call
    }

    fn answer(&self, call: &Call) -> Response<Body> {
        let security_error = || says(403, &json!({"result": "security error"}));
        let Some(verb) = call.verb().filter(|_| call.method == Method::POST) else {
            return plain(404, "text/html", "<h1>Not Found</h1>");
        };
        if call.headers.get("apikey").is_none_or(|key| key != Legacy::KEY) {
            return plain(401, "text/plain", "who are you?");
        }
        let key = (text(&call.body["system"]), text(&call.body["authid"]));
        let mut state = self.lock();
        match verb {
            Verb::Start => {
                if state.logins.get(&key) == Some(&Login::Refused) {
                    return security_error();
                }
                state.logins.insert(key, Login::Waiting);
                says(200, &json!({"result": "success"}))
            }
            Verb::Check => {
                let login = state.logins.get(&key).copied().unwrap_or(Login::Expired);
                let pin = call.body.get("pin").map(ToString::to_string);
                let is_right = pin.as_deref() == Some(Legacy::PIN);
                match login {
                    Login::Expired => says(403, &json!({"result": "expired"})),
                    Login::Refused => security_error(),
                    Login::Waiting if pin.is_some() && !is_right => security_error(),
                    Login::Waiting if pin.is_none() => self.variant.waiting.answer(),
                    Login::Waiting | Login::Approved => {
                        let next = if self.variant.once { Login::Expired } else { Login::Approved };
                        state.logins.insert(key, next);
                        says(200, &json!({"result": "authenticated"}))
                    }
                }
            }
        }
    }
}

impl Waiting {
    fn answer(self) -> Response<Body> {
        match self {
            Self::Pending => says(200, &json!({"result": "pending"})),
            Self::Success => says(200, &json!({"result": "success"})),
            Self::Waiting => says(200, &json!({"result": "waiting"})),
            Self::Empty => plain(200, "application/json", ""),
            Self::NoContent => plain(204, "application/json", ""),
        }
    }
}

impl Fault {
    fn answer(self) -> Response<Body> {
        match self {
            Self::Says(status, content_type, body) => plain(status, content_type, &body),
            Self::Header(status, name, value) => {
                let response = Response::builder().status(status).header(name, value);
                response.body(Body::empty()).expect("a response")
            }
            Self::Silence => unreachable!("silence is no answer"),
        }
    }
}

async fn serve(State(shared): State<Arc<Shared>>, head: Parts, body: Bytes) -> Response<Body> {
    let call = shared.note(&head, &body);
    let fault = call.verb().and_then(|verb| shared.lock().faults.get(&verb).cloned());
    match fault {
        None => shared.answer(&call),
        Some(Fault::Silence) => std::future::pending().await,
        Some(fault) => fault.answer(),
    }
}

fn says(status: u16, body: &Value) -> Response<Body> {
    plain(status, "application/json", &body.to_string())
}

fn plain(status: u16, content_type: &str, body: &str) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", content_type);
    response.body(body.to_owned().into()).expect("a response")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An address at which nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}
