//! How much of the time and of the frames was really looked at, so that silence can be trusted.

use std::time::Duration;

use crate::sighting::Outcome;
use crate::time::MediaTime;

/// Between two looks further apart than this, nobody looked.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// Running account of one camera. Time counts as looked at between two frames that were analysed, or seen to be still,
/// at most a second apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Frames that were decoded.
    pub offered: u64,
    /// Frames that the detector ran on.
    pub analysed: u64,
    /// Frames passed over because nothing moved.
    pub still: u64,
    /// Frames passed over to keep the rate.
    pub rate: u64,
    /// Frames that a newer one replaced.
    pub replaced: u64,
    /// Frames that failed.
    pub failed: u64,
    /// Time that was looked at.
    pub looked: Duration,
    last_look: Option<MediaTime>,
}

impl Coverage {
    /// Takes in what became of a frame.
    pub fn note(&mut self, media: MediaTime, outcome: Outcome) {
        self.offered += 1;
        match outcome {
            Outcome::Analysed => self.analysed += 1,
            Outcome::Still => self.still += 1,
            Outcome::Rate => self.rate += 1,
            Outcome::Replaced => self.replaced += 1,
            Outcome::Failed => self.failed += 1,
        }
        if matches!(outcome, Outcome::Analysed | Outcome::Still) {
            let gap = self.last_look.map(|last| media.saturating_since(last));
            self.looked += gap.filter(|gap| *gap <= LONGEST_GAP).unwrap_or_default();
            self.last_look = Some(media);
        }
    }

    /// The account so far; counting goes on from zero.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let next = Self { last_look: self.last_look, ..Self::default() };
        std::mem::replace(self, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_between_looks_close_to_each_other_counts() {
        let mut coverage = Coverage::default();
        let looks = [(0, Outcome::Analysed), (400, Outcome::Rate), (800, Outcome::Still), (1000, Outcome::Replaced)];
        for (ms, outcome) in looks.into_iter().chain([(3000, Outcome::Analysed), (3100, Outcome::Analysed)]) {
            coverage.note(MediaTime::from_nanos(ms * 1_000_000), outcome);
        }
        assert_eq!(coverage.looked, Duration::from_millis(900));
        assert_eq!((coverage.offered, coverage.analysed, coverage.still, coverage.rate), (6, 3, 1, 1));
        assert_eq!(coverage.take().offered, 6);
        coverage.note(MediaTime::from_nanos(3_200_000_000), Outcome::Analysed);
        assert_eq!((coverage.offered, coverage.looked), (1, Duration::from_millis(100)));
    }
}
