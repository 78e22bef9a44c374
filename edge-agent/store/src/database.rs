//! The one way in which the unit's databases are opened: durable commits, and a damaged file is set aside.
//!
//! Belongs here: pragmas, schema, setting aside. Does not belong here: what the tables mean.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::disk::{Disk, RealDisk};

/// A file up to this size is checked whole when it is opened; a larger one only where it is read, because starting
/// must not take longer the more is stored.
const CHECK_WHOLE_BYTES: u64 = 32 << 20;
/// Damaged files kept for whoever wants to look; more of them must not fill the disk.
const KEPT_ASIDE: u64 = 3;
/// How long one connection waits for another's commit.
const BUSY: Duration = Duration::from_secs(5);
/// `FULL` makes a commit durable before it returns; in WAL mode that is one fsync of the log.
const SYNCHRONOUS: &str = if cfg!(feature = "sabotage-fsync-off") { "OFF" } else { "FULL" };

/// Why a database could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file's contents are not what was written; it should be set aside.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The disk is full.
    #[error("no room on the disk for {path}")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The disk failed or the file cannot be used.
    #[error("cannot use {path}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: rusqlite::Error,
    },
    /// A file could not be moved, removed or looked at.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DatabaseError {
    /// Sorts a database's error by what can be done about it.
    pub(crate) fn new(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            // Every row is numbered here: where a number is taken already, the tables contradict each other.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
                Self::Damaged { path, reason: source.to_string() }
            }
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(_) => Self::Failed { path, source },
            // Not from the file system: a column of the wrong type or a missing row means that the contents are wrong.
            None => Self::Damaged { path, reason: source.to_string() },
        }
    }

    /// Whether somebody else has the file in use.
    fn is_busy(&self) -> bool {
        let Self::Failed { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// Whether the file should be set aside.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// A database ready for use.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    /// Whether the file was made just now.
    pub(crate) fresh: bool,
    /// Where a damaged file went.
    pub(crate) set_aside: Option<PathBuf>,
}

/// What the tables look like; a file of another version is treated as damaged, so that a downgrade starts afresh
/// instead of misreading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    pub(crate) version: i64,
    pub(crate) tables: &'static str,
}

/// Opens or makes a database; a damaged one is set aside and replaced by an empty one.
pub(crate) fn open(path: &Path, schema: Schema) -> Result<Opened, DatabaseError> {
    match try_open(path, schema) {
        Ok((connection, fresh)) => {
            // Whoever set a file aside may have ended before another one took its place.
            let set_aside = if fresh { last_set_aside(path)? } else { None };
            Ok(Opened { connection, fresh, set_aside })
        }
        Err(error) if error.is_damage() && !cfg!(feature = "sabotage-damage-kept") => {
            tracing::error!(%error, "database set aside");
            let set_aside = set_aside(path)?;
            let (connection, fresh) = try_open(path, schema)?;
            Ok(Opened { connection, fresh, set_aside: Some(set_aside) })
        }
        Err(error) => Err(error),
    }
}

/// Opens a second connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, DatabaseError> {
    let fail = |error| DatabaseError::new(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(BUSY).map_err(fail)?;
    Ok(connection)
}

/// Opens a second connection to a database that [`open`] has made.
pub(crate) fn open_second(path: &Path) -> Result<Connection, DatabaseError> {
    let fail = |error| DatabaseError::new(path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(BUSY).map_err(fail)?;
    set_pragmas(&connection).map_err(fail)?;
    Ok(connection)
}

/// Moves a database and what belongs to it, or any other damaged file, out of the way; gives the new name. The highest
/// number of a file set aside is how often that happened.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn set_aside(path: &Path) -> Result<PathBuf, DatabaseError> {
    let fail = |source| DatabaseError::File { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let number = times_set_aside(path)? + 1;
    let target = aside(path, number);
    for ending in ["-wal", "-shm", ""] {
        match RealDisk.rename(&with_suffix(path, ending), &with_suffix(&target, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            Ok(()) | Err(_) => {}
        }
    }
    if let Some(oldest) = number.checked_sub(KEPT_ASIDE) {
        let oldest = aside(path, oldest);
        for ending in ["-wal", "-shm", ""] {
            match RealDisk.remove(&with_suffix(&oldest, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
                Ok(()) | Err(_) => {}
            }
        }
    }
    RealDisk.sync_folder(folder).map_err(fail)?;
    Ok(target)
}

/// Where a file of this name went the last time, if it ever was set aside.
fn last_set_aside(path: &Path) -> Result<Option<PathBuf>, DatabaseError> {
    let times = times_set_aside(path)?;
    Ok((times > 0).then(|| aside(path, times)))
}

/// How often a file of this name was set aside.
fn times_set_aside(path: &Path) -> Result<u64, DatabaseError> {
    let fail = |source| DatabaseError::File { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    let prefix = path.file_name().and_then(|name| name.to_str()).map(|name| format!("{name}.damaged-"));
    let Some(prefix) = prefix else { return Err(fail(io::ErrorKind::InvalidInput.into())) };
    let entries = RealDisk.list(folder).map_err(fail)?.into_iter();
    let numbers = entries.filter_map(|entry| entry.name.strip_prefix(&prefix)?.parse().ok());
    Ok(numbers.max().unwrap_or(0))
}

fn aside(path: &Path, number: u64) -> PathBuf {
    with_suffix(path, &format!(".damaged-{number}"))
}

/// How many damaged files lie set aside in a folder: of each name the newest few are kept.
///
/// # Errors
/// When the folder cannot be read.
pub fn set_aside_in(folder: &Path) -> io::Result<u64> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.rsplit_once(".damaged-")).map(|(_, number)| number);
        count += u64::from(number.is_some_and(|number| number.parse::<u64>().is_ok()));
    }
    Ok(count)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens or makes the file. One that a disk does not let become whole is removed again: the next try would take it for
/// a damaged one, and set it aside in the place of a file that holds something.
fn try_open(path: &Path, schema: Schema) -> Result<(Connection, bool), DatabaseError> {
    let is_new = path.try_exists().is_ok_and(|there| !there);
    let opened = open_or_make(path, schema);
    // One that is busy is somebody else's, who is making it.
    if is_new && opened.as_ref().is_err_and(|error| !error.is_busy()) {
        for ending in ["-journal", "-wal", "-shm", ""] {
            drop(RealDisk.remove(&with_suffix(path, ending)));
        }
    }
    opened
}

fn open_or_make(path: &Path, schema: Schema) -> Result<(Connection, bool), DatabaseError> {
    let fail = |error| DatabaseError::new(path, error);
    let bytes = path.metadata().ok().map(|facts| facts.len());
    if bytes == Some(0) {
        return Err(DatabaseError::Damaged { path: path.to_owned(), reason: "it is empty".to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(BUSY).map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(64);
    set_pragmas(&connection).map_err(fail)?;
    if bytes.is_some_and(|bytes| bytes <= CHECK_WHOLE_BYTES) {
        check(&connection, path)?;
    }
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    if version == schema.version {
        return Ok((connection, false));
    }
    if version != 0 {
        return Err(DatabaseError::Damaged {
            path: path.to_owned(),
            reason: format!("its format is version {version}"),
        });
    }
    make_tables(&connection, schema).map_err(fail)?;
    // The file's own name must survive as its contents do.
    let folder = path.parent().unwrap_or(Path::new("."));
    RealDisk.sync_folder(folder).map_err(|source| DatabaseError::File { path: folder.to_owned(), source })?;
    Ok((connection, true))
}

fn set_pragmas(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", SYNCHRONOUS)?;
    // What is deleted is overwritten: plates must not be found in free pages.
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
    connection.pragma_update(None, "cache_size", -4096)
}

fn check(connection: &Connection, path: &Path) -> Result<(), DatabaseError> {
    let found: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(|error| DatabaseError::new(path, error))?;
    if found == "ok" { Ok(()) } else { Err(DatabaseError::Damaged { path: path.to_owned(), reason: found }) }
}

fn make_tables(connection: &Connection, schema: Schema) -> Result<(), rusqlite::Error> {
    let making = connection.unchecked_transaction()?;
    making.execute_batch(schema.tables)?;
    making.pragma_update(None, "user_version", schema.version)?;
    making.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = Schema { version: 3, tables: "CREATE TABLE t(a INTEGER) STRICT;" };

    fn count(opened: &Opened) -> i64 {
        opened.connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_file_of_noise_is_set_aside_and_an_empty_database_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        for number in 1..=5 {
            RealDisk.create(&path).unwrap().write_all_at(&[0xA5; 9000], 0).unwrap();
            let opened = open(&path, SCHEMA).unwrap();
            assert!(opened.fresh);
            assert_eq!(opened.set_aside, Some(folder.path().join(format!("x.sqlite.damaged-{number}"))));
            assert_eq!(count(&opened), 0);
            drop(opened);
            RealDisk.remove(&path).unwrap();
        }
        RealDisk.create(&folder.path().join("x.sqlite.damaged-5-wal")).unwrap();
        assert_eq!(set_aside_in(folder.path()).unwrap(), 3, "{:?}", RealDisk.list(folder.path()));
    }

    #[test]
    fn a_file_cut_to_nothing_is_set_aside_and_not_taken_for_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        drop(open(&path, SCHEMA).unwrap());
        RealDisk.open(&path).unwrap().truncate(0).unwrap();
        assert!(open(&path, SCHEMA).unwrap().set_aside.is_some());
    }

    #[test]
    fn a_file_that_was_set_aside_before_the_power_failed_is_told_once_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        drop(open(&path, SCHEMA).unwrap());
        let target = set_aside(&path).unwrap();
        let opened = open(&path, SCHEMA).unwrap();
        assert_eq!((opened.fresh, opened.set_aside), (true, Some(target)));
        assert_eq!(open(&path, SCHEMA).unwrap().set_aside, None, "once");
    }

    #[test]
    fn a_file_that_the_disk_does_not_let_be_made_leaves_nothing_behind_that_looks_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        // In the place of the journal that making a database begins with.
        let refusing = folder.path().join("x.sqlite-journal");
        RealDisk.make_folder(&refusing).unwrap();
        for _ in 0..3 {
            assert!(!open(&path, SCHEMA).unwrap_err().is_damage());
        }
        assert_eq!(set_aside_in(folder.path()).unwrap(), 0);
        std::fs::remove_dir(&refusing).unwrap();
        let opened = open(&path, SCHEMA).unwrap();
        assert_eq!((opened.fresh, opened.set_aside), (true, None));
    }

    #[test]
    fn a_file_of_another_version_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        drop(open(&path, Schema { version: 4, ..SCHEMA }).unwrap());
        assert!(open(&path, SCHEMA).unwrap().set_aside.is_some());
        assert!(open(&path, SCHEMA).unwrap().set_aside.is_none(), "the replacement is good");
    }

    #[test]
    #[cfg(not(feature = "sabotage-fsync-off"))]
    fn commits_are_synced() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&folder.path().join("x.sqlite"), SCHEMA).unwrap();
        let level: i64 = opened.connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!(level, 2, "FULL");
        let mode: String = opened.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
