//! What has really happened, whatever anybody was told.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flexsecure_core::authority::Txn;
use flexsecure_core::flow::FlowId;
use flexsecure_core::store::FlowRecord;
use flexsecure_core::{Elevation, Elevations, SessionKey};
use tokio::time::Instant;

/// Kept by the store and the authority behind the faults.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    opened: Vec<FlowRecord>,
    reads: Vec<(SessionKey, Arc<Elevations>)>,
    consumed: HashMap<String, usize>,
    /// By flow.
    messages: HashMap<String, usize>,
    last_message: Option<Instant>,
    /// Which flow a login was started for.
    logins: HashMap<Box<str>, String>,
    /// The flows, or users where the authority names no logins, of which it said so.
    authenticated: HashSet<String>,
    /// The explicit resends that were asked for, by flow.
    resends: HashMap<String, usize>,
    passes: HashMap<String, usize>,
    admitted: HashSet<String>,
}

impl Ledger {
    pub(crate) fn note_opened(&self, record: &FlowRecord) {
        self.lock().opened.push(record.clone());
    }

    pub(crate) fn note_read(&self, session: SessionKey, held: Arc<Elevations>) {
        self.lock().reads.push((session, held));
    }

    pub(crate) fn note_consumed(&self, flow: &FlowId) {
        *self.lock().consumed.entry(flow.to_string()).or_default() += 1;
    }

    /// Messages that went out for the start with this key.
    pub(crate) fn note_messages(&self, idempotency_key: &str, messages: usize) {
        let mut entries = self.lock();
        *entries.messages.entry(flow_of(idempotency_key)).or_default() += messages;
        if messages > 0 {
            entries.last_message = Some(Instant::now());
        }
    }

    pub(crate) fn note_login(&self, idempotency_key: &str, txn: &Txn) {
        self.lock().logins.insert(txn.as_str().into(), flow_of(idempotency_key));
    }

    pub(crate) fn note_authenticated(&self, txn: Option<&Txn>, auth_id: &str) {
        let mut entries = self.lock();
        let who = txn.and_then(|txn| entries.logins.get(txn.as_str())).cloned();
        entries.authenticated.insert(who.unwrap_or_else(|| auth_id.to_owned()));
    }

    pub(crate) fn note_resend(&self, flow: &str) {
        *self.lock().resends.entry(flow.to_owned()).or_default() += 1;
    }

    pub(crate) fn note_admitted(&self, flow: &FlowId) {
        self.lock().admitted.insert(flow.to_string());
    }

    pub(crate) fn was_admitted(&self, flow: &str) -> bool {
        self.lock().admitted.contains(flow)
    }

    pub(crate) fn note_pass(&self, flow: &str) {
        *self.lock().passes.entry(flow.to_owned()).or_default() += 1;
    }

    /// How many reads there were.
    pub(crate) fn reads(&self) -> usize {
        self.lock().reads.len()
    }

    /// Whether `wanted` was read of `session` since there were so many reads.
    pub(crate) fn has_read(&self, since: usize, session: &SessionKey, wanted: &Elevation) -> bool {
        let entries = self.lock();
        let mut reads = entries.reads.iter().skip(since);
        reads.any(|(read, held)| read == session && held.list().contains(wanted))
    }

    pub(crate) fn opened(&self) -> Vec<FlowRecord> {
        self.lock().opened.clone()
    }

    pub(crate) fn has_authenticated(&self, flow: &str, auth_id: &str) -> bool {
        let entries = self.lock();
        entries.authenticated.contains(flow) || entries.authenticated.contains(auth_id)
    }

    /// How many messages went out, for whatever flow.
    pub(crate) fn messages(&self) -> usize {
        self.lock().messages.values().sum()
    }

    pub(crate) fn flows_with_messages(&self) -> usize {
        self.lock().messages.values().filter(|messages| **messages > 0).count()
    }

    pub(crate) fn last_message_is_over(&self) -> bool {
        self.lock().last_message.is_some_and(|sent| sent.elapsed() > LOGIN_LIFETIME)
    }

    pub(crate) fn messages_of(&self, flow: &str) -> usize {
        self.lock().messages.get(flow).copied().unwrap_or_default()
    }

    pub(crate) fn resends_of(&self, flow: &str) -> usize {
        self.lock().resends.get(flow).copied().unwrap_or_default()
    }

    pub(crate) fn passes_of(&self, flow: &str) -> usize {
        self.lock().passes.get(flow).copied().unwrap_or_default()
    }

    pub(crate) fn consumed_of(&self, flow: &str) -> usize {
        self.lock().consumed.get(flow).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an authority takes an approval of the message it sent last.
const LOGIN_LIFETIME: Duration = Duration::from_secs(600);

/// A key is the flow's name and the number of the message.
fn flow_of(idempotency_key: &str) -> String {
    idempotency_key.rsplit_once('-').map_or(idempotency_key, |(flow, _)| flow).to_owned()
}
