use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, Question};
use crate::Cluster;
use crate::wire::{Leaving, serve};

/// The authority's host: a check is held while nothing has changed, if its asker wants that.
pub(crate) async fn run(cluster: Arc<Cluster>) -> turmoil::Result {
    serve(Leaving::ChangesNothing, move |question: Question| {
        let cluster = Arc::clone(&cluster);
        async move { cluster.authority_answer(question).await }
    })
    .await
}

impl Cluster {
    async fn authority_answer(&self, question: Question) -> Answer {
        self.slowness("authority").half().await;
        let answer = match &question {
            Question::Start { .. } => self.start_login(&question),
            Question::Check { hold, .. } => {
                let hold = Duration::from_millis(*hold);
                self.check_when_changed(&question, hold).await
            }
        };
        self.slowness("authority").half().await;
        answer
    }

    fn start_login(&self, question: &Question) -> Answer {
        let mut logins = self.logins();
        let (answer, sent) = logins.start(question, crate::now());
        if sent.is_some() {
            let message = logins.messages().last().cloned();
            drop(logins);
            let message = message.unwrap();
            self.observed().message_sent(&message.flow, &message.user);
        }
        answer
    }

    async fn check_when_changed(&self, question: &Question, hold: Duration) -> Answer {
        let until = Instant::now() + hold;
        loop {
            let mut changed = pin!(self.approved.notified());
            changed.as_mut().enable();
            let answer = self.check_login(question);
            if answer != Answer::Pending || tokio::time::timeout_at(until, changed).await.is_err() {
                return answer;
            }
        }
    }

    fn check_login(&self, question: &Question) -> Answer {
        let mut logins = self.logins();
        let (answer, is_approved) = logins.check(question, crate::now());
        if is_approved {
            let flow = logins.named(question).map(|login| logins.flow_of(login).to_owned());
            drop(logins);
            self.observed().approved(&flow.unwrap());
            self.approved.notify_waiters();
        }
        answer
    }
}
