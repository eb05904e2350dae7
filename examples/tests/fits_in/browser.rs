use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use serde_json::Value;

use crate::program::{ASKED, Program, told};

/// Shows the session cookie that it was given last.
#[derive(Clone)]
pub(crate) struct Browser {
    http: Client,
    url: String,
    cookie: Option<String>,
}

impl Browser {
    pub(crate) fn of(program: &Program) -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { http, url: program.url.clone(), cookie: None }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.send(Method::GET, path, |request| request).await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        self.send(Method::POST, path, |request| request.form(form)).await
    }

    pub(crate) async fn log_in(&mut self, user: &str) {
        assert_eq!(self.post("/login", &[("user", user)]).await.status(), 303);
    }

    pub(crate) async fn log_out(&mut self) {
        assert_eq!(self.post("/logout", &[]).await.status(), 303);
    }

    /// What becomes of a request that takes a proof.
    pub(crate) async fn codes(&mut self) -> String {
        told(self.get(CODES).await).await
    }

    /// The flow of such a request, if it is refused.
    pub(crate) async fn flow(&mut self) -> Value {
        let refused = self.get(CODES).await;
        assert_eq!(refused.status(), 401);
        refused.json::<Value>().await.unwrap()["flow"].take()
    }

    /// Types the PIN that the user was sent.
    pub(crate) async fn prove(&mut self, program: &Program) {
        assert_eq!(self.codes().await, ASKED);
        let url = format!("{}/pin", self.flow().await["url"].as_str().unwrap());
        let typed = self.post(&url, &[("pin", &program.pin().await)]).await;
        assert_eq!(typed.status(), 200);
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let answer = fill(request).send().await.unwrap();
        if let Some(cookie) = answer.headers().get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let is_removed = cookie.contains("Max-Age=0");
            self.cookie = (!is_removed).then(|| cookie.split(';').next().unwrap().to_owned());
        }
        answer
    }
}

const CODES: &str = "/account/recovery-codes";
