//! A small model of an authority: who was sent what, and how it stands.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::Method;
use crate::authority::{
    Accepted, Capabilities, CheckReply, CheckRequest, MatchNumber, SecurityErrorReason,
    StartRequest, Txn,
};
use crate::pin::Pin;

pub(super) struct Logins {
    /// Users without one get links.
    pin: Option<SecretString>,
    logins: Vec<Login>,
}

struct Login {
    system: String,
    auth_id: String,
    idempotency_key: String,
    accepted: Accepted,
    standing: Standing,
    attempts_left: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Pending,
    Approved,
    Declined,
    Expired,
}

impl Logins {
    pub(super) const fn by_link() -> Self {
        Self { pin: None, logins: Vec::new() }
    }

    pub(super) fn by_pin(pin: &str) -> Self {
        Self { pin: Some(pin.into()), logins: Vec::new() }
    }

    const fn method(&self) -> Method {
        if self.pin.is_some() { Method::Pin } else { Method::Passwordless }
    }

    /// What a start that sends a message is told.
    pub(super) fn offer(&self, capabilities: Capabilities) -> Accepted {
        if !capabilities.txn {
            return Accepted::default();
        }
        let number = self.logins.len().saturating_add(1);
        let accepted = Accepted::default()
            .txn(Txn::new(&format!("txn-{number}")))
            .method(self.method())
            .interval(Duration::from_secs(2));
        match (self.method(), MatchNumber::parse("47")) {
            (Method::Passwordless, Some(number)) if capabilities.match_number => {
                accepted.match_number(number).expires_in(Duration::from_secs(600))
            }
            (Method::Passwordless, _) => accepted.expires_in(Duration::from_secs(600)),
            (Method::Pin, _) => accepted.expires_in(Duration::from_secs(300)),
        }
    }

    /// What the start was told whose key `request` has.
    pub(super) fn repeated(&self, request: &StartRequest<'_>) -> Option<Accepted> {
        let login = self.logins.iter().find(|login| {
            login.system == request.system
                && login.auth_id == request.auth_id
                && login.idempotency_key == request.idempotency_key
        });
        login.map(|login| login.accepted.clone())
    }

    pub(super) fn open(&mut self, request: &StartRequest<'_>, accepted: Accepted) {
        self.logins.push(Login {
            system: request.system.to_owned(),
            auth_id: request.auth_id.to_owned(),
            idempotency_key: request.idempotency_key.to_owned(),
            accepted,
            standing: Standing::Pending,
            attempts_left: ATTEMPTS,
        });
    }

    pub(super) fn stand(&mut self, auth_id: Option<&str>, standing: Standing) {
        let takes_approval = self.pin.is_none();
        for login in &mut self.logins {
            let is_meant = auth_id.is_none_or(|auth_id| login.auth_id == auth_id);
            let fits = standing != Standing::Approved || takes_approval;
            if is_meant && fits && login.standing == Standing::Pending {
                login.standing = standing;
            }
        }
    }

    pub(super) fn check(
        &mut self,
        request: &CheckRequest<'_>,
        capabilities: Capabilities,
    ) -> CheckReply {
        let refusal = |attempts_left, reason| {
            if capabilities.txn {
                CheckReply::SecurityError { attempts_left, reason: Some(reason) }
            } else {
                CheckReply::SecurityError { attempts_left: None, reason: None }
            }
        };
        let method = self.method();
        let pin = self.pin.as_ref();
        let named = |login: &&mut Login| {
            login.system == request.system
                && login.auth_id == request.auth_id
                && request.txn.is_none_or(|txn| login.accepted.txn.as_ref() == Some(txn))
        };
        let Some(login) = self.logins.iter_mut().rev().find(named) else {
            return refusal(None, SecurityErrorReason::Other);
        };
        match login.standing {
            Standing::Approved => return CheckReply::Authenticated,
            Standing::Expired => return CheckReply::Expired,
            Standing::Declined => return refusal(None, SecurityErrorReason::Declined),
            Standing::Pending => {}
        }
        match (method, request.pin) {
            (Method::Passwordless, None) => CheckReply::Pending,
            (Method::Passwordless, Some(_)) => refusal(None, SecurityErrorReason::Other),
            (Method::Pin, None) if capabilities.txn => CheckReply::Pending,
            (Method::Pin, typed) => {
                let Some(left) = login.attempts_left.checked_sub(1) else {
                    return refusal(Some(0), SecurityErrorReason::Attempts);
                };
                login.attempts_left = left;
                if is_right(pin, typed) {
                    login.standing = Standing::Approved;
                    CheckReply::Authenticated
                } else if left == 0 {
                    refusal(Some(0), SecurityErrorReason::Attempts)
                } else {
                    refusal(Some(left), SecurityErrorReason::Other)
                }
            }
        }
    }
}

fn is_right(pin: Option<&SecretString>, typed: Option<&Pin>) -> bool {
    let right = pin.map(|pin| pin.expose_secret());
    right.is_some() && right == typed.map(Pin::expose)
}

/// How many PINs a login compares.
const ATTEMPTS: u8 = 5;
