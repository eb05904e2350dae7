//! What becomes of a start: a plain function over what the store found.

#[cfg(test)]
mod tests;

use super::{Challenge, State, limits};
use crate::{Channel, Method, UnixMillis};

/// What a start is decided by, read in the transaction that carries it out.
#[derive(Clone, Debug)]
pub(crate) struct StartFacts {
    pub(crate) method: Method,
    pub(crate) failures: limits::Failures,
    /// The pending one of the same user, system, operation and binding, though it may have run out.
    pub(crate) pending: Option<Challenge>,
    /// In the order in which they are tried.
    pub(crate) contacts: Vec<ContactFacts>,
    pub(crate) sms: SmsFacts,
    /// How many challenges the network has started lately, and when the oldest of them was.
    pub(crate) network: NetworkFacts,
}

/// A way to the user.
#[derive(Clone, Debug)]
pub(crate) struct ContactFacts {
    pub(crate) channel: Channel,
    pub(crate) address: String,
    /// When this address was sent something, newest first: the last [`limits::SENT_LOOKED_AT`] of the last day.
    pub(crate) sent: Vec<UnixMillis>,
    /// How many SMS numbers of this prefix have been sent today.
    pub(crate) prefix_today: u32,
}

/// What an account may spend on SMS, and has.
#[derive(Clone, Debug, Default)]
pub(crate) struct SmsFacts {
    /// Dialling prefixes such as `+41`, with a space between two.
    pub(crate) countries: String,
    pub(crate) daily_budget: u32,
    pub(crate) today: u32,
}

/// Who else has asked from there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NetworkFacts {
    pub(crate) starts: u32,
    pub(crate) oldest: Option<UnixMillis>,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StartPlan {
    /// How the pending challenge ends, if it does.
    pub(crate) ends: Option<State>,
    pub(crate) step: StartStep,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StartStep {
    /// The method is disabled.
    Refuse,
    Limit {
        limit: Limit,
        until: UnixMillis,
    },
    /// The pending one goes on, and nothing is sent.
    Repeat,
    /// The pending one goes on, and its message goes to this contact again.
    Resend {
        contact: usize,
    },
    /// A new one, whose message goes to this contact.
    Open {
        contact: usize,
    },
}

/// What there was too much of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Limit {
    /// Messages to this recipient.
    Recipient,
    /// SMS of the account, or to numbers that begin alike.
    SmsBudget,
    /// SMS to a country that the account has not allowed, and there is no other way to the user.
    Country,
    /// Challenges from one network.
    Network,
    /// Failures by this method.
    Failures,
}

impl Limit {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::SmsBudget => "sms budget",
            Self::Country => "country",
            Self::Network => "network",
            Self::Failures => "failures",
        }
    }
}

pub(crate) fn plan_start(facts: &StartFacts, now: UnixMillis) -> StartPlan {
    let (ends, live) = match &facts.pending {
        None => (None, None),
        Some(pending) if pending.expires_at <= now => (Some(State::Expired), None),
        Some(pending) if pending.method != facts.method => (Some(State::Withdrawn), None),
        Some(pending) => (None, Some(pending)),
    };
    StartPlan { ends, step: step(facts, live, now) }
}

fn step(facts: &StartFacts, live: Option<&Challenge>, now: UnixMillis) -> StartStep {
    if facts.failures.disables() {
        return StartStep::Refuse;
    }
    if let Some(live) = live {
        if limits::resend_due(live.sent_at, live.sends) > now {
            return StartStep::Repeat;
        }
        return match contact(facts, now) {
            Ok(contact) => StartStep::Resend { contact },
            Err((limit, until)) => StartStep::Limit { limit, until },
        };
    }
    // A PIN may be asked for during a back-off: only comparing it waits. A link is approved by whoever has it, so
    // there it is the start that waits.
    if let (Method::Passwordless, Some(until)) =
        (facts.method, facts.failures.backed_off_until(now))
    {
        return StartStep::Limit { limit: Limit::Failures, until };
    }
    if facts.network.starts >= limits::STARTS_OF_A_NETWORK {
        let oldest = facts.network.oldest.unwrap_or(now);
        let until = oldest.saturating_add(limits::NETWORK_WINDOW);
        return StartStep::Limit { limit: Limit::Network, until };
    }
    match contact(facts, now) {
        Ok(contact) => StartStep::Open { contact },
        Err((limit, until)) => StartStep::Limit { limit, until },
    }
}

/// The first way on which nothing lies, or what does. Who has had his share on one way does not get another on the next.
fn contact(facts: &StartFacts, now: UnixMillis) -> Result<usize, (Limit, UnixMillis)> {
    // A user has a contact; one whose contacts are being replaced has none for a moment.
    let mut kept = (Limit::Recipient, now);
    for (index, contact) in facts.contacts.iter().enumerate() {
        match kept_from(contact, &facts.sms, now) {
            None => return Ok(index),
            Some(reason) => kept = reason,
        }
        if kept.0 == Limit::Recipient {
            break;
        }
    }
    Err(kept)
}

fn kept_from(
    contact: &ContactFacts,
    sms: &SmsFacts,
    now: UnixMillis,
) -> Option<(Limit, UnixMillis)> {
    if contact.channel == Channel::Sms {
        let (_, midnight) = limits::day(now);
        if !sms.countries.split_whitespace().any(|prefix| contact.address.starts_with(prefix)) {
            return Some((Limit::Country, now.saturating_add(limits::DAY)));
        }
        if sms.today >= sms.daily_budget
            || contact.prefix_today >= limits::prefix_budget(sms.daily_budget)
        {
            return Some((Limit::SmsBudget, midnight));
        }
    }
    let until = limits::recipient_due(&contact.sent, contact.channel, now)?;
    Some((Limit::Recipient, until))
}
