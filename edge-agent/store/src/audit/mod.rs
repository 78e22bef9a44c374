//! Who asked what, and what was done: append-only, each entry chained to the one before.
//!
//! Belongs here: the chain, durability, and that no command is let through twice. Does not belong here: what an entry
//! says, who may do what.
//!
//! - [`Audit::intend`] is on the disk before it returns, and only then may the act begin. A power cut between the two
//!   leaves an intent without outcome ([`Audit::unfinished`]), never an act without trace, and never a second act.
//! - Entries are chained by their hashes ([`edge_protocol::audit::link`]). To change, drop or reorder an entry breaks
//!   the chain at the next one ([`Audit::verify`]).
//! - Where the log cannot be written the error says so and the act must not happen.

use std::path::{Path, PathBuf};

use edge_protocol::audit::{BEFORE_THE_FIRST, EntryKind as Kind, link};
use edge_protocol::hash::Hash256;
use edge_protocol::id::CommandId;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use crate::database::{self, DatabaseError, Schema};

const SCHEMA: Schema = Schema { version: 1, tables: include_str!("schema.sql") };

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1 without holes.
    pub number: u64,
    /// What it is.
    pub kind: Kind,
    /// The command that it is about.
    pub command: Option<CommandId>,
    /// What it says.
    pub body: Vec<u8>,
    /// The chain's hash up to here.
    pub hash: Hash256,
}

/// What became of asking to let a command through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intended {
    /// It is on the disk; the act may begin.
    Recorded(Entry),
    /// The command was let through before; nothing may be done.
    Replayed,
}

/// How the log was found.
#[derive(Debug)]
pub struct OpenedAudit {
    /// The log.
    pub audit: Audit,
    /// Whether the file was made just now, and the chain begins anew.
    pub fresh: bool,
    /// Where a damaged file went.
    pub set_aside: Option<PathBuf>,
}

/// The log; one owner.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    connection: Connection,
}

impl Audit {
    /// Opens or makes the file; a damaged one is set aside.
    ///
    /// # Errors
    /// When the disk cannot be used.
    pub fn open(path: &Path) -> Result<OpenedAudit, DatabaseError> {
        let opened = database::open(path, SCHEMA)?;
        let audit = Self { path: path.to_owned(), connection: opened.connection };
        Ok(OpenedAudit { audit, fresh: opened.fresh, set_aside: opened.set_aside })
    }

    /// Writes down what is about to be done for a command, unless the command was let through before.
    ///
    /// # Errors
    /// When it cannot be made durable; the act must then not happen.
    pub fn intend(&mut self, command: CommandId, body: &[u8]) -> Result<Intended, DatabaseError> {
        let Self { path, connection } = self;
        let intended = (|| {
            let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let known = "SELECT 1 FROM executed WHERE command = ?1";
            let known = writing.prepare_cached(known)?.exists([command.as_bytes()])?;
            if known && !cfg!(feature = "sabotage-replay-cache-off") {
                return Ok(Intended::Replayed);
            }
            let entry = append(&writing, Kind::Intent, Some(command), body)?;
            let row = params![command.as_bytes(), entry.number.cast_signed()];
            writing.prepare_cached("INSERT OR REPLACE INTO executed(command, entry) VALUES (?1, ?2)")?.execute(row)?;
            writing.commit()?;
            Ok(Intended::Recorded(entry))
        })();
        intended.map_err(|error| DatabaseError::new(path, error))
    }

    /// Writes down what became of a command.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn conclude(&mut self, command: CommandId, body: &[u8]) -> Result<Entry, DatabaseError> {
        self.write(Kind::Outcome, Some(command), body)
    }

    /// Writes down something that happened without a command being let through: a refusal, a purge, a start.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn note(&mut self, command: Option<CommandId>, body: &[u8]) -> Result<Entry, DatabaseError> {
        self.write(Kind::Note, command, body)
    }

    /// Whether the disk takes entries: commits a page that says what it said before, and no entry.
    ///
    /// # Errors
    /// When it does not.
    pub fn prove_writable(&mut self) -> Result<(), DatabaseError> {
        let Self { path, connection } = self;
        let proved = (|| {
            let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let version: i64 = writing.pragma_query_value(None, "user_version", |row| row.get(0))?;
            writing.pragma_update(None, "user_version", version)?;
            writing.commit()
        })();
        proved.map_err(|error| DatabaseError::new(path, error))
    }

    fn write(&mut self, kind: Kind, command: Option<CommandId>, body: &[u8]) -> Result<Entry, DatabaseError> {
        let Self { path, connection } = self;
        let written = (|| {
            let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let entry = append(&writing, kind, command, body)?;
            writing.commit()?;
            Ok(entry)
        })();
        written.map_err(|error| DatabaseError::new(path, error))
    }

    /// Number and hash of the newest entry; zeros where there is none. What the next entry's body may refer to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn head(&self) -> Result<(u64, Hash256), DatabaseError> {
        head(&self.connection).map_err(|error| DatabaseError::new(&self.path, error))
    }

    /// Entries after a number, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn entries(&self, after: u64, most: u32) -> Result<Vec<Entry>, DatabaseError> {
        let sql = "SELECT number, kind, command, body, hash FROM entry WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.read(sql, &[&after.cast_signed(), &most])
    }

    /// Intents without an outcome: what a power cut interrupted. Oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unfinished(&self) -> Result<Vec<Entry>, DatabaseError> {
        let sql = "SELECT number, kind, command, body, hash FROM entry AS intent WHERE kind = 1 AND NOT EXISTS \
                   (SELECT 1 FROM entry WHERE command = intent.command AND kind = 2) ORDER BY number";
        self.read(sql, &[])
    }

    fn read(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<Entry>, DatabaseError> {
        let read = || -> Result<Vec<Entry>, rusqlite::Error> {
            self.connection.prepare_cached(sql)?.query_map(values, entry_of)?.collect()
        };
        read().map_err(|error| DatabaseError::new(&self.path, error))
    }

    /// Walks the whole chain; the number of the first entry that does not fit, if any.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn verify(&self) -> Result<Option<u64>, DatabaseError> {
        let mut before = (0, BEFORE_THE_FIRST);
        loop {
            let entries = self.entries(before.0, 1_000)?;
            for entry in &entries {
                let hash = link(before.1, entry.number, entry.kind, entry.command, &entry.body);
                if entry.number != before.0 + 1 || hash != entry.hash {
                    return Ok(Some(before.0 + 1));
                }
                before = (entry.number, entry.hash);
            }
            if entries.is_empty() {
                return Ok(None);
            }
        }
    }
}

fn head(connection: &Connection) -> Result<(u64, Hash256), rusqlite::Error> {
    let newest = "SELECT number, hash FROM entry ORDER BY number DESC LIMIT 1";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), Hash256::from_bytes(row.get(1)?)));
    Ok(connection.prepare_cached(newest)?.query_row([], read).optional()?.unwrap_or((0, BEFORE_THE_FIRST)))
}

fn append(
    connection: &Connection,
    kind: Kind,
    command: Option<CommandId>,
    body: &[u8],
) -> Result<Entry, rusqlite::Error> {
    let (last, before) = head(connection)?;
    let number = last + 1;
    let hash = link(before, number, kind, command, body);
    let insert = "INSERT INTO entry(number, kind, command, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
    let id = command.as_ref().map(CommandId::as_bytes);
    let row = params![number.cast_signed(), kind.number(), id, body, hash.as_bytes()];
    connection.prepare_cached(insert)?.execute(row)?;
    Ok(Entry { number, kind, command, body: body.to_vec(), hash })
}

fn entry_of(row: &Row<'_>) -> Result<Entry, rusqlite::Error> {
    let kind = Kind::of(row.get(1)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, 0))?;
    let command = row.get::<_, Option<[u8; 16]>>(2)?.map(CommandId::from_bytes);
    let (number, body) = (row.get::<_, i64>(0)?.cast_unsigned(), row.get(3)?);
    Ok(Entry { number, kind, command, body, hash: Hash256::from_bytes(row.get(4)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: CommandId = CommandId::from_bytes([7; 16]);

    fn open(folder: &tempfile::TempDir) -> OpenedAudit {
        Audit::open(&folder.path().join("audit.sqlite")).unwrap()
    }

    /// Asks twice for one command, the second time after a kill; how often the act may begin.
    fn times_let_through() -> usize {
        let folder = tempfile::tempdir().unwrap();
        let ask = || open(&folder).audit.intend(COMMAND, b"clip").unwrap();
        [ask(), ask()].iter().filter(|intended| matches!(intended, Intended::Recorded(_))).count()
    }

    #[test]
    #[cfg(not(feature = "sabotage-replay-cache-off"))]
    fn a_command_is_let_through_once_even_across_a_kill() {
        assert_eq!(times_let_through(), 1);
    }

    #[test]
    #[cfg(feature = "sabotage-replay-cache-off")]
    fn the_test_sees_that_a_command_is_let_through_twice() {
        assert_eq!(times_let_through(), 2);
    }

    #[test]
    fn an_intent_without_outcome_is_found_after_a_cut() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).audit.intend(COMMAND, b"clip").unwrap();
        let mut audit = open(&folder).audit;
        let unfinished = audit.unfinished().unwrap();
        assert_eq!(unfinished.len(), 1);
        assert_eq!(audit.head().unwrap(), (1, unfinished[0].hash));
        audit.conclude(COMMAND, b"interrupted").unwrap();
        assert!(audit.unfinished().unwrap().is_empty());
        assert_eq!(audit.verify().unwrap(), None);
    }

    #[test]
    fn proving_that_it_can_be_written_adds_nothing_and_finds_out_when_it_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let mut audit = open(&folder).audit;
        audit.note(None, b"start").unwrap();
        let head = audit.head().unwrap();
        audit.prove_writable().unwrap();
        assert_eq!(audit.head().unwrap(), head);
        audit.connection.pragma_update(None, "query_only", true).unwrap();
        assert!(audit.prove_writable().is_err());
    }

    #[test]
    fn entries_cannot_be_changed_or_removed_by_statements() {
        let folder = tempfile::tempdir().unwrap();
        let mut audit = open(&folder).audit;
        audit.note(None, b"start").unwrap();
        for sql in ["DELETE FROM entry", "UPDATE entry SET body = x'00'"] {
            assert!(audit.connection.execute(sql, []).is_err(), "{sql}");
        }
    }

    #[test]
    fn whoever_works_around_that_breaks_the_chain_at_that_entry() {
        for sql in [
            "UPDATE entry SET body = x'00' WHERE number = 3",
            "UPDATE entry SET command = x'01010101010101010101010101010101' WHERE number = 3",
            "UPDATE entry SET kind = 2 WHERE number = 3",
            "DELETE FROM entry WHERE number = 3",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let mut audit = open(&folder).audit;
            for at in 0..5 {
                audit.note(None, &[at]).unwrap();
            }
            assert_eq!(audit.verify().unwrap(), None);
            audit.connection.execute_batch("DROP TRIGGER entries_stay; DROP TRIGGER entries_are_as_written").unwrap();
            audit.connection.execute(sql, []).unwrap();
            assert_eq!(audit.verify().unwrap(), Some(3), "{sql}");
        }
    }
}
