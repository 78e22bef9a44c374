//! One transaction: messages in, what to tell the broker and the units out. No network, no clock.
//!
//! The order is the promise: files are synced, then the database commits, and only what this function returns after
//! that may be sent. If it fails, nothing is acknowledged and the same messages may be applied again.

use std::collections::BTreeMap;

use edge_protocol::id::Sequence;
use edge_protocol::lane::Lane;
use edge_protocol::record::LossCause;
use rusqlite::Connection;

use super::clips::{Files, FilesError};
use super::message::{Answer, BadSeal, Batch, Effect, Item, Loss, Message};
use crate::database::ingest::{Ingest, Stream, StreamName};
use crate::database::requests::{Part, RequestStatus};
use crate::database::spans::{Span, SpanTable};
use crate::database::{Database, DatabaseError};

/// The first sequence of every stream.
pub const FIRST_SEQUENCE: u64 = Sequence::ZERO.next().get();
/// The largest clip that is assembled; the disk is not filled by one message that claims more.
pub const MAX_CLIP_BYTES: u64 = 16 << 30;
/// The largest manifest that is assembled.
pub const MAX_MANIFEST_BYTES: u64 = 64 << 20;
/// Under which names a seal that is not the unit's, and one that is not there, are counted and told.
const WRONG_SEAL: &str = "wrong-seal";
const NO_SEAL: &str = "no-seal";

/// Under which name it is counted and told that a unit has forgotten what is not here, and why it is not.
const FORGOTTEN: &str = "forgotten";
const CENTER: &str = "center";

/// What is said of clips that were on their way when the unit lost its outbox, or pieces of them.
const LOST_OUTBOX: &str = "the unit lost what it had not sent yet; it must be asked again";
const FORGOTTEN_PIECES: &str = "this center no longer has all that came of it; it must be asked again";
const LOST_PIECES: &str = "pieces of the clip were lost on the unit; it must be asked again";

/// Why messages were not applied. None of them was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The database did not take them.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A clip or picture could not be written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl From<rusqlite::Error> for ApplyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The settled prefix of one stream, to be told to its unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Settled {
    /// The unit.
    pub unit: String,
    /// The unit's epoch.
    pub epoch: u64,
    /// The lane.
    pub lane: String,
    /// The last sequence of the unbroken run from the first.
    pub sequence: u64,
}

/// A message with the time at which it arrived, microseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The message.
    pub message: Message,
    /// When it arrived.
    pub received_us: i64,
}

/// Applies messages in one transaction and returns the settled prefix of every stream they touched.
///
/// Duplicates touch their stream too, so that an acknowledgement that was lost is given again.
///
/// # Errors
/// Returns why nothing was applied.
pub fn apply(
    database: &mut Database,
    files: &mut Files,
    messages: &[Received],
    now_us: i64,
) -> Result<Vec<Settled>, ApplyError> {
    let transaction = database.write()?;
    let mut step = Step { ingest: Ingest::new(&transaction, now_us), files, touched: BTreeMap::new() };
    for received in messages {
        step.message(received)?;
    }
    let settled = step.settled()?;
    files.sync()?;
    transaction.commit()?;
    Ok(settled)
}

/// The settled prefixes of every stream of each unit's current epoch: what to tell units after a new connection, since
/// what was told before may not have arrived.
///
/// # Errors
/// Returns what the database says.
pub fn settled_now(database: &Database) -> Result<Vec<Settled>, DatabaseError> {
    let reader = database.reader();
    let streams: Vec<(i64, String, i64, String)> = reader
        .prepare_cached(
            "SELECT s.id, s.unit, s.epoch, s.lane FROM streams s JOIN units u ON u.unit = s.unit AND u.epoch = s.epoch",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut settled = Vec::new();
    for (id, unit, epoch, lane) in streams {
        if let Some(sequence) = prefix(reader, id)? {
            settled.push(Settled { unit, epoch: epoch.cast_unsigned(), lane, sequence });
        }
    }
    Ok(settled)
}

fn prefix(reader: &Connection, stream: i64) -> rusqlite::Result<Option<u64>> {
    SpanTable::Settled.run_from(reader, stream, FIRST_SEQUENCE)
}

/// A stream that was touched: its unit, epoch and lane by its number.
type Touched = BTreeMap<i64, (String, u64, String)>;

struct Step<'a> {
    ingest: Ingest<'a>,
    files: &'a mut Files,
    touched: Touched,
}

impl Step<'_> {
    fn message(&mut self, received: &Received) -> Result<(), ApplyError> {
        self.ingest.count("messages", 1)?;
        match &received.message {
            Message::Batch(batch) => self.batch(batch, received.received_us),
            Message::State { unit, epoch, birth: Some(birth) } => self.birth(unit, *epoch, birth),
            Message::State { unit, epoch, birth: None } => Ok(self.ingest.death(unit, *epoch)?),
            Message::Refused { unit, reason, detail } => Ok(self.ingest.refuse(unit, reason, detail)?),
        }
    }

    /// Keeps a birth and tells the unit what of its current life is here: a unit is born again with every connection,
    /// and does not know what became of what it sent over the one before.
    fn birth(&mut self, unit: &str, epoch: Option<u64>, birth: &str) -> Result<(), ApplyError> {
        self.ingest.birth(unit, epoch, birth)?;
        let Some(epoch) = epoch else { return Ok(()) };
        for (stream, lane) in self.ingest.streams(unit, epoch)? {
            self.touched.entry(stream).or_insert_with(|| (unit.to_owned(), epoch, lane));
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, received_us: i64) -> Result<(), ApplyError> {
        let name = StreamName { unit: &batch.unit, epoch: batch.epoch, lane: batch.lane };
        let stream = self.stream(name)?;
        self.ingest.heard(name.unit)?;
        if let (Some(settled), Some(first)) = (batch.settled, batch.items.first()) {
            self.begin(stream, name, (settled, first.sequence))?;
        }
        let found = self.found(stream, batch)?;
        let (mut fresh, mut duplicates) = (0, 0);
        for item in &batch.items {
            let Some(span) = Span::new(item.sequence, item.sequence).filter(|span| span.first() >= FIRST_SEQUENCE)
            else {
                self.ingest.refuse(name.unit, "sequence", &format!("sequence {} in {}", item.sequence, name.lane))?;
                continue;
            };
            let was_forgotten = found.iter().any(|found| found.contains(item.sequence));
            if self.keep(stream, name, item, received_us)? || was_forgotten {
                fresh += 1;
                self.effect(name, &item.effect)?;
            } else {
                duplicates += 1;
            }
            self.ingest.settle(stream, span)?;
        }
        self.ingest.count("records", fresh)?;
        self.ingest.count("duplicates", duplicates)?;
        Ok(())
    }

    /// What a unit was told is stored it has forgotten, so what of that is not here never comes: this center's database
    /// is empty, or older than that. The hole is stated, and what follows it can be acknowledged.
    ///
    /// A database that is whole is never behind what its center has told, so the mark says nothing to it. What a unit
    /// says of what it sends with the mark, and after, cannot be so: that is still to come.
    fn begin(&mut self, stream: i64, name: StreamName<'_>, (settled, first): (u64, u64)) -> Result<(), ApplyError> {
        let span = Span::new(FIRST_SEQUENCE, settled).filter(|_| settled < first);
        let Some(span) = span else {
            let words = format!("{} {first} was sent as stored up to {settled}", name.lane);
            return Ok(self.ingest.refuse(name.unit, "settled", &words)?);
        };
        if self.ingest.settled_prefix(stream, FIRST_SEQUENCE)? >= Some(settled) {
            return Ok(());
        }
        let missed = self.ingest.lose(stream, span, CENTER)?;
        self.ingest.count(FORGOTTEN, missed)?;
        if [Lane::Clip, Lane::Answer].map(Lane::as_str).contains(&name.lane) {
            self.ingest.ask_clips_again(name.unit, FORGOTTEN_PIECES)?;
        }
        let words = format!(
            "{missed} records of {} in the lane {} are not in this database, and the unit, which was told that they are \
             stored, has forgotten them: the database is empty or older than that, or the unit says what is not so",
            name.unit, name.lane
        );
        if self.ingest.alarm(&format!("{}/{}", name.unit, name.lane), FORGOTTEN, &words)? {
            tracing::warn!(unit = name.unit, lane = name.lane, missed, "ALARM: {words}");
        }
        Ok(())
    }

    /// What comes although it was stated as forgotten: a mark may be forged, and a unit may lose power before it forgets.
    /// It is as fresh as anything, and stated no more.
    fn found(&self, stream: i64, batch: &Batch) -> Result<Vec<Span>, ApplyError> {
        let ends = batch.items.first().zip(batch.items.last());
        let Some(span) = ends.and_then(|(first, last)| Span::new(first.sequence, last.sequence)) else {
            return Ok(Vec::new());
        };
        Ok(self.ingest.find(stream, span, CENTER)?)
    }

    /// Keeps one record; false if it was here before.
    fn keep(&self, stream: i64, name: StreamName<'_>, item: &Item, received_us: i64) -> Result<bool, rusqlite::Error> {
        match &item.record {
            Some(record) => self.ingest.record(stream, name, record, received_us),
            None => Ok(!self.ingest.is_settled(stream, item.sequence)?),
        }
    }

    fn stream(&mut self, name: StreamName<'_>) -> Result<i64, ApplyError> {
        let Stream { id: stream, begins_epoch } = self.ingest.stream(name)?;
        if begins_epoch {
            self.ingest.ask_clips_again(name.unit, LOST_OUTBOX)?;
        }
        self.touched.entry(stream).or_insert_with(|| (name.unit.to_owned(), name.epoch, name.lane.to_owned()));
        Ok(stream)
    }

    fn effect(&mut self, name: StreamName<'_>, effect: &Effect) -> Result<(), ApplyError> {
        match effect {
            Effect::None => Ok(()),
            Effect::Health(body) => Ok(self.ingest.health(name.unit, body)?),
            Effect::Lost(loss) => self.lose(name.unit, loss),
            Effect::Thumb { hash, bytes } => {
                self.files.write_thumb(hash, bytes)?;
                Ok(self.ingest.thumb(hash, name.unit, bytes.len())?)
            }
            Effect::BadSeal(what, why) => self.alarm(name.unit, *what, why),
            Effect::Answer(answer) => self.answer(name.unit, answer),
            Effect::Chunk { request, part, offset, bytes } => self.chunk(name.unit, (request, *part), (*offset, bytes)),
        }
    }

    /// Somebody between the unit's log and here has another mind than the unit.
    fn alarm(&self, unit: &str, what: BadSeal, why: &str) -> Result<(), ApplyError> {
        let (name, word) = match what {
            BadSeal::Wrong => (WRONG_SEAL, "WRONG"),
            BadSeal::Missing => (NO_SEAL, "MISSING"),
        };
        let words = format!("signature {word} on an entry of the audit log of {unit}: {why}");
        self.ingest.refuse(unit, name, &words)?;
        if self.ingest.alarm(unit, name, &words)? {
            tracing::warn!(unit, why, "ALARM: the seal on an entry of an audit log is {word}");
        }
        Ok(())
    }

    fn lose(&mut self, unit: &str, loss: &Loss) -> Result<(), ApplyError> {
        let stream = self.stream(StreamName { unit, epoch: loss.epoch, lane: loss.lane })?;
        for span in &loss.spans {
            let missed = self.ingest.lose(stream, *span, loss.cause.as_str())?;
            if missed > 0 && loss.lane == Lane::Clip.as_str() {
                // Which clip they were of was lost with them.
                self.ingest.ask_clips_again(unit, LOST_PIECES)?;
            }
            let counter = if loss.cause == LossCause::Budget { "withheld" } else { "lost" };
            self.ingest.count(counter, missed)?;
        }
        Ok(())
    }

    fn answer(&mut self, unit: &str, answer: &Answer) -> Result<(), ApplyError> {
        if let Some(offer) = &answer.offer {
            if offer.media_bytes > MAX_CLIP_BYTES || offer.manifest_bytes > MAX_MANIFEST_BYTES {
                return Ok(self.ingest.refuse(unit, "offer", &format!("a clip of {} bytes", offer.media_bytes))?);
            }
            self.ingest.offer(&answer.request, unit, offer)?;
        }
        let known = self.ingest.request(&answer.request)?;
        // A unit that needs no second command for a clip which it offers is still sending it.
        let is_sent = known
            .as_ref()
            .is_some_and(|known| known.status == RequestStatus::Waiting && known.offer.is_some() && known.unit == unit);
        let (status, words) = match answer.status {
            None if is_sent => (Some(RequestStatus::Accepted), "the clip is on its way"),
            status => (status, answer.words.as_str()),
        };
        if let Some(status) = status {
            // Only the bytes on disk make a clip complete, whatever the unit calls it.
            if status != RequestStatus::Complete || known.is_some_and(|known| known.ends_by_word()) {
                self.ingest.answer(&answer.request, unit, status, words)?;
            }
        }
        self.finish(unit, &answer.request)
    }

    fn chunk(
        &mut self,
        unit: &str,
        (request, part): (&str, Part),
        (offset, bytes): (u64, &[u8]),
    ) -> Result<(), ApplyError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = offset.saturating_add(length);
        let most = match part {
            Part::Manifest => MAX_MANIFEST_BYTES,
            Part::Media => MAX_CLIP_BYTES,
        };
        if length == 0 || end > most {
            return Ok(self.ingest.refuse(unit, "chunk", &format!("{length} bytes at {offset}"))?);
        }
        let Some(known) = self.ingest.request(request)?.filter(|known| known.unit == unit) else {
            return Ok(self.ingest.refuse(unit, "chunk", "bytes of a clip that nobody here asked for")?);
        };
        if known.status.is_final() {
            return Ok(());
        }
        if part.length(&known).is_some_and(|whole| end > whole) {
            return Ok(self.ingest.refuse(unit, "chunk", "bytes beyond the end of the clip")?);
        }
        self.files.write_clip(request, part, (offset, bytes))?;
        if let Some(span) = Span::new(offset, end - 1) {
            self.ingest.clip_bytes(&known, part, span)?;
        }
        // A request that waits for its answer, or must be asked again, goes on doing so whatever an earlier life of the
        // unit had left on its way.
        if known.status == RequestStatus::Accepted {
            self.ingest.answer(request, unit, RequestStatus::Transferring, "the clip is arriving")?;
        }
        self.finish(unit, request)
    }

    /// Completes a request whose bytes and manifest are all here.
    fn finish(&mut self, unit: &str, request: &str) -> Result<(), ApplyError> {
        let Some(known) = self.ingest.request(request)?.filter(|known| !known.status.is_final()) else {
            return Ok(());
        };
        if self.ingest.is_whole(&known)? {
            for part in [Part::Manifest, Part::Media] {
                if let Some(length) = part.length(&known) {
                    self.files.end_clip(request, part, length)?;
                }
            }
            self.ingest.answer(request, unit, RequestStatus::Complete, "the clip is here")?;
        }
        Ok(())
    }

    fn settled(&self) -> Result<Vec<Settled>, ApplyError> {
        let mut settled = Vec::new();
        for (stream, (unit, epoch, lane)) in &self.touched {
            if let Some(sequence) = self.ingest.settled_prefix(*stream, FIRST_SEQUENCE)? {
                settled.push(Settled { unit: unit.clone(), epoch: *epoch, lane: lane.clone(), sequence });
            }
        }
        Ok(settled)
    }
}
