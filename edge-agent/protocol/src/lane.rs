//! Lanes: the kinds of record a unit sends, in the order in which they may use the line.

use std::fmt;
use std::ops::{Index, IndexMut};
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A kind of record with its own order, numbering and acknowledgement. Ordered by priority, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// A plate of a hotlist was seen.
    #[n(0)]
    Hit,
    /// What became of a command.
    #[n(1)]
    Answer,
    /// Something is wrong or was lost.
    #[n(2)]
    Alert,
    /// How the unit is.
    #[n(3)]
    Health,
    /// Who asked what, and what was done.
    #[n(4)]
    Audit,
    /// A plate was read.
    #[n(5)]
    Read,
    /// A road user passed, or how many did.
    #[n(6)]
    Object,
    /// Small pictures of a hit.
    #[n(7)]
    Thumb,
    /// Pieces of a clip.
    #[n(8)]
    Clip,
}

/// A text that names no lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown lane")]
pub struct UnknownLane;

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 9] = [
        Self::Hit,
        Self::Answer,
        Self::Alert,
        Self::Health,
        Self::Audit,
        Self::Read,
        Self::Object,
        Self::Thumb,
        Self::Clip,
    ];

    /// The word in topics, JSON and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Answer => "answer",
            Self::Alert => "alert",
            Self::Health => "health",
            Self::Audit => "audit",
            Self::Read => "read",
            Self::Object => "object",
            Self::Thumb => "thumb",
            Self::Clip => "clip",
        }
    }

    /// Place in [`Lane::ALL`]: 0 is the most urgent. Also the number on the wire and in storage.
    pub const fn index(self) -> usize {
        match self {
            Self::Hit => 0,
            Self::Answer => 1,
            Self::Alert => 2,
            Self::Health => 3,
            Self::Audit => 4,
            Self::Read => 5,
            Self::Object => 6,
            Self::Thumb => 7,
            Self::Clip => 8,
        }
    }

    /// The lane at a place in [`Lane::ALL`].
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// Whether the lane carries pictures and video, which wait for everything else.
    pub const fn is_bulk(self) -> bool {
        match self {
            Self::Thumb | Self::Clip => true,
            Self::Hit | Self::Answer | Self::Alert | Self::Health | Self::Audit | Self::Read | Self::Object => false,
        }
    }

    /// Whether records of the lane may be dropped when the disk's share is full. Hits and audit never are.
    pub const fn may_be_dropped(self) -> bool {
        match self {
            Self::Hit | Self::Audit => false,
            Self::Answer | Self::Alert | Self::Health | Self::Read | Self::Object | Self::Thumb | Self::Clip => true,
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Lane {
    type Err = UnknownLane;

    fn from_str(text: &str) -> Result<Self, UnknownLane> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text).ok_or(UnknownLane)
    }
}

/// One `T` for every lane, in the order of [`Lane::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerLane<T>(pub [T; Lane::ALL.len()]);

impl<T> PerLane<T> {
    /// Every lane with its own, most urgent first.
    pub fn iter(&self) -> impl Iterator<Item = (Lane, &T)> {
        Lane::ALL.into_iter().zip(&self.0)
    }

    /// [`PerLane::iter`], to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Lane, &mut T)> {
        Lane::ALL.into_iter().zip(&mut self.0)
    }
}

#[allow(clippy::indexing_slicing, reason = "a lane's index is below the number of lanes")]
impl<T> Index<Lane> for PerLane<T> {
    type Output = T;

    fn index(&self, lane: Lane) -> &T {
        &self.0[lane.index()]
    }
}

#[allow(clippy::indexing_slicing, reason = "a lane's index is below the number of lanes")]
impl<T> IndexMut<Lane> for PerLane<T> {
    fn index_mut(&mut self, lane: Lane) -> &mut T {
        &mut self.0[lane.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_is_found_by_its_word_and_place() {
        for (place, lane) in Lane::ALL.into_iter().enumerate() {
            assert_eq!(lane.as_str().parse(), Ok(lane));
            assert_eq!(lane.index(), place);
            assert_eq!(Lane::from_index(place), Some(lane));
            assert_eq!(serde_json::to_string(&lane).unwrap(), format!("\"{lane}\""));
        }
        assert!("HIT".parse::<Lane>().is_err());
    }

    #[test]
    fn lanes_are_ordered_by_urgency() {
        assert!(Lane::ALL.is_sorted());
        assert!(Lane::Hit < Lane::Clip);
    }

    #[test]
    fn every_lane_has_its_own() {
        let mut own = PerLane(Lane::ALL.map(Lane::as_str));
        assert!(own.iter().all(|(lane, word)| *word == lane.as_str() && own[lane] == *word));
        own[Lane::Read] = "another";
        let changed: Vec<Lane> =
            own.iter().filter(|(lane, word)| **word != lane.as_str()).map(|(lane, _)| lane).collect();
        assert_eq!(changed, [Lane::Read]);
    }
}
