use std::{
    collections::HashSet,
    fmt,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock as _, DefaultClock},
};
use sha2::{Digest, Sha256};

use super::Client;

/// How often an address may call with a wrong API key: 20 times at once, and then once every 3 seconds.
///
/// 1. A key that this process has not yet seen to be right takes one of these calls *before* it is looked at, so that
///    guesses in parallel count too. An address without any left is refused without a look at the key.
/// 2. A key that was right is always looked at, whoever else shares the address. It counts again once it is wrong.
pub(crate) struct WrongKeys {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    right: Mutex<HashSet<Digested>>,
}

/// Not the key itself: what is kept in memory should be of no use to anybody.
type Digested = [u8; 32];

/// Too many wrong keys came from there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    /// When the next one is looked at.
    pub(crate) retry_after: Duration,
}

/// A key that may be looked at.
#[derive(Debug)]
pub(crate) struct Admitted {
    digest: Digested,
    was_right: bool,
    from: IpAddr,
}

impl WrongKeys {
    pub(crate) fn new() -> Self {
        Self {
            limiter: DefaultKeyedRateLimiter::keyed(Quota::per_minute(A_MINUTE)),
            clock: DefaultClock::default(),
            right: Mutex::default(),
        }
    }

    pub(crate) fn admit(&self, client: Client, key: &[u8]) -> Result<Admitted, Refused> {
        let digest = Sha256::digest(key).into();
        let from = client.limited_as();
        let was_right = self.right().contains(&digest);
        if !was_right {
            self.take(from)?;
        }
        Ok(Admitted { digest, was_right, from })
    }

    pub(crate) fn was_right(&self, admitted: &Admitted) {
        if !admitted.was_right {
            let mut right = self.right();
            if right.len() >= MOST_KEYS {
                right.clear();
            }
            right.insert(admitted.digest);
        }
    }

    pub(crate) fn was_wrong(&self, admitted: &Admitted) {
        if admitted.was_right {
            self.right().remove(&admitted.digest);
            // Whether there was one left or not: it has been looked at.
            let _taken = self.take(admitted.from);
        }
    }

    /// Forgets addresses that have all their calls again.
    pub(crate) fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    fn take(&self, from: IpAddr) -> Result<(), Refused> {
        // Beyond that many they share what one has: memory stays bounded, and keys that are right are not touched.
        let from = if self.limiter.len() < MOST_ADDRESSES { from } else { SHARED };
        self.limiter
            .check_key(&from)
            .map_err(|refused| Refused { retry_after: refused.wait_time_from(self.clock.now()) })
    }

    fn right(&self) -> MutexGuard<'_, HashSet<Digested>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn wrong_keys_run_out_but_one_that_was_right_does_not() {
        let limit = WrongKeys::new();
        let here = client("203.0.113.7");
        let right = limit.admit(here, b"right").unwrap();
        limit.was_right(&right);
        for guess in 0..19_u8 {
            let wrong = limit.admit(here, &[guess]).unwrap();
            limit.was_wrong(&wrong);
        }
        let refused = limit.admit(here, b"one more").unwrap_err();
        assert!(refused.retry_after <= Duration::from_secs(3));
        assert!(limit.admit(client("203.0.113.8"), b"elsewhere").is_ok());
        let right = limit.admit(here, b"right").unwrap();

        // Revoked in the meantime: then it counts like any other.
        limit.was_wrong(&right);
        assert!(limit.admit(here, b"right").is_err());
    }
}
