//! What an operator should hear of. Nothing here tells what a record says.

use std::fmt;

use crate::fault::Fault;

/// A record that is not what it should be, and is taken as absent.
pub(crate) fn unreadable(kind: &'static str, flow: impl fmt::Display, why: impl fmt::Display) {
    tracing::error!(target: TARGET, kind, %flow, %why, "a record cannot be read and is taken as absent");
}

/// A server that refuses for a reason which somebody has to see to.
pub(crate) fn refused(fault: &Fault) {
    if let Some(advice) = fault.advice() {
        tracing::error!(target: TARGET, %fault, advice, "the store cannot be used");
    }
}

/// A server from which nothing is heard of what other nodes do.
pub(crate) fn unwatched(server: &str, fault: &Fault) {
    let advice =
        fault.advice().unwrap_or("each request costs a round trip until it is heard again");
    tracing::warn!(target: TARGET, server, %fault, advice, "what other nodes change is not heard for now");
}

const TARGET: &str = "flexsecure::store";
