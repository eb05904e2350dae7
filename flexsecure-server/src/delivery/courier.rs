use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use flexsecure_core::page::{Language, Pages};
use secrecy::SecretString;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    Delivery, Inbox, Message,
    message::{Content, MessageText},
};
use crate::{
    Clock, Method, PublicUrl,
    challenge::{LinkToken, Pin, ServiceError},
    secret::ServerKeys,
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
    pub(crate) delivery: Option<Arc<dyn Delivery>>,
    pub(crate) work: Work,
}

/// What is under way in this process.
#[derive(Debug, Default)]
pub(crate) struct Work {
    sending: Mutex<JoinSet<()>>,
    settled: Mutex<Vec<Settled>>,
    wake: Notify,
}

impl Courier {
    /// Something was queued. With an inbox it is there once this returns: nobody who tries things out is to wait.
    pub(crate) async fn queued(self: &Arc<Self>) {
        if self.inbox.is_some() {
            self.turn(Reach::Everything).await;
        }
        self.wake();
    }

    /// Something may have been queued.
    pub(crate) fn wake(&self) {
        self.work.wake.notify_one();
    }

    /// Works until the server stops.
    pub(crate) async fn run(self: &Arc<Self>, mut stopping: Stopping) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reach = tokio::select! {
                () = self.work.wake.notified() => Reach::Everything,
                _ = ticks.tick() => Reach::LeftBehind,
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
        let room = {
            let mut sending = lock(&self.work.sending);
            while sending.try_join_next().is_some() {}
            u32::try_from(AT_ONCE.saturating_sub(sending.len())).unwrap_or_default()
        };
        let due = self.exchange(room, reach).await;
        for due in due {
            self.see_off(due);
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
    fn see_off(self: &Arc<Self>, due: Due) {
        let id = due.id;
        let message = match self.write(&due) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(challenge = due.challenge, error = %error, "a message can't be written");
                self.settle(id, Settlement::Failed { undeliverable: true });
                return;
            }
        };
        if let Some(inbox) = &self.inbox {
            inbox.put(message.clone());
        }
        let Some(delivery) = self.delivery.clone().filter(|way| way.carries(message.channel()))
        else {
            let settlement = match &self.inbox {
                Some(_) => Settlement::Accepted { provider: INBOX.to_owned(), reference: None },
                None => Settlement::Failed { undeliverable: true },
            };
            self.settle(id, settlement);
            return;
        };
        let courier = Arc::clone(self);
        lock(&self.work.sending).spawn(async move {
            let settlement = match delivery.deliver(&message).await {
                Ok(()) => Settlement::Accepted { provider: MAIL.to_owned(), reference: None },
                Err(error) => {
                    let source = std::error::Error::source(&error);
                    tracing::warn!(
                        challenge = due.challenge,
                        source,
                        "a message was not delivered"
                    );
                    Settlement::Failed { undeliverable: false }
                }
            };
            courier.settle(id, settlement);
        });
    }

    fn settle(&self, id: i64, settlement: Settlement) {
        lock(&self.work.settled).push(Settled { id, settlement });
        self.wake();
    }

    fn write(&self, due: &Due) -> Result<Message, ServiceError> {
        let key = self
            .keys
            .find(&due.server_key)
            .ok_or_else(|| ServiceError::KeyMissing { id: due.server_key.clone() })?;
        let content = match (due.kind, due.method) {
            (Kind::Alert, _) => Content::Alert,
            (Kind::Challenge, Method::Pin) => {
                Content::Pin(SecretString::from(Pin::derive(key, &due.nonce).expose()))
            }
            (Kind::Challenge, Method::Passwordless) => {
                let token = LinkToken::derive(key, &due.nonce);
                Content::Link(self.public_url.link(token.expose()))
            }
        };
        let left = due.expires_at.saturating_since(self.clock.now());
        let text = MessageText {
            system: &due.system,
            operation: &due.operation,
            minutes: left.as_secs().div_ceil(60),
            secret: content.secret(),
        };
        let template = MessageText::template(due.channel, &content);
        let text = self.pages.render(template, Language::default(), &text)?;
        Ok(Message {
            to: due.address.clone(),
            channel: due.channel,
            system: due.system.clone(),
            method: due.method,
            content,
            text: SecretString::from(text),
        })
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
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LEFT_BEHIND: Duration = Duration::from_secs(2);
const INBOX: &str = "inbox";
const MAIL: &str = "mail";
