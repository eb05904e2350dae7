use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flexsecure_core::page::{Language, Pages};
use secrecy::SecretString;
use tokio::{
    sync::{Mutex as Turn, Notify},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{Addressee, Content, DeliveryErrorKind, Draft, Inbox, Message, Outcome, Providers};
use crate::{
    Clock, Method, PublicUrl,
    challenge::{LinkToken, Pin, ServiceError},
    metrics::{self, Sending},
    secret::{Purpose, ServerKeys},
    stopping::Stopping,
    store::{Due, Kind, Settled, Settlement, SharedStore},
};

/// Takes messages out of the outbox, sees them off, and writes down what became of them.
#[derive(Debug)]
pub(crate) struct Courier {
    pub(crate) store: SharedStore,
    pub(crate) pages: Pages,
    pub(crate) keys: Arc<ServerKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) public_url: PublicUrl,
    pub(crate) inbox: Option<Inbox>,
    pub(crate) providers: Providers,
    pub(crate) work: Work,
}

/// What is under way in this process.
#[derive(Debug, Default)]
pub(crate) struct Work {
    sending: Mutex<JoinSet<()>>,
    settled: Mutex<Vec<Settled>>,
    /// Whoever has a turn ends it: what one has taken and not yet put into the inbox, another must not look for.
    turn: Turn<()>,
    /// Something may be due.
    due: Notify,
    /// Something is to be written down.
    done: Notify,
}

impl Courier {
    /// Something was queued. With an inbox it is there once this returns: nobody who tries things out is to wait.
    pub(crate) async fn queued(self: &Arc<Self>) {
        if self.inbox.is_some() {
            self.turn(Reach::Everything).await;
        }
        self.wake();
    }

    /// Something may be due.
    fn wake(&self) {
        self.work.due.notify_one();
    }

    /// Works until the server stops.
    pub(crate) async fn run(self: &Arc<Self>, mut stopping: Stopping) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reach = tokio::select! {
                () = self.work.due.notified() => Reach::Everything,
                // Nobody waits for it, and what ends a moment later shares the transaction.
                () = self.written_down() => Reach::Everything,
                _ = ticks.tick() => {
                    self.measure().await;
                    Reach::LeftBehind
                }
                () = stopping.begun() => return,
            };
            self.turn(reach).await;
        }
    }

    /// Sees off what is queued, for at most `limit`.
    pub(crate) async fn drain(self: &Arc<Self>, limit: Duration) {
        self.turn(Reach::Everything).await;
        let mut sending = std::mem::take(&mut *lock(&self.work.sending));
        let all = async { while sending.join_next().await.is_some() {} };
        if timeout(limit, all).await.is_err() {
            tracing::warn!("messages were still under way at the end");
        }
        self.exchange(0, Reach::Everything).await;
    }

    async fn turn(self: &Arc<Self>, reach: Reach) {
        let _turn = self.work.turn.lock().await;
        let room = {
            let mut sending = lock(&self.work.sending);
            while sending.try_join_next().is_some() {}
            u32::try_from(AT_ONCE.saturating_sub(sending.len())).unwrap_or_default()
        };
        let due = self.exchange(room, reach).await;
        for due in &due {
            self.see_off(due);
        }
    }

    async fn written_down(&self) {
        self.work.done.notified().await;
        sleep(GATHER).await;
    }

    async fn measure(&self) {
        match self.store.backlog(self.clock.now()).await {
            Ok(backlog) => metrics::outbox(backlog.oldest, backlog.queued),
            Err(error) => tracing::warn!(error = %error, "the outbox can't be measured"),
        }
    }

    async fn exchange(&self, room: u32, reach: Reach) -> Vec<Due> {
        let settled = std::mem::take(&mut *lock(&self.work.settled));
        let now = self.clock.now();
        let due_before = match reach {
            Reach::Everything => now,
            Reach::LeftBehind => now.saturating_sub(LEFT_BEHIND),
        };
        match self.store.exchange(settled.clone(), room, due_before, LEASE, now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %error, "the outbox can't be worked on");
                // Said again next time: what is never said counts as unknown.
                lock(&self.work.settled).extend(settled);
                Vec::new()
            }
        }
    }

    /// What has to travel does so in a task of its own.
    fn see_off(self: &Arc<Self>, due: &Due) {
        let message = match self.write(due) {
            Ok(message) => message,
            Err(error) => {
                let challenge = due.challenge;
                tracing::error!(challenge, error = %error, "a message can't be written");
                return self.settle(due.settled(Settlement::Failed { undeliverable: true }));
            }
        };
        if let Some(inbox) = &self.inbox {
            inbox.put(message.clone());
            if !self.providers.carry(message.channel()) {
                let provider = INBOX.to_owned();
                let accepted = Settlement::Accepted { provider, reference: None };
                return self.settle(due.settled(accepted));
            }
        }
        let (courier, id, tries, expires_at) =
            (Arc::clone(self), due.id, due.tries, due.expires_at);
        lock(&self.work.sending).spawn(async move {
            let handed = courier.providers.hand_over(&message, tries, expires_at).await;
            for tried in &handed.tries {
                let sending = match tried.error {
                    None => Sending::Accepted,
                    Some(DeliveryErrorKind::Unknown) => Sending::Unknown,
                    Some(
                        DeliveryErrorKind::Refused
                        | DeliveryErrorKind::Busy { .. }
                        | DeliveryErrorKind::Unreachable,
                    ) => Sending::Failed,
                };
                metrics::sent(tried.provider.as_str(), sending);
            }
            let asked = handed.tries.last().map(|tried| tried.provider.to_string());
            let settlement = match handed.outcome {
                Outcome::Accepted { reference } => {
                    Settlement::Accepted { provider: asked.unwrap_or_default(), reference }
                }
                Outcome::Retry { at } => Settlement::Retry { at },
                Outcome::GivenUp => Settlement::Failed { undeliverable: false },
                Outcome::NoProvider => Settlement::Failed { undeliverable: true },
                Outcome::Unknown => Settlement::Unknown,
            };
            courier.settle(Settled { id, tries, settlement });
        });
    }

    fn settle(self: &Arc<Self>, settled: Settled) {
        if let Settlement::Retry { at } = settled.settlement {
            let wait = at.saturating_since(self.clock.now());
            let courier = Arc::downgrade(self);
            tokio::spawn(async move {
                sleep(wait).await;
                if let Some(courier) = courier.upgrade() {
                    courier.wake();
                }
            });
        }
        lock(&self.work.settled).push(settled);
        self.work.done.notify_one();
    }

    fn write(&self, due: &Due) -> Result<Message, ServiceError> {
        let key = self
            .keys
            .find(&due.server_key)
            .ok_or_else(|| ServiceError::KeyMissing { id: due.server_key.clone() })?;
        let content = match (due.kind, due.method) {
            (Kind::Alert, _) => Content::Alert,
            (Kind::Challenge, Method::Pin) => {
                Content::Pin(SecretString::from(Pin::derive(&key, &due.nonce).expose()))
            }
            (Kind::Challenge, Method::Passwordless) => {
                let token = LinkToken::derive(&key, &due.nonce);
                Content::Link(self.public_url.link(token.expose()))
            }
        };
        // Not the number of the row: how many messages there are is nobody's business.
        let reference = key.mac(Purpose::MessageReference, &[&due.id.to_be_bytes()]);
        let addressee = Addressee {
            to: due.address.clone(),
            reference: URL_SAFE_NO_PAD.encode(reference.get(..16).unwrap_or_default()),
        };
        let language = match &*due.locale {
            "" => Language::default(),
            locale => self.pages.language(locale),
        };
        let left = due.expires_at.saturating_since(self.clock.now());
        let draft = Draft {
            system: &due.system,
            operation: &due.operation,
            minutes: left.as_secs().div_ceil(60),
            content,
            channel: due.channel,
            language,
            host: self.public_url.host(),
        };
        Ok(draft.write(&self.pages, addressee)?)
    }
}

/// Which of the due messages are taken.
#[derive(Clone, Copy, Debug)]
enum Reach {
    Everything,
    /// What whoever queued it has not taken, as he does at once: he may be gone.
    LeftBehind,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Messages that are handed over at the same moment.
const AT_ONCE: usize = 64;
/// Longer than any provider is waited for.
const LEASE: Duration = Duration::from_secs(60);
const GATHER: Duration = Duration::from_millis(20);
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LEFT_BEHIND: Duration = Duration::from_secs(2);
const INBOX: &str = "inbox";
