//! Between the contract's messages and what the center works with.
//!
//! Belongs here: reading what came under a topic, naming commands, and writing acknowledgements. Everything that comes in is untrusted:
//! the topic says whose it is, since the broker lets a unit write under its own name alone, and what the payload says
//! about itself must agree with it.

use edge_protocol::ack::Ack;
use edge_protocol::batch::{self, Encoding, Unreadable};
use edge_protocol::command::{Command, Refusal};
use edge_protocol::id::{AgencyId, CameraId, Epoch, Sequence, UnitId};
use edge_protocol::lane::Lane;
use edge_protocol::record::{self, AlertKind, AuditRecord, ClipOffer, ClipPart, ObjectRecord, Record, Verdict};
use edge_protocol::sign::Root;
use edge_protocol::state::State;
use edge_protocol::time::Moment;
use edge_protocol::topic::Topic;

use crate::broker::Departure;
use crate::database::ingest::{NewRecord, SealFound};
use crate::database::requests::{Offer, Part, RequestStatus};
use crate::database::spans::Span;
use crate::receiver::apply::Settled;
use crate::receiver::message::{Answer, BadSeal, Batch, Effect, Item, Loss, Message};

/// The most characters of what was wrong with a message that are kept.
const DETAIL_CHARACTERS: usize = 200;

/// Reads a message that came under a topic.
pub fn read_message(agency: &AgencyId, root: &Root, topic: &[u8], payload: &[u8]) -> Message {
    let named = std::str::from_utf8(topic).ok().and_then(Topic::parse);
    match named {
        Some(Topic::Up(from, unit, lane)) if from == *agency => {
            read_batch(&Sender { agency, unit: &unit, root }, lane, payload)
        }
        Some(Topic::State(from, unit)) if from == *agency => read_state(agency, &unit, payload),
        _ => refused("", "topic", &String::from_utf8_lossy(topic)),
    }
}

fn refused(unit: &str, reason: &'static str, detail: &str) -> Message {
    Message::Refused { unit: unit.to_owned(), reason, detail: detail.chars().take(DETAIL_CHARACTERS).collect() }
}

fn unreadable(unit: &UnitId, error: &Unreadable) -> Message {
    let reason = match error {
        Unreadable::Oversized(_) => "oversized",
        Unreadable::Version(_) => "version",
        Unreadable::Bounds(_) => "bounds",
        Unreadable::Cbor(_) | Unreadable::Json(_) | Unreadable::NoBatch(_) => "malformed",
    };
    refused(unit.as_str(), reason, &error.to_string())
}

/// Whose topic something came under, and who vouches for its key.
struct Sender<'a> {
    agency: &'a AgencyId,
    unit: &'a UnitId,
    root: &'a Root,
}

fn read_batch(from: &Sender<'_>, lane: Lane, payload: &[u8]) -> Message {
    let unit = from.unit;
    let batch = match batch::Batch::decode(payload) {
        Ok(batch) if batch.lane() == lane => batch,
        Ok(batch) => return refused(unit.as_str(), "lane", &format!("{} under {lane}", batch.lane())),
        Err(error) => return unreadable(unit, &error),
    };
    let items = batch.named().map(|(name, record)| item(from, name.sequence, record)).collect();
    let (unit, epoch, lane) = (unit.to_string(), batch.epoch().get(), lane.as_str());
    Message::Batch(Batch { unit, epoch, lane, items, settled: batch.settled().map(Sequence::get) })
}

fn read_state(agency: &AgencyId, unit: &UnitId, payload: &[u8]) -> Message {
    // An empty message is how a retained one is taken away.
    if payload.is_empty() {
        return Message::State { unit: unit.to_string(), epoch: None, birth: None };
    }
    let state = match State::decode(payload) {
        Ok(state) => state,
        Err(error) => return unreadable(unit, &error),
    };
    match &state {
        State::Birth(birth) if birth.unit != *unit || birth.agency != *agency => {
            refused(unit.as_str(), "identity", &format!("the birth of {}/{}", birth.agency, birth.unit))
        }
        State::Birth(birth) => {
            let epoch = Some(birth.epoch.get());
            match serde_json::to_string(&state) {
                Ok(json) => Message::State { unit: unit.to_string(), epoch, birth: Some(json) },
                Err(error) => refused(unit.as_str(), "malformed", &error.to_string()),
            }
        }
        State::Death(death) => Message::State { unit: unit.to_string(), epoch: Some(death.epoch.get()), birth: None },
    }
}

/// A signed command as the center sees it: enough to name it and to pass it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The agency it is for.
    pub agency: String,
    /// The unit it is for.
    pub unit: String,
    /// The request it serves, lower-case hexadecimal.
    pub id: String,
    /// Who asks what and why, as JSON: the same for every command of one request.
    pub question: String,
    /// The topic to which it goes.
    pub topic: String,
}

/// Looks at a signed command. Its signature fits its certificate; whether that is somebody who may ask is for the unit
/// to judge, which trusts no center.
///
/// # Errors
/// Says in words why it is no command.
pub fn describe_command(envelope: &[u8]) -> Result<Described, String> {
    let command = Command::peek(envelope).map_err(|error| error.to_string())?;
    let question = serde_json::json!({
        "issuer": command.issuer,
        "role": command.role,
        "operation": command.operation,
        "purpose": command.purpose,
        "case": command.case,
    });
    Ok(Described {
        agency: command.agency.to_string(),
        unit: command.unit.to_string(),
        id: command.request.to_string(),
        question: question.to_string(),
        topic: Topic::Command(command.agency, command.unit).to_string(),
    })
}

fn item(from: &Sender<'_>, sequence: Sequence, record: &Record) -> Item {
    let sequence = sequence.get();
    let mut seal = None;
    let (kept, effect) = match record {
        Record::Hit(hit) => (Some(about(Some(&hit.read.camera), hit.read.last)), Effect::None),
        Record::Read(read) => (Some(about(Some(&read.camera), read.last)), Effect::None),
        Record::Object(object) => (Some(about_object(object)), Effect::None),
        Record::Alert(alert) => (Some(about(alert.camera.as_ref(), alert.at)), loss(&alert.kind)),
        Record::Health(health) => (Some(about(None, health.at)), Effect::Health(json(record))),
        Record::Audit(entry) => {
            let (found, effect) = sealed(from, entry);
            seal = found;
            (Some(about(None, entry.at)), effect)
        }
        Record::Answer(answer) => (Some(about(None, answer.at)), answered(answer)),
        Record::Thumb(thumb) => (None, Effect::Thumb { hash: thumb.hash().to_string(), bytes: thumb.jpeg.clone() }),
        Record::Clip(chunk) => (None, piece(chunk)),
    };
    let record = kept.map(|(camera, at_us)| NewRecord {
        sequence,
        camera,
        at_us: Some(at_us),
        plate: plate(record),
        seal,
        body: json(record),
    });
    Item { sequence, record, effect }
}

/// What there is to say of the seal on an entry.
fn sealed(from: &Sender<'_>, entry: &AuditRecord) -> (Option<SealFound>, Effect) {
    match entry.check_seal(from.agency, from.unit, from.root) {
        None if entry.ought_to_be_sealed() => {
            let words = format!("entry {} ({}) has none: {}", entry.entry, entry.kind.as_str(), entry.text.as_str());
            (Some(SealFound::Missing), Effect::BadSeal(BadSeal::Missing, words))
        }
        None => (None, Effect::None),
        Some(Ok(())) => (Some(SealFound::Signed), Effect::None),
        Some(Err(why)) => {
            (Some(SealFound::Wrong), Effect::BadSeal(BadSeal::Wrong, format!("entry {}: {why}", entry.entry)))
        }
    }
}

/// Camera and time of a record.
type About = (Option<String>, i64);

fn about(camera: Option<&CameraId>, at: Moment) -> About {
    (camera.map(ToString::to_string), at.wall().as_micros())
}

fn about_object(object: &ObjectRecord) -> About {
    match object {
        ObjectRecord::Track(event) => about(Some(&event.camera), event.last),
        ObjectRecord::Counts(counts) => about(Some(&counts.camera), counts.to),
    }
}

fn plate(record: &Record) -> Option<String> {
    match record {
        Record::Hit(hit) => Some(hit.read.text.as_str().to_owned()),
        Record::Read(read) => Some(read.text.as_str().to_owned()),
        Record::Object(_)
        | Record::Alert(_)
        | Record::Health(_)
        | Record::Audit(_)
        | Record::Answer(_)
        | Record::Thumb(_)
        | Record::Clip(_) => None,
    }
}

/// The record as JSON. A record that was read can be written; should it ever not, its name alone is kept.
fn json(record: &Record) -> String {
    serde_json::to_string(record).unwrap_or_else(|_| "null".to_owned())
}

fn loss(kind: &AlertKind) -> Effect {
    let AlertKind::Loss(loss) = kind else { return Effect::None };
    let spans = loss.ranges.iter().filter_map(|range| Span::new(range.first.get(), range.last.get())).collect();
    Effect::Lost(Loss { epoch: loss.epoch.get(), lane: loss.lane.as_str(), spans, cause: loss.cause })
}

fn answered(answer: &record::Answer) -> Effect {
    let Some(request) = answer.request else { return Effect::None };
    let (status, words, offer) = match &answer.verdict {
        Verdict::Accepted => (Some(RequestStatus::Accepted), "the unit accepted it".to_owned(), None),
        Verdict::Refused(refused) => (refusal_status(refused.reason), refused.text.to_string(), None),
        Verdict::Clip(offer) => {
            (Some(RequestStatus::Transferring), "the clip is made".to_owned(), Some(offered(offer)))
        }
        Verdict::Nothing(text) | Verdict::Failed(text) => (Some(RequestStatus::Failed), text.to_string(), None),
        Verdict::Done(text) => (Some(RequestStatus::Complete), text.to_string(), None),
        Verdict::Update(step) => (Some(RequestStatus::Accepted), step.text.to_string(), None),
    };
    Effect::Answer(Answer { request: request.to_string(), status, words, offer })
}

/// What a refusal makes of a request. A command that came too late or at a bad moment may be signed afresh; one that
/// was carried out before has its true answer on the way or here.
fn refusal_status(reason: Refusal) -> Option<RequestStatus> {
    match reason {
        Refusal::Expired | Refusal::Busy | Refusal::RateLimited | Refusal::AuditUnavailable | Refusal::Interrupted => {
            Some(RequestStatus::Again)
        }
        Refusal::Replayed => None,
        Refusal::Oversized
        | Refusal::Malformed
        | Refusal::UnknownVersion
        | Refusal::Forged
        | Refusal::Untrusted
        | Refusal::WrongUnit
        | Refusal::Role
        | Refusal::Purpose
        | Refusal::Case
        | Refusal::Scope
        | Refusal::Unsupported
        | Refusal::Address => Some(RequestStatus::Refused),
    }
}

fn offered(offer: &ClipOffer) -> Offer {
    Offer {
        media_bytes: offer.media_bytes,
        media_hash: offer.media_hash.to_string(),
        manifest_bytes: offer.manifest_bytes,
        manifest_hash: offer.manifest_hash.to_string(),
        actual_from_us: offer.actual.from.wall().as_micros(),
        actual_to_us: offer.actual.to.wall().as_micros(),
        gaps: u32::try_from(offer.gaps.len()).unwrap_or(u32::MAX),
    }
}

fn piece(chunk: &record::ClipChunk) -> Effect {
    let part = match chunk.part {
        ClipPart::Manifest => Part::Manifest,
        ClipPart::Media => Part::Media,
    };
    Effect::Chunk { request: chunk.request.to_string(), part, offset: chunk.offset, bytes: chunk.bytes.clone() }
}

/// The acknowledgement of a settled prefix. Names that came through the database were read from topics, so they are
/// valid; should one not be, there is nobody to tell.
pub fn acknowledgement(agency: &AgencyId, settled: &Settled) -> Option<Departure> {
    let unit = UnitId::new(&settled.unit).ok()?;
    let lane: Lane = settled.lane.parse().ok()?;
    let ack = Ack::new(Epoch::new(settled.epoch), lane, Sequence::new(settled.sequence));
    let topic = Topic::Ack(agency.clone(), unit).to_string();
    Some(Departure::Publish { topic, payload: ack.encode(Encoding::Cbor) })
}
#[cfg(test)]
mod tests;
