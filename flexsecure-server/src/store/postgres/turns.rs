use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    time::Duration,
};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use crate::StoreError;

/// Who wants the row of a user that this process has locked already waits here, not with a connection in his hand:
/// whoever sends 200 PINs for one user must not take all connections from the others.
#[derive(Debug)]
pub(super) struct Turns {
    hasher: RandomState,
    stripes: Vec<Mutex<()>>,
}

impl Turns {
    pub(super) async fn take(
        &self,
        what: impl Hash,
    ) -> Result<Option<MutexGuard<'_, ()>>, StoreError> {
        let hash = self.hasher.hash_one(what);
        let index = hash.checked_rem(STRIPES).and_then(|index| usize::try_from(index).ok());
        let Some(stripe) = index.and_then(|index| self.stripes.get(index)) else { return Ok(None) };
        timeout(LONGEST_WAIT, stripe.lock())
            .await
            .map(Some)
            .map_err(|_| sqlx::Error::PoolTimedOut.into())
    }
}

impl Default for Turns {
    fn default() -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), stripes }
    }
}

/// Two users who share one wait for each other, which is harmless.
const STRIPES: u64 = 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(5);
