//! The ring's index as statements: what is stored, held, doomed and missing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_protocol::evidence::Leaf;
use edge_protocol::hash::Hash256;
use edge_protocol::media::Codec;
use edge_protocol::time::{ClockQuality, MediaTime, WallStamp, WallTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::format::{Group, SegmentHead};
use super::gap::{Gap, GapReason};
use crate::database::{DatabaseError, Schema};

pub(super) const SCHEMA: Schema = Schema { version: 1, tables: include_str!("schema.sql") };

const GROUP_COLUMNS: &str = "segment, number, offset, frames, flags, width, height, bytes, first, last, wall, clock, \
                             duration, leaf, crc";

/// One camera's index over one connection.
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    connection: Connection,
}

/// A segment as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentRow {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) doomed: bool,
}

/// What a clip needs to know of a segment besides its groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coding {
    /// How it is coded.
    pub codec: Codec,
    /// Hash of codec and parameter sets.
    pub parameters: Hash256,
}

impl Index {
    pub(super) fn new(path: &Path, connection: Connection) -> Self {
        Self { path: path.to_owned(), connection }
    }

    fn run<T>(&self, action: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>) -> Result<T, DatabaseError> {
        action(&self.connection).map_err(|error| DatabaseError::new(&self.path, error))
    }

    /// Begins a transaction that keeps every other writer out.
    pub(super) fn begin(&self) -> Result<(), DatabaseError> {
        self.run(|connection| connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]))?;
        Ok(())
    }

    /// Ends the transaction: keeps what was done, or undoes it.
    pub(super) fn end(&self, keep: bool) -> Result<(), DatabaseError> {
        if keep {
            let kept = self.run(|connection| connection.prepare_cached("COMMIT")?.execute([]));
            if kept.is_err() {
                self.undo()?;
            }
            kept.map(|_| ())
        } else {
            self.undo()
        }
    }

    fn undo(&self) -> Result<(), DatabaseError> {
        // A failed statement may have ended the transaction already.
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.run(|connection| connection.execute_batch("ROLLBACK"))
    }

    /// Runs `action` in one transaction; an error undoes all of it.
    fn together<T>(&self, action: impl FnOnce(&Self) -> Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        self.begin()?;
        let done = action(self);
        self.end(done.is_ok())?;
        done
    }

    pub(super) fn segments(&self) -> Result<Vec<SegmentRow>, DatabaseError> {
        let row = |row: &Row<'_>| {
            Ok(SegmentRow { number: unsigned(row, 0)?, bytes: unsigned(row, 1)?, doomed: row.get::<_, i64>(2)? != 0 })
        };
        let sql = "SELECT number, bytes, doomed FROM segment ORDER BY number";
        self.run(|connection| connection.prepare_cached(sql)?.query_map([], row)?.collect())
    }

    /// From when to when each segment has video, in the order of recording.
    pub(super) fn segment_times(&self) -> Result<Vec<(WallTime, WallTime)>, DatabaseError> {
        let row = |row: &Row<'_>| Ok((WallTime::from_micros(row.get(0)?), WallTime::from_micros(row.get(1)?)));
        let sql = "SELECT wall_from, wall_to FROM segment WHERE doomed = 0 ORDER BY number";
        self.run(|connection| connection.prepare_cached(sql)?.query_map([], row)?.collect())
    }

    /// Adds groups that lie behind those known of a segment, and the segment where it is new.
    pub(super) fn add(&self, head: &SegmentHead, groups: &[Group]) -> Result<(), DatabaseError> {
        self.together(|index| index.add_all(head, groups))
    }

    /// [`Index::add`] within a transaction that is already open.
    pub(super) fn add_all(&self, head: &SegmentHead, groups: &[Group]) -> Result<(), DatabaseError> {
        for group in groups {
            self.add_group(group)?;
            self.stretch_segment(head, group)?;
        }
        Ok(())
    }

    fn add_group(&self, group: &Group) -> Result<(), DatabaseError> {
        let sql = format!(
            "INSERT OR REPLACE INTO picture_group ({GROUP_COLUMNS}) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        );
        let (width, height) = group.size.unwrap_or((0, 0));
        let row = params![
            group.segment.cast_signed(),
            group.number,
            group.offset.cast_signed(),
            group.frames,
            i64::from(group.starts_with_key) | i64::from(group.discontinuity) << 1,
            width,
            height,
            group.bytes.cast_signed(),
            group.first.as_nanos(),
            group.last.as_nanos(),
            group.wall.time.as_micros(),
            clock_number(group.wall.quality),
            i64::try_from(group.duration.as_nanos()).unwrap_or(i64::MAX),
            group.leaf.as_bytes(),
            group.crc,
        ];
        self.run(|connection| connection.prepare_cached(&sql)?.execute(row))?;
        Ok(())
    }

    fn stretch_segment(&self, head: &SegmentHead, group: &Group) -> Result<(), DatabaseError> {
        let sql = "INSERT INTO segment(number, codec, parameters, bytes, wall_from, wall_to) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT(number) DO UPDATE SET bytes = max(bytes, excluded.bytes), \
                   wall_from = min(wall_from, excluded.wall_from), wall_to = max(wall_to, excluded.wall_to)";
        let row = params![
            head.number.cast_signed(),
            head.codec.code(),
            head.parameters.as_bytes(),
            group.end_offset().cast_signed(),
            group.wall.time.as_micros(),
            group.end().as_micros(),
        ];
        self.run(|connection| connection.prepare_cached(sql)?.execute(row))?;
        Ok(())
    }

    /// Where the groups known of a segment end.
    pub(super) fn last_group(&self, segment: u64) -> Result<Option<Group>, DatabaseError> {
        let sql = format!("SELECT {GROUP_COLUMNS} FROM picture_group WHERE segment = ?1 ORDER BY number DESC LIMIT 1");
        self.run(|connection| connection.prepare_cached(&sql)?.query_row([segment.cast_signed()], group_of).optional())
    }

    /// Marks the oldest segment that nobody holds, other than `spared`, as being removed.
    pub(super) fn doom_oldest(&self, spared: Option<u64>) -> Result<Option<SegmentRow>, DatabaseError> {
        let sql = "UPDATE segment SET doomed = 1 WHERE number = (SELECT number FROM segment WHERE doomed = 0 AND \
                   number IS NOT ?1 AND NOT EXISTS (SELECT 1 FROM hold WHERE segment.number BETWEEN hold.first AND \
                   hold.last) ORDER BY number LIMIT 1) RETURNING number, bytes";
        let row = |row: &Row<'_>| Ok(SegmentRow { number: unsigned(row, 0)?, bytes: unsigned(row, 1)?, doomed: true });
        let spared = spared.map(u64::cast_signed);
        self.run(|connection| connection.prepare_cached(sql)?.query_row([spared], row).optional())
    }

    /// Forgets a segment whose file is gone.
    pub(super) fn forget(&self, segment: u64) -> Result<(), DatabaseError> {
        let number = segment.cast_signed();
        self.together(|index| {
            index.run(|connection| {
                connection.prepare_cached("DELETE FROM picture_group WHERE segment = ?1")?.execute([number])?;
                connection.prepare_cached("DELETE FROM segment WHERE number = ?1")?.execute([number])
            })
        })?;
        Ok(())
    }

    /// Groups that overlap a time by the wall clock, in the order of recording.
    pub(super) fn groups_between(&self, from: WallTime, to: WallTime, most: u32) -> Result<Vec<Group>, DatabaseError> {
        let sql = format!(
            "SELECT {GROUP_COLUMNS} FROM picture_group WHERE segment IN (SELECT number FROM segment WHERE doomed = 0 \
             AND wall_from < ?2 AND wall_to > ?1) AND wall < ?2 AND wall + duration / 1000 > ?1 \
             ORDER BY segment, number LIMIT ?3"
        );
        let row = params![from.as_micros(), to.as_micros(), most];
        self.run(|connection| connection.prepare_cached(&sql)?.query_map(row, group_of)?.collect())
    }

    /// The groups before one that a decoder needs, from the key frame on; empty where it needs none or it is gone.
    pub(super) fn lead_in(&self, group: &Group) -> Result<Vec<Group>, DatabaseError> {
        let sql = format!(
            "SELECT {GROUP_COLUMNS} FROM picture_group WHERE (segment, number) < (?1, ?2) \
             AND segment IN (SELECT number FROM segment WHERE doomed = 0) ORDER BY segment DESC, number DESC"
        );
        let mut needed = Vec::new();
        if group.starts_with_key || group.discontinuity {
            return Ok(needed);
        }
        let found = self.run(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![group.segment.cast_signed(), group.number])?;
            while let Some(row) = rows.next()? {
                let before = group_of(row)?;
                let (is_key, is_break) = (before.starts_with_key, before.discontinuity);
                needed.push(before);
                if is_key || is_break {
                    return Ok(is_key);
                }
            }
            Ok(false)
        })?;
        needed.reverse();
        Ok(if found { needed } else { Vec::new() })
    }

    pub(super) fn coding(&self, segment: u64) -> Result<Option<Coding>, DatabaseError> {
        let row = |row: &Row<'_>| {
            let codec = u8::try_from(row.get::<_, i64>(0)?).ok().and_then(Codec::from_code);
            let codec = codec.ok_or(rusqlite::Error::IntegralValueOutOfRange(0, 0))?;
            Ok(Coding { codec, parameters: Hash256::from_bytes(row.get(1)?) })
        };
        let sql = "SELECT codec, parameters FROM segment WHERE number = ?1";
        self.run(|connection| connection.prepare_cached(sql)?.query_row([segment.cast_signed()], row).optional())
    }

    /// From when to when there is video.
    pub(super) fn span(&self) -> Result<Option<(WallTime, WallTime)>, DatabaseError> {
        let sql = "SELECT min(wall_from), max(wall_to) FROM segment WHERE doomed = 0";
        let row = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
        let (from, to) = self.run(|connection| connection.prepare_cached(sql)?.query_row([], row))?;
        Ok(from.zip(to).map(|(from, to)| (WallTime::from_micros(from), WallTime::from_micros(to))))
    }

    pub(super) fn hold(&self, name: &str, first: u64, last: u64) -> Result<(), DatabaseError> {
        let row = params![name, first.cast_signed(), last.cast_signed()];
        let sql = "INSERT INTO hold(name, first, last) VALUES (?1, ?2, ?3)";
        self.run(|connection| connection.prepare_cached(sql)?.execute(row))?;
        Ok(())
    }

    pub(super) fn release(&self, name: &str) -> Result<bool, DatabaseError> {
        let sql = "DELETE FROM hold WHERE name = ?1";
        Ok(self.run(|connection| connection.prepare_cached(sql)?.execute([name]))? > 0)
    }

    /// Lets go of every hold whose name does not begin with `spared`.
    pub(super) fn release_all_but(&self, spared: &str) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM hold WHERE substr(name, 1, length(?1)) != ?1";
        self.run(|connection| connection.prepare_cached(sql)?.execute([spared]))?;
        Ok(())
    }

    pub(super) fn holds(&self) -> Result<Vec<String>, DatabaseError> {
        let sql = "SELECT DISTINCT name FROM hold ORDER BY name";
        self.run(|connection| connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect())
    }

    pub(super) fn add_gap(&self, gap: &Gap) -> Result<(), DatabaseError> {
        let row = params![gap.from.as_micros(), gap.to.as_micros(), gap.reason.as_str()];
        let sql = "INSERT INTO gap(wall_from, wall_to, reason) VALUES (?1, ?2, ?3)";
        self.run(|connection| connection.prepare_cached(sql)?.execute(row))?;
        Ok(())
    }

    pub(super) fn gaps_between(&self, from: WallTime, to: WallTime) -> Result<Vec<Gap>, DatabaseError> {
        let row = |row: &Row<'_>| {
            let (from, to) = (WallTime::from_micros(row.get(0)?), WallTime::from_micros(row.get(1)?));
            Ok(Gap { from, to, reason: GapReason::of(&row.get::<_, String>(2)?) })
        };
        let sql = "SELECT wall_from, wall_to, reason FROM gap WHERE wall_from < ?2 AND wall_to > ?1 ORDER BY wall_from";
        let times = [from.as_micros(), to.as_micros()];
        self.run(|connection| connection.prepare_cached(sql)?.query_map(times, row)?.collect())
    }

    /// Forgets gaps that ended before any video that is left.
    pub(super) fn forget_gaps_before(&self, oldest: WallTime) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM gap WHERE wall_to < ?1";
        self.run(|connection| connection.prepare_cached(sql)?.execute([oldest.as_micros()]))?;
        Ok(())
    }
}

fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn clock_number(quality: ClockQuality) -> i64 {
    match quality {
        ClockQuality::Unknown => -2,
        ClockQuality::Free => -1,
        ClockQuality::Synchronised { bound_ms } => i64::from(bound_ms),
    }
}

fn clock_of(number: i64) -> ClockQuality {
    match u32::try_from(number) {
        Ok(bound_ms) => ClockQuality::Synchronised { bound_ms },
        Err(_) if number == -1 => ClockQuality::Free,
        Err(_) => ClockQuality::Unknown,
    }
}

fn group_of(row: &Row<'_>) -> Result<Group, rusqlite::Error> {
    let (flags, width, height) = (row.get::<_, i64>(4)?, row.get::<_, u16>(5)?, row.get::<_, u16>(6)?);
    Ok(Group {
        segment: unsigned(row, 0)?,
        number: row.get(1)?,
        offset: unsigned(row, 2)?,
        frames: row.get(3)?,
        starts_with_key: flags & 1 != 0,
        discontinuity: flags & 2 != 0,
        size: (width > 0 && height > 0).then_some((width, height)),
        bytes: unsigned(row, 7)?,
        first: MediaTime::from_nanos(row.get(8)?),
        last: MediaTime::from_nanos(row.get(9)?),
        wall: WallStamp { time: WallTime::from_micros(row.get(10)?), quality: clock_of(row.get(11)?) },
        duration: Duration::from_nanos(unsigned(row, 12)?),
        leaf: Leaf::from_bytes(row.get(13)?),
        crc: row.get(14)?,
    })
}
