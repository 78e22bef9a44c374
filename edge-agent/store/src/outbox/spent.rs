//! How many bytes the day has cost, so that a restart does not give the day's budget out twice.

use rusqlite::OptionalExtension as _;

use super::{Outbox, OutboxError, OutboxReader};
use crate::database::DatabaseError;

/// Bytes that went out on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Days since 1970.
    pub day: i64,
    /// Bytes.
    pub bytes: u64,
}

impl Outbox {
    /// Keeps what the day has cost, as part of the open group.
    ///
    /// # Errors
    /// As [`Outbox::append`].
    pub fn note_spent(&mut self, spent: Spent) -> Result<(), OutboxError> {
        let noted = self.try_note_spent(spent);
        self.undo_on_error(noted)
    }

    fn try_note_spent(&mut self, spent: Spent) -> Result<(), DatabaseError> {
        self.begin_group()?;
        let row = [spent.day, spent.bytes.cast_signed()];
        // The table has one row: its number is given.
        let keep = "INSERT OR REPLACE INTO spent(rowid, day, bytes) VALUES (1, ?1, ?2)";
        self.run(|connection| connection.prepare_cached(keep)?.execute(row))?;
        Ok(())
    }
}

impl OutboxReader {
    /// What the latest day has cost, as it was noted last; nothing where that never happened.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn spent(&self) -> Result<Spent, OutboxError> {
        let read =
            |row: &rusqlite::Row<'_>| Ok(Spent { day: row.get(0)?, bytes: row.get::<_, i64>(1)?.cast_unsigned() });
        let noted = self.connection.query_row("SELECT day, bytes FROM spent", [], read).optional();
        Ok(noted.map_err(|error| DatabaseError::new(&self.path, error))?.unwrap_or_default())
    }
}
