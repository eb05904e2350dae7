//! How long things took.

use std::time::Duration;

/// All of them, in order.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The shortest time that so many of a thousand did not exceed.
    pub(crate) fn per_mille(&self, part: usize) -> Duration {
        let rank = self.0.len().saturating_mul(part).div_ceil(1000).saturating_sub(1);
        self.0.get(rank).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let millis = Duration::from_millis;
        let latencies = Latencies::new((1..=100).rev().map(millis).collect());
        assert_eq!(latencies.per_mille(500), millis(50));
        assert_eq!(latencies.per_mille(990), millis(99));
        assert_eq!(latencies.per_mille(1000), millis(100));
        assert_eq!(Latencies::default().per_mille(500), Duration::ZERO);
        assert_eq!(Latencies::new(vec![millis(7)]).per_mille(1), millis(7));
    }
}
