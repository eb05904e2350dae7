use std::sync::Arc;
use std::time::Duration;

use turmoil::{Builder, Sim};

use crate::faults::{END_MILLIS, NODES};
use crate::observed::Observed;
use crate::{Cluster, Without, authority, node, store, users};

/// Plays what the seed stands for, to its end.
pub(crate) fn play(seed: u64, without: Option<Without>) -> (Arc<Cluster>, Observed) {
    let cluster = Arc::new(Cluster::new(seed, without));
    let mut sim = build(&cluster);
    let failed = run(&mut sim, &cluster);
    // What ends with the simulation is no event of it.
    let observed = std::mem::take(&mut *cluster.observed());
    drop(sim);
    let mut observed = observed;
    if let Err(error) = failed {
        observed.broken(&format!("R3: the simulation does not end: {error}"));
    }
    (cluster, observed)
}

fn build(cluster: &Arc<Cluster>) -> Sim<'static> {
    let mut sim = Builder::new()
        .rng_seed(cluster.plan.seed)
        .enable_random_order()
        .tick_duration(TICK)
        .simulation_duration(LONGEST)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(cluster.plan.longest_latency)
        .tcp_capacity(1_024)
        .build();
    let shared = Arc::clone(cluster);
    sim.host("store", move || {
        let (cluster, for_news) = (Arc::clone(&shared), Arc::clone(&shared));
        async move { tokio::try_join!(store::run(cluster), store::run_news(for_news)).map(drop) }
    });
    let shared = Arc::clone(cluster);
    sim.host("authority", move || authority::run(Arc::clone(&shared)));
    for name in NODES {
        let shared = Arc::clone(cluster);
        sim.host(name, move || node::run(Arc::clone(&shared), name));
    }
    sim.client("users", users::run(Arc::clone(cluster)));
    sim
}

fn run(sim: &mut Sim<'_>, cluster: &Cluster) -> turmoil::Result {
    let faults = &cluster.plan.faults;
    let mut turns: Vec<_> = faults
        .iter()
        .flat_map(|fault| [(fault.from, false, fault), (fault.to, true, fault)])
        .collect();
    turns.sort_by_key(|(at, is_end, _)| (*at, *is_end));
    let mut turns = turns.into_iter().peekable();
    let end = Duration::from_millis(END_MILLIS);
    loop {
        let now = sim.elapsed();
        while let Some((_, is_end, fault)) = turns.next_if(|(at, ..)| *at <= now) {
            let what = if is_end { "is over" } else { "begins" };
            cluster.observed().at(now, "fault", &format!("{:?} {what}", fault.kind));
            if is_end { fault.end(sim, cluster) } else { fault.begin(sim, cluster) }
        }
        if now >= end && !*cluster.healed.borrow() {
            cluster.observed().at(now, "fault", "all is put right");
            cluster.healed.send_replace(true);
        }
        if sim.step()? {
            return Ok(());
        }
    }
}

const TICK: Duration = Duration::from_millis(5);

/// Longer than any user has patience.
const LONGEST: Duration = Duration::from_secs(240);
