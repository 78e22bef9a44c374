//! What goes when there is no more room: the oldest segment that nobody holds.

use super::{Ring, RingError, repair};

/// What video leaves free on the disk for the outbox (512 MiB) and the audit log (64 MiB); on a small disk a tenth.
pub const RESERVE_BYTES: u64 = 576 << 20;

impl Ring {
    /// Evicts until a group of this size fits into the quota, and onto the disk beside what others need.
    pub(super) fn make_room(&mut self, bytes: u64) -> Result<(), RingError> {
        while self.usage.bytes.saturating_add(bytes) > self.place.quota_bytes || self.is_disk_short(bytes) {
            if !self.evict_oldest()? {
                break;
            }
        }
        Ok(())
    }

    fn is_disk_short(&self, bytes: u64) -> bool {
        // A file system that does not say is found full when it is.
        let room = self.disk.room(&self.place.folder).ok();
        room.is_some_and(|room| room.free < bytes.saturating_add(RESERVE_BYTES.min(room.total / 10)))
    }

    /// Removes the oldest segment that nobody holds; whether there was one.
    pub(super) fn evict_oldest(&mut self) -> Result<bool, RingError> {
        let spared = self.open.as_ref().map(|open| open.head.number);
        let Some(doomed) = self.index.doom_oldest(spared)? else { return Ok(false) };
        repair::remove(&*self.disk, &self.place, &self.index, doomed.number)?;
        self.usage.bytes = self.usage.bytes.saturating_sub(doomed.bytes);
        self.usage.segments = self.usage.segments.saturating_sub(1);
        if let Some((oldest, _)) = self.index.span()? {
            self.index.forget_gaps_before(oldest)?;
        }
        Ok(true)
    }
}
