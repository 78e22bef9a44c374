//! What was seen and stays on the unit: reads that nobody may have without a reason, kept for a day.
//!
//! Belongs here: storing, finding, and purging so that nothing is left. Does not belong here: who may search, and for
//! how long the policy keeps what.
//!
//! A purge goes by the clock, so it needs one that is known to be right: [`TrustedNow`] exists only where the clock has
//! followed a source of time for ten minutes. A box that boots in 1970 or is set ten years ahead deletes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::lane::Lane;
use edge_protocol::time::{ClockQuality, WallStamp, WallTime};
use rusqlite::{Connection, Row, params};

use crate::database::{self, DatabaseError, Schema};

const SCHEMA: Schema = Schema { version: 1, tables: include_str!("schema.sql") };
/// How long a clock must have followed its source before anything is deleted by it.
pub const SETTLING: Duration = Duration::from_mins(10);

/// A moment by a clock that can be trusted to delete by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedNow(WallTime);

impl TrustedNow {
    /// `now`, if its clock is synchronised and has been for [`SETTLING`].
    pub fn new(now: WallStamp, synchronised_for: Duration) -> Option<Self> {
        match now.quality {
            ClockQuality::Synchronised { .. } if synchronised_for >= SETTLING => Some(Self(now.time)),
            ClockQuality::Synchronised { .. } | ClockQuality::Free | ClockQuality::Unknown => None,
        }
    }
}

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// By which camera.
    pub camera: CameraId,
    /// When, by the wall clock.
    pub at: WallTime,
    /// What kind of record it would be.
    pub lane: Lane,
    /// The plate's text, for reads.
    pub plate: Option<String>,
    /// The record as it would be sent.
    pub body: Vec<u8>,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Seen at or after.
    pub from: WallTime,
    /// Seen before.
    pub to: WallTime,
    /// By this camera alone.
    pub camera: Option<CameraId>,
    /// With this plate alone.
    pub plate: Option<String>,
    /// At most so many, the newest.
    pub most: u32,
}

/// How the index was found.
#[derive(Debug)]
pub struct OpenedIndex {
    /// The index.
    pub index: Index,
    /// Where a damaged file went.
    pub set_aside: Option<PathBuf>,
}

/// The index; one owner.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    connection: Connection,
}

impl Index {
    /// Opens or makes the file; a damaged one is set aside.
    ///
    /// # Errors
    /// When the disk cannot be used.
    pub fn open(path: &Path) -> Result<OpenedIndex, DatabaseError> {
        let opened = database::open(path, SCHEMA)?;
        let index = Self { path: path.to_owned(), connection: opened.connection };
        Ok(OpenedIndex { index, set_aside: opened.set_aside })
    }

    /// Stores what was seen; all of it is durable when this returns.
    ///
    /// # Errors
    /// When the disk cannot take it; then nothing of it is stored.
    pub fn add(&mut self, detections: &[Detection]) -> Result<(), DatabaseError> {
        let Self { path, connection } = self;
        let added = (|| {
            let adding = connection.transaction()?;
            let sql = "INSERT INTO detection(camera, wall, lane, plate, body, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            for seen in detections {
                let lane = i64::try_from(seen.lane.index()).unwrap_or(i64::MAX);
                let crc = crc32fast::hash(&seen.body);
                let row = params![seen.camera.as_str(), seen.at.as_micros(), lane, seen.plate, seen.body, crc];
                adding.prepare_cached(sql)?.execute(row)?;
            }
            adding.commit()
        })();
        added.map_err(|error| DatabaseError::new(path, error))
    }

    /// What was seen, newest first; rotten entries are left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find(&self, query: &Query) -> Result<Vec<Detection>, DatabaseError> {
        let sql = "SELECT camera, wall, lane, plate, body, crc FROM detection WHERE wall >= ?1 AND wall < ?2 \
                   AND (?3 IS NULL OR camera = ?3) AND (?4 IS NULL OR plate = ?4) ORDER BY wall DESC LIMIT ?5";
        let camera = query.camera.as_ref().map(CameraId::as_str);
        let values = params![query.from.as_micros(), query.to.as_micros(), camera, query.plate, query.most];
        let find = || self.connection.prepare_cached(sql)?.query_map(values, detection_of)?.collect();
        let found: Result<Vec<Option<Detection>>, rusqlite::Error> = find();
        let found = found.map_err(|error| DatabaseError::new(&self.path, error))?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Deletes what was seen longer ago than `keep`, so that nothing of it is left in the file or its log; how many.
    ///
    /// # Errors
    /// When the disk cannot take it.
    pub fn purge(&mut self, now: TrustedNow, keep: Duration) -> Result<usize, DatabaseError> {
        let Self { path, connection } = self;
        let purged = (|| {
            let oldest_kept = now.0.saturating_sub(keep).as_micros();
            let purged = connection.execute("DELETE FROM detection WHERE wall < ?1", [oldest_kept])?;
            // Deleted rows are overwritten in the file; the log may still hold them until it is emptied.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(purged)
        })();
        purged.map_err(|error| DatabaseError::new(path, error))
    }
}

/// A row as it was stored, or nothing where it is rotten.
fn detection_of(row: &Row<'_>) -> Result<Option<Detection>, rusqlite::Error> {
    let camera: String = row.get(0)?;
    let lane = usize::try_from(row.get::<_, i64>(2)?).ok().and_then(Lane::from_index);
    let (body, crc): (Vec<u8>, u32) = (row.get(4)?, row.get(5)?);
    let (at, plate) = (WallTime::from_micros(row.get(1)?), row.get(3)?);
    let whole = crc32fast::hash(&body) == crc;
    let detection = || Some(Detection { camera: CameraId::new(&camera).ok()?, at, lane: lane?, plate, body });
    Ok(if whole { detection() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn seen(plate: &str, at: u64) -> Detection {
        Detection {
            camera: CameraId::new("gate").unwrap(),
            at: WallTime::from_micros(0).saturating_add(Duration::from_secs(at)),
            lane: Lane::Read,
            plate: Some(plate.to_owned()),
            body: format!("body of {plate}").into_bytes(),
        }
    }

    fn all() -> Query {
        let (from, to) = (WallTime::from_micros(0), WallTime::from_micros(i64::MAX));
        Query { from, to, camera: None, plate: None, most: 100 }
    }

    fn trusted(at: u64) -> TrustedNow {
        let time = WallTime::from_micros(0).saturating_add(Duration::from_secs(at));
        TrustedNow::new(WallStamp { time, quality: ClockQuality::Synchronised { bound_ms: 5 } }, SETTLING).unwrap()
    }

    #[test]
    fn what_was_seen_is_found_by_time_camera_and_plate() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Index::open(&folder.path().join("index.sqlite")).unwrap().index;
        index.add(&[seen("ABC123", 10), seen("XYZ789", 20)]).unwrap();
        assert_eq!(index.find(&all()).unwrap(), [seen("XYZ789", 20), seen("ABC123", 10)]);
        let plate = Query { plate: Some("ABC123".to_owned()), ..all() };
        assert_eq!(index.find(&plate).unwrap(), [seen("ABC123", 10)]);
        let camera = Query { camera: Some(CameraId::new("other").unwrap()), ..all() };
        assert!(index.find(&camera).unwrap().is_empty());
    }

    #[test]
    fn a_purged_plate_is_in_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.sqlite");
        let mut index = Index::open(&path).unwrap().index;
        index.add(&[seen("OLDPLATE", 10), seen("NEWPLATE", 90_000)]).unwrap();
        let holds = |needle: &[u8]| {
            let files =
                std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
            files.into_iter().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
        };
        assert!(holds(b"OLDPLATE"));
        assert_eq!(index.purge(trusted(90_000), DAY).unwrap(), 1);
        assert!(!holds(b"OLDPLATE") && holds(b"NEWPLATE"));
    }

    #[test]
    fn an_untrusted_clock_deletes_nothing() {
        let later = WallTime::from_micros(i64::MAX / 2);
        let synchronised = WallStamp { time: later, quality: ClockQuality::Synchronised { bound_ms: 5 } };
        assert_eq!(TrustedNow::new(WallStamp { time: later, quality: ClockQuality::Free }, DAY), None);
        assert_eq!(TrustedNow::new(WallStamp { time: later, quality: ClockQuality::Unknown }, DAY), None);
        assert_eq!(TrustedNow::new(synchronised, SETTLING.saturating_sub(Duration::from_secs(1))), None);
        assert!(TrustedNow::new(synchronised, SETTLING).is_some());
    }
}
