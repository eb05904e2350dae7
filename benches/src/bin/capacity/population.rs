//! Users, and what a store keeps of them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::flow::FlowId;
use flexsecure_core::store::acceptance::{approve, begin};
use flexsecure_core::store::{Admission, Binding, FlowRecord, Opened, StartTicket, Swap};
use flexsecure_core::{
    Flow, Identity, Method, Operation, Requirement, SessionKey, Store, Timestamp,
};

/// Each user has one session.
pub(crate) fn identity(number: usize) -> Identity {
    Identity::new(&user(number), &session(number))
}

pub(crate) fn user(number: usize) -> String {
    format!("user.{number:010}@example.com")
}

/// What somebody is about to do, which is to be approved by itself.
pub(crate) fn transfer(number: usize) -> Requirement {
    Requirement::system("bank")
        .single_use()
        .operation(Operation::new(&format!("Transfer {number:010}.00 EUR to bob")))
}

/// A pending flow with all that one can come with: an operation, a way back, an origin, a start that
/// is counted, a claim.
pub(crate) async fn start(store: &dyn Store, number: usize, now: Timestamp) {
    let flow = flow(number, &transfer(number), now);
    let ticket = StartTicket::new(Arc::clone(&flow.binding));
    let ticket = ticket.exclusive_until(now.after(Duration::from_secs(600)));
    let Ok(Opened::New(opened)) = store.open(flow, now).await else { panic!("it is new") };
    assert_eq!(store.admit_start(&ticket, now).await.unwrap(), Admission::Admitted);
    assert_eq!(store.swap(begin(&opened, now), None, now).await.unwrap(), Swap::Done);
}

/// An elevation, and the flow that brought it.
pub(crate) async fn elevate(store: &dyn Store, number: usize, needs: &Requirement, now: Timestamp) {
    let flow = flow(number, needs, now);
    let Ok(Opened::New(opened)) = store.open(flow, now).await else { panic!("it is new") };
    let approval = approve(&opened, now);
    let swap = store.swap(approval.record, Some(approval.elevation), now).await.unwrap();
    assert_eq!(swap, Swap::Done);
}

/// Writes that change nothing, because no such flow is there, enough of them to have every part of
/// a store in memory forget what it may.
pub(crate) async fn write_everywhere(store: &dyn Store, now: Timestamp) {
    for number in 0..2000 {
        let flow = flow(number, &transfer(number), now);
        assert_eq!(store.swap(flow, None, now).await.unwrap(), Swap::Gone);
    }
}

fn flow(number: usize, needs: &Requirement, now: Timestamp) -> FlowRecord {
    let session = SessionKey::of(&session(number));
    let mut binding = Binding::new(session, user(number).as_str().into(), needs.scope().clone());
    binding.return_to = Some(way_back(number).into());
    binding.origin.ip = Some(Ipv4Addr::LOCALHOST.into());
    binding.origin.user_agent = Some(USER_AGENT.into());
    FlowRecord {
        id: FlowId::random().unwrap(),
        version: 0,
        binding: Arc::new(binding),
        flow: Flow::open(now, Method::Passwordless),
    }
}

pub(crate) fn way_back(number: usize) -> String {
    format!("/accounts/{number:010}/transfers?page=2")
}

fn session(number: usize) -> String {
    format!("session {number}")
}

/// As long as browsers have them.
pub(crate) const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, \
     like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
