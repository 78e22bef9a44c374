//! Records until the center has settled them.
//!
//! Belongs here: numbering, durability, settling, what gives way when the disk's share is full. Does not belong here:
//! what is in a record, and how it travels.
//!
//! - A record is named by the file's random [`Epoch`], its lane and a sequence without holes. A new file is a new
//!   epoch, so a lost counter can never make the center take fresh records for duplicates.
//! - [`Outbox::append`] puts records into the open group, [`Outbox::commit`] makes the group durable: one fsync for all
//!   of it. Nobody else sees a record before ([`OutboxReader`] is a connection of its own), so nothing is sent that a
//!   power cut could still take back.
//! - Only [`Outbox::settle`] forgets. What is dropped because the share is full, or was found rotten, is remembered as
//!   a [`Loss`] until the record that states it is settled itself.
//!
//! One table a lane, its sequence as the row number: appending writes the right edge of the tree, settling removes the
//! left edge.

mod budget;
mod lanes;
mod loss;
mod reader;
mod spent;

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::Lane;
use rusqlite::{Connection, params};

pub use budget::Budget;
pub use lanes::Backlog;
pub use loss::{Loss, Statement};
pub use reader::{Limit, OutboxReader, Stored, Unsettled};
pub use spent::Spent;

use crate::database::{self, DatabaseError, Schema};
use lanes::Cursors;

/// What a record costs besides its payload: row header, sequence, checksum, its share of the page.
const RECORD_OVERHEAD_BYTES: u64 = 24;

const SCHEMA: Schema = Schema { version: 2, tables: include_str!("schema.sql") };

/// Why the outbox could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database could not.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The system gave no random bytes for the epoch.
    #[error("no random bytes for the outbox's epoch")]
    Random,
}

impl OutboxError {
    /// Whether [`Outbox::set_aside`] is the way on.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Database(error) => error.is_damage(),
            Self::Random => false,
        }
    }
}

/// What an acknowledgement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// So many records were forgotten.
    Forgot(u64),
    /// Everything up to there was settled before.
    Already,
    /// It names another file's records; nothing was done.
    OtherEpoch,
    /// It names records that were never committed; nothing was done, and somebody should be told.
    Beyond,
}

/// The writing end; one per file.
#[derive(Debug)]
pub struct Outbox {
    path: PathBuf,
    connection: Connection,
    epoch: Epoch,
    budget: Budget,
    /// As in the open group.
    cursors: Cursors,
    /// As on the disk.
    committed: Cursors,
    group_open: bool,
}

/// How the outbox was found.
#[derive(Debug)]
pub struct OpenedOutbox {
    /// The outbox.
    pub outbox: Outbox,
    /// Whether the file was made just now, which is a new epoch.
    pub fresh: bool,
    /// Where a damaged file went: what it held is a gap that must be told.
    pub set_aside: Option<PathBuf>,
}

impl Outbox {
    /// Opens or makes the file; a damaged one is set aside.
    ///
    /// # Errors
    /// When the disk cannot be used.
    pub fn open(path: &Path, budget: Budget) -> Result<OpenedOutbox, OutboxError> {
        let opened = database::open(path, SCHEMA)?;
        Self::with_connection(path, budget, opened)
    }

    /// Sets a file aside that showed damage in use; where it went. [`Outbox::open`] then begins an empty one.
    ///
    /// # Errors
    /// When the disk cannot be used.
    pub fn set_aside(path: &Path) -> Result<PathBuf, OutboxError> {
        Ok(database::set_aside(path)?)
    }

    fn with_connection(path: &Path, budget: Budget, opened: database::Opened) -> Result<OpenedOutbox, OutboxError> {
        let fail = |error| DatabaseError::new(path, error);
        let database::Opened { connection, fresh, set_aside } = opened;
        let stored = connection.query_row("SELECT max(epoch) FROM life", [], |row| row.get::<_, Option<i64>>(0));
        let epoch = match stored.map_err(fail)? {
            Some(stored) => Epoch::new(stored.cast_unsigned()),
            None => draw_epoch(&connection, path)?,
        };
        let cursors = lanes::load(&connection).map_err(fail)?;
        let outbox =
            Self { path: path.to_owned(), connection, epoch, budget, committed: cursors, cursors, group_open: false };
        Ok(OpenedOutbox { outbox, fresh, set_aside })
    }

    /// Names this file's life.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Puts a record into the open group and numbers it. Dropping what no longer fits belongs to the same group.
    ///
    /// # Errors
    /// When the database cannot take it; the group is then undone as by a failed [`Outbox::commit`].
    pub fn append(&mut self, lane: Lane, payload: &[u8]) -> Result<Sequence, OutboxError> {
        let appended = self.try_append(lane, payload);
        self.undo_on_error(appended)
    }

    /// Makes the open group durable.
    ///
    /// # Errors
    /// When the disk cannot take it. The whole group is then undone and its sequences will be given again: append its
    /// records anew.
    pub fn commit(&mut self) -> Result<(), OutboxError> {
        if cfg!(feature = "sabotage-ack-before-commit") {
            return Ok(());
        }
        let ended = self.end_group();
        self.undo_on_error(ended)
    }

    /// Forgets a lane's records up to `sequence`, as part of the open group: to lose an acknowledgement in a power cut
    /// costs a repetition and no record.
    ///
    /// # Errors
    /// As [`Outbox::append`].
    pub fn settle(&mut self, epoch: Epoch, lane: Lane, sequence: Sequence) -> Result<Settled, OutboxError> {
        if epoch != self.epoch {
            return Ok(Settled::OtherEpoch);
        }
        if sequence > self.committed[lane].last {
            return Ok(Settled::Beyond);
        }
        if sequence <= self.cursors[lane].settled {
            return Ok(Settled::Already);
        }
        let forgotten = self.try_settle(lane, sequence);
        self.undo_on_error(forgotten).map(Settled::Forgot)
    }

    /// What waits in a lane, the open group included.
    pub fn backlog(&self, lane: Lane) -> Backlog {
        self.cursors[lane].backlog()
    }

    /// The last sequence of a lane that is on the disk.
    pub fn last_committed(&self, lane: Lane) -> Sequence {
        let told = if cfg!(feature = "sabotage-ack-before-commit") { &self.cursors } else { &self.committed };
        told[lane].last
    }

    fn try_append(&mut self, lane: Lane, payload: &[u8]) -> Result<Sequence, DatabaseError> {
        self.begin_group()?;
        let sequence = self.cursors[lane].last.next();
        let row = params![sequence.get().cast_signed(), checksum(lane, sequence, payload), payload];
        self.run(|connection| connection.prepare_cached(lanes::insert(lane))?.execute(row))?;
        let cursor = &mut self.cursors[lane];
        cursor.last = sequence;
        cursor.records += 1;
        cursor.bytes += payload.len() as u64 + RECORD_OVERHEAD_BYTES;
        self.keep_within_budget(lane)?;
        Ok(sequence)
    }

    fn try_settle(&mut self, lane: Lane, sequence: Sequence) -> Result<u64, DatabaseError> {
        self.begin_group()?;
        let up_to = sequence.get().cast_signed();
        let measured = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (records, bytes) =
            self.run(|connection| connection.prepare_cached(lanes::measure(lane))?.query_row([up_to], measured))?;
        self.run(|connection| connection.prepare_cached(lanes::remove(lane))?.execute([up_to]))?;
        let records = u64::try_from(records).unwrap_or(0);
        let bytes = u64::try_from(bytes).unwrap_or(0) + records * RECORD_OVERHEAD_BYTES;
        let cursor = &mut self.cursors[lane];
        cursor.count_out(records, bytes);
        cursor.settled = sequence;
        if lane == Lane::Alert {
            self.forget_settled_losses(sequence)?;
        }
        Ok(records)
    }

    fn begin_group(&mut self) -> Result<(), DatabaseError> {
        if cfg!(feature = "sabotage-ack-before-commit") {
            self.end_group()?;
        }
        if !self.group_open {
            self.run(|connection| connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]))?;
            self.group_open = true;
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), DatabaseError> {
        if !self.group_open {
            return Ok(());
        }
        for lane in Lane::ALL {
            let cursor = self.cursors[lane];
            if cursor != self.committed[lane] {
                self.run(|connection| cursor.store(connection, lane))?;
            }
        }
        self.run(|connection| connection.prepare_cached("COMMIT")?.execute([]))?;
        self.group_open = false;
        self.committed = self.cursors;
        Ok(())
    }

    fn undo_on_error<T>(&mut self, result: Result<T, DatabaseError>) -> Result<T, OutboxError> {
        if result.is_err() && self.group_open {
            // The failed statement may have ended the transaction already; then there is nothing to roll back.
            if let Err(error) = self.connection.execute_batch("ROLLBACK") {
                tracing::debug!(%error, "nothing to roll back");
            }
            self.group_open = false;
            self.cursors = self.committed;
        }
        result.map_err(OutboxError::Database)
    }

    fn run<T>(&self, action: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>) -> Result<T, DatabaseError> {
        action(&self.connection).map_err(|error| DatabaseError::new(&self.path, error))
    }
}

/// Guards a record's name and payload: the database checks its structure, not what is in a row.
fn checksum(lane: Lane, sequence: Sequence, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(lane.as_str().as_bytes());
    crc.update(&sequence.get().to_le_bytes());
    crc.update(payload);
    crc.finalize()
}

fn draw_epoch(connection: &Connection, path: &Path) -> Result<Epoch, OutboxError> {
    let mut random = [0; 8];
    SystemRandom::new().fill(&mut random).map_err(|_| OutboxError::Random)?;
    let epoch = u64::from_le_bytes(random);
    connection
        .execute("INSERT INTO life(epoch) VALUES (?1)", [epoch.cast_signed()])
        .map_err(|error| DatabaseError::new(path, error))?;
    Ok(Epoch::new(epoch))
}

#[cfg(test)]
mod model;
#[cfg(test)]
#[cfg(not(feature = "sabotage-ack-before-commit"))]
mod tests;
