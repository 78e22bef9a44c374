//! The center's database: `SQLite` in one file, which several receivers on one machine may share.
//!
//! Belongs here: opening, the schema, and every SQL statement. Does not belong here: what arrives from the broker
//! (`receiver`) and how it is shown (`http`).

pub mod enrolment;
pub mod ingest;
pub mod queries;
pub mod requests;
pub mod rollouts;
pub mod spans;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::files;

/// The version of the schema below, kept in `SQLite`'s `user_version`.
const SCHEMA_VERSION: i64 = 5;
const SCHEMA: &str = include_str!("schema.sql");
/// What version 2 added.
const ENROLMENT: &str = include_str!("enrolment.sql");
/// What version 3 added.
const ROLLOUTS: &str = include_str!("rollouts.sql");
/// Why what was lost was lost; before, the disk was the only reason told.
const CAUSES: &str = "ALTER TABLE losses ADD COLUMN cause TEXT NOT NULL DEFAULT 'disk';";
/// What was found of the seal on an entry of an audit log; none where it has none.
const SEALS: &str = "ALTER TABLE records ADD COLUMN seal TEXT;";

/// What can go wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Somebody else holds the write lock; nothing was changed, and the same work may be tried again.
    #[error("the database is locked by another program")]
    Locked,
    /// The file was made by a newer version.
    #[error("{path} has schema version {found}, and this program knows {SCHEMA_VERSION}")]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// The version found in it.
        found: i64,
    },
    /// The file cannot be made, or not be kept from others.
    #[error("cannot keep {path} for its owner alone")]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// Anything else; the transaction did not happen.
    #[error("the database failed")]
    Failed(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Failed(error),
        }
    }
}

/// One connection. Readers and writers each have their own.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

impl Database {
    /// Opens the file for writing, and makes the schema in a new one. Its owner alone may read it: every plate that was
    /// read is in it, and who asked for what.
    ///
    /// `patience` is how long a write waits for another program's transaction.
    ///
    /// # Errors
    /// Refuses a file of a newer version, and returns what the database says.
    pub fn open(path: &Path, patience: Duration) -> Result<Self, DatabaseError> {
        keep_private(path)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(patience)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A unit forgets what was acknowledged, so a commit must survive a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut connection, path)?;
        Ok(Self { connection })
    }

    /// Opens a file that exists for reading alone.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn open_for_reading(path: &Path) -> Result<Self, DatabaseError> {
        let connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        Ok(Self { connection })
    }

    /// The connection, for reading.
    pub(crate) fn reader(&self) -> &Connection {
        &self.connection
    }

    /// Begins a transaction that holds the write lock from the start, so that what is read in it is what is written on.
    ///
    /// # Errors
    /// Returns [`DatabaseError::Locked`] when patience ran out.
    pub(crate) fn write(&mut self) -> Result<Transaction<'_>, DatabaseError> {
        Ok(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

/// `SQLite` makes what it writes beside the file as readable as the file is.
fn keep_private(path: &Path) -> Result<(), DatabaseError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        |source| DatabaseError::File { path, source }
    };
    files::claim(path).map_err(wrong(path))?;
    for beside in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        files::restrict(Path::new(&name)).map_err(wrong(Path::new(&name)))?;
    }
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), DatabaseError> {
    // Two receivers may start at once: the second waits here and then finds the schema made.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let steps = [SCHEMA, ENROLMENT, ROLLOUTS, CAUSES, SEALS];
    let Some(missing) = usize::try_from(found).ok().and_then(|found| steps.get(found..)) else {
        return Err(DatabaseError::TooNew { path: path.to_owned(), found });
    };
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(10);

    #[test]
    fn a_second_opening_finds_the_schema_and_a_newer_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("center.db");
        drop(Database::open(&path, PATIENCE).unwrap());
        let again = Database::open(&path, PATIENCE).unwrap();
        again.connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        drop(again);
        assert!(matches!(
            Database::open(&path, PATIENCE),
            Err(DatabaseError::TooNew { found, .. }) if found == SCHEMA_VERSION + 1
        ));
    }

    #[test]
    fn the_database_is_its_owners_alone_also_one_that_was_everybodys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("center.db");
        let modes = || {
            let names = ["center.db", "center.db-wal", "center.db-shm"];
            names.map(|name| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777)
        };
        let first = Database::open(&path, PATIENCE).unwrap();
        assert_eq!(modes(), [0o600; 3]);
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o644)).unwrap();
        }
        drop(Database::open(&path, PATIENCE).unwrap());
        assert_eq!(modes(), [0o600; 3]);
        drop(first);
    }

    #[test]
    fn a_file_of_the_first_version_gets_what_was_added_since() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("center.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(SCHEMA).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let new = Database::open(&path, PATIENCE).unwrap();
        let tables =
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('records', 'expected', 'decisions', 'rollouts')";
        assert_eq!(new.connection.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 4);
    }

    #[test]
    fn a_held_write_lock_is_said_and_not_waited_for_beyond_patience() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("center.db");
        let mut first = Database::open(&path, PATIENCE).unwrap();
        let mut second = Database::open(&path, PATIENCE).unwrap();
        let held = first.write().unwrap();
        assert!(matches!(second.write(), Err(DatabaseError::Locked)));
        drop(held);
        assert!(second.write().is_ok());
    }
}
