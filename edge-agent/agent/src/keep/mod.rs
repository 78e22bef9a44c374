//! What was seen and stays on the unit: into the detection index, and out of it when its time is over.
//!
//! Belongs here: storing in groups, and purging by a clock that can be trusted. Does not belong here: what is worth
//! keeping (`app` decides), and searching. Nobody waits for this stage: what a sick disk cannot take is counted by the
//! queue and not kept.

use std::path::PathBuf;
use std::time::Duration;

use edge_protocol::time::{ClockQuality, MonoTime, WallStamp};
use edge_store::database::DatabaseError;
use edge_store::index::{Detection, Index, OpenedIndex, TrustedNow};

use crate::supervise::queue::{Bounds, Overflow, ReceiveError, Receiver};
use crate::supervise::{Clock, Fault, Pulse, Stop};

/// Detections on their way to the index.
pub const QUEUE: Bounds = Bounds::items("index", 1024, Overflow::DropOldest);
/// Detections are made durable together, this long after the first of them came at the latest.
const GROUP: Duration = Duration::from_secs(1);
/// The most of one group.
const LARGEST_GROUP: usize = 256;
/// Between two purges.
const PURGE_EVERY: Duration = Duration::from_mins(5);

/// What the stage has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// So many detections were deleted because their time was over.
    Purged(usize),
    /// The file was damaged and set aside; what it held is not found any more.
    SetAside(PathBuf),
}

/// What the stage is connected to.
pub struct Ends {
    /// What was seen.
    pub seen: Receiver<Detection>,
    /// Who hears of purges and damage.
    pub tell: Box<dyn FnMut(Told) + Send>,
    /// Reads time.
    pub clock: Clock,
    /// Shows progress to the watchdog.
    pub pulse: Pulse,
}

impl std::fmt::Debug for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ends").field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// The stage that owns the index.
pub struct Keeper {
    path: PathBuf,
    keep: Duration,
    ends: Ends,
    index: Option<Index>,
    synchronised_since: Option<MonoTime>,
    purged_at: Option<MonoTime>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keeper({})", self.path.display())
    }
}

impl Keeper {
    /// A stage that keeps what it gets for `keep`, in the file at `path`.
    pub fn new(path: PathBuf, keep: Duration, ends: Ends) -> Self {
        Self { path, keep, ends, index: None, synchronised_since: None, purged_at: None }
    }

    /// Stores and purges until told to stop and nothing more waits, or nobody sends any more.
    ///
    /// # Errors
    /// When the disk takes nothing; the file is opened anew by the next run.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        let fault = |error: DatabaseError| Fault::from_error(&error);
        // Not only when there is something to keep: damage is to be told at the start.
        self.index().map_err(fault)?;
        loop {
            let now = self.ends.clock.mono();
            self.ends.pulse.beat(now);
            self.purge_if_due(now, self.ends.clock.wall()).map_err(fault)?;
            let wait = if stop.is_set() { Duration::ZERO } else { GROUP };
            match self.ends.seen.receive_timeout(wait) {
                Ok(first) => {
                    let group = self.group(first);
                    self.index().map_err(fault)?.add(&group).map_err(fault)?;
                }
                Err(ReceiveError::Timeout) if !stop.is_set() => {}
                Err(ReceiveError::Timeout | ReceiveError::Closed) => return Ok(()),
            }
        }
    }

    /// What comes within a second of the first.
    fn group(&self, first: Detection) -> Vec<Detection> {
        let until = self.ends.clock.mono().saturating_add(GROUP);
        let mut group = vec![first];
        while group.len() < LARGEST_GROUP {
            let left = until.saturating_since(self.ends.clock.mono());
            match self.ends.seen.receive_timeout(left) {
                Ok(next) => group.push(next),
                Err(ReceiveError::Timeout | ReceiveError::Closed) => break,
            }
        }
        group
    }

    fn index(&mut self) -> Result<&mut Index, DatabaseError> {
        let index = if let Some(index) = self.index.take() {
            index
        } else {
            let OpenedIndex { index, set_aside } = Index::open(&self.path)?;
            if let Some(path) = set_aside {
                (self.ends.tell)(Told::SetAside(path));
            }
            index
        };
        Ok(self.index.insert(index))
    }

    /// Purges every few minutes, as long as the clock has followed its source for long enough.
    fn purge_if_due(&mut self, now: MonoTime, wall: WallStamp) -> Result<(), DatabaseError> {
        self.synchronised_since = match wall.quality {
            ClockQuality::Synchronised { .. } => self.synchronised_since.or(Some(now)),
            ClockQuality::Free | ClockQuality::Unknown => None,
        };
        let Some(since) = self.synchronised_since else { return Ok(()) };
        let Some(trusted) = TrustedNow::new(wall, now.saturating_since(since)) else { return Ok(()) };
        if self.purged_at.is_some_and(|at| now.saturating_since(at) < PURGE_EVERY) {
            return Ok(());
        }
        self.purged_at = Some(now);
        let keep = self.keep;
        let purged = self.index()?.purge(trusted, keep)?;
        if purged > 0 {
            (self.ends.tell)(Told::Purged(purged));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
