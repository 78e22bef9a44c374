//! Plate reads and hits.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::object::{Colour, Heading, ObjectClass};
use super::plate::{Alternate, PlateText};
use super::{Confidence, Versions, Word, plate};
use crate::hash::Hash128;
use crate::id::{CameraId, PassId, TrackId};
use crate::time::{ClockQuality, Moment};
use crate::wire::{self, Context};

/// Whether more may follow about a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Revision {
    /// Useful already; the pass goes on.
    #[n(0)]
    Preview,
    /// The pass is over.
    #[n(1)]
    Final,
}

/// A plate was read: one event per pass of a vehicle, at most one preview and one final.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct Read {
    /// Where.
    #[cbor(n(0), with = "wire::word")]
    pub camera: CameraId,
    /// Which pass.
    #[n(1)]
    pub pass: PassId,
    /// Whether more may follow.
    #[n(2)]
    pub revision: Revision,
    /// What was read.
    #[n(3)]
    pub text: PlateText,
    /// How sure each character is, in order.
    #[cbor(n(4), with = "plate::packed")]
    pub characters: Vec<Confidence>,
    /// How sure the whole text is.
    #[n(5)]
    pub confidence: Confidence,
    /// What characters may be instead, likeliest first.
    #[cbor(n(6), with = "plate::flat")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<Alternate>,
    /// Reads of single frames that say exactly this text.
    #[n(7)]
    pub agreeing: u16,
    /// Reads of single frames in all.
    #[n(8)]
    pub reads: u16,
    /// The vehicle's track; none where a gate's camera shows the plate alone.
    #[n(9)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// What the vehicle is.
    #[n(10)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<ObjectClass>,
    /// Where it moved to in the picture.
    #[n(11)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<Heading>,
    /// Its colour.
    #[n(12)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// When the plate was seen first.
    #[n(13)]
    pub first: Moment,
    /// When it was seen last.
    #[n(14)]
    pub last: Moment,
    /// What these times are worth.
    #[cbor(n(15), with = "wire::clock")]
    pub clock: ClockQuality,
    /// Hash of the plate's picture, where one was kept.
    #[n(16)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<Hash128>,
    /// What was in force.
    #[cbor(n(17), with = "wire::versions")]
    pub versions: Versions,
}

impl Read {
    /// Whether at least two frames said exactly this text.
    pub fn is_agreed(&self) -> bool {
        self.agreeing >= 2
    }
}

/// How a read matched an entry of a hotlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Match {
    /// Character by character.
    #[n(0)]
    Exact,
    /// But for characters that are easily taken for each other: 0/O, 1/I, 8/B, 5/S, 2/Z.
    #[n(1)]
    Confusable,
    /// Nearly. Never to be presented as a bare hit.
    #[n(2)]
    Fuzzy,
}

impl Match {
    /// The word in JSON and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Confusable => "confusable",
            Self::Fuzzy => "fuzzy",
        }
    }
}

/// A plate of a hotlist was seen.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct Hit {
    /// The whole read, since it may not be published otherwise.
    #[n(0)]
    pub read: Read,
    /// How it matched.
    #[n(1)]
    pub matched: Match,
    /// The plate as the list has it.
    #[n(2)]
    pub listed: PlateText,
    /// Which list.
    #[cbor(n(3), with = "wire::word")]
    pub list: Word,
    /// Why the plate is on the list, in the list's own words.
    #[n(4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Word>,
    /// Hashes of the pictures that follow on the `thumb` lane.
    #[cbor(n(5), skip_if = "Vec::is_empty")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Hash128>,
}
