//! What gives way when the outbox's share of the disk is full: the least urgent lane, its oldest record first.

use edge_protocol::id::Sequence;
use edge_protocol::lane::{Lane, PerLane};
use edge_protocol::record::LossCause;
use rusqlite::OptionalExtension as _;

use super::{Outbox, RECORD_OVERHEAD_BYTES, lanes};
use crate::database::DatabaseError;

/// Bytes of the disk that waiting records may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// For all lanes together.
    pub total: u64,
    /// For each lane.
    pub lanes: PerLane<u64>,
}

impl Budget {
    /// 512 MiB in all, shared as by [`Budget::shared`].
    pub const DEFAULT: Self = Self::shared(512 << 20);

    /// A total of which thumbnails may take an eighth, clips a quarter, and every other lane whatever is left.
    pub const fn shared(total: u64) -> Self {
        Self { total, lanes: PerLane([total, total, total, total, total, total, total, total / 8, total / 4]) }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Outbox {
    /// Drops what no longer fits after something was appended to `lane`. Hits and audit records never go, even if that
    /// means to exceed the share.
    pub(super) fn keep_within_budget(&mut self, lane: Lane) -> Result<(), DatabaseError> {
        while lane.may_be_dropped() && self.cursors[lane].bytes > self.budget.lanes[lane] {
            self.drop_oldest(lane)?;
        }
        while lanes::bytes(&self.cursors) > self.budget.total {
            let droppable = |lane: &Lane| lane.may_be_dropped() && self.cursors[*lane].records > 0;
            let Some(least_urgent) = Lane::ALL.into_iter().rev().find(droppable) else { break };
            self.drop_oldest(least_urgent)?;
        }
        Ok(())
    }

    fn drop_oldest(&mut self, lane: Lane) -> Result<(), DatabaseError> {
        let oldest: i64 =
            self.run(|connection| connection.prepare_cached(lanes::oldest(lane))?.query_row([], |row| row.get(0)))?;
        self.drop_one(lane, Sequence::new(oldest.cast_unsigned()), LossCause::Disk)
    }

    /// Drops a record and remembers that it did. One that is gone was dropped before: whoever reads the outbox gives a
    /// record up again until the first time is committed.
    pub(super) fn drop_one(&mut self, lane: Lane, sequence: Sequence, cause: LossCause) -> Result<(), DatabaseError> {
        let bytes: Option<i64> = self.run(|connection| {
            let mut remove = connection.prepare_cached(lanes::remove_one(lane))?;
            remove.query_row([sequence.get().cast_signed()], |row| row.get(0)).optional()
        })?;
        let Some(bytes) = bytes else { return Ok(()) };
        let bytes = u64::try_from(bytes).unwrap_or(0) + RECORD_OVERHEAD_BYTES;
        self.cursors[lane].count_out(1, bytes);
        self.remember_loss(lane, sequence, cause)
    }
}
