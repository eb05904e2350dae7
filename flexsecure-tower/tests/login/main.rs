//! What holds with the usual ways to log in to an axum app.
#![cfg(feature = "axum")]
#![expect(clippy::unwrap_used, reason = "it is how a test fails")]

mod axum_login;
mod bearer;
mod client;
mod tower_sessions;

use axum::routing::{MethodRouter, get};
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_tower::{Elevated, Gate, Requirement, StepUp};

const PIN: &str = "48151623";

const PASSED: &str = "200 transferred";
const ASKED: &str = "401 step-up-required";
const NOT_LOGGED_IN: &str = "401 identification-required";

fn step_up() -> StepUp {
    StepUp::new(Gate::builder(ScriptedAuthority::pin(PIN)).build().unwrap())
}

/// What takes a proof in each of these apps.
fn transfer<S: Clone + Send + Sync + 'static>(step_up: &StepUp) -> MethodRouter<S> {
    get(transferred).layer(step_up.require(Requirement::system("bank")))
}

async fn transferred(_: Elevated) -> &'static str {
    "transferred"
}
