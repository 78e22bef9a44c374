//! Gathers access units into what the ring stores: groups of pictures, cut when a camera's are too long.
//!
//! A group begins at a key frame. Where key frames are rare, a group is cut into fragments, so that a power cut costs
//! no more than [`LONGEST`] of video; a fragment that does not begin with a key frame says so and is played from the
//! one before.

use std::time::Duration;

use crate::media::AccessUnit;

/// The longest stretch of video that is held in memory before it goes to the disk.
pub(super) const LONGEST: Duration = Duration::from_secs(2);
/// The most bytes of it: one group of a camera at 8 Mbit/s with room for its key frame.
pub(super) const LARGEST_BYTES: usize = 8 << 20;

/// Consecutive access units of one stream, coded alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// The units in decoding order, at least one.
    pub(super) units: Vec<AccessUnit>,
    /// Whether decoding can start with the first unit.
    pub(super) starts_with_key: bool,
    /// Whether this is the beginning of something new: first of all, after a gap, or with other coding parameters.
    pub(super) discontinuity: bool,
}

/// Gathers one camera's units.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    units: Vec<AccessUnit>,
    bytes: usize,
    discontinuity: Discontinuity,
}

/// Whether the next group continues the last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Discontinuity {
    /// Nothing was stored yet, or something is missing in between.
    #[default]
    Yes,
    /// It continues.
    No,
}

impl Grouping {
    /// Takes a unit; a group that is complete with it, or that must not grow further, comes back.
    pub(super) fn push(&mut self, unit: AccessUnit) -> Option<Group> {
        let breaks = self.units.last().is_some_and(|last| is_break(last, &unit));
        let full = self.units.first().is_some_and(|first| {
            unit.decode.saturating_since(first.decode) >= LONGEST
                || self.bytes.saturating_add(unit.bytes.len()) > LARGEST_BYTES
        });
        let done = if unit.key || breaks || full { self.take() } else { None };
        if breaks {
            self.discontinuity = Discontinuity::Yes;
        }
        self.bytes = self.bytes.saturating_add(unit.bytes.len());
        self.units.push(unit);
        done
    }

    /// Something between the units so far and the next is missing.
    pub(super) fn gap(&mut self) -> Option<Group> {
        let done = self.take();
        self.discontinuity = Discontinuity::Yes;
        done
    }

    /// What has been gathered, complete or not.
    pub(super) fn take(&mut self) -> Option<Group> {
        let units = std::mem::take(&mut self.units);
        self.bytes = 0;
        let starts_with_key = units.first()?.key;
        let discontinuity = std::mem::replace(&mut self.discontinuity, Discontinuity::No) == Discontinuity::Yes;
        Some(Group { units, starts_with_key, discontinuity })
    }
}

/// Whether `next` cannot follow `last` in one stream: time went back, or another codec or picture size begins.
fn is_break(last: &AccessUnit, next: &AccessUnit) -> bool {
    next.decode < last.decode || next.codec != last.codec || sizes_differ(last.size, next.size)
}

fn sizes_differ(last: Option<(u32, u32)>, next: Option<(u32, u32)>) -> bool {
    matches!((last, next), (Some(last), Some(next)) if last != next)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use edge_protocol::media::Codec;
    use edge_protocol::time::{MediaTime, MonoTime, WallStamp};

    use super::*;

    fn unit(millis: i64, key: bool) -> AccessUnit {
        AccessUnit {
            camera: "street".parse().unwrap(),
            codec: Codec::H264,
            media: MediaTime::from_nanos(millis * 1_000_000),
            decode: MediaTime::from_nanos(millis * 1_000_000),
            arrival: MonoTime::ZERO,
            wall: WallStamp::default(),
            key,
            size: Some((640, 360)),
            bytes: Bytes::from_static(&[0; 100]),
        }
    }

    fn groups(units: impl IntoIterator<Item = AccessUnit>) -> Vec<Group> {
        let mut grouping = Grouping::default();
        let mut groups: Vec<Group> = units.into_iter().filter_map(|unit| grouping.push(unit)).collect();
        groups.extend(grouping.take());
        groups
    }

    #[test]
    fn a_key_frame_begins_a_group_and_only_the_first_is_a_discontinuity() {
        let found = groups((0..30).map(|i| unit(i * 100, i % 10 == 0)));
        assert_eq!(found.iter().map(|group| group.units.len()).collect::<Vec<_>>(), [10, 10, 10]);
        assert_eq!(found.iter().map(|group| group.discontinuity).collect::<Vec<_>>(), [true, false, false]);
        assert!(found.iter().all(|group| group.starts_with_key));
    }

    #[test]
    fn without_key_frames_a_group_is_cut_before_it_grows_long() {
        let found = groups((0..100).map(|i| unit(i * 100, i == 0)));
        assert!(found.iter().all(|group| group.units.len() <= 20), "two seconds at 10 frames a second");
        assert_eq!(found.iter().map(|group| group.units.len()).sum::<usize>(), 100);
        assert_eq!(found.iter().filter(|group| group.starts_with_key).count(), 1);
        assert_eq!(found.iter().filter(|group| group.discontinuity).count(), 1);
    }

    #[test]
    fn time_that_goes_back_and_another_picture_size_begin_something_new() {
        let mut larger = unit(250, false);
        larger.size = Some((1280, 720));
        let found = groups([unit(0, true), unit(100, false), unit(50, false), unit(150, false), larger]);
        assert_eq!(found.iter().map(|group| group.units.len()).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(found.iter().all(|group| group.discontinuity));
    }

    #[test]
    fn a_gap_ends_the_group_and_marks_the_next() {
        let mut grouping = Grouping::default();
        assert_eq!(grouping.push(unit(0, true)), None);
        assert!(grouping.gap().is_some());
        assert_eq!(grouping.gap(), None);
        grouping.push(unit(500, true));
        assert!(grouping.take().unwrap().discontinuity);
    }
}
