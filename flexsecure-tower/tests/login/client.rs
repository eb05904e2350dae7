use axum::Router;
use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::{ASKED, PIN};

/// One user agent at an app: it sends the session cookie that it got last.
#[derive(Clone)]
pub(crate) struct Client {
    app: Router,
    headers: HeaderMap,
}

impl Client {
    pub(crate) fn of(app: &Router) -> Self {
        Self { app: app.clone(), headers: HeaderMap::new() }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// The same user agent, with the same cookie, at another app.
    pub(crate) fn at(&self, app: &Router) -> Self {
        Self { app: app.clone(), headers: self.headers.clone() }
    }

    /// What the session cookie says; both session crates call it `id`.
    pub(crate) fn session_id(&self) -> Option<&str> {
        self.headers.get(header::COOKIE)?.to_str().unwrap().strip_prefix("id=")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Asks for `path`, which takes a proof, and opens a flow: gives its address.
    pub(crate) async fn ask(&mut self, path: &str) -> String {
        let refused = self.get(path).await;
        assert_eq!(refused.told(), ASKED);
        refused.json().pointer("/flow/url").unwrap().as_str().unwrap().to_owned()
    }

    /// Types the PIN on the page of `flow`.
    pub(crate) async fn type_pin(&mut self, flow: &str) -> Answer {
        let typed = Request::post(format!("{flow}/pin"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(format!("{{\"pin\":\"{PIN}\"}}")));
        self.send(typed.unwrap()).await
    }

    /// Asks for `path`, which takes a proof, and gives it.
    pub(crate) async fn prove(&mut self, path: &str) {
        let flow = self.ask(path).await;
        assert_eq!(self.type_pin(&flow).await.status, StatusCode::OK);
    }

    async fn send(&mut self, mut request: Request<Body>) -> Answer {
        request.headers_mut().extend(self.headers.clone());
        let response = self.app.clone().oneshot(request).await.unwrap();
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            self.headers.insert(header::COOKIE, HeaderValue::from_str(pair).unwrap());
        }
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, body: String::from_utf8(body.into()).unwrap() }
    }
}

/// What a client got to see.
pub(crate) struct Answer {
    status: StatusCode,
    body: String,
}

impl Answer {
    /// The status with the name of the problem, else with the text.
    pub(crate) fn told(&self) -> String {
        let problem = serde_json::from_str::<Value>(&self.body).ok();
        let kind = problem.as_ref().and_then(|problem| problem.get("type")?.as_str());
        let name = kind.and_then(|kind| kind.strip_prefix("urn:flexsecure:problem:"));
        format!("{} {}", self.status.as_u16(), name.unwrap_or(&self.body))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
