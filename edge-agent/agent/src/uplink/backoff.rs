//! How long to wait before the next attempt to reach the broker.

use std::time::Duration;

/// Doubles a ceiling from 1 s to 60 s and draws the wait evenly between nothing and the ceiling ("full jitter"), so
/// that a thousand units that lost one broker do not come back in step.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(1);
    const LAST: Duration = Duration::from_mins(1);

    pub(super) const fn new() -> Self {
        Self { ceiling: Self::FIRST }
    }

    /// The wait after one more failure; `chance` is drawn evenly from all of `u32`.
    pub(super) fn failed(&mut self, chance: u32) -> Duration {
        let wait = self.ceiling.mul_f64(f64::from(chance) / f64::from(u32::MAX));
        self.ceiling = (self.ceiling * 2).min(Self::LAST);
        wait
    }

    pub(super) fn succeeded(&mut self) {
        self.ceiling = Self::FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_one_second_to_sixty_and_fall_back() {
        let mut backoff = Backoff::new();
        let longest: Vec<u64> = (0..8).map(|_| backoff.failed(u32::MAX).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.failed(0), Duration::ZERO);
        backoff.succeeded();
        assert_eq!(backoff.failed(u32::MAX), Duration::from_secs(1));
    }
}
