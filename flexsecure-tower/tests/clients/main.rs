//! What each kind of client gets over a socket: those that upgrade, those that want no body, and
//! pages of other origins.
#![cfg(feature = "axum")]
#![expect(clippy::unwrap_used, reason = "it is how a test fails")]

mod challenges;
mod cors;
mod head;
mod websocket;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Extension;
use flexsecure_core::authority::ScriptedAuthority;
use flexsecure_core::test_util::SettableClock;
use flexsecure_tower::core::Timestamp;
use flexsecure_tower::{Gate, Identity, Requirement, StepUp};

const PIN: &str = "48151623";

/// Time stands still, so that equal answers are equal to the byte.
fn step_up(authority: &ScriptedAuthority) -> StepUp {
    let clock = SettableClock::at(Timestamp::from_millis(1_000_000));
    StepUp::new(Gate::builder(authority.clone()).clock(Arc::new(clock)).build().unwrap())
}

fn alice() -> Extension<Identity> {
    Extension(Identity::new("alice", "session"))
}

fn bank() -> Requirement {
    Requirement::system("bank")
}

/// Counts how often the protected handler ran: what a client is told proves nothing.
#[derive(Clone, Default)]
struct Vault(Arc<AtomicUsize>);

impl Vault {
    fn open(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn opened(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
