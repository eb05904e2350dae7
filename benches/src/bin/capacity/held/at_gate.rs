//! Requests that are held at a gate without a framework around it.

use std::sync::Arc;

use flexsecure_core::{Gate, Policy, Requirement};
use stats_alloc::Region;
use tokio::task::JoinSet;

use crate::crowd::Crowd;
use crate::population::identity;
use crate::report::{as_u64, each};
use crate::request::passes;
use crate::{COUNTED, kept};

/// How many bytes one takes of `held` by as many users.
pub(super) async fn bytes(held: usize) -> u64 {
    let region = Region::new(COUNTED);
    let crowd = Crowd::new();
    let gate = Gate::builder(crowd.clone()).build().unwrap();
    let policy: Arc<dyn Policy> = Arc::new(Requirement::system("bank"));
    let mut holding = JoinSet::new();
    for number in 0..held {
        let (gate, policy) = (gate.clone(), Arc::clone(&policy));
        holding.spawn(async move {
            assert!(passes(&gate, &policy, &identity(number), &[("prefer", "wait=60")]).await);
        });
    }
    crowd.waiting(held).await;
    let bytes = each(as_u64(kept(&region)), as_u64(held));
    crowd.approve();
    holding.join_all().await;
    bytes
}
