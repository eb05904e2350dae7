//! The scripted authority, over a line that can go wrong in the ways that a client of HTTP reports.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flexsecure_core::Authority;
use flexsecure_core::authority::{
    Capabilities, CheckReply, CheckRequest, StartReply, StartRequest,
};
use flexsecure_core::test_util::ScriptedAuthority;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::faults::{Faults, Mode, Service};
use crate::ledger::Ledger;

/// One node's client of the authority.
pub(crate) struct FaultyAuthority {
    scripted: ScriptedAuthority,
    faults: Arc<Faults>,
    ledger: Arc<Ledger>,
    known: Mutex<Known>,
}

/// What this client knows of the authority's capabilities: once it knows them, they are not asked
/// for again in the time of a scenario.
#[derive(Clone, Copy)]
enum Known {
    No,
    NotSince(Instant),
    Yes,
}

impl FaultyAuthority {
    pub(crate) fn new(
        scripted: ScriptedAuthority,
        faults: Arc<Faults>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self { scripted, faults, ledger, known: Mutex::new(Known::No) }
    }

    async fn start_for_real(&self, request: StartRequest<'_>) -> StartReply {
        let before = self.scripted.messages();
        let reply = self.scripted.start(request).await;
        self.ledger
            .note_messages(request.idempotency_key, self.scripted.messages().abs_diff(before));
        if let StartReply::Accepted(accepted) = &reply
            && let Some(txn) = &accepted.txn
        {
            self.ledger.note_login(request.idempotency_key, txn);
        }
        reply
    }

    async fn check_for_real(&self, request: CheckRequest<'_>) -> CheckReply {
        // A login that is not named is the last one, as long as that is good for anything.
        if request.txn.is_none() && self.ledger.last_message_is_over() {
            return CheckReply::Expired;
        }
        let reply = self.scripted.check(request).await;
        if reply == CheckReply::Authenticated {
            self.ledger.note_authenticated(request.txn, request.auth_id);
        }
        reply
    }
}

#[async_trait]
impl Authority for FaultyAuthority {
    async fn capabilities(&self) -> Capabilities {
        let known = *self.known.lock().unwrap();
        match known {
            Known::Yes => return self.scripted.capabilities().await,
            Known::NotSince(asked_at) if asked_at.elapsed() < PAUSE => return Capabilities::V1,
            Known::No | Known::NotSince(_) => {}
        }
        yield_now().await;
        let fault = self.faults.next(Service::Authority, "capabilities");
        if matches!(fault, Some(Mode::TimeOut | Mode::Lost)) {
            sleep(CHECK_LIMIT).await;
        }
        let is_known = fault.is_none();
        *self.known.lock().unwrap() =
            if is_known { Known::Yes } else { Known::NotSince(Instant::now()) };
        if is_known { self.scripted.capabilities().await } else { Capabilities::V1 }
    }

    async fn start(&self, request: StartRequest<'_>) -> StartReply {
        yield_now().await;
        match self.faults.next(Service::Authority, "start") {
            None => {
                let reply = self.start_for_real(request).await;
                yield_now().await;
                reply
            }
            Some(Mode::Error) => StartReply::NotStarted { retry_after: None },
            Some(Mode::TimeOut) => {
                sleep(START_LIMIT).await;
                StartReply::Unknown
            }
            Some(Mode::Lost) => {
                self.start_for_real(request).await;
                sleep(START_LIMIT).await;
                StartReply::Unknown
            }
        }
    }

    async fn check(&self, request: CheckRequest<'_>) -> CheckReply {
        yield_now().await;
        let name = if request.pin.is_some() { "check of a PIN" } else { "check" };
        match self.faults.next(Service::Authority, name) {
            None => {
                let reply = self.check_for_real(request).await;
                yield_now().await;
                reply
            }
            Some(Mode::Error) => CheckReply::Unavailable { retry_after: None, sent: false },
            Some(Mode::TimeOut) => {
                let held = request.hold.min(self.scripted.capabilities().await.wait);
                sleep(CHECK_LIMIT + held).await;
                CheckReply::Unavailable { retry_after: None, sent: true }
            }
            Some(Mode::Lost) => {
                self.check_for_real(request).await;
                yield_now().await;
                CheckReply::Unavailable { retry_after: None, sent: true }
            }
        }
    }
}

impl fmt::Debug for FaultyAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyAuthority(..)")
    }
}

const START_LIMIT: Duration = Duration::from_secs(5);

const CHECK_LIMIT: Duration = Duration::from_secs(3);

/// How long an authority that could not be asked what it knows is not asked again.
const PAUSE: Duration = Duration::from_secs(5);
