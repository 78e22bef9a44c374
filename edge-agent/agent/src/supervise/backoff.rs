//! How long to wait before the next try of what has failed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Doubles a ceiling with every failure in a row. Where many of a kind fail together, as a thousand units that lost one
/// broker, each draws its wait below the ceiling, so that they do not come back in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    /// No wait is longer.
    pub most: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// Nothing has failed yet.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, ceiling: first }
    }

    /// The wait after one more failure: as much of the ceiling as `chance` is of all of `u32`.
    pub fn failed(&mut self, chance: u32) -> Duration {
        let ceiling = self.ceiling.min(self.most);
        self.ceiling = ceiling.saturating_mul(2);
        ceiling.mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }

    /// The next wait is the first again.
    pub const fn succeeded(&mut self) {
        self.ceiling = self.first;
    }
}

/// Drawn evenly from all of `u32`: no secret, so from the standard library's hasher, whose keys are random. The source of
/// keys and challenges takes four megabytes once it has been asked some thousand times.
pub fn chance() -> u32 {
    let drawn = RandomState::new().build_hasher().finish();
    u32::try_from(drawn >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_the_first_to_the_longest_and_fall_back() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        let longest: Vec<u64> = (0..8).map(|_| backoff.failed(u32::MAX).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.failed(0), Duration::ZERO);
        assert_eq!(backoff.failed(1 << 31).as_secs(), 30, "a draw from the upper half waits half as long at least");
        backoff.most = Duration::from_secs(10);
        assert_eq!(backoff.failed(u32::MAX), Duration::from_secs(10));
        backoff.succeeded();
        assert_eq!(backoff.failed(u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn chances_fall_into_every_part_of_the_range() {
        let parts: std::collections::BTreeSet<u32> = (0..1000).map(|_| chance() >> 28).collect();
        assert_eq!(parts.len(), 16, "{parts:?}");
    }
}
