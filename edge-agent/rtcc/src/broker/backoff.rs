//! How long to wait before the next attempt to reach the broker.

use std::time::Duration;

/// Doubles a ceiling from 0.25 s to 10 s; the wait is drawn between nothing and the ceiling ("full jitter"), so that
/// receivers that lost the same broker do not return in step.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LAST: Duration = Duration::from_secs(10);

    /// A backoff that has not failed yet.
    pub(super) fn new() -> Self {
        Self { ceiling: Self::FIRST }
    }

    /// Forgets earlier failures.
    pub(super) fn succeeded(&mut self) {
        *self = Self::new();
    }

    /// The wait after one more failure; `chance` is drawn evenly from all of `u16`.
    pub(super) fn failed(&mut self, chance: u16) -> Duration {
        let wait = self.ceiling * u32::from(chance) / u32::from(u16::MAX);
        self.ceiling = (self.ceiling * 2).min(Self::LAST);
        wait
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_seconds_and_begin_small_again_after_success() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.failed(u16::MAX), Duration::from_millis(250));
        assert_eq!(backoff.failed(u16::MAX), Duration::from_millis(500));
        for _ in 0..20 {
            backoff.failed(0);
        }
        assert_eq!(backoff.failed(u16::MAX), Duration::from_secs(10));
        assert_eq!(backoff.failed(0), Duration::ZERO);
        backoff.succeeded();
        assert_eq!(backoff.failed(u16::MAX), Duration::from_millis(250));
    }
}
