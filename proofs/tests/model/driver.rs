//! What the gate does, as far as it is not `Flow::step`: `advance`, `feed` and `store_lapse` of its
//! engine, its errands, and the path of a request that has to prove something. Each task is where
//! the gate waits for the store or for the authority; `trace.rs` holds the two against each other.

use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::authority::{CheckReply, StartReply, Txn};
use flexsecure_core::flow::{Cx, Effect, Flow, FlowId, Hindrance, Input};
use flexsecure_core::store::{Admission, Binding, FlowRecord, Opened, StartTicket, Swap};
use flexsecure_core::{Elevation, Method, Requirement, SessionKey, Timestamp};

use crate::Without;
use crate::store::{Kept, Verb};

/// Something that a node does, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// A request looks for an elevation.
    Look(SessionKey),
    /// It spends one.
    Spend(SessionKey, FlowId),
    /// It has found one unspent, where spending is not one step.
    SpendUnseen(SessionKey, FlowId),
    /// It opens a flow, and starts it unless it must be silent.
    Open { session: SessionKey, is_silent: bool },
    /// It looks once more, now that no flow before this one can bring any.
    LookAgain { subject: Subject, is_new: bool, is_silent: bool },
    /// A step begins with reading the flow.
    Load(Errand),
    /// The step is to be stored.
    Swap(Errand, Box<Stepped>),
    /// Nobody knows whether it was.
    LookUp(Errand, Box<Stepped>),
    /// The step did not fit, but the flow has run out.
    Lapse(Errand, Box<FlowRecord>),
    /// A start asks to be admitted: the message with this number, or the first one, which is to begin
    /// after.
    Admit(Subject, Option<u32>),
    /// The authority was asked.
    Await(Subject, Question),
    /// A claim is given back.
    Release(Subject),
}

/// The flow that a task is about, as it has last read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub(crate) id: FlowId,
    pub(crate) binding: Arc<Binding>,
    pub(crate) txn: Option<Txn>,
}

/// An input to feed to a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Errand {
    pub(crate) subject: Subject,
    pub(crate) input: Input,
    /// For the answer to a start, which one that was.
    pub(crate) answers: Option<Question>,
}

/// A step that is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stepped {
    next: FlowRecord,
    effect: Option<Effect>,
    now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    Start { send: u32, may_be_out: bool },
    Check,
}

/// What becomes of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// The store could not be reached.
    Failed,
    /// It did what it was asked, but its answer was lost.
    Unheard,
}

/// What there is to tell of a verb beside what the task does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Nothing,
    /// The request was let through with what this flow has brought.
    Passed(FlowId),
    /// A flow was opened.
    Opened,
}

/// What a node knows beside the time.
pub(crate) struct Node<'s> {
    pub(crate) store: &'s mut Kept,
    pub(crate) now: Timestamp,
    pub(crate) requirement: &'s Requirement,
    pub(crate) names_logins: bool,
    pub(crate) is_idempotent: bool,
    pub(crate) without: Without,
    /// The name of the next flow to be opened.
    pub(crate) fresh: FlowId,
}

impl Subject {
    pub(crate) fn of(record: &FlowRecord) -> Self {
        let binding = Arc::clone(&record.binding);
        Self { id: record.id, binding, txn: record.flow.txn().cloned() }
    }

    pub(crate) const fn with(self, input: Input) -> Task {
        Task::Load(Errand { subject: self, input, answers: None })
    }

    /// By which the store finds it: the version that it has read is of no account.
    fn record(&self) -> FlowRecord {
        let flow = Flow::open(Timestamp::from_millis(0), Method::Passwordless);
        FlowRecord { id: self.id, version: 0, binding: Arc::clone(&self.binding), flow }
    }
}

impl Errand {
    /// Whether a start is sent after it.
    pub(crate) const fn is_to_begin(&self) -> bool {
        matches!(self.input, Input::Begin { .. })
    }
}

impl Task {
    /// Whether the store is to do something for it.
    pub(crate) const fn is_at_the_store(&self) -> bool {
        !matches!(self, Self::Await(..))
    }

    /// Whether a verb that was done but not heard of differs from one that failed.
    pub(crate) const fn writes(&self) -> bool {
        !matches!(
            self,
            Self::Look(_)
                | Self::LookAgain { .. }
                | Self::Load(_)
                | Self::LookUp(..)
                | Self::Await(..)
        )
    }

    /// Whether it is about to store a step of this version.
    pub(crate) fn is_about_to_store(&self) -> Option<(FlowId, u64)> {
        match self {
            Self::Swap(_, stepped) => Some((stepped.next.id, stepped.next.version)),
            _ => None,
        }
    }
}

impl Node<'_> {
    /// The verb that `task` waits for, and what it does then; nothing once it is done.
    pub(crate) fn go(&mut self, task: Task, fate: Fate) -> (Option<Task>, Note) {
        let mut note = Note::Nothing;
        let next = match task {
            Task::Look(_)
            | Task::LookAgain { .. }
            | Task::Spend(..)
            | Task::SpendUnseen(..)
            | Task::Open { .. }
                if fate == Fate::Failed =>
            {
                None
            }
            Task::Look(session) => self.look(session, &mut note),
            Task::Spend(session, flow) => self.spend(session, flow, fate, &mut note),
            Task::SpendUnseen(session, flow) => {
                self.store.consume(session, flow, self.now);
                note = Note::Passed(flow);
                None
            }
            Task::Open { session, is_silent } => self.open(session, is_silent, fate, &mut note),
            Task::LookAgain { subject, is_new, is_silent } => {
                self.look_again(subject, is_new, is_silent)
            }
            Task::Load(errand) => self.load(errand, fate),
            Task::LookUp(errand, stepped) => self.look_up(errand, &stepped, fate),
            Task::Swap(errand, stepped) => self.swap(errand, stepped, fate),
            Task::Lapse(errand, next) => {
                if fate != Fate::Failed {
                    self.store.swap(&next, self.now, self.without);
                }
                self.illegal(errand, &next.flow)
            }
            Task::Admit(subject, send) => self.admit(subject, send, fate),
            Task::Release(subject) => {
                if fate != Fate::Failed {
                    let ticket = StartTicket::new(subject.binding);
                    self.store.does(Verb::Release(ticket));
                }
                None
            }
            Task::Await(..) => unreachable!("it does not wait for the store"),
        };
        (next, note)
    }

    fn look(&mut self, session: SessionKey, note: &mut Note) -> Option<Task> {
        let scope = self.requirement.scope();
        match self.proof(session) {
            Some(held) if held.is_spent() => Some(Task::Open { session, is_silent: true }),
            Some(held) if scope.single_use() && self.without == Without::AtomicConsume => {
                Some(Task::SpendUnseen(session, *held.flow()))
            }
            Some(held) if scope.single_use() => Some(Task::Spend(session, *held.flow())),
            Some(held) => {
                *note = Note::Passed(*held.flow());
                None
            }
            None => Some(Task::Open { session, is_silent: false }),
        }
    }

    /// The client's next request finds the proof; the gate lets this one look once more, but one that
    /// leaves here is to do no harm.
    fn look_again(&mut self, subject: Subject, is_new: bool, is_silent: bool) -> Option<Task> {
        if self.proof(subject.binding.session).is_some_and(|held| !held.is_spent()) {
            return is_new.then(|| subject.with(Input::Cancel));
        }
        (!is_silent).then(|| subject.with(self.first()))
    }

    /// What the session holds, spent or not.
    fn proof(&mut self, session: SessionKey) -> Option<Elevation> {
        let held = self.store.elevations(session)?;
        let is_fresh = |held: &&Elevation| {
            held.scope() == self.requirement.scope()
                && self.now.since(held.authenticated_at()) < self.requirement.max_age()
        };
        held.list().iter().find(is_fresh).cloned()
    }

    fn spend(
        &mut self,
        session: SessionKey,
        flow: FlowId,
        fate: Fate,
        note: &mut Note,
    ) -> Option<Task> {
        let is_spent = self.store.consume(session, flow, self.now);
        if fate == Fate::Unheard {
            return None;
        }
        if is_spent {
            *note = Note::Passed(flow);
            return None;
        }
        Some(Task::Open { session, is_silent: true })
    }

    fn open(
        &mut self,
        session: SessionKey,
        is_silent: bool,
        fate: Fate,
        note: &mut Note,
    ) -> Option<Task> {
        let binding = Binding::new(session, USER.into(), self.requirement.scope().clone());
        let flow = Flow::open(self.now, Method::Passwordless);
        let new = FlowRecord { id: self.fresh, version: 0, binding: Arc::new(binding), flow };
        let (record, is_new) = match self.store.open(new, self.now) {
            Opened::New(record) => {
                *note = Note::Opened;
                (record, true)
            }
            Opened::Joined(record) => (record, false),
            Opened::TooMany { .. } => return None,
        };
        if fate == Fate::Unheard {
            return None;
        }
        let subject = Subject::of(&record);
        if !matches!(record.flow.at(self.now), Flow::Idle(_)) {
            return Some(subject.with(WAKE));
        }
        if self.without == Without::SecondLook {
            return (!is_silent).then(|| subject.with(self.first()));
        }
        Some(Task::LookAgain { subject, is_new, is_silent })
    }

    /// With what a start begins: a login has to be the flow's own before, where it has no name.
    const fn first(&self) -> Input {
        if self.names_logins { self.begin() } else { Input::Claim }
    }

    const fn begin(&self) -> Input {
        Input::Begin { idempotent: self.is_idempotent }
    }

    /// The first half of `advance`: reading and stepping.
    fn load(&mut self, errand: Errand, fate: Fate) -> Option<Task> {
        if fate == Fate::Failed {
            return failed(errand);
        }
        let Some(current) = self.store.reload(errand.subject.record()) else {
            return gone(errand);
        };
        match current.flow.clone().step(errand.input.clone(), Cx::at(self.now)) {
            Ok(step) if step.flow == current.flow => self.stored(errand, &current, step.effect),
            Ok(step) => {
                let next = current.next(step.flow);
                let stepped = Stepped { next, effect: step.effect, now: self.now };
                Some(Task::Swap(errand, Box::new(stepped)))
            }
            Err(illegal) if illegal.flow.is_over() && !current.flow.is_over() => {
                Some(Task::Lapse(errand, Box::new(current.next(illegal.flow))))
            }
            Err(illegal) => self.illegal(errand, &illegal.flow),
        }
    }

    /// The second half of `advance`: storing.
    fn swap(&mut self, errand: Errand, stepped: Box<Stepped>, fate: Fate) -> Option<Task> {
        if fate == Fate::Failed {
            return unheard(errand, stepped);
        }
        let swapped = self.store.swap(&stepped.next, stepped.now, self.without);
        if fate == Fate::Unheard {
            return unheard(errand, stepped);
        }
        let is_for_the_winner = stepped.effect.is_some() || errand.input == Input::Claim;
        match swapped {
            Swap::Done => self.stored(errand, &stepped.next, stepped.effect),
            Swap::Conflict if self.without == Without::WinnerAlone && is_for_the_winner => {
                self.stored(errand, &stepped.next, stepped.effect)
            }
            Swap::Conflict => Some(Task::Load(errand)),
            Swap::Gone => gone(errand),
        }
    }

    fn look_up(&mut self, errand: Errand, stepped: &Stepped, fate: Fate) -> Option<Task> {
        let known = stepped.next.clone();
        let found = (fate == Fate::Done).then(|| self.store.reload(known)).flatten();
        match found.is_some_and(|found| found == stepped.next) {
            true => self.stored(errand, &stepped.next, stepped.effect),
            false => failed(errand),
        }
    }

    /// What follows a step that is stored.
    fn stored(&self, errand: Errand, record: &FlowRecord, effect: Option<Effect>) -> Option<Task> {
        let read = Subject::of(record);
        match (&errand.input, effect) {
            (Input::Claim, None) => Some(Task::Admit(read, None)),
            // It was admitted before.
            (Input::Begin { .. }, Some(Effect::Start { send })) if !self.names_logins => {
                Some(Task::Await(read, Question::Start { send, may_be_out: false }))
            }
            (Input::Begin { .. } | Input::Resend, Some(Effect::Start { send })) => {
                Some(Task::Admit(read, Some(send)))
            }
            // A node died between asking for the message and sending it.
            (Input::Wake { .. }, Some(Effect::Start { send })) => {
                let may_be_out = send > 1;
                Some(Task::Await(read, Question::Start { send, may_be_out }))
            }
            // It would be answered for another login.
            (Input::Wake { .. }, Some(Effect::Check { .. }))
                if self.names_logins && read.txn.is_none() =>
            {
                let input = Input::Check(no_answer(false));
                Some(Task::Load(Errand { subject: read, input, answers: Some(Question::Check) }))
            }
            (Input::Wake { .. }, Some(Effect::Check { .. })) => {
                Some(Task::Await(read, Question::Check))
            }
            (Input::Start(_), Some(Effect::Start { send })) => {
                let question = Question::Start { send, may_be_out: true };
                Some(Task::Await(errand.subject, question))
            }
            _ => self.fed(errand, &record.flow),
        }
    }

    /// What follows an answer that is stored, or that came too late.
    fn fed(&self, errand: Errand, stands: &Flow) -> Option<Task> {
        match (&errand.input, errand.answers) {
            (Input::Check(_), _) => {
                let is_over = matches!(stands, Flow::Authenticated(_));
                let is_exclusive = errand.subject.txn.is_none();
                (is_exclusive && is_over).then_some(Task::Release(errand.subject))
            }
            _ => gone(errand),
        }
    }

    fn illegal(&self, errand: Errand, stands: &Flow) -> Option<Task> {
        if errand.answers.is_some() { self.fed(errand, stands) } else { None }
    }

    fn admit(&mut self, subject: Subject, send: Option<u32>, fate: Fate) -> Option<Task> {
        let mut ticket = StartTicket::new(Arc::clone(&subject.binding));
        let is_exclusive = !self.names_logins && self.without != Without::Claim;
        if is_exclusive {
            ticket = ticket.exclusive_until(self.now.after(LOGIN_LIFETIME));
        }
        let now = self.now;
        let admission = (fate != Fate::Failed).then(|| self.store.admit(ticket, now));
        let (by, until) = match admission.filter(|_| fate == Fate::Done) {
            Some(Admission::Admitted) => {
                return Some(match send {
                    None => subject.with(self.begin()),
                    Some(send) => {
                        let may_be_out = send > 1;
                        Task::Await(subject, Question::Start { send, may_be_out })
                    }
                });
            }
            Some(Admission::TooMany { until }) => (Hindrance::TooManyStarts, until),
            Some(Admission::InProgress { until }) => (Hindrance::InProgress, until),
            None => (Hindrance::Unavailable, now.after(STORE_PAUSE)),
        };
        Some(subject.with(Input::NotAdmitted { by, until }))
    }
}

/// Without an effect, it makes no difference who stored it.
fn unheard(errand: Errand, stepped: Box<Stepped>) -> Option<Task> {
    if stepped.effect.is_none() { Some(Task::LookUp(errand, stepped)) } else { failed(errand) }
}

/// The store failed: an answer is fed again, everything else is given up.
fn failed(errand: Errand) -> Option<Task> {
    let is_fed = errand.answers.is_some() || matches!(errand.input, Input::NotAdmitted { .. });
    is_fed.then_some(Task::Load(errand))
}

/// There is nothing more to store: what remains is to give the claim of a start back that did not
/// happen.
fn gone(errand: Errand) -> Option<Task> {
    let Some(Question::Start { may_be_out: false, .. }) = errand.answers else {
        return None;
    };
    let was_sent =
        matches!(errand.input, Input::Start(StartReply::Accepted(_) | StartReply::Unknown));
    (!was_sent).then_some(Task::Release(errand.subject))
}

/// The answer to a check that did not come.
pub(crate) const fn no_answer(sent: bool) -> CheckReply {
    CheckReply::Unavailable { retry_after: None, sent }
}

pub(crate) const WAKE: Input = Input::Wake { hold: Duration::ZERO };

pub(crate) const USER: &str = "bob";

/// How long a claim lasts, which is how long an authority that tells no lifetime may take an
/// approval: that of a link, and of a start.
const LOGIN_LIFETIME: Duration = Duration::from_secs(606);

const STORE_PAUSE: Duration = Duration::from_secs(1);
