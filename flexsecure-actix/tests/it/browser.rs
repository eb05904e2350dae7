use actix_http::Request;
use actix_session::storage::{CookieSessionStore, generate_session_key};
use actix_session::{Session, SessionMiddleware};
use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, Key};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use actix_web::{Error, Result};
use flexsecure_actix::core::refusal::Problem;

use crate::support::{call, problem, prove};

/// Shows the session cookie that it was given last.
pub(crate) struct Browser<'a, S> {
    app: &'a S,
    cookie: Option<Cookie<'static>>,
}

impl<'a, S, B> Browser<'a, S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    pub(crate) const fn of(app: &'a S) -> Self {
        Self { app, cookie: None }
    }

    /// Goes to another app with the same cookie.
    pub(crate) fn at<T>(&self, app: &'a T) -> Browser<'a, T> {
        Browser { app, cookie: self.cookie.clone() }
    }

    pub(crate) async fn send(&mut self, mut request: TestRequest) -> ServiceResponse<B> {
        if let Some(cookie) = &self.cookie {
            request = request.cookie(cookie.clone());
        }
        let response = call(self.app, request).await;
        for cookie in response.response().cookies() {
            let is_removed = cookie.max_age() == Some(Duration::ZERO);
            self.cookie = (!is_removed).then(|| cookie.into_owned());
        }
        response
    }

    /// Asks for what everybody may have.
    pub(crate) async fn post(&mut self, path: &str) {
        assert_eq!(self.send(TestRequest::post().uri(path)).await.status(), StatusCode::OK);
    }

    /// What keeps the browser out of the vault.
    pub(crate) async fn hindrance(&mut self) -> Option<Problem> {
        let response = self.send(TestRequest::with_uri("/vault")).await;
        let hindrance = problem(&response);
        let expected = if hindrance.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!(response.status(), expected);
        hindrance
    }

    pub(crate) async fn prove(&mut self) {
        prove(async |request| self.send(request).await).await;
        assert_eq!(self.hindrance().await, None);
    }

    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookie.as_ref().map(Cookie::value)
    }
}

/// Keeps sessions in cookies, which all apps of these tests can read.
pub(crate) fn sessions() -> SessionMiddleware<CookieSessionStore> {
    SessionMiddleware::new(CookieSessionStore::default(), Key::from(&[7; 64]))
}

/// Begins a login that is unlike all others, be they of the same user.
pub(crate) fn begin_login(session: &Session) -> Result<()> {
    Ok(session.insert("login", String::from(generate_session_key()))?)
}

pub(crate) fn login(session: &Session) -> Option<String> {
    session.get("login").ok()?
}
