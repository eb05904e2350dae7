use std::time::Duration;

use super::{MatchNumber, limits::MAX_ATTEMPTS};
use crate::{Method, UnixMillis, store::AccountId};

/// What the store knows of a challenge.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    pub(crate) id: i64,
    pub(crate) account: AccountId,
    pub(crate) user: i64,
    pub(crate) txn: String,
    pub(crate) method: Method,
    pub(crate) server_key: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) match_number: Option<MatchNumber>,
    pub(crate) expires_at: UnixMillis,
    /// Of its newest message.
    pub(crate) sent_at: UnixMillis,
    /// How many messages there were.
    pub(crate) sends: u32,
    pub(crate) attempts: u8,
    pub(crate) state: State,
    /// Whether a check without `txn` has been answered `authenticated`.
    pub(crate) claimed: bool,
}

/// What has happened to a challenge, as stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Pending,
    Authenticated,
    Declined,
    Locked,
    Expired,
    Withdrawn,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authenticated => "authenticated",
            Self::Declined => "declined",
            Self::Locked => "locked",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Authenticated,
            Self::Declined,
            Self::Locked,
            Self::Expired,
            Self::Withdrawn,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// What a challenge is worth at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Live { remaining: Duration },
    Authenticated,
    Expired,
    Over(Reason),
}

impl Challenge {
    /// The end of its life comes first: nothing that happened before it counts afterwards.
    pub(crate) fn standing(&self, now: UnixMillis) -> Standing {
        if self.expires_at <= now {
            return Standing::Expired;
        }
        match self.state {
            State::Pending => Standing::Live { remaining: self.remaining(now) },
            State::Authenticated => Standing::Authenticated,
            State::Declined => Standing::Over(Reason::Declined),
            State::Locked => Standing::Over(Reason::Attempts),
            State::Expired | State::Withdrawn => Standing::Expired,
        }
    }

    pub(crate) fn remaining(&self, now: UnixMillis) -> Duration {
        self.expires_at.saturating_since(now)
    }

    pub(crate) fn attempts_left(&self) -> u8 {
        MAX_ATTEMPTS.saturating_sub(self.attempts)
    }
}

/// What a check is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Authenticated,
    Pending {
        remaining: Duration,
    },
    Expired,
    /// No such challenge, or none that this caller may know of.
    Refused,
    Rejected {
        reason: Reason,
        attempts_left: Option<u8>,
    },
    /// Nothing is compared for so long: there were too many failures.
    TooSoon {
        wait: Duration,
        attempts_left: u8,
    },
}

/// Why a check was answered `security error`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// The PIN was wrong.
    Pin,
    /// No attempts are left.
    Attempts,
    /// The user declined, or entered the wrong match number.
    Declined,
    /// What came can't be a PIN.
    Malformed,
    /// A PIN came for a user who has a link.
    Method,
    /// There were so many failures that an administrator has to look.
    Disabled,
    /// The system demands that a check names its challenge, and this one did not.
    Txn,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Attempts => "attempts",
            Self::Declined => "declined",
            Self::Malformed => "malformed",
            Self::Method => "method",
            Self::Disabled => "disabled",
            Self::Txn => "txn",
        }
    }
}

impl From<Standing> for Answer {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Live { remaining } => Self::Pending { remaining },
            Standing::Authenticated => Self::Authenticated,
            Standing::Expired => Self::Expired,
            Standing::Over(reason) => {
                Self::Rejected { reason, attempts_left: (reason == Reason::Attempts).then_some(0) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(state: State) -> Challenge {
        Challenge {
            id: 1,
            account: AccountId(1),
            user: 1,
            txn: "t".into(),
            method: Method::Pin,
            server_key: "k".into(),
            nonce: vec![],
            match_number: None,
            expires_at: UnixMillis::new(1_000),
            sent_at: UnixMillis::new(0),
            sends: 1,
            attempts: 2,
            state,
            claimed: false,
        }
    }

    /// T29
    #[test]
    fn expiry_comes_before_everything() {
        for state in ["pending", "authenticated", "declined", "locked", "expired", "withdrawn"] {
            let challenge = challenge(State::parse(state).unwrap());
            assert_eq!(challenge.standing(UnixMillis::new(1_000)), Standing::Expired, "{state}");
            assert_eq!(challenge.standing(UnixMillis::new(i64::MAX)), Standing::Expired, "{state}");
        }
    }

    #[test]
    fn before_it_each_state_has_its_answer() {
        let answer = |state| Answer::from(challenge(state).standing(UnixMillis::new(400)));
        let remaining = Duration::from_millis(600);
        assert_eq!(answer(State::Pending), Answer::Pending { remaining });
        assert_eq!(answer(State::Authenticated), Answer::Authenticated);
        assert_eq!(answer(State::Expired), Answer::Expired);
        assert_eq!(answer(State::Withdrawn), Answer::Expired);
        let rejected = |reason, attempts_left| Answer::Rejected { reason, attempts_left };
        assert_eq!(answer(State::Declined), rejected(Reason::Declined, None));
        assert_eq!(answer(State::Locked), rejected(Reason::Attempts, Some(0)));
    }
}
