//! What stays on the unit: records to detections, and what the index has to say to the audit log and the center.

use edge_protocol::record::{AlertKind, AuditKind, AuditRecord, ObjectRecord, Record, Word};
use edge_protocol::time::WallStamp;
use edge_store::index::Detection;

use super::alert::alert;
use super::auditing;
use super::{Assembly, RunError};
use crate::control::draft;
use crate::keep::{Ends, Keeper, QUEUE, Told};
use crate::publish::Entry;
use crate::supervise::Station;
use crate::supervise::queue::{Sender, bounded};

/// Starts the stage that owns the index; what comes back is where detections go.
pub(super) fn start(assembly: &mut Assembly<'_>, entries: &Sender<Entry>) -> Result<Sender<Detection>, RunError> {
    let (kept, seen) = bounded(QUEUE);
    let data_dir = &assembly.config.data_dir;
    let (entries, clock, audit) = (entries.clone(), assembly.clock.clone(), data_dir.join("audit.sqlite"));
    let tell = Box::new(move |told| {
        let now = clock.wall();
        let record = match told {
            Told::Purged(count) => match auditing::write(&audit, purge(count, now)) {
                Ok(entry) => Record::Audit(entry),
                Err(error) => return tracing::error!(%error, count, "a purge is not in the audit log"),
            },
            Told::SetAside(path) => {
                tracing::error!(path = %path.display(), "the index was damaged and is set aside; a new one begins");
                set_aside(now)
            }
        };
        if entries.send(Entry::Record(record)).is_err() {
            tracing::debug!("the outbox has stopped; the audit log itself holds the purge");
        }
    });
    let ends = Ends { seen, tell, clock: assembly.clock.clone(), pulse: assembly.pulse("index") };
    let mut keeper = Keeper::new(data_dir.join("index.sqlite"), assembly.config.reads.keep, ends);
    assembly.start("index", Station::Publish, move |stop| keeper.run(stop))?;
    Ok(kept)
}

/// Hands a record over to be kept. Nobody waits for the index, so nothing is done where it has stopped.
pub(super) fn keep(kept: &Sender<Detection>, record: &Record) {
    let (camera, at, plate) = match record {
        Record::Read(read) => (&read.camera, read.last, Some(read.text.as_str().to_owned())),
        Record::Object(object) => match object.as_ref() {
            ObjectRecord::Track(track) => (&track.camera, track.last, None),
            ObjectRecord::Counts(_) => return,
        },
        Record::Hit(_)
        | Record::Answer(_)
        | Record::Alert(_)
        | Record::Health(_)
        | Record::Audit(_)
        | Record::Thumb(_)
        | Record::Clip(_) => return,
    };
    let body = record.to_payload();
    let seen = Detection { camera: camera.clone(), at: at.wall(), lane: record.lane(), plate, body };
    if kept.send(seen).is_err() {
        tracing::debug!("the index has stopped");
    }
}

fn purge(count: usize, now: WallStamp) -> AuditRecord {
    let words = format!("{count} detections whose time was over were deleted from the unit's index");
    draft(AuditKind::Purge, None, &words, now)
}

fn set_aside(now: WallStamp) -> Record {
    let words = "the detection index was damaged and set aside; earlier reads are not found on the unit";
    Record::Alert(Box::new(alert(AlertKind::Fault(Word::cut("index")), true, words, now)))
}
