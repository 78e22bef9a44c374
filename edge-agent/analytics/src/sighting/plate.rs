//! One reading of the plate of one vehicle pass.

use std::fmt;

pub use edge_protocol::id::PassId;
use minicbor::{Decode, Encode};

use crate::class::ObjectClass;
use crate::geometry::Rect;
use crate::picture::RgbCrop;
use crate::sighting::{Colour, Heading};
use crate::time::MediaTime;
use crate::track::TrackId;

/// Whether more may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Revision {
    /// Useful already; the pass goes on.
    #[n(0)]
    Preview,
    /// The pass is over.
    #[n(1)]
    Final,
}

/// One character of a read: what it most likely is, and what it may be instead.
#[derive(Clone, PartialEq, Encode, Decode)]
pub struct ReadCharacter {
    /// The likeliest character.
    #[n(0)]
    pub best: char,
    /// Its probability, 0 to 1.
    #[n(1)]
    pub probability: f32,
    /// Others with their probabilities, likeliest first, at most three.
    #[n(2)]
    pub others: Vec<(char, f32)>,
}

impl fmt::Debug for ReadCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Plates do not belong in logs.
        write!(f, "ReadCharacter({:.2})", self.probability)
    }
}

/// Another whole text the plate may carry.
#[derive(Clone, PartialEq, Encode, Decode)]
pub struct TextAlternate {
    /// The text.
    #[n(0)]
    pub text: String,
    /// Its probability, 0 to 1.
    #[n(1)]
    pub probability: f32,
}

impl fmt::Debug for TextAlternate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Plates do not belong in logs.
        write!(f, "TextAlternate({} characters, {:.2})", self.text.len(), self.probability)
    }
}

/// A crop kept as proof: pixels until the worker has compressed them.
#[derive(Clone, PartialEq, Encode, Decode)]
pub enum Crop {
    /// Pixels, 8-bit RGB, tightly packed.
    #[n(0)]
    Pixels(#[n(0)] RgbCrop),
    /// A JPEG file.
    #[n(1)]
    Jpeg(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        Vec<u8>,
    ),
}

impl fmt::Debug for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels(RgbCrop { width, height, .. }) => write!(f, "Crop({width}x{height})"),
            Self::Jpeg(bytes) => write!(f, "Crop({} bytes of JPEG)", bytes.len()),
        }
    }
}

/// One reading of the plate of one vehicle pass.
#[derive(Clone, PartialEq, Encode, Decode)]
pub struct PlateRead {
    /// The pass this is about; its final read has the same number as its preview.
    #[n(0)]
    pub pass: PassId,
    /// The vehicle's track; none where a gate's camera shows the plate alone.
    #[n(1)]
    pub track: Option<TrackId>,
    /// Whether more may follow.
    #[n(2)]
    pub revision: Revision,
    /// The voted text, upper case letters and digits.
    #[n(3)]
    pub text: String,
    /// The characters of `text`, in order.
    #[n(4)]
    pub characters: Vec<ReadCharacter>,
    /// Probability that the whole text is right, 0 to 1.
    #[n(5)]
    pub confidence: f32,
    /// Reads of single frames that say exactly `text`.
    #[n(6)]
    pub agreeing: u32,
    /// Reads of single frames in all.
    #[n(7)]
    pub reads: u32,
    /// Other whole texts, likeliest first, at most five.
    #[n(8)]
    pub alternates: Vec<TextAlternate>,
    /// Class of the vehicle that the plate lies in.
    #[n(9)]
    pub class: Option<ObjectClass>,
    /// Where it moved to in the picture.
    #[n(10)]
    pub heading: Option<Heading>,
    /// Colour of the vehicle.
    #[n(11)]
    pub colour: Option<Colour>,
    /// First frame in which the plate was seen.
    #[n(12)]
    pub first: MediaTime,
    /// Last frame in which the plate was seen.
    #[n(13)]
    pub last: MediaTime,
    /// The frame of the crops and of `plate_rect`.
    #[n(14)]
    pub best: MediaTime,
    /// Where the plate was in that frame.
    #[n(15)]
    pub plate_rect: Rect,
    /// Where its vehicle was in that frame.
    #[n(16)]
    pub vehicle_rect: Option<Rect>,
    /// The plate, from full resolution.
    #[n(17)]
    pub plate_crop: Option<Crop>,
    /// The vehicle, or the surroundings of the plate.
    #[n(18)]
    pub vehicle_crop: Option<Crop>,
}

impl PlateRead {
    /// Whether at least two frames said exactly this text.
    pub fn is_agreed(&self) -> bool {
        self.agreeing >= 2
    }
}

impl fmt::Debug for PlateRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the text nor its characters belong in logs.
        f.debug_struct("PlateRead")
            .field("pass", &self.pass)
            .field("track", &self.track)
            .field("revision", &self.revision)
            .field("characters", &self.characters.len())
            .field("confidence", &self.confidence)
            .field("agreeing", &self.agreeing)
            .field("reads", &self.reads)
            .field("first", &self.first)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
