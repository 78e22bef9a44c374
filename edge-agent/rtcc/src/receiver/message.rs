//! What a message from a unit means to the center, after it has been read and checked.

use edge_protocol::record::LossCause;

use crate::database::ingest::NewRecord;
use crate::database::requests::{Offer, Part, RequestStatus};
use crate::database::spans::Span;

/// A message, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Records of one lane.
    Batch(Batch),
    /// A unit's retained state.
    State {
        /// The unit.
        unit: String,
        /// The life of the outbox that it speaks of; none where the state was taken away.
        epoch: Option<u64>,
        /// The birth as JSON; none for a death.
        birth: Option<String>,
    },
    /// Something that cannot be accepted: counted, and taken from the broker so that it does not come again.
    Refused {
        /// The unit under whose topic it came; empty if not even that is known.
        unit: String,
        /// Why, in a word or two.
        reason: &'static str,
        /// What exactly.
        detail: String,
    },
}

/// Records of one lane of one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The unit.
    pub unit: String,
    /// The unit's epoch.
    pub epoch: u64,
    /// The lane.
    pub lane: &'static str,
    /// The records in order.
    pub items: Vec<Item>,
    /// Up to where the unit was told before that the lane is stored, as it says.
    pub settled: Option<u64>,
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its sequence.
    pub sequence: u64,
    /// What is kept of it as an event; none for pure transport such as chunks.
    pub record: Option<NewRecord>,
    /// What else it does.
    pub effect: Effect,
}

/// What is wrong with the seal on an entry of an audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSeal {
    /// It is not the unit's, or of another entry.
    Wrong,
    /// There is none on an entry of a kind that units seal: somebody took it off, or the unit could not use its key.
    Missing,
}

/// What a record does beyond being kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Nothing.
    None,
    /// It is the unit's newest health.
    Health(String),
    /// The unit will never send these sequences.
    Lost(Loss),
    /// A picture; it is kept under its own hash.
    Thumb {
        /// The hash by which the hit names it, lower-case hexadecimal.
        hash: String,
        /// The picture's bytes.
        bytes: Vec<u8>,
    },
    /// It is an entry of the unit's audit log whose seal is not as it ought to be; which and why.
    BadSeal(BadSeal, String),
    /// An answer to a request.
    Answer(Answer),
    /// Bytes of a clip.
    Chunk {
        /// The request, lower-case hexadecimal.
        request: String,
        /// Of which of its files.
        part: Part,
        /// Where in the file they belong.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// Sequences of one lane that the unit dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The epoch they belong to.
    pub epoch: u64,
    /// The lane.
    pub lane: &'static str,
    /// The dropped sequences.
    pub spans: Vec<Span>,
    /// Why.
    pub cause: LossCause,
}

/// A unit's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request, lower-case hexadecimal.
    pub request: String,
    /// What it makes of the request; none where that changes nothing.
    pub status: Option<RequestStatus>,
    /// The unit's words.
    pub words: String,
    /// What it made.
    pub offer: Option<Offer>,
}
