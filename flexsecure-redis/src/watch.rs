//! Hears from each server what was changed through other nodes.
//!
//! The server says which keys have changed at the end of a turn, and news within it: so news are
//! told on only once a question that was asked after they came is answered. Whoever hears them
//! never finds the copy from before.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use flexsecure_core::store::News;
use redis::aio::MultiplexedConnection;
use redis::{Client, PushInfo, PushKind, Value};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout, timeout_at};

use crate::alarm;
use crate::copies::Copies;
use crate::fault::Fault;
use crate::link::TRY;
use crate::listeners::Listeners;
use crate::names::Names;
use crate::validity::{BETWEEN_QUESTIONS, Validity};

/// What all watchers of a store have in common.
pub(crate) struct Watched {
    pub(crate) names: Names,
    /// None if there are to be none.
    pub(crate) copies: Option<Copies>,
    pub(crate) validity: Arc<Validity>,
    pub(crate) listeners: Listeners,
}

/// Which server a watcher listens to.
pub(crate) struct Post {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) is_in_cluster: bool,
}

/// A question under way, and the news that can be told once it is answered.
struct Asked {
    at: Instant,
    limit: tokio::time::Instant,
    news: Vec<News>,
    answer: Pin<Box<dyn Future<Output = Result<(), Fault>> + Send>>,
}

struct Watch<'w> {
    post: &'w Post,
    watched: &'w Watched,
    connection: MultiplexedConnection,
    pushes: UnboundedReceiver<PushInfo>,
    news: Vec<News>,
}

/// Watches for ever; whenever that fails, all copies are given up, and it begins anew.
pub(crate) async fn watch(post: Post, watched: Arc<Watched>) {
    let mut told = None;
    loop {
        let fault = match timeout(CONNECT, Watch::begin(&post, &watched)).await {
            Ok(Ok(watch)) => {
                told = None;
                watch.go_on().await
            }
            Ok(Err(fault)) => fault,
            Err(_) => Fault::TimedOut,
        };
        watched.validity.lost(&post.name);
        watched.clear();
        if told.as_ref() != Some(&fault) {
            alarm::unwatched(&post.name, &fault);
            told = Some(fault);
        }
        sleep(BETWEEN_QUESTIONS).await;
    }
}

impl Watched {
    pub(crate) fn clear(&self) {
        if let Some(copies) = &self.copies {
            copies.clear();
        }
    }

    /// A key has changed; none stands for all of them.
    fn changed(&self, key: Option<&str>) {
        let Some(copies) = &self.copies else { return };
        match key.and_then(|key| self.names.user_of_elevations(key)) {
            Some(user) => copies.forget(user),
            None => copies.clear(),
        }
    }
}

impl<'w> Watch<'w> {
    async fn begin(post: &'w Post, watched: &'w Watched) -> Result<Self, Fault> {
        let (sender, pushes) = mpsc::unbounded_channel();
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(sender);
        let client = &post.client;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        if watched.copies.is_some() {
            let mut track = redis::cmd("CLIENT");
            track.arg("TRACKING").arg("ON").arg("BCAST");
            for prefix in watched.names.tracked() {
                track.arg("PREFIX").arg(prefix);
            }
            track.exec_async(&mut connection).await?;
        }
        connection.subscribe(watched.names.news()).await?;
        let mut watch = Self { post, watched, connection, pushes, news: Vec::new() };
        // What was missed is not known, so it may be anything.
        watch.news.push(News::Anything);
        Ok(watch)
    }

    async fn go_on(mut self) -> Fault {
        let mut ticks = ticks();
        let mut asked: Option<Asked> = None;
        loop {
            let waiting = async {
                match &mut asked {
                    Some(asked) => timeout_at(asked.limit, &mut asked.answer).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                push = self.pushes.recv() => match push {
                    Some(push) if push.kind != PushKind::Disconnection => self.take(push),
                    _ => return Fault::Disconnected(std::io::ErrorKind::UnexpectedEof),
                },
                answered = waiting => {
                    match answered {
                        Ok(Ok(())) => {}
                        Ok(Err(fault)) => return fault,
                        Err(_) => return Fault::TimedOut,
                    }
                    // What came before the answer is here, though perhaps not looked at.
                    while let Ok(push) = self.pushes.try_recv() {
                        self.take(push);
                    }
                    let Some(Asked { at, news, .. }) = asked.take() else { continue };
                    self.watched.validity.answered(&self.post.name, at);
                    news.into_iter().for_each(|news| self.watched.listeners.tell(news));
                }
                _ = ticks.tick() => {
                    if asked.is_none() {
                        asked = Some(self.ask());
                    }
                    if let Some(copies) = &self.watched.copies {
                        copies.sweep_if_due(Instant::now());
                    }
                }
            }
            if asked.is_none() && !self.news.is_empty() {
                asked = Some(self.ask());
            }
        }
    }

    fn take(&mut self, push: PushInfo) {
        if push.kind == PushKind::Invalidate {
            let Some(Value::Array(keys)) = push.data.into_iter().next() else {
                return self.watched.changed(None);
            };
            for key in keys {
                let key = if let Value::BulkString(key) = key { key } else { Vec::new() };
                self.watched.changed(std::str::from_utf8(&key).ok());
            }
        } else if push.kind == PushKind::Message {
            let Some(Value::BulkString(text)) = push.data.into_iter().nth(1) else { return };
            let text = std::str::from_utf8(&text).unwrap_or_default();
            if text == "*" {
                self.news.push(News::Anything);
            } else if let Ok(flow) = text.parse() {
                self.news.push(News::Flow(flow));
            }
        }
    }

    /// Whether this is still the one that takes the writes: neither a replica nor, where that is set,
    /// a primary without enough of them. What is changed at another one it would not tell.
    fn ask(&mut self) -> Asked {
        let mut connection = self.connection.clone();
        let is_in_cluster = self.post.is_in_cluster;
        let answer = Box::pin(async move {
            let asked = redis::cmd("EVAL").arg(CAN_WRITE).arg(0).exec_async(&mut connection).await;
            if let Err(error) = asked {
                let fault = Fault::from(error);
                // For want of disk it is still the one that would take the writes.
                if !fault.is("MISCONF") {
                    return Err(fault);
                }
            }
            if is_in_cluster {
                let mut info = redis::cmd("CLUSTER");
                let info: String = info.arg("INFO").query_async(&mut connection).await?;
                if !info.contains("cluster_state:ok") {
                    return Err(Fault::Refused { code: "CLUSTERDOWN".to_owned() });
                }
            }
            Ok(())
        });
        let now = tokio::time::Instant::now();
        let limit = now.checked_add(TRY).unwrap_or(now);
        Asked { at: now.into_std(), limit, news: std::mem::take(&mut self.news), answer }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(BETWEEN_QUESTIONS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Changes nothing, and is refused wherever changes are.
const CAN_WRITE: &str = "#!lua flags=allow-oom\nreturn 1";

const CONNECT: std::time::Duration = std::time::Duration::from_secs(1);
