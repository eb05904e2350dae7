//! `/v1/admin` from outside.

mod command;
mod document;
mod import;
mod keys;
mod pages;
mod robot;
mod scopes;
mod systems;
mod tenants;
mod users;

use flexsecure_server::{Directory, KeyRequest, Scopes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Authority, send};

/// An authority, and a key to administer it with.
pub(crate) struct Office {
    pub(crate) authority: Authority,
    pub(crate) key: String,
}

impl Office {
    pub(crate) async fn new() -> Self {
        let authority = Authority::new().await;
        let key = admin_key(authority.server.directory(), Scopes::ADMIN).await;
        let office = Self { authority, key };
        // Once a minute its use is noted: from now on it is not.
        assert_eq!(office.get("account").await.status, 200);
        office
    }

    pub(crate) fn directory(&self) -> &Directory {
        self.authority.server.directory()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let url = format!("{}/v1/admin/{path}", self.authority.base);
        let mut request = self.authority.http.request(method, url).header("apikey", &self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = send(request).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        answer
    }
}

pub(crate) async fn admin_key(directory: &Directory, scopes: Scopes) -> String {
    let name = scopes.to_string();
    directory.create(KeyRequest::new(name).scopes(scopes)).await.unwrap().expose().to_owned()
}

/// A problem of that kind, with its pointers.
pub(crate) fn is_problem(answer: &Answer, status: u16, kind: &str, pointers: &[&str]) {
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{answer:?}");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:flexsecure:problem:{kind}"), "{body}");
    assert_eq!((answer.status.as_u16(), &body["status"]), (status, &json!(status)), "{body}");
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    let named: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(named, pointers, "{body}");
}
