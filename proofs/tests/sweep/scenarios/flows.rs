use std::iter;
use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::authority::CheckReply;
use tokio::time::sleep;

use super::{alice, bank};
use crate::case::{PIN, WRONG_PIN};
use crate::clients::Stuck;
use crate::world::{Outcome, World};

pub(crate) async fn a_link_lets_its_request_through(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    world.seen(&alice(), &flow, |flow| flow["state"] != "idle").await?;
    world.approve(&alice());
    world.admitted(&alice(), &bank(), &flow).await
}

/// By the page only: the request is repeated when the flow is said to be authenticated.
pub(crate) async fn a_page_that_asks_learns_of_the_approval(
    world: Arc<World>,
) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    world.approve(&alice());
    world.seen(&alice(), &flow, |flow| flow["state"] == "authenticated").await?;
    world.admitted(&alice(), &bank(), &flow).await
}

pub(crate) async fn a_right_pin_does_after_a_wrong_one(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    world.type_wrong_pin(&alice(), &flow).await?;
    world.type_right_pin(&alice(), &flow, PIN).await?;
    world.admitted(&alice(), &bank(), &flow).await
}

/// Two tabs, and the answer to the wrong PIN comes first.
pub(crate) async fn a_right_pin_does_beside_a_wrong_one(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    let alice = alice();
    world.authority.answer_checks(|call| {
        let wrong = CheckReply::SecurityError { attempts_left: None, reason: None };
        call.pin_is(WRONG_PIN).then_some(wrong)
    });
    world.authority.hold();
    // Of two answers that are held back, the one to the later call is given first.
    let (right, _, ()) = tokio::join!(
        world.type_right_pin(&alice, &flow, PIN),
        async {
            sleep(Duration::from_millis(100)).await;
            world.type_pin(&alice, &flow, WRONG_PIN).await
        },
        async {
            sleep(Duration::from_millis(200)).await;
            world.authority.release_one();
            sleep(Duration::from_millis(1500)).await;
            world.authority.release();
        }
    );
    right?;
    world.admitted(&alice, &bank(), &flow).await
}

pub(crate) async fn a_pin_rides_on_the_repeated_request(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    for pin in iter::once(WRONG_PIN).chain(iter::repeat_n(PIN, 8)) {
        match world.request(&alice(), &bank(), Duration::ZERO, Some(pin)).await {
            Outcome::Passed(_) if pin == WRONG_PIN => {
                return Err(Stuck("R1: a wrong PIN let a request through".to_owned()));
            }
            Outcome::Passed(_) => return Ok(()),
            Outcome::Refused(said) if said.status == 503 => sleep(Duration::from_secs(10)).await,
            Outcome::Refused(_) | Outcome::Left => {}
        }
    }
    world.admitted(&alice(), &bank(), &flow).await
}

pub(crate) async fn a_message_is_sent_again_after_the_cool_down(
    world: Arc<World>,
) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    sleep(Duration::from_secs(31)).await;
    world.resend(&alice(), &flow).await;
    world.approve(&alice());
    world.admitted(&alice(), &bank(), &flow).await
}

pub(crate) async fn a_user_declines_and_is_asked_anew(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    world.authority.decline();
    world.seen(&alice(), &flow, |flow| flow["state"] == "expired").await?;
    let next = world.asked(&alice(), &bank()).await?;
    world.approve(&alice());
    world.admitted(&alice(), &bank(), &next).await
}

pub(crate) async fn a_user_gives_up_and_starts_anew(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    world.cancel(&alice(), &flow).await?;
    let next = world.asked(&alice(), &bank()).await?;
    if next == flow {
        return Err(Stuck(format!("{flow} was given up, and asked for again")));
    }
    world.approve(&alice());
    world.admitted(&alice(), &bank(), &next).await
}

pub(crate) async fn a_flow_that_runs_out_of_time_is_over(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    sleep(Duration::from_secs(601)).await;
    world.authority.expire();
    world.seen(&alice(), &flow, |flow| flow["over"] == "timeout").await?;
    let next = world.asked(&alice(), &bank()).await?;
    world.approve(&alice());
    world.admitted(&alice(), &bank(), &next).await
}

/// A request that is held beyond the end of its flow is refused, not kept.
pub(crate) async fn a_flow_runs_out_of_time_while_a_request_is_held(
    world: Arc<World>,
) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    sleep(Duration::from_secs(580)).await;
    world.timed_out_held(&alice(), &bank(), &flow).await?;
    let next = world.asked(&alice(), &bank()).await?;
    world.approve(&alice());
    world.admitted(&alice(), &bank(), &next).await
}
