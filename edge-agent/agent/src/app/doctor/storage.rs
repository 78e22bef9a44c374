//! The data's disk, the rings and the outbox on it, and the models' files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use edge_protocol::id::Sequence;
use edge_protocol::lane::Lane;
use edge_protocol::record::Record;
use edge_protocol::time::WallTime;
use edge_store::disk::{Disk, RealDisk};
use edge_store::outbox::{Limit, OutboxReader};
use edge_store::ring::RingReader;

use super::rules::{DiskFacts, OutboxFacts, RingFacts};
use crate::app::run::ring_place;
use crate::config::{self, Config};
use crate::inference::ModelFile;
use crate::inference::library::{Surroundings, find};
use crate::supervise::Clock;

/// What is written to measure: enough to see past the drive's own cache of a cheap card, and quick on any.
const PROBE_BYTES: usize = 8 << 20;
const PROBE: &str = "doctor.probe";

/// Room and speed of the disk under a folder.
pub(super) fn disk(folder: &Path) -> DiskFacts {
    // The folder may not be there, and whoever looks does not make it; what is above it tells of the same disk, mostly.
    let there = folder.ancestors().find(|place| place.exists()).unwrap_or(folder);
    let write = write(there).map_err(|error| error.to_string());
    let room = RealDisk.room(there).ok();
    DiskFacts { total: room.map_or(0, |room| room.total), free: room.map_or(0, |room| room.free), write }
}

/// Bytes a second of one synced write.
fn write(folder: &Path) -> io::Result<u64> {
    let path = folder.join(PROBE);
    match RealDisk.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let clock = Clock::system();
    // Not zeros, which some drives do not store.
    let bytes: Vec<u8> = (0..PROBE_BYTES).map(|place| place.to_le_bytes()[0] ^ place.to_le_bytes()[1]).collect();
    let began = clock.mono();
    let written = RealDisk.create(&path).and_then(|mut file| {
        file.write_all_at(&bytes, 0)?;
        file.sync()
    });
    let took = clock.mono().saturating_since(began);
    let removed = RealDisk.remove(&path);
    written.and(removed)?;
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    Ok(u64::try_from(PROBE_BYTES).unwrap_or(u64::MAX) * 1000 / millis)
}

/// A camera's ring.
pub(super) fn ring(config: &Config, camera: &config::Camera) -> RingFacts {
    let place = ring_place(config, camera);
    let span = if place.index_path().exists() {
        let reader = RingReader::open(Arc::new(RealDisk), place);
        reader.and_then(|reader| reader.span()).map_err(|error| error.to_string())
    } else {
        Ok(None)
    };
    RingFacts { span, quota: camera.quota_bytes }
}

/// What was told and what was acknowledged; none where there is no outbox yet.
pub(super) fn outbox(data_dir: &Path) -> Result<Option<OutboxFacts>, String> {
    let path = data_dir.join("outbox.sqlite");
    if !path.exists() {
        return Ok(None);
    }
    let read = || {
        let reader = OutboxReader::open(&path)?;
        let mut facts = OutboxFacts::default();
        for lane in Lane::ALL {
            let backlog = reader.backlog(lane)?;
            facts.made += backlog.last.get();
            facts.settled += backlog.settled.get();
            facts.waiting += backlog.records;
        }
        facts.oldest = oldest(&reader)?;
        Ok::<_, edge_store::outbox::OutboxError>(Some(facts))
    };
    read().map_err(|error| format!("{}: {error}", path.display()))
}

/// When the oldest health record that waits was made: one is made every minute, so it tells since when nothing is
/// acknowledged.
fn oldest(reader: &OutboxReader) -> Result<Option<WallTime>, edge_store::outbox::OutboxError> {
    let first = reader.unsettled(Lane::Health, Sequence::ZERO, Limit { records: 1, bytes: 1 << 20 })?;
    let record = first.records.first().and_then(|stored| Record::from_payload(Lane::Health, &stored.payload).ok());
    Ok(match record {
        Some(Record::Health(health)) => Some(health.at.wall()),
        Some(_) | None => None,
    })
}

/// Where ONNX Runtime's library is.
pub(super) fn runtime(config: &Config) -> Result<String, String> {
    let found = find(config.models.library.as_deref(), &Surroundings::of_this_process());
    found.map(|path| path.display().to_string()).map_err(|error| error.to_string())
}

/// Each model's name, if its file is the one that its manifest names.
pub(super) fn models(config: &Config) -> Vec<Result<String, String>> {
    let folders = crate::app::vision::folders(config);
    let read = |(folder, variant): &(PathBuf, Option<String>)| {
        let file = ModelFile::read(folder, variant.as_deref());
        file.map(|file| file.label()).map_err(|error| format!("{}: {error}", folder.display()))
    };
    folders.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_measured_and_nothing_is_left_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let facts = disk(folder.path());
        assert!(facts.write.unwrap() > 0 && facts.total > 0, "{:?}", facts.free);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made_by_whoever_looks() {
        let folder = tempfile::tempdir().unwrap();
        assert!(disk(&folder.path().join("data")).write.is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_takes_nothing_is_told_in_the_systems_words() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::File::create(&file).unwrap();
        assert!(disk(&file.join("data")).write.unwrap_err().contains("Not a directory"));
    }
}
