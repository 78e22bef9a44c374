//! What one PUBLISH carries: records of one lane that follow each other.
//!
//! ```text
//! {0: version, 1: epoch, 2: lane, 3: sequence of the first record, 4: tables, 5: [record, ...], ? 6: settled}
//! ```
//! What was settled before is written as how far it is before the first record, which is one byte mostly.
//!
//! Deterministic CBOR (RFC 8949, 4.2.1), or JSON of the same schema; the first byte tells them apart.

use std::convert::Infallible;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

use crate::id::{Epoch, Sequence};
use crate::lane::Lane;
use crate::record::{OutOfBounds, Record, RecordName};
use crate::wire::{Tables, TablesOnWire};

/// The version of the contract that this code speaks.
pub const CONTRACT_VERSION: u32 = 1;
/// The largest message of the contract, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// The most records in one batch.
pub const MAX_BATCH_RECORDS: usize = 1000;
/// How many fields a batch has that says nothing of what was settled before.
const BATCH_FIELDS: u64 = 6;

/// How messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Deterministic CBOR with integer keys.
    #[default]
    #[n(0)]
    Cbor,
    /// JSON with the same fields by name.
    #[n(1)]
    Json,
}

/// Records of one lane that follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    epoch: Epoch,
    lane: Lane,
    first: Sequence,
    records: Vec<Record>,
    settled: Option<Sequence>,
}

/// Why records make no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoBatch {
    /// None, or more than [`MAX_BATCH_RECORDS`].
    #[error("a batch has 1 to {MAX_BATCH_RECORDS} records")]
    Count,
    /// A record of another lane.
    #[error("a batch has records of one lane")]
    Lane,
    /// Sequences begin at 1.
    #[error("sequences begin at 1")]
    Sequence,
    /// What was settled before is not before the first record.
    #[error("what was settled before a batch is not before its first record")]
    Settled,
}

/// Why a message is not understood.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Larger than any message of the contract.
    #[error("{0} bytes are more than any message has")]
    Oversized(usize),
    /// Of another version of the contract.
    #[error("version {0} of the contract is not known")]
    Version(u32),
    /// Not CBOR of the contract.
    #[error("not a message of the contract: {0}")]
    Cbor(#[from] decode::Error),
    /// Not JSON of the contract.
    #[error("not a message of the contract: {0}")]
    Json(#[from] serde_json::Error),
    /// A record's values are beyond their bounds.
    #[error(transparent)]
    Bounds(#[from] OutOfBounds),
    /// Records that make no batch.
    #[error(transparent)]
    NoBatch(#[from] NoBatch),
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    epoch: Epoch,
    lane: Lane,
    first: Sequence,
    records: &'a [Record],
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<Sequence>,
}

#[derive(Deserialize)]
struct Received {
    epoch: Epoch,
    lane: Lane,
    first: Sequence,
    records: Vec<serde_json::Value>,
    #[serde(default)]
    settled: Option<Sequence>,
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

impl Batch {
    /// Records of one lane, of which the first has the given sequence.
    ///
    /// # Errors
    /// If there are none or too many, or they are of several lanes.
    pub fn new(epoch: Epoch, first: Sequence, records: Vec<Record>) -> Result<Self, NoBatch> {
        let lane = records.first().map(Record::lane).ok_or(NoBatch::Count)?;
        if records.len() > MAX_BATCH_RECORDS {
            return Err(NoBatch::Count);
        }
        if records.iter().any(|record| record.lane() != lane) {
            return Err(NoBatch::Lane);
        }
        if first == Sequence::ZERO {
            return Err(NoBatch::Sequence);
        }
        Ok(Self { epoch, lane, first, records, settled: None })
    }

    /// The same, with up to where a center has told the unit before that the lane is stored; zero where none has.
    ///
    /// # Errors
    /// If that is not before the first record.
    pub fn with_settled(self, settled: Sequence) -> Result<Self, NoBatch> {
        if settled >= self.first {
            return Err(NoBatch::Settled);
        }
        Ok(Self { settled: Some(settled).filter(|settled| *settled != Sequence::ZERO), ..self })
    }

    /// Up to where a center has told the unit before that the lane is stored, as the unit says: before the first
    /// record, and nothing of it comes again.
    pub const fn settled(&self) -> Option<Sequence> {
        self.settled
    }

    /// Life of the outbox that the records come from.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Their lane.
    pub const fn lane(&self) -> Lane {
        self.lane
    }

    /// Sequence of the first record.
    pub const fn first(&self) -> Sequence {
        self.first
    }

    /// Sequence of the last record.
    pub fn last(&self) -> Sequence {
        Sequence::new(self.first.get().saturating_add(self.records.len() as u64 - 1))
    }

    /// The records in order.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The records with their names, in order.
    pub fn named(&self) -> impl Iterator<Item = (RecordName, &Record)> {
        let name = move |sequence| RecordName { epoch: self.epoch, lane: self.lane, sequence };
        let sequences = std::iter::successors(Some(self.first), |sequence| Some(sequence.next()));
        sequences.map(name).zip(&self.records)
    }

    /// The message.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        match encoding {
            Encoding::Cbor => written(self.encode_cbor()),
            Encoding::Json => {
                let Self { epoch, lane, first, settled, .. } = *self;
                let written =
                    Written { version: CONTRACT_VERSION, epoch, lane, first, records: &self.records, settled };
                self::written(serde_json::to_vec(&written))
            }
        }
    }

    fn encode_cbor(&self) -> Result<Vec<u8>, encode::Error<Infallible>> {
        // The tables stand before the records but are filled by encoding them.
        let mut tables = Tables::default();
        let mut records = Vec::new();
        let mut body = Encoder::new(&mut records);
        for record in &self.records {
            record.encode(&mut body, &mut tables)?;
        }
        let mut e = Encoder::new(Vec::with_capacity(records.len() + 128));
        e.map(BATCH_FIELDS + u64::from(self.settled.is_some()))?.u8(0)?.u32(CONTRACT_VERSION)?;
        e.u8(1)?.u64(self.epoch.get())?;
        e.u8(2)?.encode(self.lane)?;
        e.u8(3)?.u64(self.first.get())?;
        e.u8(4)?.encode(tables.on_wire())?;
        e.u8(5)?.array(self.records.len() as u64)?;
        e.writer_mut().extend_from_slice(&records);
        if let Some(settled) = self.settled {
            e.u8(6)?.u64(self.first.get().saturating_sub(settled.get()))?;
        }
        Ok(e.into_writer())
    }

    /// Reads a message in either encoding.
    ///
    /// # Errors
    /// If it is too large, of another version, or not as the contract says.
    pub fn decode(message: &[u8]) -> Result<Self, Unreadable> {
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(Unreadable::Oversized(message.len()));
        }
        let batch = if message.first() == Some(&b'{') { decode_json(message)? } else { decode_cbor(message)? };
        batch.records.iter().try_for_each(Record::check)?;
        Ok(batch)
    }
}

fn decode_json(message: &[u8]) -> Result<Batch, Unreadable> {
    let VersionOnly { version } = serde_json::from_slice(message)?;
    if version != CONTRACT_VERSION {
        return Err(Unreadable::Version(version));
    }
    let received: Received = serde_json::from_slice(message)?;
    let lane = received.lane;
    let records: Result<Vec<_>, _> = received.records.into_iter().map(|value| Record::from_json(lane, value)).collect();
    let batch = Batch::new(received.epoch, received.first, records?)?;
    Ok(batch.with_settled(received.settled.unwrap_or(Sequence::ZERO))?)
}

fn decode_cbor(message: &[u8]) -> Result<Batch, Unreadable> {
    let mut d = Decoder::new(message);
    let fields = d.map()?;
    key(&mut d, 0)?;
    let version = d.u32()?;
    if version != CONTRACT_VERSION {
        return Err(Unreadable::Version(version));
    }
    let says_settled = fields == Some(BATCH_FIELDS + 1);
    if fields != Some(BATCH_FIELDS) && !says_settled {
        return Err(decode::Error::message("a batch has six or seven fields").into());
    }
    key(&mut d, 1)?;
    let epoch = Epoch::decode(&mut d, &mut ())?;
    key(&mut d, 2)?;
    let lane = Lane::decode(&mut d, &mut ())?;
    key(&mut d, 3)?;
    let first = Sequence::decode(&mut d, &mut ())?;
    key(&mut d, 4)?;
    let mut tables = Tables::received(TablesOnWire::decode(&mut d, &mut ())?);
    key(&mut d, 5)?;
    let count = d.array()?.and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| (1..=MAX_BATCH_RECORDS).contains(count)).ok_or(NoBatch::Count)?;
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        records.push(Record::decode(lane, &mut d, &mut tables)?);
    }
    let mut settled = Sequence::ZERO;
    if says_settled {
        key(&mut d, 6)?;
        let before = first.get().checked_sub(d.u64()?).filter(|before| *before > 0);
        settled = Sequence::new(before.ok_or(NoBatch::Settled)?);
    }
    if d.position() != message.len() {
        return Err(decode::Error::message("bytes after the batch").at(d.position()).into());
    }
    Ok(Batch::new(epoch, first, records)?.with_settled(settled)?)
}

/// Writes a message that is not a batch.
pub(crate) fn encode_message<T: Encode<()> + Serialize>(message: &T, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Cbor => encode_cbor(message),
        Encoding::Json => written(serde_json::to_vec(message)),
    }
}

/// Writing our own types to memory cannot fail; if it ever did, an empty message is one that every reader refuses.
fn written<E: std::fmt::Debug>(result: Result<Vec<u8>, E>) -> Vec<u8> {
    debug_assert!(result.is_ok(), "{result:?}");
    result.unwrap_or_default()
}

/// Writes something in CBOR alone.
pub(crate) fn encode_cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    written(minicbor::to_vec(value))
}

/// Reads a message that is not a batch, in either encoding.
pub(crate) fn decode_message<'b, T: Decode<'b, ()> + Deserialize<'b>>(message: &'b [u8]) -> Result<T, Unreadable> {
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(Unreadable::Oversized(message.len()));
    }
    if message.first() == Some(&b'{') {
        return Ok(serde_json::from_slice(message)?);
    }
    let mut d = Decoder::new(message);
    let decoded = T::decode(&mut d, &mut ())?;
    if d.position() != message.len() {
        return Err(decode::Error::message("bytes after the message").at(d.position()).into());
    }
    Ok(decoded)
}

/// Deterministic maps have their keys in order, so anything else is not ours.
fn key(d: &mut Decoder<'_>, expected: u32) -> Result<(), decode::Error> {
    let at = d.position();
    if d.u32()? == expected { Ok(()) } else { Err(decode::Error::message("key out of order").at(at)) }
}

#[cfg(test)]
mod tests;
