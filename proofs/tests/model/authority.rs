use flexsecure_core::authority::{Accepted, CheckReply, StartReply, Txn};
use flexsecure_core::flow::FlowId;

use std::time::Duration;

use flexsecure_core::Timestamp;

/// An authority that sends links, as bad as one can be that keeps its word.
///
/// One that names logins answers as often as it is asked. One that does not says `authenticated`
/// once, to whoever asks first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Authority {
    pub(crate) names_logins: bool,
    pub(crate) is_idempotent: bool,
    logins: Vec<Login>,
    /// Which message each key has named.
    keys: Vec<(Key, usize)>,
    /// Whose flow each message was for.
    messages: Vec<FlowId>,
    /// Starts whose sender has given up or is dead, and that may still arrive.
    late: Vec<(Timestamp, Start, Key)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Login {
    name: FlowId,
    ends_at: Timestamp,
    is_approved: bool,
    is_spent: bool,
}

/// A start on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Start {
    pub(crate) flow: FlowId,
    /// Whose login it goes on with.
    pub(crate) login: FlowId,
    pub(crate) send: u32,
}

/// The idempotency key of a start, and what would tell each call from all others.
pub(crate) type Key = (FlowId, u32, u8);

impl Authority {
    pub(crate) const fn new(names_logins: bool, is_idempotent: bool) -> Self {
        Self {
            names_logins,
            is_idempotent,
            logins: Vec::new(),
            keys: Vec::new(),
            messages: Vec::new(),
            late: Vec::new(),
        }
    }

    pub(crate) fn start(&mut self, start: &Start, key: Key, now: Timestamp) -> StartReply {
        let known = self.keys.iter().find(|(known, _)| self.is_idempotent && *known == key);
        let login = match known {
            Some((_, login)) => *login,
            None => self.send(start, key, now),
        };
        let accepted = Accepted::default();
        StartReply::Accepted(match self.names_logins {
            true => accepted.txn(Txn::new(&login.to_string())),
            false => accepted,
        })
    }

    fn send(&mut self, start: &Start, key: Key, now: Timestamp) -> usize {
        let is_open =
            |login: &Login| login.name == start.login && !login.is_approved && now < login.ends_at;
        let open = self.logins.iter().position(is_open);
        let login = open.unwrap_or_else(|| {
            let name = start.login;
            self.logins.push(Login { name, ends_at: now, is_approved: false, is_spent: false });
            self.logins.len() - 1
        });
        self.logins[login].ends_at = now.after(LIFETIME);
        if self.is_idempotent {
            self.keys.push((key, login));
        }
        self.messages.push(start.flow);
        // In which order they went out makes no difference to anybody.
        self.messages.sort_by_key(ToString::to_string);
        login
    }

    pub(crate) fn check(&mut self, txn: Option<&Txn>, now: Timestamp) -> CheckReply {
        let named = txn.map(|txn| txn.as_str().parse::<usize>().unwrap());
        let logins = self.logins.iter_mut().enumerate();
        let mut logins = logins.filter(|(number, _)| named.is_none_or(|named| *number == named));
        let is_good = |login: &Login| {
            login.is_approved && now < login.ends_at && (named.is_some() || !login.is_spent)
        };
        if let Some((_, login)) = logins.find(|(_, login)| is_good(login)) {
            login.is_spent |= named.is_none();
            return CheckReply::Authenticated;
        }
        let is_any_live = self.logins.iter().any(|login| now < login.ends_at);
        if is_any_live { CheckReply::Pending } else { CheckReply::Expired }
    }

    /// The logins that their users can approve.
    pub(crate) fn open_logins(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        let logins = self.logins.iter().enumerate();
        let open = logins.filter(move |(_, login)| !login.is_approved && now < login.ends_at);
        open.map(|(number, _)| number)
    }

    pub(crate) fn approve(&mut self, login: usize) {
        self.logins[login].is_approved = true;
    }

    /// Whether the user has approved a message of the login `name`.
    pub(crate) fn has_approved(&self, name: FlowId) -> bool {
        self.logins.iter().any(|login| login.name == name && login.is_approved)
    }

    /// Whether a check of the login `txn` is answered `authenticated`.
    pub(crate) fn would_say_so(&self, txn: &Txn, now: Timestamp) -> bool {
        self.clone().check(Some(txn), now) == CheckReply::Authenticated
    }

    pub(crate) fn messages_of(&self, flow: FlowId) -> usize {
        self.messages.iter().filter(|of| **of == flow).count()
    }

    pub(crate) fn leave_on_its_way(&mut self, start: Start, key: Key, now: Timestamp) {
        self.late.push((now, start, key));
        self.late.sort_by_key(|(at, _, (flow, send, call))| (*at, flow.to_string(), *send, *call));
    }

    /// The starts that can still arrive.
    pub(crate) fn late(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        let late = self.late.iter().enumerate();
        late.filter(move |(_, (at, ..))| now.since(*at) < LATEST).map(|(number, _)| number)
    }

    pub(crate) fn arrive_late(&mut self, number: usize, now: Timestamp) {
        let (_, start, key) = self.late.remove(number);
        let _ = self.start(&start, key, now);
    }
}

/// After which a connection is dead, and nothing more comes of it.
const LATEST: Duration = Duration::from_secs(60);

/// How long a link is good.
const LIFETIME: Duration = Duration::from_secs(600);
