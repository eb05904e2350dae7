use std::sync::Arc;
use std::time::Duration;

use flexsecure_core::Identity;
use tokio::time::sleep;

use super::{alice, bank};
use crate::clients::Stuck;
use crate::world::{Outcome, World};

/// The approval of a flow that was revoked is good for nothing.
pub(crate) async fn a_session_is_revoked_before_the_approval(
    world: Arc<World>,
) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    world.until_done(async |gate| gate.revoke_session(SESSION).await).await?;
    world.approve(&alice());
    let next = world.asked(&alice(), &bank()).await?;
    if next == flow {
        return Err(Stuck(format!("{flow} has outlived its revocation")));
    }
    world.approve(&alice());
    world.admitted(&alice(), &bank(), &next).await
}

pub(crate) async fn a_user_is_revoked_after_the_approval(world: Arc<World>) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    world.approve(&alice());
    world.admitted(&alice(), &bank(), &flow).await?;
    world.until_done(async |gate| gate.revoke_user("alice").await).await?;
    world.refused(&alice(), &bank(), &flow).await
}

/// The flow goes along to the session's next id, and so does the approval.
pub(crate) async fn a_session_is_rebound_before_the_approval(
    world: Arc<World>,
) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    let moved = Identity::new("alice", "the next session of alice");
    world.until_done(async |gate| gate.rebind(SESSION, &moved).await).await?;
    world.approve(&moved);
    world.admitted(&moved, &bank(), &flow).await?;
    if let Outcome::Passed(flow) = world.request(&alice(), &bank(), Duration::ZERO, None).await {
        return Err(Stuck(format!("R1: {flow} lets the session of before through")));
    }
    Ok(())
}

/// Neither the request that is held nor any other gets through by the approval that comes after.
pub(crate) async fn a_user_logs_out_while_a_request_is_held(
    world: Arc<World>,
) -> Result<(), Stuck> {
    let flow = world.asked(&alice(), &bank()).await?;
    let (alice, bank) = (alice(), bank());
    let (held, revoked) =
        tokio::join!(world.request(&alice, &bank, Duration::from_secs(60), None), async {
            sleep(Duration::from_secs(5)).await;
            world.until_done(async |gate| gate.revoke_session(SESSION).await).await?;
            world.approve(&alice);
            Ok::<_, Stuck>(())
        });
    revoked?;
    if let Outcome::Passed(flow) = held {
        return Err(Stuck(format!("R1: {flow} let a request through after the logout")));
    }
    // In a new session all begins anew.
    let anew = Identity::new("alice", "the session after the logout");
    let next = world.asked(&anew, &bank).await?;
    if next == flow {
        return Err(Stuck(format!("{flow} has outlived its session")));
    }
    world.approve(&anew);
    world.admitted(&anew, &bank, &next).await
}

const SESSION: &str = "the session of alice";
