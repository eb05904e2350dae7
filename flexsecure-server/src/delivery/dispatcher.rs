use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flexsecure_core::page::{Language, Pages, TemplateError};
use tokio::{task::JoinSet, time::timeout};

use super::{Addressee, Channel, Content, Draft, Inbox, Message, Outcome, Providers};
use crate::{
    Clock, UnixMillis,
    secret::random_bytes,
    store::{Event, Recipient, Store},
};

/// Writes messages and sees them off, and notes in the audit trail what became of them.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    pub(crate) store: Store,
    pub(crate) pages: Pages,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inbox: Option<Inbox>,
    pub(crate) providers: Arc<Providers>,
    /// The host of the public URL.
    pub(crate) host: String,
    pub(crate) under_way: Mutex<JoinSet<()>>,
}

/// What a message says.
pub(crate) struct Letter<'a> {
    pub(crate) challenge: i64,
    pub(crate) recipient: Recipient,
    pub(crate) system: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) content: Content,
    pub(crate) minutes: u64,
}

impl Dispatcher {
    /// Returns once the message is in the inbox, if there is one. What has to travel does so in a task of its own.
    pub(crate) fn send(&self, letter: Letter<'_>) -> Result<(), TemplateError> {
        let challenge = letter.challenge;
        let valid = Duration::from_secs(letter.minutes.saturating_mul(60));
        let deadline = self.clock.now().saturating_add(valid);
        let Some(message) = self.write(letter)? else { return Ok(()) };
        let in_inbox = self.inbox.as_ref().is_some_and(|inbox| {
            inbox.put(message.clone());
            true
        });
        let providers = Arc::clone(&self.providers);
        let (store, clock) = (self.store.clone(), Arc::clone(&self.clock));
        self.spawn(async move {
            let event = hand_over(&providers, challenge, &message, deadline).await;
            let event = match event {
                None if in_inbox => Event::Sent,
                None => Event::Undeliverable,
                Some(event) => event,
            };
            if let Err(error) = store.record(challenge, event, clock.now()).await {
                tracing::error!(challenge, error = %error, "the audit trail lacks an entry");
            }
        });
        Ok(())
    }

    /// Waits for what is under way, for at most `limit`.
    pub(crate) async fn drain(&self, limit: Duration) {
        let mut under_way = std::mem::take(&mut *self.lock());
        let all = async { while under_way.join_next().await.is_some() {} };
        if timeout(limit, all).await.is_err() {
            tracing::warn!("messages were still under way at the end");
        }
    }

    fn write(&self, letter: Letter<'_>) -> Result<Option<Message>, TemplateError> {
        let (to, channel) = match (letter.recipient.email, letter.recipient.sms) {
            (Some(email), _) => (email, Channel::Email),
            (None, Some(number)) => (number, Channel::Sms),
            (None, None) => return Ok(None),
        };
        // Without randomness nothing was started: this can't fail alone, and an empty one does no harm.
        let reference = random_bytes::<16>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let addressee = Addressee { to, reference: reference.unwrap_or_default() };
        let draft = Draft {
            system: letter.system,
            operation: letter.operation,
            minutes: letter.minutes,
            content: letter.content,
            channel,
            language: Language::default(),
            host: &self.host,
        };
        draft.write(&self.pages, addressee).map(Some)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut under_way = self.lock();
        while under_way.try_join_next().is_some() {}
        under_way.spawn(task);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Once: whoever got nothing asks again. `None` if no provider carries it.
async fn hand_over(
    providers: &Providers,
    challenge: i64,
    message: &Message,
    deadline: UnixMillis,
) -> Option<Event> {
    let handed = providers.hand_over(message, 1, deadline).await;
    for tried in &handed.tries {
        let provider = tried.provider.as_str();
        let result = tried.error.map_or("accepted", |kind| kind.as_str());
        tracing::debug!(challenge, provider, result, "a provider was asked");
    }
    match handed.outcome {
        Outcome::Accepted { reference } => {
            tracing::debug!(challenge, reference, "a message was accepted");
            Some(Event::Sent)
        }
        Outcome::Retry { at } => {
            tracing::debug!(challenge, at = at.as_millis(), "it could be tried again");
            Some(Event::SendFailed)
        }
        Outcome::GivenUp | Outcome::Unknown => Some(Event::SendFailed),
        Outcome::NoProvider => None,
    }
}
