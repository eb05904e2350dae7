use flexsecure_core::authority::{CheckReply, StartReply};
use flexsecure_core::flow::{FlowId, Input};
use flexsecure_core::store::FlowRecord;
use flexsecure_core::{Requirement, SessionKey, Timestamp};

use crate::Without;
use crate::authority::{Authority, Start};
use crate::driver::{Errand, Fate, Node, Note, Question, Subject, Task, WAKE, no_answer};
use crate::store::{Kept, Verb};

/// Three nodes, what they share, and the authority, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) store: Kept,
    pub(crate) authority: Authority,
    /// What each node is about to do. Nodes differ by nothing else, so they are kept in order.
    pub(crate) nodes: Vec<Vec<Task>>,
    pub(crate) now: Timestamp,
    pub(crate) left: Left,
    pub(crate) told: Told,
}

/// How much can still come from outside: it keeps the space finite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    /// Protected requests, of each session.
    pub(crate) requests: [u8; 2],
    pub(crate) polls: u8,
    pub(crate) resends: u8,
    pub(crate) cancels: u8,
    /// Nodes that die.
    pub(crate) crashes: u8,
    /// Verbs of the store that fail, or whose answer is lost.
    pub(crate) store_faults: u8,
    /// The same of calls to the authority.
    pub(crate) authority_faults: u8,
    pub(crate) revocations: u8,
    pub(crate) rebindings: u8,
}

/// What has happened, for the properties to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) opened: u8,
    /// The flows whose elevation has let a request through, once for each.
    pub(crate) passes: Vec<FlowId>,
    /// The flows of which the authority said `authenticated`.
    pub(crate) authenticated: Vec<FlowId>,
    calls: u8,
}

/// What can happen next. Nodes and tasks are numbered as they are kept at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Request {
        node: usize,
        session: usize,
    },
    Poll {
        node: usize,
        flow: FlowId,
    },
    Resend {
        node: usize,
        flow: FlowId,
    },
    Cancel {
        node: usize,
        flow: FlowId,
    },
    /// A verb of the store.
    Go {
        node: usize,
        task: usize,
        fate: Fate,
    },
    /// A call to the authority.
    Call {
        node: usize,
        task: usize,
        outcome: Outcome,
    },
    Crash {
        node: usize,
    },
    /// A start arrives whose sender has given up.
    LateStart {
        number: usize,
    },
    Approve {
        login: usize,
    },
    Revoke {
        session: usize,
    },
    Rebind,
    Tick,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// It was refused before it was sent.
    Refused,
    /// It has arrived, but its sender gave up on the answer.
    AnswerLost,
    /// Its sender gave up, and it may arrive later.
    Late,
}

/// The world's rules, one defence missing or none.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) requirement: Requirement,
    pub(crate) without: Without,
    /// The times that come after the first.
    pub(crate) times: &'static [Timestamp],
}

impl World {
    pub(crate) fn new(authority: Authority, left: Left) -> Self {
        let (store, nodes) = (Kept::nothing(), vec![Vec::new(); NODES]);
        Self { store, authority, nodes, now: BEGIN, left, told: Told::default() }
    }

    pub(crate) fn record(&self, flow: FlowId) -> Option<&FlowRecord> {
        self.store.picture().flows().find(|record| record.id == flow)
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.nodes.iter().flatten()
    }

    pub(crate) fn events(&self, rules: &Rules, events: &mut Vec<Event>) {
        for (node, tasks) in self.nodes.iter().enumerate() {
            if node == 0 || self.nodes[node - 1] != *tasks {
                self.arrivals(node, events);
                if self.left.crashes > 0 && !tasks.is_empty() {
                    events.push(Event::Crash { node });
                }
            }
            for (number, task) in tasks.iter().enumerate() {
                if number == 0 || tasks[number - 1] != *task {
                    self.continuations(node, number, task, events);
                }
            }
        }
        let late = self.authority.late(self.now);
        events.extend(late.map(|number| Event::LateStart { number }));
        let open = self.authority.open_logins(self.now);
        events.extend(open.map(|login| Event::Approve { login }));
        if self.left.revocations > 0 {
            events.push(Event::Revoke { session: 0 });
        }
        if self.left.rebindings > 0 {
            events.push(Event::Rebind);
        }
        if self.next_time(rules).is_some() {
            events.push(Event::Tick);
        }
    }

    /// At an authority that names no logins, who is admitted to start has the login for as long as
    /// a message is good. A node that stalls for so long before it sends is not looked at.
    fn next_time(&self, rules: &Rules) -> Option<Timestamp> {
        let is_sending = |task: &Task| match task {
            Task::Await(_, question) => matches!(question, Question::Start { .. }),
            Task::Load(errand) | Task::Swap(errand, _) => errand.is_to_begin(),
            _ => false,
        };
        let is_bounded = !self.authority.names_logins && self.tasks().any(is_sending);
        let times = rules.times.iter().copied();
        times.filter(|time| !is_bounded || *time < OVER).find(|time| *time > self.now)
    }

    fn arrivals(&self, node: usize, events: &mut Vec<Event>) {
        let sessions = (0..SESSIONS).filter(|session| self.left.requests[*session] > 0);
        events.extend(sessions.map(|session| Event::Request { node, session }));
        for FlowRecord { id, flow: state, .. } in self.store.picture().flows() {
            let flow = *id;
            if self.left.polls > 0 {
                events.push(Event::Poll { node, flow });
            }
            if self.left.resends > 0 && !state.is_over() {
                events.push(Event::Resend { node, flow });
            }
            if self.left.cancels > 0 && !state.is_over() {
                events.push(Event::Cancel { node, flow });
            }
        }
    }

    fn continuations(&self, node: usize, task: usize, doing: &Task, events: &mut Vec<Event>) {
        let go = |fate| Event::Go { node, task, fate };
        let call = |outcome| Event::Call { node, task, outcome };
        let can_fail = self.left.store_faults > 0;
        let can_be_lost = self.left.authority_faults > 0;
        match doing {
            Task::Await(_, question) => {
                events.push(call(Outcome::Answered));
                if can_be_lost {
                    events.extend([call(Outcome::Refused), call(Outcome::AnswerLost)]);
                }
                if can_be_lost && matches!(question, Question::Start { .. }) {
                    events.push(call(Outcome::Late));
                }
            }
            _ => {
                events.push(go(Fate::Done));
                if can_fail {
                    events.push(go(Fate::Failed));
                }
                if can_fail && doing.writes() {
                    events.push(go(Fate::Unheard));
                }
            }
        }
    }

    /// The world after `event`.
    pub(crate) fn after(&self, event: &Event, rules: &Rules) -> Self {
        let mut next = self.clone();
        match event {
            Event::Request { node, session } => {
                next.left.requests[*session] -= 1;
                next.nodes[*node].push(Task::Look(session_key(*session)));
            }
            Event::Poll { node, flow } => {
                next.left.polls -= 1;
                next.begin(*node, *flow, WAKE);
            }
            Event::Resend { node, flow } => {
                next.left.resends -= 1;
                next.begin(*node, *flow, Input::Resend);
            }
            Event::Cancel { node, flow } => {
                next.left.cancels -= 1;
                next.begin(*node, *flow, Input::Cancel);
            }
            Event::Go { node, task, fate } => {
                next.left.store_faults -= u8::from(*fate != Fate::Done);
                next.go(*node, *task, *fate, rules);
            }
            Event::Call { node, task, outcome } => {
                next.left.authority_faults -= u8::from(*outcome != Outcome::Answered);
                next.call(*node, *task, *outcome, rules);
            }
            Event::Crash { node } => {
                next.left.crashes -= 1;
                for task in std::mem::take(&mut next.nodes[*node]) {
                    if let Task::Await(subject, Question::Start { send, .. }) = task {
                        next.leave_on_its_way(&subject, send, rules);
                    }
                }
            }
            Event::LateStart { number } => {
                next.authority.arrive_late(*number, self.now);
            }
            Event::Approve { login } => next.authority.approve(*login),
            Event::Revoke { session } => {
                next.left.revocations -= 1;
                let session = session_key(*session);
                next.store.does(Verb::Revoke(session));
            }
            Event::Rebind => {
                next.left.rebindings -= 1;
                let [from, to] = [0, 1].map(session_key);
                next.store.does(Verb::Rebind(from, to));
            }
            Event::Tick => {
                next.now = self.next_time(rules).unwrap_or(self.now);
            }
        }
        next.put_in_order();
        next
    }

    pub(crate) fn begin(&mut self, node: usize, flow: FlowId, input: Input) {
        let record = self.record(flow).cloned();
        if let Some(record) = record {
            self.nodes[node].push(Subject { txn: None, ..Subject::of(&record) }.with(input));
        }
    }

    pub(crate) fn go(&mut self, node: usize, task: usize, fate: Fate, rules: &Rules) {
        let doing = self.nodes[node].remove(task);
        let mut at_work = Node {
            store: &mut self.store,
            now: self.now,
            requirement: &rules.requirement,
            names_logins: self.authority.names_logins,
            is_idempotent: self.authority.is_idempotent,
            without: rules.without,
            fresh: FlowId::from_bits(u128::from(self.told.opened) + 1),
        };
        let (next, note) = at_work.go(doing, fate);
        match note {
            Note::Nothing => {}
            Note::Passed(flow) => self.told.passes.push(flow),
            Note::Opened => self.told.opened += 1,
        }
        self.told.passes.sort_by_key(ToString::to_string);
        self.nodes[node].extend(next);
    }

    pub(crate) fn call(&mut self, node: usize, task: usize, outcome: Outcome, rules: &Rules) {
        let Task::Await(subject, question) = self.nodes[node].remove(task) else { unreachable!() };
        let input = match question {
            Question::Start { send, .. } => {
                Input::Start(self.start(&subject, send, outcome, rules))
            }
            Question::Check => Input::Check(self.check(&subject, outcome, rules)),
        };
        self.nodes[node].push(Task::Load(Errand { subject, input, answers: Some(question) }));
    }

    fn start(
        &mut self,
        subject: &Subject,
        send: u32,
        outcome: Outcome,
        rules: &Rules,
    ) -> StartReply {
        let (start, key) = self.name(subject, send, rules);
        match outcome {
            Outcome::Answered => self.authority.start(&start, key, self.now),
            Outcome::Refused => StartReply::NotStarted { retry_after: None },
            Outcome::AnswerLost => {
                let _ = self.authority.start(&start, key, self.now);
                StartReply::Unknown
            }
            Outcome::Late => {
                self.authority.leave_on_its_way(start, key, self.now);
                StartReply::Unknown
            }
        }
    }

    fn leave_on_its_way(&mut self, subject: &Subject, send: u32, rules: &Rules) {
        let (start, key) = self.name(subject, send, rules);
        self.authority.leave_on_its_way(start, key, self.now);
    }

    fn name(&mut self, subject: &Subject, send: u32, rules: &Rules) -> (Start, (FlowId, u32, u8)) {
        let (flow, login) = (subject.id, subject.binding.login.unwrap());
        if rules.without == Without::IdempotencyKey {
            self.told.calls += 1;
        }
        (Start { flow, login, send }, (flow, send, self.told.calls))
    }

    fn check(&mut self, subject: &Subject, outcome: Outcome, rules: &Rules) -> CheckReply {
        if outcome == Outcome::Refused {
            return no_answer(false);
        }
        let reply = self.authority.check(subject.txn.as_ref(), self.now);
        if reply == CheckReply::Authenticated && !self.told.authenticated.contains(&subject.id) {
            self.told.authenticated.push(subject.id);
            self.told.authenticated.sort_by_key(ToString::to_string);
        }
        match outcome {
            Outcome::AnswerLost if rules.without == Without::Word => CheckReply::Authenticated,
            Outcome::AnswerLost => no_answer(true),
            Outcome::Answered | Outcome::Refused | Outcome::Late => reply,
        }
    }

    /// Which node is which, and in what order they took up their tasks, makes no difference.
    fn put_in_order(&mut self) {
        let order = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        let order = |it: &dyn Fn(&mut std::hash::DefaultHasher)| {
            let mut hasher = std::hash::BuildHasher::build_hasher(&order);
            it(&mut hasher);
            std::hash::Hasher::finish(&hasher)
        };
        for tasks in &mut self.nodes {
            if tasks.len() > 1 {
                tasks.sort_by_cached_key(|task| {
                    order(&|hasher| std::hash::Hash::hash(task, hasher))
                });
            }
        }
        self.nodes.sort_by_cached_key(|tasks| {
            if tasks.is_empty() { 0 } else { order(&|hasher| std::hash::Hash::hash(tasks, hasher)) }
        });
    }
}

/// The sessions of the user.
pub(crate) fn session_key(number: usize) -> SessionKey {
    SessionKey::of(["before", "after"][number])
}

pub(crate) const NODES: usize = 3;

pub(crate) const SESSIONS: usize = 2;

pub(crate) const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Calls begun by the time before are given up on.
pub(crate) const SOON: Timestamp = Timestamp::from_millis(1_700_000_007_000);

/// So are those begun in the meantime.
pub(crate) const LATER: Timestamp = Timestamp::from_millis(1_700_000_014_000);

/// A message may be sent again.
pub(crate) const A_MINUTE: Timestamp = Timestamp::from_millis(1_700_000_060_000);

/// All messages sent by then are over.
pub(crate) const OVER: Timestamp = Timestamp::from_millis(1_700_000_700_000);
