//! What the vision worker tells the main process: what was seen, and what was looked at.
//!
//! A sighting belongs to one camera; who sends it says which. It carries no wall time, no policy and no hotlist: the
//! main process adds those when it makes events of sightings. The encoding is CBOR between two processes of the
//! same binary, so it needs no versions; the decoder bounds what a damaged worker may send.

mod plate;
mod track;

pub use plate::{Crop, PassId, PlateRead, ReadCharacter, Revision, TextAlternate};
pub use track::{Colour, Heading, LineCrossing, PathPoint, TrackBox, TrackSummary, ZoneStay};

use minicbor::{Decode, Encode};

use crate::care::CareSighting;
use crate::class::ObjectClass;
use crate::time::MediaTime;

/// One thing the worker has to say about one camera.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Sighting {
    /// A frame was looked at, or passed over for a reason.
    #[n(0)]
    Frame(#[n(0)] FrameSighting),
    /// A confirmed track lasts; said when it is confirmed and at the reporting interval.
    #[n(1)]
    TrackUpdate(#[n(0)] TrackSummary),
    /// A confirmed track has ended.
    #[n(2)]
    TrackEnd(#[n(0)] TrackSummary),
    /// A plate was read; one pass has at most one preview and one final read.
    #[n(3)]
    Plate(#[n(0)] PlateRead),
    /// Counts of one period, per zone and line.
    #[n(4)]
    Counts(#[n(0)] Counts),
    /// The picture says that the camera was tampered with, or no longer is.
    #[n(5)]
    Care(#[n(0)] CareSighting),
}

/// What became of one decoded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// The detector ran on it.
    #[n(0)]
    Analysed,
    /// Nothing moved and nobody was tracked: passed over on purpose.
    #[n(1)]
    Still,
    /// The rate limit passed it over.
    #[n(2)]
    Rate,
    /// A newer frame took its place before it was its turn.
    #[n(3)]
    Replaced,
    /// The models or the picture failed.
    #[n(4)]
    Failed,
}

/// What became of one decoded frame, and the confirmed tracks seen in it.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct FrameSighting {
    /// When the frame was taken.
    #[n(0)]
    pub media: MediaTime,
    /// What became of it.
    #[n(1)]
    pub outcome: Outcome,
    /// Confirmed tracks with their boxes in this frame; empty unless analysed.
    #[n(2)]
    pub tracks: Vec<TrackBox>,
}

/// Counts of one period.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Counts {
    /// Start of the period.
    #[n(0)]
    pub from: MediaTime,
    /// End of the period.
    #[n(1)]
    pub to: MediaTime,
    /// Frames that were decoded in the period.
    #[n(2)]
    pub frames_offered: u32,
    /// Frames that were analysed.
    #[n(3)]
    pub frames_analysed: u32,
    /// Milliseconds of the period that were really looked at.
    #[n(4)]
    pub looked_ms: u32,
    /// Plate passes that ended with a read.
    #[n(5)]
    pub plate_reads: u32,
    /// One row per zone and class that was seen there; always a row per zone.
    #[n(6)]
    pub zones: Vec<ZoneCount>,
    /// One row per line, direction and class that crossed it.
    #[n(7)]
    pub lines: Vec<LineCount>,
}

/// Counts of one class in one zone over a period.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ZoneCount {
    /// The zone's id in the configuration.
    #[n(0)]
    pub zone: String,
    /// The class counted; none where the zone stayed empty.
    #[n(1)]
    pub class: Option<ObjectClass>,
    /// Tracks that came in.
    #[n(2)]
    pub entered: u32,
    /// Tracks that went out.
    #[n(3)]
    pub left: u32,
    /// The most that were inside at once.
    #[n(4)]
    pub peak: u32,
    /// Inside at the end of the period.
    #[n(5)]
    pub present: u32,
    /// Seconds of stay summed over the tracks.
    #[n(6)]
    pub dwell_s: u32,
}

/// Crossings of one line by one class over a period.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LineCount {
    /// The line's id in the configuration.
    #[n(0)]
    pub line: String,
    /// The class counted.
    #[n(1)]
    pub class: ObjectClass,
    /// Crossings from the left of the line, looking from its first point to its second, to the right.
    #[n(2)]
    pub forward: u32,
    /// Crossings the other way.
    #[n(3)]
    pub backward: u32,
}

#[cfg(test)]
mod tests;
