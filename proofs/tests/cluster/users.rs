//! The users: what they want, in which tabs, and what they do about the messages they get.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Cluster;
use crate::faults::NODES;
use crate::node::{BUDGET, FlowSeen, Reply, Request, Target};
use crate::plan::Wish;
use crate::wire::ask;

/// Ends when every tab has got what it wanted, or given up.
pub(crate) async fn run(cluster: Arc<Cluster>) -> turmoil::Result {
    let mut people = JoinSet::new();
    for user in 0..cluster.plan.users.len() {
        people.spawn(read_messages(Arc::clone(&cluster), user));
    }
    let mut tabs = JoinSet::new();
    for wish in &cluster.plan.wishes {
        for number in 0..wish.tabs {
            let dice = cluster.plan.dice("tab", wish.number * 10 + number);
            let cluster = Arc::clone(&cluster);
            let tab = Tab { cluster, wish: wish.clone(), number, dice, since: None, typed: 0 };
            tabs.spawn(tab.pursue());
        }
    }
    while let Some(done) = tabs.join_next().await {
        done?;
    }
    people.shutdown().await;
    Ok(())
}

/// Does about each message what its user does: clicks the link, or has the PIN at hand.
async fn read_messages(cluster: Arc<Cluster>, user: usize) {
    let mut dice = cluster.plan.dice("user", user);
    let user = &cluster.plan.users[user];
    let mut read = 0;
    let mut due = Vec::new();
    loop {
        sleep(LOOK).await;
        for message in &cluster.logins().messages()[read..] {
            read += 1;
            if message.user == user.name {
                let haste = dice.random_range(user.haste.0..=user.haste.1);
                due.push((crate::now() + Duration::from_millis(haste), message.clone()));
            }
        }
        let now = crate::now();
        let (done, left) = due.into_iter().partition(|(at, _)| *at <= now);
        due = left;
        for (_, message) in done {
            cluster.seen().insert(message.flow.clone(), message.pin.clone());
            if message.pin.is_none() && cluster.logins().approve(message.login, now) {
                cluster.observed().approved(&message.flow);
                cluster.approved.notify_waiters();
            }
        }
    }
}

/// One tab of a browser.
struct Tab {
    cluster: Arc<Cluster>,
    wish: Wish,
    number: usize,
    dice: StdRng,
    /// The flow it was last told of, and since when.
    since: Option<(String, Duration)>,
    /// How many PINs were typed for it.
    typed: u32,
}

impl Tab {
    async fn pursue(mut self) {
        sleep(self.wish.begins + self.millis(0, 3_000)).await;
        loop {
            if crate::now() > GIVE_UP {
                self.end("gave up");
                return;
            }
            let wait = *[0, 0, 3, 8, 15].choose(&mut self.dice).unwrap();
            let pin = self.since.as_ref().and_then(|(flow, _)| self.cluster.pin_of(flow));
            let pin = pin.filter(|_| self.typed < 4 && self.dice.random_bool(0.2));
            self.typed += u32::from(pin.is_some());
            let Some(reply) = self.ask(Target::Handler { pin }, wait).await else {
                self.pause(100, 800).await;
                continue;
            };
            if reply.status == 200 {
                return self.end("in");
            }
            if reply.reason.as_deref() == Some("spent") {
                return self.end("spent");
            }
            if reply.problem.as_deref() == Some("too-many-starts") {
                return self.end("limited");
            }
            match reply.flow {
                Some(flow) => self.attend(flow).await,
                None => self.pause(300, 1_500).await,
            }
        }
    }

    /// Looks after the flow for a while.
    async fn attend(&mut self, flow: FlowSeen) {
        let mut flow = flow;
        if self.since.as_ref().is_none_or(|(known, _)| *known != flow.id) {
            self.since = Some((flow.id.clone(), crate::now()));
            self.typed = 0;
        }
        for _ in 0..self.dice.random_range(1..=3) {
            if flow.is_over() {
                return;
            }
            self.pause(50, 1_000).await;
            let Some(reply) = self.look_after(&flow).await else { return };
            match reply.flow {
                Some(stands) => flow = stands,
                None => return,
            }
        }
    }

    async fn look_after(&mut self, flow: &FlowSeen) -> Option<Reply> {
        let pin = self.cluster.pin_of(&flow.id).filter(|_| self.typed < 4);
        let waited = self.since.as_ref().map_or(Duration::ZERO, |it| crate::now() - it.1);
        let target = |method: &str, path: String, body| Target::Flow {
            method: method.to_owned(),
            path,
            body,
        };
        if let Some(pin) = pin {
            self.typed += 1;
            let is_wrong = self.typed == 1 && self.dice.random_bool(0.3);
            let pin = if is_wrong { "27182818".to_owned() } else { pin };
            let body = format!("{{\"pin\":\"{pin}\"}}");
            return self.ask(target("POST", format!("{}/pin", flow.url), body), 0).await;
        }
        if flow.state == "idle" || waited > RESEND_AFTER {
            self.since = Some((flow.id.clone(), crate::now()));
            self.cluster.observed().asked_for_message(&flow.id);
            return self.ask(target("POST", format!("{}/start", flow.url), String::new()), 0).await;
        }
        let wait = *[0, 0, 4, 10].choose(&mut self.dice).unwrap();
        self.ask(target("GET", flow.url.clone(), String::new()), wait).await
    }

    /// Any node will do. When all is put right the user asks anew: a connection of before may have
    /// lost what was sent over it.
    async fn ask(&mut self, target: Target, wait: u64) -> Option<Reply> {
        let node = NODES.choose(&mut self.dice).unwrap();
        let request = Request { wish: self.wish.number, tab: self.number, wait, target };
        let limit = Duration::from_secs(wait) + BUDGET;
        let mut healed = self.cluster.healed.subscribe();
        let was_healed = *healed.borrow_and_update();
        tokio::select! {
            biased;
            reply = ask(node, &request, limit) => reply.ok(),
            _ = healed.changed(), if !was_healed => None,
        }
    }

    fn end(&self, how: &'static str) {
        self.cluster.observed().ended(&self.wish, self.number, how);
    }

    async fn pause(&mut self, from: u64, to: u64) {
        let pause = self.millis(from, to);
        sleep(pause).await;
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.dice.random_range(from..=to))
    }
}

impl Cluster {
    /// The PIN of the flow, once its user has read it.
    fn pin_of(&self, flow: &str) -> Option<String> {
        self.seen().get(flow).cloned().flatten()
    }
}

const LOOK: Duration = Duration::from_millis(100);

/// When a user whom nothing has happened for asks for another message.
const RESEND_AFTER: Duration = Duration::from_secs(33);

/// When a tab is closed that got nowhere, from the beginning.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(160);
