use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock as _, DefaultClock},
};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::Client;

/// How often an address may call with a wrong API key: 20 times at once, and then once every 3 seconds.
///
/// 1. A key that this process has not yet seen to be right takes one of these calls *before* it is looked at, so that
///    guesses in parallel count too. An address without any left is refused without a look at the key.
/// 2. Of calls with the same such key, one is looked at at a time: if it is right, the others take nothing. So a burst of
///    right calls is one call, also just after a start.
/// 3. A key that was right is always looked at, whoever else shares the address. It counts again once it is wrong.
pub(crate) struct WrongKeys {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    right: Mutex<HashSet<Digested>>,
    turns: Mutex<HashMap<Digested, Arc<Turn<()>>>>,
}

/// Not the key itself: what is kept in memory should be of no use to anybody.
type Digested = [u8; 32];

/// Too many wrong keys came from there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    /// When the next one is looked at.
    pub(crate) retry_after: Duration,
}

/// A key that may be looked at. Until this is dropped, others wait that have the same one.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    limit: &'a WrongKeys,
    digest: Digested,
    from: IpAddr,
    /// None for a key that was right before.
    turn: Option<OwnedMutexGuard<()>>,
}

impl WrongKeys {
    pub(crate) fn new() -> Self {
        Self {
            limiter: DefaultKeyedRateLimiter::keyed(Quota::per_minute(A_MINUTE)),
            clock: DefaultClock::default(),
            right: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    pub(crate) async fn admit(&self, client: Client, key: &[u8]) -> Result<Admitted<'_>, Refused> {
        let digest = Sha256::digest(key).into();
        let mut admitted = Admitted { limit: self, digest, from: client.limited_as(), turn: None };
        if self.right().contains(&digest) {
            return Ok(admitted);
        }
        let turn = Arc::clone(self.turns().entry(digest).or_default());
        admitted.turn = Some(turn.lock_owned().await);
        // Whoever had it before may have found it right.
        if self.right().contains(&digest) {
            admitted.end_turn();
        } else {
            self.take(admitted.from)?;
        }
        Ok(admitted)
    }

    /// Forgets addresses that have all their calls again.
    pub(crate) fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        // Left by callers that went away while they waited.
        self.turns().retain(|_, turn| Arc::strong_count(turn) > 1);
    }

    fn take(&self, from: IpAddr) -> Result<(), Refused> {
        // Beyond that many they share what one has: memory stays bounded, and keys that are right are not touched.
        let from = if self.limiter.len() < MOST_ADDRESSES { from } else { SHARED };
        self.limiter
            .check_key(&from)
            .map_err(|refused| Refused { retry_after: refused.wait_time_from(self.clock.now()) })
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<Digested, Arc<Turn<()>>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn right(&self) -> MutexGuard<'_, HashSet<Digested>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted<'_> {
    pub(crate) fn was_right(self) {
        if self.turn.is_some() {
            let mut right = self.limit.right();
            if right.len() >= MOST_KEYS {
                right.clear();
            }
            right.insert(self.digest);
        }
    }

    pub(crate) fn was_wrong(self) {
        if self.turn.is_none() {
            self.limit.right().remove(&self.digest);
            // Whether there was one left or not: it has been looked at.
            let _taken = self.limit.take(self.from);
        }
    }

    fn end_turn(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        let mut turns = self.limit.turns();
        // The table's and this one's: nobody waits, and nobody can begin to while the table is held.
        if Arc::strong_count(OwnedMutexGuard::mutex(&turn)) == 2 {
            turns.remove(&self.digest);
        }
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.end_turn();
    }
}

impl fmt::Debug for WrongKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrongKeys").finish_non_exhaustive()
    }
}

const A_MINUTE: NonZeroU32 = NonZeroU32::new(20).unwrap();
const MOST_ADDRESSES: usize = 100_000;
const MOST_KEYS: usize = 100_000;
const SHARED: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Client {
        Client { address: address.parse().unwrap(), is_proxied: false }
    }

    #[tokio::test]
    async fn wrong_keys_run_out_but_one_that_was_right_does_not() {
        let limit = WrongKeys::new();
        let here = client("203.0.113.7");
        limit.admit(here, b"right").await.unwrap().was_right();
        for guess in 0..19_u8 {
            limit.admit(here, &[guess]).await.unwrap().was_wrong();
        }
        let refused = limit.admit(here, b"one more").await.unwrap_err();
        assert!(refused.retry_after <= Duration::from_secs(3));
        assert!(limit.admit(client("203.0.113.8"), b"elsewhere").await.is_ok());
        let right = limit.admit(here, b"right").await.unwrap();

        // Revoked in the meantime: then it counts like any other.
        right.was_wrong();
        assert!(limit.admit(here, b"right").await.is_err());
        assert!(limit.turns().is_empty(), "nobody is left waiting");
    }

    #[tokio::test]
    async fn a_burst_with_a_right_key_takes_one_call_and_with_a_wrong_one_each() {
        let limit = Arc::new(WrongKeys::new());
        let burst = async |address: &'static str, is_right: bool| {
            let mut calls = tokio::task::JoinSet::new();
            for _ in 0..100 {
                let limit = Arc::clone(&limit);
                calls.spawn(async move {
                    let Ok(admitted) = limit.admit(client(address), address.as_bytes()).await
                    else {
                        return false;
                    };
                    // The others are waiting by now.
                    tokio::task::yield_now().await;
                    if is_right {
                        admitted.was_right()
                    } else {
                        admitted.was_wrong()
                    }
                    true
                });
            }
            calls.join_all().await.into_iter().filter(|is_admitted| *is_admitted).count()
        };
        assert_eq!(burst("203.0.113.7", true).await, 100);
        assert_eq!(burst("203.0.113.8", false).await, 20);
        assert!(limit.turns().is_empty(), "nobody is left waiting");
    }
}
