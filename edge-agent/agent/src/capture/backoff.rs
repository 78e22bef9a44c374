//! How long to wait before the next try: doubling, capped, jittered.
//!
//! The jitter keeps a street of units from calling all cameras in the same second after a power cut.

use std::time::Duration;

/// The shortest and the longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffLimits {
    /// The wait before the second try.
    pub first: Duration,
    /// No wait is longer.
    pub most: Duration,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(30) }
    }
}

/// The waits between tries in a row.
#[derive(Debug)]
pub(super) struct Backoff {
    limits: BackoffLimits,
    next: Duration,
    draw: u64,
}

impl Backoff {
    pub(super) fn new(limits: BackoffLimits, seed: u64) -> Self {
        Self { limits, next: limits.first, draw: seed }
    }

    /// The wait before the next try: between half and all of the present step, which then doubles.
    pub(super) fn wait(&mut self) -> Duration {
        let step = self.next.min(self.limits.most);
        self.next = step.saturating_mul(2).min(self.limits.most);
        let half = step / 2;
        let jitter = self.random() >> 32;
        // jitter / 2^32 of the other half, in whole nanoseconds.
        let nanos = (half.as_nanos() * u128::from(jitter)) >> 32;
        half + Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// The camera has been well: the next wait is the first again.
    pub(super) fn reset(&mut self) {
        self.next = self.limits.first;
    }

    /// `SplitMix64` (Steele, Lea, Flood 2014).
    fn random(&mut self) -> u64 {
        self.draw = self.draw.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.draw;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_one_second_and_stay_under_thirty() {
        let mut backoff = Backoff::new(BackoffLimits::default(), 7);
        for step in [1, 2, 4, 8, 16, 30, 30, 30] {
            let (wait, step) = (backoff.wait(), Duration::from_secs(step));
            assert!(wait >= step / 2 && wait <= step, "{wait:?} for {step:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_secs(1));
    }

    #[test]
    fn two_units_do_not_wait_alike() {
        let waits = |seed| {
            let mut backoff = Backoff::new(BackoffLimits::default(), seed);
            std::array::from_fn::<_, 4, _>(|_| backoff.wait())
        };
        assert_ne!(waits(1), waits(2));
        assert_eq!(waits(1), waits(1));
    }
}
