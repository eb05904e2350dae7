use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, Question};
use crate::plan::{Knows, Plan};

/// What the authority remembers, also over a restart.
#[derive(Debug)]
pub(crate) struct Logins {
    knows: Knows,
    /// Users who get PINs; the others get links.
    with_pins: Vec<String>,
    logins: Vec<Login>,
    /// The login that a start with this key was answered with.
    keys: BTreeMap<String, usize>,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Login {
    system: String,
    user: String,
    binding: String,
    pin: Option<String>,
    sent_at: Duration,
    expires_at: Duration,
    attempts_left: u8,
    approved_at: Option<Duration>,
    /// Whether a check without a name has been told of the approval.
    is_told: bool,
}

/// A message as its user gets it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) user: String,
    pub(crate) login: usize,
    /// The flow that it was sent for.
    pub(crate) flow: String,
    pub(crate) pin: Option<String>,
}

impl Logins {
    pub(crate) fn of(plan: &Plan) -> Self {
        let with_pins = plan.users.iter().filter(|user| user.has_pin);
        Self {
            knows: plan.knows,
            with_pins: with_pins.map(|user| user.name.clone()).collect(),
            logins: Vec::new(),
            keys: BTreeMap::new(),
            messages: Vec::new(),
        }
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The user clicks the link of `login`; whether that was in time.
    pub(crate) fn approve(&mut self, login: usize, now: Duration) -> bool {
        let login = &mut self.logins[login];
        let is_live = now < login.expires_at && login.approved_at.is_none();
        if is_live {
            login.approved_at = Some(now);
        }
        is_live
    }

    /// The flow that an answer about this login is for: the one whose message was sent last.
    pub(super) fn flow_of(&self, login: usize) -> &str {
        let message = self.messages.iter().rev().find(|message| message.login == login);
        &message.unwrap().flow
    }

    /// The login that `question` is about.
    pub(super) fn named(&self, question: &Question) -> Option<usize> {
        let Question::Check { system, user, txn, .. } = question else { return None };
        let is_meant = |(number, login): &(usize, &Login)| {
            login.system == *system
                && login.user == *user
                && txn.as_ref().is_none_or(|txn| *txn == name(*number))
        };
        self.logins.iter().enumerate().rev().find(is_meant).map(|(number, _)| number)
    }

    /// Answers a start, and gives the login whose user gets a message for it.
    pub(super) fn start(&mut self, question: &Question, now: Duration) -> (Answer, Option<usize>) {
        let Question::Start { system, user, key, binding } = question else {
            unreachable!("only starts come here")
        };
        if self.knows.names_logins()
            && let Some(&login) = self.keys.get(key)
        {
            return (self.started(login, now), None);
        }
        let is_alive = |login: &Login| {
            login.system == *system
                && login.user == *user
                && login.approved_at.is_none()
                && now < login.expires_at
                && (login.binding == *binding || !self.knows.names_logins())
        };
        let lifetime = self.lifetime(user);
        let login = match self.logins.iter().rposition(is_alive) {
            Some(login) => {
                self.logins[login].expires_at = now + lifetime;
                login
            }
            None => {
                let has_pin = self.with_pins.contains(user);
                let pin = has_pin.then(|| format!("{}", 31_415_926 + self.logins.len()));
                self.logins.push(Login {
                    system: system.clone(),
                    user: user.clone(),
                    binding: binding.clone(),
                    pin,
                    sent_at: now,
                    expires_at: now + lifetime,
                    attempts_left: 5,
                    approved_at: None,
                    is_told: false,
                });
                self.logins.len() - 1
            }
        };
        self.keys.insert(key.clone(), login);
        let (flow, _) = key.split_once('-').unwrap();
        self.logins[login].sent_at = now;
        self.messages.push(Message {
            user: user.clone(),
            login,
            flow: flow.to_owned(),
            pin: self.logins[login].pin.clone(),
        });
        (self.started(login, now), Some(login))
    }

    /// Answers a check; `true` if the right PIN has just approved the login.
    pub(super) fn check(&mut self, question: &Question, now: Duration) -> (Answer, bool) {
        let knows = self.knows;
        let refusal = |attempts_left| Answer::SecurityError {
            attempts_left: Some(attempts_left).filter(|_| knows.names_logins()),
        };
        let (Question::Check { txn, pin, .. }, Some(number)) = (question, self.named(question))
        else {
            return (refusal(0), false);
        };
        let login = &mut self.logins[number];
        if login.expires_at <= now {
            return (Answer::Expired, false);
        }
        if login.approved_at.is_some() {
            let tells_once = match knows {
                Knows::All { .. } => txn.is_none(),
                Knows::V1 { once } => once,
            };
            if tells_once && login.is_told {
                return (if knows.names_logins() { refusal(0) } else { Answer::Pending }, false);
            }
            login.is_told |= tells_once;
            return (Answer::Authenticated, false);
        }
        match (&login.pin, pin) {
            (_, None) => (Answer::Pending, false),
            (None, Some(_)) => (refusal(0), false),
            (Some(right), Some(typed)) => {
                let Some(left) = login.attempts_left.checked_sub(1) else {
                    return (refusal(0), false);
                };
                login.attempts_left = left;
                if right == typed {
                    login.approved_at = Some(now);
                    login.is_told = matches!(knows, Knows::V1 { once: true });
                    (Answer::Authenticated, true)
                } else {
                    (refusal(left), false)
                }
            }
        }
    }

    fn started(&self, login: usize, now: Duration) -> Answer {
        let Login { pin, expires_at, .. } = &self.logins[login];
        let told = |text: String| Some(text).filter(|_| self.knows.names_logins());
        let method = if pin.is_some() { "pin" } else { "passwordless" };
        let left = u64::try_from(expires_at.saturating_sub(now).as_millis()).unwrap();
        Answer::Started {
            txn: told(name(login)),
            method: told(method.to_owned()),
            expires_in: Some(left).filter(|_| self.knows.names_logins()),
        }
    }

    fn lifetime(&self, user: &str) -> Duration {
        let has_pin = self.with_pins.iter().any(|with_pin| with_pin == user);
        Duration::from_secs(if has_pin { 300 } else { 600 })
    }
}

/// What a login is called.
fn name(login: usize) -> String {
    format!("txn-{login}")
}
