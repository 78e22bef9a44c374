//! Gathers access units into what the ring stores: groups of pictures, cut when a camera's are too long.
//!
//! A group begins at a key frame. Where key frames are rare, a group is cut into fragments, so that a power cut costs
//! no more than [`LONGEST`] of video; a fragment that does not begin with a key frame says so and is played from the
//! one before.

use std::time::Duration;

use edge_protocol::hash::Hash256;
use edge_protocol::media::{Codec, parameter_hash};

use crate::media::{AccessUnit, nal};

/// The longest stretch of video that is held in memory before it goes to the disk.
pub(super) const LONGEST: Duration = Duration::from_secs(2);
/// Key frames that follow each other faster than this share a group: a stream of nothing but key frames (MJPEG) would
/// otherwise cost an fsync a picture.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);
/// The most bytes of it: one group of a camera at 8 Mbit/s with room for its key frame.
pub(super) const LARGEST_BYTES: usize = 8 << 20;
/// A camera that is silent for longer than this has begun something new.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What a single picture is taken to last where nothing follows it.
const ONE_PICTURE: Duration = Duration::from_millis(40);

/// Consecutive access units of one stream, coded alike.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// The units in decoding order, at least one.
    pub(super) units: Vec<AccessUnit>,
    /// Whether decoding can start with the first unit.
    pub(super) starts_with_key: bool,
    /// Whether this is the beginning of something new: first of all, after a gap, or with other coding parameters.
    pub(super) discontinuity: bool,
    /// How long it lasts: until the next group begins, or as long as its last picture is likely to.
    pub(super) duration: Duration,
    /// Hash of codec and parameter sets.
    pub(super) parameters: Hash256,
}

/// Gathers one camera's units.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    units: Vec<AccessUnit>,
    bytes: usize,
    discontinuity: Discontinuity,
    parameters: Option<Hash256>,
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
        let parameters = self.parameters_of(&unit);
        let other_parameters = self.parameters.is_some_and(|before| before != parameters);
        let breaks = other_parameters || self.units.last().is_some_and(|last| is_break(last, &unit));
        let done = if breaks {
            self.take()
        } else if self.is_complete(&unit) {
            self.take_before(&unit)
        } else {
            None
        };
        if breaks {
            self.discontinuity = Discontinuity::Yes;
        }
        self.parameters = Some(parameters);
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
        let duration = likely_duration(&self.units);
        self.finish(duration)
    }

    /// The oldest unit that waits.
    pub(super) fn oldest(&self) -> Option<&AccessUnit> {
        self.units.first()
    }

    fn take_before(&mut self, next: &AccessUnit) -> Option<Group> {
        let duration = next.decode.saturating_since(self.units.first()?.decode);
        self.finish(duration)
    }

    fn finish(&mut self, duration: Duration) -> Option<Group> {
        let units = std::mem::take(&mut self.units);
        self.bytes = 0;
        let (first, parameters) = (units.first()?, self.parameters?);
        let starts_with_key = first.key;
        let discontinuity = std::mem::replace(&mut self.discontinuity, Discontinuity::No) == Discontinuity::Yes;
        Some(Group { units, starts_with_key, discontinuity, duration, parameters })
    }

    /// Whether the units so far make a group that `next` does not belong to.
    fn is_complete(&self, next: &AccessUnit) -> bool {
        let Some(first) = self.units.first() else { return false };
        let long = next.decode.saturating_since(first.decode);
        let large = self.bytes.saturating_add(next.bytes.len()) > LARGEST_BYTES;
        large || long >= if next.key { SHORTEST } else { LONGEST }
    }

    /// Those that the unit carries; where it carries none, those that still hold.
    fn parameters_of(&self, unit: &AccessUnit) -> Hash256 {
        let sets = if unit.key { nal::parameter_sets(unit.codec, &unit.bytes) } else { Vec::new() };
        match self.parameters {
            Some(before) if sets.is_empty() && unit.codec != Codec::Mjpeg => before,
            Some(_) | None => parameter_hash(unit.codec, &sets),
        }
    }
}

/// Whether `next` cannot follow `last` in one stream: time went back or stood still for long, or another codec or
/// picture size begins.
fn is_break(last: &AccessUnit, next: &AccessUnit) -> bool {
    next.decode < last.decode
        || next.decode.saturating_since(last.decode) > LONGEST_PAUSE
        || next.codec != last.codec
        || sizes_differ(last.size, next.size)
}

fn sizes_differ(last: Option<(u32, u32)>, next: Option<(u32, u32)>) -> bool {
    matches!((last, next), (Some(last), Some(next)) if last != next)
}

/// As long as the units lasted, and once more their mean distance for the last.
fn likely_duration(units: &[AccessUnit]) -> Duration {
    let (Some(first), Some(last)) = (units.first(), units.last()) else { return Duration::ZERO };
    let so_far = last.decode.saturating_since(first.decode);
    let steps = u32::try_from(units.len() - 1).unwrap_or(u32::MAX);
    so_far.saturating_add(so_far.checked_div(steps).unwrap_or(ONE_PICTURE))
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
    fn a_stream_of_key_frames_makes_a_group_a_second() {
        let found = groups((0..30).map(|i| unit(i * 100, true)));
        assert_eq!(found.iter().map(|group| group.units.len()).collect::<Vec<_>>(), [10, 10, 10]);
    }

    #[test]
    fn a_group_lasts_until_the_next_begins_and_the_last_as_long_as_is_likely() {
        let found = groups((0..20).map(|i| unit(i * 100, i % 10 == 0)));
        assert_eq!(found.iter().map(|group| group.duration.as_millis()).collect::<Vec<_>>(), [1000, 1000]);
        assert_eq!(groups([unit(0, true)])[0].duration, ONE_PICTURE);
    }

    #[test]
    fn other_parameter_sets_begin_something_new_at_once() {
        let with_sps = |millis, sps: u8| {
            let bytes = Bytes::from(vec![0, 0, 0, 2, 0x67, sps, 0, 0, 0, 1, 0x65]);
            AccessUnit { bytes, ..unit(millis, true) }
        };
        let found = groups([with_sps(0, 1), unit(100, false), with_sps(200, 1), with_sps(300, 2), unit(1400, true)]);
        assert_eq!(found.iter().map(|group| group.units.len()).collect::<Vec<_>>(), [3, 1, 1]);
        assert_eq!(found.iter().map(|group| group.discontinuity).collect::<Vec<_>>(), [true, true, false]);
        assert_ne!(found[0].parameters, found[1].parameters);
        assert_eq!(found[1].parameters, found[2].parameters, "sets hold until others come");
    }

    #[test]
    fn a_camera_that_was_silent_begins_something_new() {
        let found = groups([unit(0, true), unit(100, false), unit(5_000, true)]);
        assert_eq!(found.iter().map(|group| group.discontinuity).collect::<Vec<_>>(), [true, true]);
        assert_eq!(found[0].duration.as_millis(), 200);
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
