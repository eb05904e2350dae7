//! As many flows at one gate as a store in memory takes, and who is served then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flexsecure_benches::throughput::together;
use flexsecure_core::refusal::Answer;
use flexsecure_core::{Gate, MemoryStore, PlainRequest, Policy, Requirement};
use stats_alloc::Region;
use tokio::runtime;

use crate::crowd::Crowd;
use crate::memory::PENDING;
use crate::population::{USER_AGENT, identity, transfer, user, way_back};
use crate::report::{Report, as_u64, each, grouped, per_second, time};
use crate::request::refused;
use crate::{COUNTED, Scale, kept};

pub(crate) fn measure(scale: Scale, report: &mut Report) {
    report.part(&format!("{} pending flows at one gate", grouped(as_u64(scale.flows))));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(fill(scale, report));
}

async fn fill(scale: Scale, report: &mut Report) {
    let region = Region::new(COUNTED);
    let crowd = Crowd::new();
    let store = MemoryStore::with_capacity(scale.flows);
    let gate = Gate::builder(crowd.clone()).store(store).build().unwrap();

    // Somebody who has proved it before.
    let (holder, page) = (scale.flows, policy(Requirement::system("bank")));
    assert_refused(request(&gate, holder, &page).await, "401 or a way to the page");
    crowd.approve_one(user(holder));
    assert!(request(&gate, holder, &page).await.is_none(), "they have approved");

    let began = Instant::now();
    for number in 0..scale.flows {
        assert_refused(request(&gate, number, &policy(transfer(number))).await, "a flow");
    }
    let (took, bytes, flows) = (began.elapsed(), as_u64(kept(&region)), as_u64(scale.flows));
    report.row("bytes of one, with all that the gate keeps", grouped(each(bytes, flows)));
    report.row("opened and started, one request after the other", per_second(flows, took));
    report.row("all of them", time(took));
    report.fits(&format!("{} pending flows", grouped(flows)), bytes, PENDING);

    let rate = Duration::from_millis(scale.rate);
    let hits = together(&gate, &page, &[identity(holder)], rate);
    assert_eq!(hits.misses, 0, "an elevation stays good while the store is full");
    let a_hit = Duration::from_secs_f64(1.0 / hits.per_second);
    report.row("while full: a request of somebody with an elevation", time(a_hit));

    let stranger = scale.flows.saturating_add(1);
    let began = Instant::now();
    let answer = request(&gate, stranger, &page).await.unwrap();
    let refused = format!("{} after {}", answer.status(), time(began.elapsed()));
    assert_eq!(answer.status(), 503, "no live flow makes room");
    report.row("while full: somebody new", refused);

    // Each flow that ends makes room for another.
    crowd.approve_one(user(0));
    let began = Instant::now();
    assert!(request(&gate, 0, &policy(transfer(0))).await.is_none(), "they have approved");
    report.row("while full: a pending one is approved and let through", time(began.elapsed()));
    let began = Instant::now();
    assert_refused(request(&gate, stranger, &page).await, "a flow");
    report.row("somebody new after that", format!("flow after {}", time(began.elapsed())));
}

fn policy(requirement: Requirement) -> Arc<dyn Policy> {
    Arc::new(requirement)
}

/// The request of a browser that opens a page; the answer if it was not let through.
async fn request(gate: &Gate, number: usize, policy: &Arc<dyn Policy>) -> Option<Answer> {
    let request = PlainRequest {
        method: "GET",
        path: &way_back(number),
        headers: &[
            ("accept", "text/html"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "same-origin"),
            ("user-agent", USER_AGENT),
        ],
    };
    refused(gate, policy, &identity(number), &request).await
}

fn assert_refused(answer: Option<Answer>, what: &str) {
    let status = answer.map(|answer| answer.status());
    assert!(matches!(status, Some(303 | 401)), "they get {what}: {status:?}");
}
