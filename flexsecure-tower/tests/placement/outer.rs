//! What the shapes share: a vault that counts, and a gate that guards it or does not.

use std::convert::Infallible;
use std::future::Ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use flexsecure_tower::core::authority::ScriptedAuthority;
use flexsecure_tower::core::coverage::{Finding, Report};
use flexsecure_tower::{Gate, Identity, Requirement, StepUp, StepUpLayer, coverage};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceExt};

pub(crate) fn step_up() -> StepUp {
    let gate = Gate::builder(ScriptedAuthority::pin("48151623")).build().unwrap();
    StepUp::new(gate).identify(|head| {
        let user = head.headers.get("x-user")?.to_str().ok()?;
        Some(Identity::new(user, user))
    })
}

pub(crate) fn gate() -> StepUpLayer {
    step_up().require(bank())
}

pub(crate) fn bank() -> Requirement {
    Requirement::system("bank")
}

/// Counts how often the protected handler ran: what a client is told proves nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vault(Arc<AtomicUsize>);

impl Vault {
    pub(crate) fn opened(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn secret(
        &self,
    ) -> impl Fn() -> Ready<&'static str> + Clone + Send + Sync + 'static + use<> {
        let Self(opened) = self.clone();
        move || {
            opened.fetch_add(1, Ordering::SeqCst);
            std::future::ready("secret")
        }
    }
}

pub(crate) async fn send<S, B>(app: &S, method: &str, path: &str) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let request = Request::builder().method(method).uri(path).header("x-user", "alice");
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

pub(crate) async fn ask<S, B>(app: &S, routes: &[&str]) -> Report
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone,
{
    let log_in = |request: &mut Request<_>| {
        request.headers_mut().insert("x-user", "alice".parse().unwrap());
    };
    coverage(app.clone(), routes, log_in).await
}

/// The vault opens for `method path` without a proof, and coverage finds that for itself: it is asked
/// for `routes` only.
pub(crate) async fn assert_open<S, B>(
    app: &S,
    vault: &Vault,
    routes: &[&str],
    (method, path): (&str, &str),
) where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
        + Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>
        + Clone,
{
    let before = vault.opened();
    send(app, method, path).await;
    assert_eq!(vault.opened().abs_diff(before), 1, "{method} {path} did not open the vault");
    let report = ask(app, routes).await;
    let found: Vec<String> = report.open().map(ToString::to_string).collect();
    assert!(found.contains(&format!("{method} {path}")), "not among {found:?}");
    let told = report.gated_except(&[]).unwrap_err().to_string();
    assert!(told.contains(&format!("{method} {path}")), "{told}");
}

/// The vault never opens, and coverage has nothing to say.
pub(crate) async fn assert_safe<S, B>(app: &S, vault: &Vault, routes: &[&str])
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone,
{
    let report = ask(app, routes).await;
    report.assert_gated_except(&[]);
    for route in routes {
        assert_eq!(report.finding(route), Some(Finding::Gated), "{route}");
    }
    assert_eq!(vault.opened(), 0);
}
