//! How much memory the memory store takes, and that reading it takes none.
//!
//! In a file of its own, because it counts every allocation of its process.

#![cfg(feature = "test-util")]
#![expect(clippy::print_stdout, reason = "the documentation quotes the figures; `-- --nocapture`")]
#![expect(clippy::panic, clippy::unwrap_used, reason = "it is how a test fails")]

use std::alloc::System;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::flow::{Flow, FlowId};
use flexsecure_core::store::{
    Admission, Binding, FlowRecord, Opened, Peek, StartTicket, StoreError, Swap,
};
use flexsecure_core::test_util::acceptance::{approve, begin};
use flexsecure_core::{MemoryStore, Method, Operation, Requirement, SessionKey, Store, Timestamp};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test, because two at a time would count each other's allocations.
#[tokio::test]
async fn the_memory_store_keeps_its_promises_about_memory() {
    pending_flows_fit().await;
    elevations_take_what_is_said().await;
    what_is_forgotten_is_given_back().await;
    a_million_starts_stay_within_the_bound().await;
    peek_allocates_nothing().await;
}

async fn pending_flows_fit() {
    let region = Region::new(ALLOCATOR);
    let store = MemoryStore::new();
    for number in 0..MemoryStore::FLOWS {
        start_a_flow(&store, number).await;
    }
    let bytes = kept(&region);
    println!("{} bytes a pending flow", bytes / MemoryStore::FLOWS);
    assert!(bytes <= 128 * 1024 * 1024, "{bytes} bytes for pending flows");
    let refused = store.open(flow(MemoryStore::FLOWS), NOW).await;
    assert!(matches!(refused, Err(StoreError::Full)));
}

async fn elevations_take_what_is_said() {
    let region = Region::new(ALLOCATOR);
    let store = MemoryStore::new();
    for number in 0..SESSIONS {
        elevate(&store, number, &Requirement::system("bank")).await;
    }
    // The flows that brought them are forgotten long before they are.
    let later = NOW.after(Duration::from_secs(1800));
    write_everywhere(&store, later).await;
    let first = kept(&region) / SESSIONS;

    let vault = Requirement::system("vault");
    for number in 0..SESSIONS {
        elevate(&store, number, &vault).await;
    }
    write_everywhere(&store, later.after(Duration::from_secs(60))).await;
    let further = (kept(&region) / SESSIONS).saturating_sub(first);
    println!("{first} bytes for the first elevation of a session, {further} for another");
    assert!(first <= 448, "{first} bytes for the first elevation of a session");
    assert!(further <= 128, "{further} bytes for another elevation");
}

async fn what_is_forgotten_is_given_back() {
    let region = Region::new(ALLOCATOR);
    let store = MemoryStore::new();
    let mut now = NOW;
    let mut most = 0;
    for round in 1..=10 {
        for number in 0..10_000 {
            start_a_flow_at(&store, number, now).await;
        }
        most = kept(&region).max(most);
        now = now.after(Duration::from_secs(7200));
        write_everywhere(&store, now).await;
        let left = kept(&region);
        println!("{left} bytes left when {round}0,000 flows have ended, of {most}");
        assert!(left <= 5_000_000, "{left} bytes in an empty store");
    }
}

async fn peek_allocates_nothing() {
    let store = MemoryStore::new();
    elevate(&store, 1, &Requirement::system("bank")).await;
    let (holder, stranger) = (SessionKey::of("session 1"), SessionKey::of("session 2"));
    let user = user(1);
    let is_held = |session| matches!(store.peek(session, &user), Peek::Known(Some(_)));
    // The first time a thread reads, it is registered as a reader.
    assert!(is_held(&holder));
    let region = Region::new(ALLOCATOR);
    for _ in 0..1000 {
        assert!(is_held(&holder));
        assert!(!is_held(&stranger));
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}

/// T60: ten thousand sessions that open as many flows as they can. What is held goes on being good,
/// and when their flows have ended others are served.
async fn a_million_starts_stay_within_the_bound() {
    let region = Region::new(ALLOCATOR);
    let store = MemoryStore::new();
    elevate(&store, MemoryStore::FLOWS, &Requirement::system("bank")).await;
    let holder = SessionKey::of(&format!("session {}", MemoryStore::FLOWS));
    let user = user(MemoryStore::FLOWS);
    let (mut opened, mut full) = (0_usize, 0_usize);
    for number in 0..1_000_000 {
        match store.open(flow_in(number % 10_000, number), NOW).await {
            Ok(Opened::New(flow)) => {
                let ticket = StartTicket::new(Arc::clone(&flow.binding));
                store.admit_start(&ticket, NOW).await.unwrap();
                opened = opened.saturating_add(1);
            }
            Err(StoreError::Full) => full = full.saturating_add(1),
            other => panic!("each is another operation: {other:?}"),
        }
        if number % 1000 == 0 {
            assert!(matches!(store.peek(&holder, &user), Peek::Known(Some(_))));
        }
    }
    let bytes = kept(&region);
    println!("{bytes} bytes after a million starts, {opened} of them opened");
    assert!(bytes <= 128 * 1024 * 1024, "{bytes} bytes after a million starts");
    // The flow that brought the elevation has ended, and gave its place to one of these.
    assert_eq!((opened, full), (MemoryStore::FLOWS, 900_000));

    let later = NOW.after(Duration::from_secs(600));
    let served = FlowRecord { flow: Flow::open(later, Method::Pin), ..flow(1_000_000) };
    assert!(matches!(store.open(served, later).await, Ok(Opened::New(_))));
    assert!(matches!(store.peek(&holder, &user), Peek::Known(Some(_))));
}

async fn start_a_flow(store: &MemoryStore, number: usize) {
    start_a_flow_at(store, number, NOW).await;
}

/// With all that a flow can come with: an operation, a way back, an origin, an exclusive start.
async fn start_a_flow_at(store: &MemoryStore, number: usize, now: Timestamp) {
    let flow = FlowRecord { flow: Flow::open(now, Method::Passwordless), ..flow(number) };
    let ticket = StartTicket::new(Arc::clone(&flow.binding));
    let ticket = ticket.exclusive_until(now.after(Duration::from_secs(600)));
    let Ok(Opened::New(opened)) = store.open(flow, now).await else { panic!("it is new") };
    assert_eq!(store.admit_start(&ticket, now).await.unwrap(), Admission::Admitted);
    assert_eq!(store.swap(begin(&opened, now), None, now).await.unwrap(), Swap::Done);
}

async fn elevate(store: &MemoryStore, number: usize, needs: &Requirement) {
    let flow = flow(number);
    let binding = Binding::new(
        flow.binding.session,
        Arc::clone(&flow.binding.auth_id),
        needs.scope().clone(),
    );
    let flow = FlowRecord { binding: Arc::new(binding), ..flow };
    let Ok(Opened::New(opened)) = store.open(flow, NOW).await else { panic!("it is new") };
    let approval = approve(&opened, NOW);
    let swap = store.swap(approval.record, Some(approval.elevation), NOW).await.unwrap();
    assert_eq!(swap, Swap::Done);
}

/// Writes that change nothing, because no such flow is there, enough of them to reach every shard.
async fn write_everywhere(store: &MemoryStore, now: Timestamp) {
    for number in 0..2000 {
        assert_eq!(store.swap(flow(number), None, now).await.unwrap(), Swap::Gone);
    }
}

fn user(session: usize) -> String {
    format!("user.{session:010}@example.com")
}

fn flow(number: usize) -> FlowRecord {
    flow_in(number, number)
}

/// A flow for an operation of its own.
fn flow_in(session: usize, number: usize) -> FlowRecord {
    let needs = Requirement::system("bank")
        .single_use()
        .operation(Operation::new(&format!("Transfer {number:010}.00 EUR to bob")));
    let auth_id = user(session).as_str().into();
    let session = SessionKey::of(&format!("session {session}"));
    let mut binding = Binding::new(session, auth_id, needs.scope().clone());
    binding.return_to = Some(format!("/accounts/{number:010}/transfers?page=2").into());
    binding.origin.ip = Some(Ipv4Addr::LOCALHOST.into());
    binding.origin.user_agent = Some("Mozilla/5.0 (X11; Linux x86_64) ".repeat(4).into());
    FlowRecord {
        id: FlowId::random().unwrap(),
        version: 0,
        binding: Arc::new(binding),
        flow: Flow::open(NOW, Method::Passwordless),
    }
}

fn kept(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}

const SESSIONS: usize = 100_000;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
