//! How much a record may hold. What a single value may be is checked by its type; this is about how many there are.

use super::alert::AlertKind;
use super::object::{ObjectEvent, ObjectRecord};
use super::read::Read;
use super::{MAX_CHUNK_BYTES, MAX_PATH_POINTS, MAX_THUMB_BYTES, PATH_STEPS, Record, Verdict};
use crate::audit::MAX_SEAL_BYTES;
use crate::commissioning::MAX_REPORT_BYTES;

/// The most entries in a list that has no bound of its own.
const MAX_LIST: usize = 256;
/// The most alternates of one read: three for each of the longest plate's characters.
const MAX_ALTERNATES: usize = 48;

/// A record holds more than it may, or what does not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("out of bounds: {0}")]
pub struct OutOfBounds(&'static str);

impl OutOfBounds {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self(what)
    }
}

fn at_most(count: usize, most: usize, what: &'static str) -> Result<(), OutOfBounds> {
    if count <= most { Ok(()) } else { Err(OutOfBounds(what)) }
}

fn sound(condition: bool, what: &'static str) -> Result<(), OutOfBounds> {
    if condition { Ok(()) } else { Err(OutOfBounds(what)) }
}

impl Record {
    /// Whether everything in it is within its bounds.
    ///
    /// # Errors
    /// Names the first thing that is not.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        match self {
            Self::Hit(hit) => check_read(&hit.read).and(at_most(hit.pictures.len(), 4, "pictures of a hit")),
            Self::Read(read) => check_read(read),
            Self::Object(record) => check_object(record),
            Self::Alert(alert) => match &alert.kind {
                AlertKind::Loss(loss) => sound(loss.is_sound(), "ranges of a loss"),
                AlertKind::Tamper(_)
                | AlertKind::Trigger(_)
                | AlertKind::Gap(_)
                | AlertKind::Update(_)
                | AlertKind::Rollback(_)
                | AlertKind::Fault(_) => Ok(()),
            },
            Self::Health(health) => {
                let rings = health.cameras.iter().filter_map(|camera| camera.ring.as_ref());
                let longest = [health.cameras.len(), health.models.len(), health.temperatures.len()];
                let longest = longest.into_iter().chain(rings.map(|ring| ring.gaps.len())).max().unwrap_or(0);
                let failing = health.board.as_ref().map_or(0, |board| board.failing.len());
                at_most(longest.max(health.problems.len()).max(failing), MAX_LIST, "lists in health")
            }
            Self::Answer(answer) => match &answer.verdict {
                Verdict::Clip(offer) => at_most(offer.gaps.len(), MAX_LIST, "gaps of a clip"),
                Verdict::Update(step) => sound(step.percent <= 100, "percent of an update"),
                Verdict::Accepted
                | Verdict::Refused(_)
                | Verdict::Nothing(_)
                | Verdict::Failed(_)
                | Verdict::Done(_) => Ok(()),
            },
            Self::Audit(entry) => {
                let report = entry.report.as_ref().map_or(0, |report| report.as_bytes().len());
                let seal = entry.seal.as_ref().map_or(0, |seal| seal.as_bytes().len());
                at_most(report, MAX_REPORT_BYTES, "bytes of a report")?;
                at_most(seal, MAX_SEAL_BYTES, "bytes of a seal")
            }
            Self::Thumb(thumb) => at_most(thumb.jpeg.len(), MAX_THUMB_BYTES, "bytes of a picture"),
            Self::Clip(chunk) => at_most(chunk.bytes.len(), MAX_CHUNK_BYTES, "bytes of a piece"),
        }
    }
}

fn check_read(read: &Read) -> Result<(), OutOfBounds> {
    let characters = read.text.as_str().chars().count();
    sound(read.characters.len() == characters, "confidences of a plate's characters")?;
    at_most(read.alternates.len(), MAX_ALTERNATES, "alternates")?;
    let inside = read.alternates.iter().all(|alternate| usize::from(alternate.position) < characters);
    sound(inside, "position of an alternate")?;
    sound(read.agreeing <= read.reads, "agreeing reads")
}

fn check_object(record: &ObjectRecord) -> Result<(), OutOfBounds> {
    match record {
        ObjectRecord::Track(event) => check_track(event),
        ObjectRecord::Counts(counts) => {
            let longest = counts.tracks.len().max(counts.zones.len()).max(counts.lines.len());
            at_most(longest, MAX_LIST, "rows of counts")
        }
    }
}

fn check_track(event: &ObjectEvent) -> Result<(), OutOfBounds> {
    at_most(event.path.len(), MAX_PATH_POINTS, "points of a path")?;
    at_most(event.zones.len().max(event.lines.len()), MAX_LIST, "zones or lines of a track")?;
    let inside = event.path.iter().all(|point| point.x <= PATH_STEPS && point.y <= PATH_STEPS);
    sound(inside, "point of a path")
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Record, Sentence, UpdateStage, UpdateStep};
    use super::*;
    use crate::time::{ClockQuality, Moment};

    #[test]
    fn an_update_is_never_here_more_than_once() {
        let answer = |percent| {
            let step = UpdateStep { stage: UpdateStage::Downloading, percent, text: Sentence::default() };
            let (at, clock, verdict) = (Moment::from_millis(1), ClockQuality::Free, Verdict::Update(step));
            Record::Answer(Box::new(Answer { at, clock, request: None, command: None, verdict }))
        };
        assert!(answer(100).check().is_ok());
        assert!(answer(101).check().is_err());
    }
}
