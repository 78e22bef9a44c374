//! Road users and how many of them there were.

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

use super::path::{self, PathPoint};
use super::{Confidence, Versions};
use crate::id::{CameraId, LineId, TrackId, ZoneId};
use crate::time::{ClockQuality, Moment};
use crate::wire::{self, Context};

/// A closed set of words, the same on the wire, in JSON and in output.
macro_rules! words {
    ($(#[$doc:meta])* $kind:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
        )]
        #[cbor(index_only)]
        pub enum $kind {
            $($(#[$variant_doc])* #[n($number)] #[serde(rename = $word)] $variant,)*
        }

        impl $kind {
            /// All of them, in the order of their numbers on the wire.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in JSON, configuration and output.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}
pub(crate) use words;

words!(
    /// What a road user is.
    ObjectClass {
        /// A person on foot.
        Person = 0 "person",
        /// A bicycle, with or without its rider.
        Bicycle = 1 "bicycle",
        /// A motorcycle or scooter.
        Motorcycle = 2 "motorcycle",
        /// A passenger car, van or pick-up.
        Car = 3 "car",
        /// A bus or coach.
        Bus = 4 "bus",
        /// A lorry.
        Truck = 5 "truck",
    }
);

words!(
    /// Direction of movement in the picture, in eighths of a turn, clockwise from up.
    Heading {
        /// Away from the camera.
        Up = 0 "up",
        /// Up and to the right.
        UpRight = 1 "up-right",
        /// To the right.
        Right = 2 "right",
        /// Down and to the right.
        DownRight = 3 "down-right",
        /// Towards the camera.
        Down = 4 "down",
        /// Down and to the left.
        DownLeft = 5 "down-left",
        /// To the left.
        Left = 6 "left",
        /// Up and to the left.
        UpLeft = 7 "up-left",
    }
);

words!(
    /// Colour of a vehicle, in the words of a witness.
    Colour {
        /// Black or nearly.
        Black = 0 "black",
        /// Grey.
        Grey = 1 "grey",
        /// Silver or light grey.
        Silver = 2 "silver",
        /// White.
        White = 3 "white",
        /// Red.
        Red = 4 "red",
        /// Orange.
        Orange = 5 "orange",
        /// Brown or beige.
        Brown = 6 "brown",
        /// Yellow.
        Yellow = 7 "yellow",
        /// Green.
        Green = 8 "green",
        /// Blue.
        Blue = 9 "blue",
        /// Violet.
        Violet = 10 "violet",
    }
);

/// What the `object` lane carries.
///
/// Road users far outnumber counts, so on the wire they stand bare, and counts stand in an array of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum ObjectRecord {
    /// One road user.
    Track(ObjectEvent),
    /// How many there were.
    Counts(Counts),
}

impl<C: Context> Encode<C> for ObjectRecord {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Track(event) => event.encode(e, context),
            Self::Counts(counts) => counts.encode(e.array(1)?, context),
        }
    }
}

impl<'b, C: Context> Decode<'b, C> for ObjectRecord {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        if d.datatype()? == Type::Map {
            return Decode::decode(d, context).map(Self::Track);
        }
        let at = d.position();
        if d.array()? != Some(1) {
            return Err(decode::Error::message("counts stand in an array of one").at(at));
        }
        Decode::decode(d, context).map(Self::Counts)
    }
}

/// The account of one road user: sent at the end of its track, and every 10 s while that lasts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct ObjectEvent {
    /// Where.
    #[cbor(n(0), with = "wire::word")]
    pub camera: CameraId,
    /// Which track.
    #[n(1)]
    pub track: TrackId,
    /// What it is.
    #[n(2)]
    pub class: ObjectClass,
    /// How sure that is.
    #[n(3)]
    pub confidence: Confidence,
    /// First sight.
    #[n(4)]
    pub first: Moment,
    /// Last sight so far.
    #[n(5)]
    pub last: Moment,
    /// What these times are worth.
    #[cbor(n(6), with = "wire::clock")]
    pub clock: ClockQuality,
    /// Whether it has left; otherwise more will follow.
    #[cbor(n(7), skip_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Where it moved to; none while it hardly moved.
    #[n(8)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<Heading>,
    /// Colour of a vehicle.
    #[n(9)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// Where it went, at most eight points.
    #[cbor(n(10), with = "path::flat")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<PathPoint>,
    /// Zones it stayed in.
    #[cbor(n(11), skip_if = "Vec::is_empty")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<ZoneStay>,
    /// Lines it crossed, oldest first.
    #[cbor(n(12), skip_if = "Vec::is_empty")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineCrossing>,
    /// What was in force.
    #[cbor(n(13), with = "wire::versions")]
    pub versions: Versions,
}

/// A stay in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct ZoneStay {
    /// Which zone.
    #[cbor(n(0), with = "wire::word")]
    pub zone: ZoneId,
    /// When it came in for the first time.
    #[n(1)]
    pub entered: Moment,
    /// Milliseconds inside, summed over its stays.
    #[n(2)]
    pub dwell_ms: u32,
    /// Whether it is inside now.
    #[cbor(n(3), skip_if = "std::ops::Not::not")]
    pub inside: bool,
}

/// A line crossed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct LineCrossing {
    /// Which line.
    #[cbor(n(0), with = "wire::word")]
    pub line: LineId,
    /// When.
    #[n(1)]
    pub at: Moment,
    /// Whether from the left of the line to its right, looking from its first point to its second.
    #[n(2)]
    pub forward: bool,
}

/// What one camera counted in a period, and how much of the period it really looked at.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct Counts {
    /// Where.
    #[cbor(n(0), with = "wire::word")]
    pub camera: CameraId,
    /// Beginning of the period.
    #[n(1)]
    pub from: Moment,
    /// Its end.
    #[n(2)]
    pub to: Moment,
    /// What these times are worth.
    #[cbor(n(3), with = "wire::clock")]
    pub clock: ClockQuality,
    /// Frames that were decoded.
    #[n(4)]
    pub frames_offered: u32,
    /// Frames that were analysed.
    #[n(5)]
    pub frames_analysed: u32,
    /// Milliseconds of the period that were looked at.
    #[n(6)]
    pub looked_ms: u32,
    /// Passes that ended with a plate read, published or not.
    #[n(7)]
    pub plate_reads: u32,
    /// Tracks that ended, per class.
    #[cbor(n(8), skip_if = "Vec::is_empty")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<ClassCount>,
    /// Counts per zone and class.
    #[cbor(n(9), skip_if = "Vec::is_empty")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<ZoneCount>,
    /// Counts per line and class.
    #[cbor(n(10), skip_if = "Vec::is_empty")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineCount>,
}

/// How many of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct ClassCount {
    /// The class.
    #[n(0)]
    pub class: ObjectClass,
    /// How many.
    #[n(1)]
    pub count: u32,
}

/// Counts of one class in one zone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct ZoneCount {
    /// The zone.
    #[cbor(n(0), with = "wire::word")]
    pub zone: ZoneId,
    /// The class; none where the zone stayed empty.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<ObjectClass>,
    /// Came in.
    #[n(2)]
    pub entered: u32,
    /// Went out.
    #[n(3)]
    pub left: u32,
    /// The most inside at once.
    #[n(4)]
    pub peak: u32,
    /// Inside at the end of the period.
    #[n(5)]
    pub present: u32,
    /// Seconds of stay, summed.
    #[n(6)]
    pub dwell_s: u32,
}

/// Crossings of one line by one class.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct LineCount {
    /// The line.
    #[cbor(n(0), with = "wire::word")]
    pub line: LineId,
    /// The class.
    #[n(1)]
    pub class: ObjectClass,
    /// From the left of the line to its right, looking from its first point to its second.
    #[n(2)]
    pub forward: u32,
    /// The other way.
    #[n(3)]
    pub backward: u32,
}
