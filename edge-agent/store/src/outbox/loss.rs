//! What was dropped, until the center knows.

use edge_protocol::id::Sequence;
use edge_protocol::lane::Lane;

use super::lanes::{lane_of, number};
use super::{Outbox, OutboxError};
use crate::database::DatabaseError;

/// A range of a lane's records that will never come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The lane.
    pub lane: Lane,
    /// The first record lost.
    pub first: Sequence,
    /// The last record lost.
    pub last: Sequence,
}

impl Loss {
    /// How many records it is.
    pub fn count(&self) -> u64 {
        (self.last.get() + 1).saturating_sub(self.first.get())
    }
}

impl Outbox {
    /// Losses that no record states yet, the open group's included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn losses(&self) -> Result<Vec<Loss>, OutboxError> {
        let sql = "SELECT lane, first, last FROM lost WHERE reported IS NULL ORDER BY lane, first";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        let rows: Vec<(i64, i64, i64)> =
            self.run(|connection| connection.prepare_cached(sql)?.query_map([], read)?.collect())?;
        let sequence = |stored: i64| Sequence::new(stored.cast_unsigned());
        let loss =
            |(lane, first, last)| Some(Loss { lane: lane_of(lane)?, first: sequence(first), last: sequence(last) });
        Ok(rows.into_iter().filter_map(loss).collect())
    }

    /// Appends the record that states all of [`Outbox::losses`]; should it be dropped itself, they are to be stated
    /// again.
    ///
    /// # Errors
    /// As [`Outbox::append`].
    pub fn append_loss(&mut self, payload: &[u8]) -> Result<Sequence, OutboxError> {
        let appended = self.try_append_loss(payload);
        self.undo_on_error(appended)
    }

    fn try_append_loss(&mut self, payload: &[u8]) -> Result<Sequence, DatabaseError> {
        self.begin_group()?;
        // First the mark, then the record: making room for the record may drop something that it does not state.
        let sequence = self.cursors.of(Lane::Alert).last.next().get().cast_signed();
        let mark = "UPDATE lost SET reported = ?1 WHERE reported IS NULL";
        self.run(|connection| connection.prepare_cached(mark)?.execute([sequence]))?;
        self.try_append(Lane::Alert, payload)
    }

    /// Gives up records that were read back rotten.
    ///
    /// # Errors
    /// As [`Outbox::append`].
    pub fn give_up(&mut self, lane: Lane, rotten: &[Sequence]) -> Result<(), OutboxError> {
        let given_up = self.try_give_up(lane, rotten);
        self.undo_on_error(given_up)
    }

    fn try_give_up(&mut self, lane: Lane, rotten: &[Sequence]) -> Result<(), DatabaseError> {
        self.begin_group()?;
        let settled = self.cursors.of(lane).settled;
        rotten.iter().filter(|sequence| **sequence > settled).try_for_each(|sequence| self.drop_one(lane, *sequence))
    }

    /// Remembers a dropped record, as part of the range before it where there is one that nobody has stated.
    pub(super) fn remember_loss(&mut self, lane: Lane, sequence: Sequence) -> Result<(), DatabaseError> {
        let dropped = sequence.get().cast_signed();
        let row = [number(lane), dropped];
        let extend = "UPDATE lost SET last = ?2 WHERE lane = ?1 AND last = ?2 - 1 AND reported IS NULL";
        let extended = self.run(|connection| connection.prepare_cached(extend)?.execute(row))?;
        if extended == 0 {
            let insert = "INSERT INTO lost(lane, first, last) VALUES (?1, ?2, ?2)";
            self.run(|connection| connection.prepare_cached(insert)?.execute(row))?;
        }
        if lane == Lane::Alert {
            // The dropped alert may have been the one that stated losses.
            let again = "UPDATE lost SET reported = NULL WHERE reported = ?1";
            self.run(|connection| connection.prepare_cached(again)?.execute([dropped]))?;
        }
        Ok(())
    }

    pub(super) fn forget_settled_losses(&mut self, alerts_up_to: Sequence) -> Result<(), DatabaseError> {
        let forget = "DELETE FROM lost WHERE reported <= ?1";
        self.run(|connection| connection.prepare_cached(forget)?.execute([alerts_up_to.get().cast_signed()]))?;
        Ok(())
    }
}
