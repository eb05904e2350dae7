//! One login that waits for its user: what it is made of, and what may become of it.

mod link;
mod match_number;
mod pin;
mod service;
mod standing;
#[cfg(test)]
mod tests;
mod waiters;

pub(crate) use self::{
    link::LinkToken,
    match_number::MatchNumber,
    pin::{Pin, SubmittedPin},
    service::{Challenges, CheckRequest, Decision, Outcome, ServiceError, StartRequest, Started},
    standing::{Answer, Challenge, MAX_ATTEMPTS, Reason, Standing, State},
    waiters::Waiters,
};
