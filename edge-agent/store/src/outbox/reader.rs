//! The reading end: what is committed and not settled.

use std::path::{Path, PathBuf};

use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::Lane;
use rusqlite::{Connection, params};

use super::lanes::{self, Backlog};
use super::{OutboxError, checksum};
use crate::database::{self, DatabaseError};

/// A committed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the lane.
    pub sequence: Sequence,
    /// As it was appended.
    pub payload: Vec<u8>,
}

/// What was read of a lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Records in their order.
    pub records: Vec<Stored>,
    /// Records whose bytes are not those that were appended; the writing end should give them up.
    pub rotten: Vec<Sequence>,
}

/// How much to read at once: the first bound that is reached ends it, but one record is always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Records.
    pub records: u32,
    /// Bytes of payload.
    pub bytes: usize,
}

/// A reading end; there may be several, on any thread.
#[derive(Debug)]
pub struct OutboxReader {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    epoch: Epoch,
}

impl OutboxReader {
    /// Opens a file that an [`super::Outbox`] has open. After [`super::Outbox::set_aside`] open it again.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, OutboxError> {
        let connection = database::open_reader(path)?;
        let epoch = connection.query_row("SELECT max(epoch) FROM life", [], |row| row.get::<_, i64>(0));
        let epoch = epoch.map_err(|error| DatabaseError::new(path, error))?;
        Ok(Self { path: path.to_owned(), connection, epoch: Epoch::new(epoch.cast_unsigned()) })
    }

    /// Names the file's life.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A lane's records after `after`, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unsettled(&self, lane: Lane, after: Sequence, limit: Limit) -> Result<Unsettled, OutboxError> {
        let read = self.try_unsettled(lane, after, limit);
        Ok(read.map_err(|error| DatabaseError::new(&self.path, error))?)
    }

    /// What waits in a lane.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn backlog(&self, lane: Lane) -> Result<Backlog, OutboxError> {
        let cursors = lanes::load(&self.connection).map_err(|error| DatabaseError::new(&self.path, error))?;
        Ok(cursors[lane].backlog())
    }

    fn try_unsettled(&self, lane: Lane, after: Sequence, limit: Limit) -> Result<Unsettled, rusqlite::Error> {
        let mut statement = self.connection.prepare_cached(lanes::unsettled(lane))?;
        let mut rows = statement.query(params![after.get().cast_signed(), limit.records])?;
        let (mut found, mut bytes) = (Unsettled::default(), 0);
        while let Some(row) = rows.next()? {
            let sequence = Sequence::new(row.get::<_, i64>(0)?.cast_unsigned());
            let (crc, payload): (i64, Vec<u8>) = (row.get(1)?, row.get(2)?);
            bytes += payload.len();
            if bytes > limit.bytes && !found.records.is_empty() {
                break;
            }
            if crc == i64::from(checksum(lane, sequence, &payload)) {
                found.records.push(Stored { sequence, payload });
            } else {
                found.rotten.push(sequence);
            }
        }
        Ok(found)
    }
}
