use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use flexsecure_core::page::{Language, Pages, TemplateError};
use secrecy::SecretString;
use tokio::{task::JoinSet, time::timeout};

use super::{
    Channel, Delivery, Inbox, Message,
    message::{Content, MessageText},
};
use crate::{
    Clock,
    store::{Event, Recipient, Store},
};

/// Writes messages and sees them off, and notes in the audit trail what became of them.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    pub(crate) store: Store,
    pub(crate) pages: Pages,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inbox: Option<Inbox>,
    pub(crate) delivery: Option<Arc<dyn Delivery>>,
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
        let Some(message) = self.write(letter)? else { return Ok(()) };
        let in_inbox = self.inbox.as_ref().is_some_and(|inbox| {
            inbox.put(message.clone());
            true
        });
        let delivery = self.delivery.clone().filter(|way| way.carries(message.channel()));
        let (store, clock) = (self.store.clone(), Arc::clone(&self.clock));
        self.spawn(async move {
            let event = match delivery {
                Some(delivery) => match delivery.deliver(&message).await {
                    Ok(()) => Event::Sent,
                    Err(error) => {
                        let source = std::error::Error::source(&error);
                        tracing::warn!(challenge, source, "a message was not delivered");
                        Event::SendFailed
                    }
                },
                None if in_inbox => Event::Sent,
                None => Event::Undeliverable,
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
        let text = MessageText {
            system: letter.system,
            operation: letter.operation,
            minutes: letter.minutes,
            secret: letter.content.secret(),
        };
        let template = MessageText::template(channel, &letter.content);
        let text = self.pages.render(template, Language::default(), &text)?;
        Ok(Some(Message {
            to,
            channel,
            system: letter.system.to_owned(),
            content: letter.content,
            text: SecretString::from(text),
        }))
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
