use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::policy::{Decision, OnDemand, OwnedFacts, asynchronous};
use flexsecure_core::store::StoreError;
use flexsecure_core::{Operation, Requirement};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{alice, bank};
use crate::case::PIN;
use crate::clients::Stuck;
use crate::world::{Outcome, Route, World};

pub(crate) async fn a_held_request_goes_through(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    let (alice, bank) = (alice(), bank());
    let (admitted, ()) =
        tokio::join!(world.admitted_held(&alice, &bank, &flow, Duration::from_secs(60)), async {
            sleep(Duration::from_secs(7)).await;
            world.approve(&alice);
        });
    admitted
}

/// Another tab has the request that waits, on the same node or another.
pub(crate) async fn a_pin_releases_the_request_that_is_held(
    world: Arc<World>,
) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    let (alice, bank) = (alice(), bank());
    let typed_at = async {
        sleep(Duration::from_secs(7)).await;
        world.type_right_pin(&alice, &flow, PIN).await.map(|()| Instant::now())
    };
    let admitted_at = async {
        let admitted = world.admitted_held(&alice, &bank, &flow, Duration::from_secs(60)).await;
        admitted.map(|()| Instant::now())
    };
    let (typed_at, admitted_at) = tokio::join!(typed_at, admitted_at);
    let late = admitted_at?.saturating_duration_since(typed_at?);
    // A client that is refused comes back after five seconds, and again until the fault is over; one
    // that nobody wakes is there for a minute.
    if late > Duration::from_secs(40) {
        world.broken(format!("the request that was held learnt of the PIN {late:?} late"));
    }
    Ok(())
}

/// Twenty tabs of one user, half of them held from the first, the others once they are refused.
pub(crate) async fn twenty_tabs_are_let_through_by_one_message(
    world: Arc<World>,
) -> Result<(), Stuck> {
    let mut tabs = JoinSet::new();
    for tab in 0..20 {
        let world = Arc::clone(&world);
        let minute = Duration::from_secs(60);
        let mut hold = if tab % 2 == 0 { minute } else { Duration::ZERO };
        tabs.spawn(async move {
            for _ in 0..120 {
                match world.request(&alice(), &bank(), hold, None).await {
                    Outcome::Passed(_) => return true,
                    Outcome::Refused(said) => {
                        hold = minute;
                        sleep(said.retry_after.unwrap_or(Duration::from_secs(2))).await;
                    }
                    Outcome::Left => {}
                }
            }
            false
        });
    }
    let mut rounds = 0;
    while world.ledger.messages() == 0 {
        sleep(Duration::from_secs(10)).await;
        rounds += 1;
        if let Some(flow) = world.ledger.opened().first().filter(|_| rounds > 3) {
            world.resend(&alice(), &flow.id.to_string()).await;
        }
        if rounds > 10 {
            return Err(Stuck("nobody was sent a message".to_owned()));
        }
    }
    sleep(Duration::from_secs(5)).await;
    world.approve(&alice());
    while let Some(is_through) = tabs.join_next().await {
        if !is_through.unwrap_or_default() {
            return Err(Stuck("a tab was never let through".to_owned()));
        }
    }
    let flows = world.ledger.flows_with_messages();
    if flows > 1 {
        world.broken(format!("R5: messages for {flows} flows of one user's tabs"));
    }
    Ok(())
}

fn transfer() -> Requirement {
    let shown = Operation::new("Transfer 250.00 EUR to bob").field("to", "bob");
    Requirement::system("bank").operation(shown).single_use()
}

pub(crate) async fn an_operation_is_done_once(world: Arc<World>) -> Result<(), Stuck> {
    once(&world, &Route::to(transfer())).await
}

pub(crate) async fn a_handler_asks_for_more(world: Arc<World>) -> Result<(), Stuck> {
    once(&world, &Route { policy: Arc::new(OnDemand), requirement: transfer() }).await
}

/// Let through once, and the second time refused without a message.
async fn once(world: &World, route: &Route) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), route).await?;
    world.approve(&alice());
    world.admitted(&alice(), route, &flow).await?;
    let messages = world.ledger.messages();
    world.refused(&alice(), route, &flow).await?;
    if world.ledger.messages() > messages {
        world.broken("R5: another message for a repeat of what was done");
    }
    Ok(())
}

/// Eight repeats of an operation that was approved, all at once: one is let through.
pub(crate) async fn of_many_repeats_one_is_let_through(world: Arc<World>) -> Result<(), Stuck> {
    let route = Route::to(transfer());
    let flow = world.asked(&alice(), &route).await?;
    world.approve(&alice());
    world.seen(&alice(), &flow, |flow| flow["state"] == "authenticated").await?;
    let mut repeats = JoinSet::new();
    for _ in 0..8 {
        let (world, route) = (Arc::clone(&world), route.clone());
        repeats.spawn(async move {
            let outcome = world.request(&alice(), &route, Duration::ZERO, None).await;
            matches!(outcome, Outcome::Passed(_))
        });
    }
    let passed = repeats.join_all().await.into_iter().filter(|passed| *passed).count();
    if passed == 0 {
        world.admitted(&alice(), &route, &flow).await?;
    }
    Ok(())
}

/// A policy that asks the store before it decides, and again after a wait.
pub(crate) async fn a_policy_that_asks_the_store_decides(world: Arc<World>) -> Result<(), Stuck> {
    let policy = asynchronous(|facts: OwnedFacts| async move {
        let refusals = facts.refusals(Duration::from_secs(600)).await?;
        let age = Duration::from_secs(if refusals == 0 { 600 } else { 60 });
        Ok::<_, StoreError>(Decision::require(Requirement::system("bank").within(age)))
    });
    let route = Route { policy: Arc::new(policy), ..bank() };
    let flow = world.asked(&alice(), &route).await?;
    let alice = alice();
    let (admitted, ()) =
        tokio::join!(world.admitted_held(&alice, &route, &flow, Duration::from_secs(60)), async {
            sleep(Duration::from_secs(7)).await;
            world.approve(&alice);
        });
    admitted
}
