//! What is wrong, was lost or was changed.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::object::words;
use super::{Sentence, Word};
use crate::id::{CameraId, Epoch, Sequence};
use crate::lane::Lane;
use crate::time::{ClockQuality, Moment};
use crate::wire::{self, Context};

/// Something that a person at the center should know of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct Alert {
    /// When it was noticed.
    #[n(0)]
    pub at: Moment,
    /// What this time is worth.
    #[cbor(n(1), with = "wire::clock")]
    pub clock: ClockQuality,
    /// Which camera; none where it concerns the unit.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<CameraId>,
    /// What it is.
    #[n(3)]
    pub kind: AlertKind,
    /// Whether it is over; false when it begins, or where it has no length.
    #[cbor(n(4), skip_if = "std::ops::Not::not")]
    pub over: bool,
    /// The same in words.
    #[n(5)]
    pub text: Sentence,
}

words!(
    /// What was done to a camera or its unit.
    Tamper {
        /// Something covers the lens.
        Covered = 0 "covered",
        /// The camera looks elsewhere.
        Moved = 1 "moved",
        /// The picture is out of focus.
        Defocused = 2 "defocused",
        /// The picture does not change any more.
        Frozen = 3 "frozen",
        /// Too bright or too dark to see.
        Blinded = 4 "blinded",
        /// The enclosure was opened.
        Opened = 5 "opened",
        /// The unit was struck or tilted.
        Struck = 6 "struck",
    }
);

words!(
    /// What has a gap.
    GapOf {
        /// Video in the ring.
        Recording = 0 "recording",
        /// The camera was not looked at.
        Analysis = 1 "analysis",
        /// Records that were waiting are gone, together with the outbox's file.
        Outbox = 2 "outbox",
    }
);

/// What an alert says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(flat, context_bound = "Context")]
#[serde(rename_all = "lowercase")]
pub enum AlertKind {
    /// A camera or the unit was tampered with.
    #[n(0)]
    Tamper(#[n(0)] Tamper),
    /// An input or a rule fired.
    #[n(1)]
    Trigger(#[n(0)] Word),
    /// A time without video, analysis or records.
    #[n(2)]
    Gap(#[n(0)] Gap),
    /// Records that will never come.
    #[n(3)]
    Loss(#[n(0)] LossRecord),
    /// Another software version was installed.
    #[n(4)]
    Update(#[n(0)] Change),
    /// The former software version is back.
    #[n(5)]
    Rollback(#[n(0)] Change),
    /// Something does not work.
    #[n(6)]
    Fault(#[n(0)] Word),
}

/// A time without something.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct Gap {
    /// Without what.
    #[n(0)]
    pub of: GapOf,
    /// From when.
    #[n(1)]
    pub from: Moment,
    /// Until when; none while it lasts.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Moment>,
}

/// Ranges of a lane that were dropped before they were acknowledged. The record settles them: the center counts them
/// as lost and waits for them no longer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct LossRecord {
    /// The epoch that the ranges belong to.
    #[n(0)]
    pub epoch: Epoch,
    /// Their lane.
    #[n(1)]
    pub lane: Lane,
    /// What was dropped, in order, not touching each other, at most [`MAX_LOSS_RANGES`].
    #[n(2)]
    pub ranges: Vec<SequenceRange>,
    /// Why.
    #[n(3)]
    pub cause: LossCause,
}

words!(
    /// Why records were dropped.
    LossCause {
        /// The outbox had used up its share of the disk.
        Disk = 0 "disk",
        /// The day's bytes were used up, and the record was one that gives way then.
        Budget = 1 "budget",
        /// It was read back damaged.
        Damage = 2 "damage",
    }
);

/// The most ranges in one loss record.
pub const MAX_LOSS_RANGES: usize = 256;

/// Sequences from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct SequenceRange {
    /// The first.
    #[n(0)]
    pub first: Sequence,
    /// The last; not before the first.
    #[n(1)]
    pub last: Sequence,
}

impl SequenceRange {
    /// How many sequences there are in it.
    pub const fn count(&self) -> u64 {
        self.last.get().saturating_sub(self.first.get()).saturating_add(1)
    }
}

impl LossRecord {
    /// Whether the ranges are few enough, in order and not empty.
    pub fn is_sound(&self) -> bool {
        let whole = self.ranges.iter().all(|range| range.first > Sequence::ZERO && range.first <= range.last);
        let apart = self.ranges.is_sorted_by(|a, b| a.last.next() < b.first);
        whole && apart && (1..=MAX_LOSS_RANGES).contains(&self.ranges.len())
    }

    /// How many records were lost.
    pub fn count(&self) -> u64 {
        self.ranges.iter().fold(0, |sum, range| sum.saturating_add(range.count()))
    }
}

/// From one software version to another.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Change {
    /// The version before.
    #[n(0)]
    pub from: Word,
    /// The version now.
    #[n(1)]
    pub to: Word,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(ranges: &[(u64, u64)]) -> LossRecord {
        let range = |&(first, last)| SequenceRange { first: Sequence::new(first), last: Sequence::new(last) };
        let ranges = ranges.iter().map(range).collect();
        LossRecord { epoch: Epoch::new(1), lane: Lane::Thumb, ranges, cause: LossCause::Disk }
    }

    #[test]
    fn ranges_of_a_loss_are_in_order_and_apart() {
        assert!(loss(&[(1, 5), (7, 7)]).is_sound());
        assert_eq!(loss(&[(1, 5), (7, 7)]).count(), 6);
        for bad in [&[][..], &[(0, 5)], &[(5, 1)], &[(1, 5), (6, 7)], &[(7, 8), (1, 2)], &[(1, 9), (3, 4)]] {
            assert!(!loss(bad).is_sound(), "{bad:?}");
        }
    }
}
