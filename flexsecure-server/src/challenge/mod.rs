//! One login that waits for its user: what it is made of, and what may become of it.
//!
//! | file | role |
//! | --- | --- |
//! | `limits` | the numbers, and what follows from them |
//! | `start`, `judge` | what becomes of a start and of an answer: plain functions over plain data |
//! | `standing` | what a challenge is worth at a moment |
//! | `pin`, `link`, `match_number` | the secrets |
//! | `service` | starts, checks and decisions, over a store |
//! | `waiters` | who waits for a change |

mod judge;
pub(crate) mod limits;
mod link;
mod match_number;
mod pin;
mod service;
mod standing;
mod start;
#[cfg(test)]
mod tests;
mod waiters;

pub(crate) use self::{
    judge::{FailureChange, Judgement, PinAttempt, Writes, judge_decision, judge_pin},
    link::LinkToken,
    match_number::MatchNumber,
    pin::{Pin, SubmittedPin},
    service::{
        Challenges, CheckRequest, Decision, Draft, Outcome, ServiceError, StartOutcome,
        StartRequest, Started,
    },
    standing::{Answer, Challenge, Reason, Standing, State},
    start::{
        ContactFacts, Limit, NetworkFacts, SmsFacts, StartFacts, StartPlan, StartStep, plan_start,
    },
    waiters::Waiters,
};
