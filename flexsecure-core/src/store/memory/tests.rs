use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::authority::{Accepted, CheckReply, StartReply};
use crate::flow::{Cx, Flow, Input};
use crate::store::{Binding, RETENTION, STARTS_WINDOW, StartTicket};
use crate::{Method, Requirement};

#[cfg(feature = "test-util")]
mod accepted {
    use super::MemoryStore;
    use crate::store::acceptance;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn on_several_threads() {
        for _ in 0..20 {
            acceptance::run(async || MemoryStore::new()).await;
        }
        acceptance::a_full_store_refuses(MemoryStore::with_capacity(100), 100).await;
    }

    #[tokio::test]
    async fn on_one_thread() {
        acceptance::run(async || MemoryStore::new()).await;
        acceptance::a_full_store_refuses(MemoryStore::with_capacity(1), 1).await;
    }
}

#[tokio::test]
async fn an_ended_flow_makes_room_for_another_session_before_it_is_forgotten() {
    let store = MemoryStore::with_capacity(1);
    let flow = flow_of("a", NOW);
    store.open(flow.clone(), NOW).await.unwrap();
    assert!(matches!(store.open(flow_of("b", NOW), NOW).await, Err(StoreError::Full)));
    store.swap(cancelled(&flow), None, NOW).await.unwrap();
    assert!(kept(&store, &flow).await.is_some());
    assert!(matches!(store.open(flow_of("b", NOW), NOW).await, Ok(Opened::New(_))));
    assert_eq!(kept(&store, &flow).await, None);
}

#[tokio::test]
async fn a_store_without_room_for_an_elevation_refuses_and_swaps_nothing() {
    let store = MemoryStore::with_capacity(1);
    for number in 0..10 {
        elevate(&store, &format!("session {number}"), NOW).await;
    }
    let flow = flow_of("one more", NOW);
    store.open(flow.clone(), NOW).await.unwrap();
    let (next, grant) = approved(&flow, NOW);
    let refused = store.swap(next.clone(), Some(grant.clone()), NOW).await;
    assert!(matches!(refused, Err(StoreError::Full)));
    let kept = kept(&store, &flow).await;
    assert_eq!(kept.map(|kept| (kept.version, kept.flow)), Some((0, flow.flow.clone())));
    assert_eq!(held(&store, &flow.binding.auth_id).await, None);

    // A session that has some gets more, and what is held is still good.
    assert_eq!(held(&store, "session 3").await.unwrap().list().len(), 1);
    store.swap(cancelled(&flow), None, NOW).await.unwrap();
    elevate(&store, "session 3", NOW).await;

    let later = NOW.after(Requirement::LONGEST_MAX_AGE);
    for number in 0..10 {
        let (flow, _) = elevate(&store, &format!("new session {number}"), later).await;
        assert!(held(&store, &flow.binding.auth_id).await.is_some());
    }
    assert_eq!(held(&store, "session 3").await, None);
}

#[tokio::test]
async fn a_store_without_room_for_a_user_refuses_their_start() {
    let store = MemoryStore::with_capacity(1);
    for number in 0..10 {
        let admission = store.admit_start(&ticket(&format!("user {number}")), NOW).await;
        assert_eq!(admission.unwrap(), Admission::Admitted);
    }
    let one_more = ticket("one more");
    assert!(matches!(store.admit_start(&one_more, NOW).await, Err(StoreError::Full)));
    let known = store.admit_start(&ticket("user 3"), NOW).await;
    assert_eq!(known.unwrap(), Admission::Admitted);
    let later = NOW.after(STARTS_WINDOW);
    assert_eq!(store.admit_start(&one_more, later).await.unwrap(), Admission::Admitted);
}

#[tokio::test]
async fn what_has_run_out_is_swept_by_later_writes() {
    let store = MemoryStore::new();
    for number in 0..1000 {
        let name = format!("session {number}");
        elevate(&store, &name, NOW).await;
        store.open(flow_of(&name, NOW), NOW).await.unwrap();
        let ticket = ticket(&name).exclusive_until(NOW.after(STARTS_WINDOW * 2));
        store.admit_start(&ticket, NOW).await.unwrap();
    }
    assert_eq!((store.shared.flows.taken(), store.shared.holders.taken()), (2000, 1000));

    let almost = NOW.after(RETENTION - Duration::from_millis(1));
    write_everywhere(&store, almost).await;
    assert_eq!(store.shared.flows.taken(), 2000);
    write_everywhere(&store, almost.after(Duration::from_secs(11))).await;
    assert_eq!(store.shared.flows.taken(), 1000);

    let all_ended = NOW.after(Duration::from_secs(600)).after(RETENTION);
    write_everywhere(&store, all_ended).await;
    assert_eq!((store.shared.flows.taken(), store.shared.holders.taken()), (0, 1000));

    let all_outlived = NOW.after(Requirement::LONGEST_MAX_AGE);
    write_everywhere(&store, all_outlived).await;
    assert_eq!((store.shared.flows.taken(), store.shared.holders.taken()), (0, 0));
    assert_eq!(held(&store, "session 7").await, None);
    // The writers'.
    assert_eq!(store.shared.users.remembered(), 1000);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_sweeping() {
    let store = MemoryStore::new();
    write_everywhere(&store, NOW.after(Duration::from_secs(1_000_000))).await;
    let flow = flow_of("a", NOW);
    store.open(flow.clone(), NOW).await.unwrap();
    store.swap(cancelled(&flow), None, NOW).await.unwrap();
    write_everywhere(&store, NOW.after(RETENTION)).await;
    assert_eq!(store.shared.flows.taken(), 0);
}

#[tokio::test]
async fn a_grant_repeated_after_its_successor_brings_nothing_back() {
    let store = MemoryStore::new();
    let (first, grant) = elevate(&store, "a", NOW).await;
    let session = first.binding.session;
    assert!(store.consume(&session, "a", &first.id, NOW).await.unwrap());
    let (_, successor) = elevate(&store, "a", NOW).await;
    let again = first.next(first.flow.clone());
    assert_eq!(store.swap(again, Some(grant), NOW).await.unwrap(), Swap::Done);
    assert_eq!(held(&store, "a").await.unwrap().list(), [successor]);
}

/// T04: what goes from one session to another while all are looked through is not spared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_misses_nothing_that_moves_meanwhile() {
    let store = Arc::new(MemoryStore::new());
    // Many, so that it takes a while.
    for number in 0..10_000 {
        elevate(&store, &format!("session {number}"), NOW).await;
    }
    for round in 0..40 {
        let (flow, _) = elevate(&store, "mover", NOW).await;
        let mover = Mover::start(&store).await;
        if round % 2 == 0 {
            store.revoke_user("mover").await.unwrap();
        } else {
            let later = NOW.after(Duration::from_millis(1));
            store.revoke_before(Some("mover"), later).await.unwrap();
        }
        let session = mover.stop().await;
        assert_eq!(store.elevations(&session, "mover").await.unwrap(), None, "round {round}");
        assert_eq!(store.reload(&flow).await.unwrap(), None, "round {round}");
    }
}

/// An answer of the authority finds its flow, however often that moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_is_found_while_it_moves() {
    let store = Arc::new(MemoryStore::new());
    let (flow, _) = elevate(&store, "mover", NOW).await;
    let mover = Mover::start(&store).await;
    for _ in 0..2000 {
        assert!(store.reload(&flow).await.unwrap().is_some());
    }
    mover.stop().await;
}

/// Rebinds the session of the user `mover`, again and again.
struct Mover {
    is_over: Arc<AtomicBool>,
    moving: tokio::task::JoinHandle<SessionKey>,
}

impl Mover {
    /// Once this is done, it is on the move.
    async fn start(store: &Arc<MemoryStore>) -> Self {
        let (is_over, moves) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let moving = tokio::spawn({
            let (store, is_over, moves) = (store.clone(), is_over.clone(), moves.clone());
            async move {
                let mut session = SessionKey::of("mover");
                while !is_over.load(Ordering::SeqCst) {
                    let number = moves.fetch_add(1, Ordering::SeqCst);
                    let next = SessionKey::of(&number.to_string());
                    store.rebind(&session, &next, "mover").await.unwrap();
                    session = next;
                }
                session
            }
        });
        while moves.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        Self { is_over, moving }
    }

    /// The session that it came to.
    async fn stop(mut self) -> SessionKey {
        self.is_over.store(true, Ordering::SeqCst);
        (&mut self.moving).await.unwrap()
    }
}

impl Drop for Mover {
    /// A test that fails ends.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_outlived_elevation_is_not_consumed() {
    let store = MemoryStore::new();
    let (flow, _) = elevate(&store, "a", NOW).await;
    let session = flow.binding.session;
    let later = NOW.after(Requirement::LONGEST_MAX_AGE);
    assert!(!store.consume(&session, &flow.binding.auth_id, &flow.id, later).await.unwrap());
}

#[tokio::test]
async fn debug_tells_how_full_it_is_and_nothing_else() {
    let store = MemoryStore::with_capacity(7);
    elevate(&store, "secret", NOW).await;
    let text = format!("{store:?}");
    assert_eq!(
        text,
        "MemoryStore { flows: 1 of 7, sessions_with_elevations: 1 of 70, users: 0, .. }"
    );
}

/// What is kept beside a flow says the same as the flow.
#[test]
fn what_is_kept_agrees_with_its_flow() {
    let opened = flow_of("a", NOW);
    let begun = opened.next(step(&opened, Input::Begin { idempotent: false }, NOW));
    let accepted = Accepted::default().method(Method::Pin);
    let reply = StartReply::Accepted(accepted.expires_in(Duration::from_secs(77)));
    let started = begun.next(step(&begun, Input::Start(reply), NOW));
    let polling = started.next(step(&started, Input::Check(CheckReply::Pending), NOW));
    let authenticated = Input::PinCheck(CheckReply::Authenticated);
    let submitted = polling.next(step(&polling, Input::Pin, NOW));
    let authenticated = submitted.next(step(&submitted, authenticated, NOW));
    let over = cancelled(&started);
    for flow in [opened, begun, started, polling, authenticated, over] {
        let kept = session::Kept::new(flow.clone(), NOW);
        for seconds in 0..2000 {
            for now in [NOW.after(Duration::from_secs(seconds)), EARLIER] {
                assert_eq!(kept.is_live(now), flow.is_live(now), "{flow:?} at {now:?}");
                assert_eq!(kept.is_forgettable(now), flow.is_forgettable(now), "{flow:?}");
            }
        }
    }
}

/// Writes that change nothing, enough of them to reach every shard.
async fn write_everywhere(store: &MemoryStore, now: Timestamp) {
    for number in 0..2000 {
        let name = format!("writer {number}");
        let nothing = flow_of(&name, now);
        assert_eq!(store.swap(nothing, None, now).await.unwrap(), Swap::Gone);
    }
    for number in 0..1000 {
        store.admit_start(&ticket(&format!("writer {number}")), now).await.unwrap();
    }
}

async fn elevate(store: &MemoryStore, session: &str, now: Timestamp) -> (FlowRecord, Elevation) {
    let flow = flow_of(session, now);
    let Opened::New(flow) = store.open(flow, now).await.unwrap() else { panic!("it is new") };
    let (next, grant) = approved(&flow, now);
    assert_eq!(store.swap(next.clone(), Some(grant.clone()), now).await.unwrap(), Swap::Done);
    (next, grant)
}

fn approved(flow: &FlowRecord, now: Timestamp) -> (FlowRecord, Elevation) {
    let elevation = Elevation {
        scope: flow.binding.scope.clone(),
        method: Method::Passwordless,
        authenticated_at: now,
        flow: flow.id,
        address: None,
        spent: false,
    };
    (cancelled(flow), elevation)
}

/// How a flow ends makes no difference to where it is kept.
fn cancelled(flow: &FlowRecord) -> FlowRecord {
    flow.next(step(flow, Input::Cancel, NOW))
}

fn step(flow: &FlowRecord, input: Input, now: Timestamp) -> Flow {
    flow.flow.clone().step(input, Cx::at(now)).unwrap().flow
}

async fn kept(store: &MemoryStore, flow: &FlowRecord) -> Option<FlowRecord> {
    let Binding { session, auth_id, .. } = &*flow.binding;
    store.flow(session, auth_id, &flow.id).await.unwrap()
}

async fn held(store: &MemoryStore, session: &str) -> Option<Arc<Elevations>> {
    store.elevations(&SessionKey::of(session), session).await.unwrap()
}

fn flow_of(session: &str, now: Timestamp) -> FlowRecord {
    FlowRecord {
        id: FlowId::random().unwrap(),
        version: 0,
        binding: binding(session, session),
        flow: Flow::open(now, Method::Passwordless),
    }
}

fn ticket(user: &str) -> StartTicket {
    StartTicket::new(binding("session", user))
}

fn binding(session: &str, user: &str) -> Arc<Binding> {
    let scope = Requirement::system("bank").scope().clone();
    Arc::new(Binding::new(SessionKey::of(session), user.into(), scope))
}

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

const EARLIER: Timestamp = Timestamp::from_millis(1_700_000_000_000);
