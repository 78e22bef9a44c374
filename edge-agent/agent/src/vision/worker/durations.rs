//! How long a model's runs take: median and ninety-ninth of a hundred, from a histogram of fixed size.

use std::time::Duration;

use super::super::wire::RunTimes;

/// Four to each doubling: a value read back is off by a tenth at most.
const PER_DOUBLING: f64 = 4.0;
/// From one microsecond to more than a minute.
const BUCKETS: usize = 108;
/// Counts are halved when there are so many, so that the past fades.
const FULL: u32 = 4096;

/// The run times of one model.
#[derive(Debug, Clone)]
pub(super) struct Durations {
    buckets: [u32; BUCKETS],
    counted: u32,
    runs: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], counted: 0, runs: 0 }
    }
}

impl Durations {
    /// Takes in one run.
    pub(super) fn add(&mut self, took: Duration) {
        let micros = took.as_secs_f64() * 1e6;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative; the end is cut below"
        )]
        let place = (micros.max(1.0).log2() * PER_DOUBLING) as usize;
        let place = place.min(BUCKETS - 1);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
        self.counted += 1;
        self.runs += 1;
        if self.counted == FULL {
            self.buckets.iter_mut().for_each(|bucket| *bucket /= 2);
            self.counted = self.buckets.iter().sum();
        }
    }

    /// What is told.
    pub(super) fn times(&self) -> RunTimes {
        RunTimes { runs: self.runs, median_us: self.quantile(50), slow_us: self.quantile(99) }
    }

    /// The time that `percent` of the runs do not exceed, in microseconds.
    fn quantile(&self, percent: u64) -> u32 {
        let wanted = (u64::from(self.counted) * percent).div_ceil(100);
        let mut seen = 0;
        for (place, bucket) in (0_u32..).zip(self.buckets) {
            seen += u64::from(bucket);
            if bucket > 0 && seen >= wanted {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^27")]
                return ((f64::from(place) + 0.5) / PER_DOUBLING).exp2() as u32;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl Iterator<Item = u64>) -> RunTimes {
        let mut durations = Durations::default();
        micros.for_each(|micros| durations.add(Duration::from_micros(micros)));
        durations.times()
    }

    fn near(found: u32, wanted: f64) -> bool {
        (f64::from(found) / wanted - 1.0).abs() < 0.11
    }

    #[test]
    fn a_few_slow_runs_show_in_the_slow_figure_and_not_in_the_median() {
        let times = of((0..100).map(|run| if run % 50 == 0 { 40_000 } else { 5_000 }));
        assert_eq!(times.runs, 100);
        assert!(near(times.median_us, 5_000.0) && near(times.slow_us, 40_000.0), "{times:?}");
    }

    #[test]
    fn the_past_fades() {
        let times = of((0..100_000).map(|run| if run < 50_000 { 1_000 } else { 9_000 }));
        assert!(near(times.median_us, 9_000.0), "{times:?}");
        assert_eq!(times.runs, 100_000);
    }

    #[test]
    fn nothing_and_extremes_are_told_without_a_panic() {
        assert_eq!(of(std::iter::empty()), RunTimes::default());
        assert!(of([0, u64::from(u32::MAX)].into_iter()).slow_us > 60_000_000);
    }
}
