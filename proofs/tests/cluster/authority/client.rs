use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flexsecure_core::Method;
use flexsecure_core::authority::{
    Accepted, Authority, Capabilities, CheckReply, CheckRequest, SecurityErrorReason, StartReply,
    StartRequest, Txn,
};

use super::{Answer, Question};
use crate::Cluster;
use crate::wire::{Unanswered, ask};

/// The authority as a node sees it.
pub(crate) struct RemoteAuthority {
    cluster: Arc<Cluster>,
    node: &'static str,
}

impl RemoteAuthority {
    pub(crate) const fn new(cluster: Arc<Cluster>, node: &'static str) -> Self {
        Self { cluster, node }
    }
}

#[async_trait]
impl Authority for RemoteAuthority {
    async fn capabilities(&self) -> Capabilities {
        self.cluster.plan.knows.capabilities()
    }

    async fn start(&self, request: StartRequest<'_>) -> StartReply {
        let question = Question::Start {
            system: request.system.to_owned(),
            user: request.auth_id.to_owned(),
            key: request.idempotency_key.to_owned(),
            binding: request.binding.to_owned(),
        };
        let (flow, _) = request.idempotency_key.split_once('-').unwrap();
        let reply = match ask("authority", &question, START_LIMIT).await {
            Ok(Answer::Started { txn, method, expires_in }) => {
                let mut accepted = Accepted::default();
                accepted.txn = txn.map(|txn| Txn::new(&txn));
                accepted.method = method.map(|method| match &*method {
                    "pin" => Method::Pin,
                    _ => Method::Passwordless,
                });
                accepted.expires_in = expires_in.map(Duration::from_millis);
                StartReply::Accepted(accepted)
            }
            Ok(_) => StartReply::Refused,
            Err(Unanswered::NotSent) => StartReply::NotStarted { retry_after: None },
            Err(Unanswered::Unknown) => StartReply::Unknown,
        };
        self.cluster.observed().started(self.node, flow, &reply);
        reply
    }

    async fn check(&self, request: CheckRequest<'_>) -> CheckReply {
        let question = Question::Check {
            system: request.system.to_owned(),
            user: request.auth_id.to_owned(),
            txn: request.txn.map(|txn| txn.as_str().to_owned()),
            pin: request.pin.map(|pin| pin.expose().to_owned()),
            hold: u64::try_from(request.hold.as_millis()).unwrap(),
        };
        let login = match request.txn {
            Some(txn) => txn.as_str().to_owned(),
            None => format!("{} at {}", request.auth_id, request.system),
        };
        let _poll = match request.pin {
            None => Some(self.cluster.polling(self.node, &login)),
            Some(_) => None,
        };
        let reply = match ask("authority", &question, request.hold + CHECK_LIMIT).await {
            Ok(Answer::Authenticated) => CheckReply::Authenticated,
            Ok(Answer::Expired) => CheckReply::Expired,
            Ok(Answer::SecurityError { attempts_left }) => CheckReply::SecurityError {
                attempts_left,
                reason: attempts_left.map(|left| match left {
                    0 => SecurityErrorReason::Attempts,
                    _ => SecurityErrorReason::Other,
                }),
            },
            Ok(_) => CheckReply::Pending,
            Err(unanswered) => CheckReply::Unavailable {
                retry_after: None,
                sent: unanswered == Unanswered::Unknown,
            },
        };
        self.cluster.observed().checked(self.node, &login, request.pin.is_some(), &reply);
        reply
    }
}

impl fmt::Debug for RemoteAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteAuthority").field("node", &self.node).finish_non_exhaustive()
    }
}

/// What a start may take.
const START_LIMIT: Duration = Duration::from_secs(5);

/// What a check may take beyond the time that it may be held.
const CHECK_LIMIT: Duration = Duration::from_secs(3);
