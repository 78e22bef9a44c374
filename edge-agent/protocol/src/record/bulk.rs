//! Pictures and pieces of clips: what waits for everything else.

use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::object::words;
use crate::hash::Hash128;
use crate::id::{CameraId, PassId, RequestId};
use crate::time::{ClockQuality, Moment};
use crate::wire::{self, Context, blob};

/// The most bytes of the pictures of one hit together.
pub const MAX_THUMB_BYTES: usize = 12 * 1024;
/// The most bytes in one piece of a clip.
pub const MAX_CHUNK_BYTES: usize = 64 * 1024;

words!(
    /// What a picture shows.
    ThumbOf {
        /// The plate.
        Plate = 0 "plate",
        /// The vehicle.
        Vehicle = 1 "vehicle",
    }
);

/// A small picture, bound by its hash to the hit or read it belongs to.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct Thumb {
    /// Where.
    #[cbor(n(0), with = "wire::word")]
    pub camera: CameraId,
    /// Of which pass.
    #[n(1)]
    pub pass: PassId,
    /// What it shows.
    #[n(2)]
    pub of: ThumbOf,
    /// When it was taken.
    #[n(3)]
    pub at: Moment,
    /// What this time is worth.
    #[cbor(n(4), with = "wire::clock")]
    pub clock: ClockQuality,
    /// The JPEG file.
    #[cbor(n(5), with = "minicbor::bytes")]
    #[serde(with = "blob")]
    pub jpeg: Vec<u8>,
}

impl Thumb {
    /// The hash that the hit or read names.
    pub fn hash(&self) -> Hash128 {
        Hash128::of(&self.jpeg)
    }
}

impl fmt::Debug for Thumb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumb({}, {:?}, {:?}, {} bytes)", self.camera, self.pass, self.of, self.jpeg.len())
    }
}

words!(
    /// Which file of a clip.
    ClipPart {
        /// The signed manifest.
        Manifest = 0 "manifest",
        /// The MP4 file.
        Media = 1 "media",
    }
);

/// A piece of a clip. Pieces of one part follow each other without holes.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct ClipChunk {
    /// Of which request.
    #[n(0)]
    pub request: RequestId,
    /// Of which file.
    #[n(1)]
    pub part: ClipPart,
    /// Bytes of the file before this piece.
    #[n(2)]
    pub offset: u64,
    /// The piece.
    #[cbor(n(3), with = "minicbor::bytes")]
    #[serde(with = "blob")]
    pub bytes: Vec<u8>,
    /// Whether the file ends with it.
    #[n(4)]
    pub last: bool,
}

impl fmt::Debug for ClipChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClipChunk({}, {:?} at {}, {} bytes)", self.request, self.part, self.offset, self.bytes.len())
    }
}
