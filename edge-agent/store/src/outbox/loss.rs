//! What was dropped, until the center knows.

use edge_protocol::id::Sequence;
use edge_protocol::lane::Lane;
use edge_protocol::record::LossCause;

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
    /// Why.
    pub cause: LossCause,
}

impl Loss {
    /// How many records it is.
    pub fn count(&self) -> u64 {
        (self.last.get() + 1).saturating_sub(self.first.get())
    }

    fn is_followed_by(&self, next: &Self) -> bool {
        (self.lane, self.cause, self.last.next()) == (next.lane, next.cause, next.first)
    }
}

/// A record that states losses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Their lane.
    pub lane: Lane,
    /// Their cause.
    pub cause: LossCause,
    /// It states all of that lane and cause from here.
    pub first: Sequence,
    /// To here.
    pub last: Sequence,
    /// The record.
    pub payload: Vec<u8>,
}

impl Outbox {
    /// Losses that no record states yet, the open group's included; those of one lane and cause in order, not touching
    /// each other.
    ///
    /// # Errors
    /// When the database cannot be read. The open group is then undone, as with [`Outbox::append`].
    pub fn losses(&mut self) -> Result<Vec<Loss>, OutboxError> {
        let losses = self.try_losses();
        self.undo_on_error(losses)
    }

    fn try_losses(&self) -> Result<Vec<Loss>, DatabaseError> {
        let sql = "SELECT lane, first, last, cause FROM lost WHERE reported IS NULL ORDER BY lane, cause, first";
        let read = |row: &rusqlite::Row<'_>| {
            let sequence = |stored: i64| Sequence::new(stored.cast_unsigned());
            let (lane, cause) = (lane_of(row.get(0)?), cause_of(row.get(3)?));
            let (first, last) = (sequence(row.get(1)?), sequence(row.get(2)?));
            Ok(lane.zip(cause).map(|(lane, cause)| Loss { lane, first, last, cause }))
        };
        let rows: Vec<Option<Loss>> =
            self.run(|connection| connection.prepare_cached(sql)?.query_map([], read)?.collect())?;
        let mut losses: Vec<Loss> = Vec::new();
        for loss in rows.into_iter().flatten() {
            match losses.last_mut() {
                // Ranges that were stated apart, by a record that was dropped itself, may touch.
                Some(before) if before.is_followed_by(&loss) => before.last = loss.last,
                Some(_) | None => losses.push(loss),
            }
        }
        Ok(losses)
    }

    /// Appends the records that state [`Outbox::losses`]; those whose record is dropped itself are to be stated again.
    ///
    /// # Errors
    /// As [`Outbox::append`].
    pub fn append_statements(&mut self, statements: &[Statement]) -> Result<(), OutboxError> {
        let appended = self.try_append_statements(statements);
        self.undo_on_error(appended)
    }

    fn try_append_statements(&mut self, statements: &[Statement]) -> Result<(), DatabaseError> {
        self.begin_group()?;
        // First all marks, then the records: making room for a record may drop something that none of them states.
        let mut sequence = self.cursors[Lane::Alert].last;
        let mark = "UPDATE lost SET reported = ?1
                    WHERE reported IS NULL AND lane = ?2 AND cause = ?3 AND first >= ?4 AND last <= ?5";
        for Statement { lane, cause, first, last, .. } in statements {
            sequence = sequence.next();
            let numbers = [sequence, *first, *last].map(|sequence| sequence.get().cast_signed());
            let row = [numbers[0], number(*lane), *cause as i64, numbers[1], numbers[2]];
            self.run(|connection| connection.prepare_cached(mark)?.execute(row))?;
        }
        statements.iter().try_for_each(|statement| self.try_append(Lane::Alert, &statement.payload).map(drop))
    }

    /// Gives up records that will never be sent.
    ///
    /// # Errors
    /// As [`Outbox::append`].
    pub fn give_up(&mut self, lane: Lane, given_up: &[Sequence], cause: LossCause) -> Result<(), OutboxError> {
        let dropped = self.try_give_up(lane, given_up, cause);
        self.undo_on_error(dropped)
    }

    fn try_give_up(&mut self, lane: Lane, given_up: &[Sequence], cause: LossCause) -> Result<(), DatabaseError> {
        self.begin_group()?;
        let settled = self.cursors[lane].settled;
        let mut waiting = given_up.iter().filter(|sequence| **sequence > settled);
        waiting.try_for_each(|sequence| self.drop_one(lane, *sequence, cause))
    }

    /// Remembers a dropped record, as part of the range before it where there is one of that cause that nobody has
    /// stated.
    pub(super) fn remember_loss(
        &mut self,
        lane: Lane,
        sequence: Sequence,
        cause: LossCause,
    ) -> Result<(), DatabaseError> {
        let dropped = sequence.get().cast_signed();
        let row = [number(lane), dropped, cause as i64];
        let extend = "UPDATE lost SET last = ?2 WHERE lane = ?1 AND last = ?2 - 1 AND cause = ?3 AND reported IS NULL";
        let extended = self.run(|connection| connection.prepare_cached(extend)?.execute(row))?;
        if extended == 0 {
            let insert = "INSERT INTO lost(lane, first, last, cause) VALUES (?1, ?2, ?2, ?3)";
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

fn cause_of(stored: i64) -> Option<LossCause> {
    LossCause::ALL.iter().copied().find(|cause| *cause as i64 == stored)
}
