//! Where each lane stands, and the statements for its table.

use edge_protocol::id::Sequence;
use edge_protocol::lane::{Lane, PerLane};
use rusqlite::{Connection, Row, params};

/// What waits in a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Records not settled.
    pub records: u64,
    /// What they take on the disk.
    pub bytes: u64,
    /// Sequence of the newest record; zero where there was none.
    pub last: Sequence,
    /// Up to here everything is settled.
    pub settled: Sequence,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) last: Sequence,
    pub(super) settled: Sequence,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Cursor {
    pub(super) fn backlog(self) -> Backlog {
        Backlog { records: self.records, bytes: self.bytes, last: self.last, settled: self.settled }
    }

    pub(super) fn count_out(&mut self, records: u64, bytes: u64) {
        self.records = self.records.saturating_sub(records);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn store(self, connection: &Connection, lane: Lane) -> Result<usize, rusqlite::Error> {
        let sql = "INSERT OR REPLACE INTO cursor(lane, last, settled, records, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
        connection.prepare_cached(sql)?.execute(params![
            number(lane),
            self.last.get().cast_signed(),
            self.settled.get().cast_signed(),
            self.records.cast_signed(),
            self.bytes.cast_signed(),
        ])
    }

    fn read(row: &Row<'_>) -> Result<(i64, Self), rusqlite::Error> {
        let unsigned = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let (last, settled) = (Sequence::new(unsigned(1)?), Sequence::new(unsigned(2)?));
        Ok((row.get(0)?, Self { last, settled, records: unsigned(3)?, bytes: unsigned(4)? }))
    }
}

/// All lanes' cursors.
pub(super) type Cursors = PerLane<Cursor>;

/// The cursors as they are on the disk.
pub(super) fn load(connection: &Connection) -> Result<Cursors, rusqlite::Error> {
    let mut cursors = Cursors::default();
    let mut rows = connection.prepare_cached("SELECT lane, last, settled, records, bytes FROM cursor")?;
    for row in rows.query_map([], Cursor::read)? {
        let (number, cursor) = row?;
        if let Some(lane) = lane_of(number) {
            cursors[lane] = cursor;
        }
    }
    Ok(cursors)
}

/// What all lanes' records take on the disk.
pub(super) fn bytes(cursors: &Cursors) -> u64 {
    cursors.iter().map(|(_, cursor)| cursor.bytes).sum()
}

/// A lane's number in the tables.
pub(super) fn number(lane: Lane) -> i64 {
    i64::try_from(lane.index()).unwrap_or(i64::MAX)
}

/// The lane of a number in the tables.
pub(super) fn lane_of(number: i64) -> Option<Lane> {
    Lane::from_index(usize::try_from(number).ok()?)
}

/// Statements that name a lane's table, as texts that the statement cache can keep.
macro_rules! per_lane {
    ($($name:ident = $before:literal, $after:literal;)*) => {
        $(
            pub(super) fn $name(lane: Lane) -> &'static str {
                match lane {
                    Lane::Hit => concat!($before, "lane_hit", $after),
                    Lane::Answer => concat!($before, "lane_answer", $after),
                    Lane::Alert => concat!($before, "lane_alert", $after),
                    Lane::Health => concat!($before, "lane_health", $after),
                    Lane::Audit => concat!($before, "lane_audit", $after),
                    Lane::Read => concat!($before, "lane_read", $after),
                    Lane::Object => concat!($before, "lane_object", $after),
                    Lane::Thumb => concat!($before, "lane_thumb", $after),
                    Lane::Clip => concat!($before, "lane_clip", $after),
                }
            }
        )*
    };
}

per_lane! {
    insert = "INSERT INTO ", "(sequence, crc, payload) VALUES (?1, ?2, ?3)";
    measure = "SELECT count(*), coalesce(sum(length(payload)), 0) FROM ", " WHERE sequence <= ?1";
    remove = "DELETE FROM ", " WHERE sequence <= ?1";
    remove_one = "DELETE FROM ", " WHERE sequence = ?1 RETURNING length(payload)";
    oldest = "SELECT sequence FROM ", " ORDER BY sequence LIMIT 1";
    unsettled = "SELECT sequence, crc, payload FROM ", " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
}
