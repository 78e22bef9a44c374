//! What a unit sends: one type per lane.
//!
//! A record is named by (unit, epoch, lane, sequence). Times in records are whole milliseconds with the quality of the
//! clock; probabilities are 255ths; what was in force (model, configuration, mask, hotlist) is named by short hashes.

mod accountability;
mod alert;
mod bounds;
mod bulk;
mod confidence;
mod health;
mod object;
mod path;
mod plate;
mod read;
mod word;

pub use accountability::{Answer, AuditKind, AuditRecord, ClipOffer, Refused, UpdateStage, UpdateStep, Verdict};
pub use alert::{Alert, AlertKind, Change, Gap, GapOf, LossCause, LossRecord, MAX_LOSS_RANGES, SequenceRange, Tamper};
pub use bounds::OutOfBounds;
pub use bulk::{ClipChunk, ClipPart, MAX_CHUNK_BYTES, MAX_THUMB_BYTES, Thumb, ThumbOf};
pub use confidence::{Confidence, NotAShare};
pub use health::{
    BoardHealth, CameraCondition, CameraHealth, Health, LaneCount, ModelHealth, RingHealth, Span, StorageHealth,
    Temperature, UplinkHealth, WorkerHealth,
};
pub(crate) use object::words;
pub use object::{
    ClassCount, Colour, Counts, Heading, LineCount, LineCrossing, ObjectClass, ObjectEvent, ObjectRecord, ZoneCount,
    ZoneStay,
};
pub use path::{MAX_PATH_POINTS, PATH_STEPS, PathPoint};
pub use plate::{Alternate, MAX_PLATE_CHARACTERS, NotAPlate, PlateText};
pub use read::{Hit, Match, Read, Revision};
pub use word::{BadText, MAX_SENTENCE_BYTES, Sentence, Word};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

use crate::hash::Version;
use crate::id::{Epoch, Sequence};
use crate::lane::Lane;
use crate::wire::Context;

/// What was in force when something was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct Versions {
    /// The models: of their names as health has them, one a line.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Version>,
    /// The configuration.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Version>,
    /// The privacy mask.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<Version>,
    /// The hotlist.
    #[n(3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hotlist: Option<Version>,
}

/// The name of a record within its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    /// Life of the outbox.
    pub epoch: Epoch,
    /// Lane.
    pub lane: Lane,
    /// Place in the lane.
    pub sequence: Sequence,
}

/// A record of any lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// A plate of a hotlist was seen.
    Hit(Box<Hit>),
    /// What became of a command.
    Answer(Box<Answer>),
    /// Something is wrong or was lost.
    Alert(Box<Alert>),
    /// How the unit is.
    Health(Box<Health>),
    /// Who asked what.
    Audit(Box<AuditRecord>),
    /// A plate was read.
    Read(Box<Read>),
    /// A road user passed, or how many did.
    Object(Box<ObjectRecord>),
    /// A small picture.
    Thumb(Thumb),
    /// A piece of a clip.
    Clip(ClipChunk),
}

/// One place that knows which type a lane carries.
macro_rules! by_lane {
    ($lane:expr, $make:ident) => {
        match $lane {
            Lane::Hit => Record::Hit($make!()),
            Lane::Answer => Record::Answer($make!()),
            Lane::Alert => Record::Alert($make!()),
            Lane::Health => Record::Health($make!()),
            Lane::Audit => Record::Audit($make!()),
            Lane::Read => Record::Read($make!()),
            Lane::Object => Record::Object($make!()),
            Lane::Thumb => Record::Thumb($make!()),
            Lane::Clip => Record::Clip($make!()),
        }
    };
}

impl Record {
    /// The lane it belongs to.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Hit(_) => Lane::Hit,
            Self::Answer(_) => Lane::Answer,
            Self::Alert(_) => Lane::Alert,
            Self::Health(_) => Lane::Health,
            Self::Audit(_) => Lane::Audit,
            Self::Read(_) => Lane::Read,
            Self::Object(_) => Lane::Object,
            Self::Thumb(_) => Lane::Thumb,
            Self::Clip(_) => Lane::Clip,
        }
    }

    /// The record alone, as the outbox keeps it.
    pub fn to_payload(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = self.encode(&mut Encoder::new(&mut bytes), &mut ());
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        bytes
    }

    /// Reads a record that [`Record::to_payload`] wrote.
    ///
    /// # Errors
    /// If the bytes are no record of the lane.
    pub fn from_payload(lane: Lane, bytes: &[u8]) -> Result<Self, decode::Error> {
        Self::decode(lane, &mut Decoder::new(bytes), &mut ())
    }

    pub(crate) fn encode<C: Context, W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Hit(record) => record.encode(e, context),
            Self::Answer(record) => record.encode(e, context),
            Self::Alert(record) => record.encode(e, context),
            Self::Health(record) => record.encode(e, context),
            Self::Audit(record) => record.encode(e, context),
            Self::Read(record) => record.encode(e, context),
            Self::Object(record) => record.encode(e, context),
            Self::Thumb(record) => record.encode(e, context),
            Self::Clip(record) => record.encode(e, context),
        }
    }

    pub(crate) fn decode<C: Context>(lane: Lane, d: &mut Decoder<'_>, context: &mut C) -> Result<Self, decode::Error> {
        macro_rules! decoded {
            () => {
                Decode::decode(d, context)?
            };
        }
        Ok(by_lane!(lane, decoded))
    }

    /// Reads the JSON form of a record of a lane.
    ///
    /// # Errors
    /// If the value is no record of the lane.
    pub fn from_json(lane: Lane, value: serde_json::Value) -> Result<Self, serde_json::Error> {
        macro_rules! decoded {
            () => {
                serde_json::from_value(value)?
            };
        }
        Ok(by_lane!(lane, decoded))
    }
}
