//! Entries on their way to one commit, and what gives way when the disk refuses commits for long.

use std::time::Duration;

use super::{Entry, GROUP};
use edge_protocol::id::Epoch;
use edge_protocol::lane::{Lane, PerLane};
use edge_protocol::time::MonoTime;

/// The pause after a failed write: long enough not to wear the disk, short enough to be back soon.
const RETRY: Duration = Duration::from_secs(1);
/// The most entries of one group; what a unit makes in some minutes.
pub(super) const LARGEST: usize = 1_000;

/// What is committed together. It is kept until the disk has it.
#[derive(Debug, Default)]
pub(super) struct Group {
    entries: Vec<Entry>,
    /// When it is to be committed; none while it is empty.
    due: Option<MonoTime>,
    /// Whether the disk has refused it, which makes it wait however urgent its entries are.
    refused: bool,
    /// Records that gave way while the disk refused, by lane.
    given_up: PerLane<u64>,
}

impl Group {
    /// Adds an entry. A group that is full because the disk refuses it gives up the oldest record of its least urgent
    /// lane instead of growing; hits and audit records never go, even if that means to exceed the bound.
    pub(super) fn push(&mut self, entry: Entry, now: MonoTime) {
        let urgent = is_urgent(&entry);
        self.entries.push(entry);
        if self.refused {
            if self.entries.len() > LARGEST {
                self.give_up_one();
            }
        } else if urgent || self.entries.len() >= LARGEST {
            self.due = Some(now);
        } else {
            self.due.get_or_insert(now.saturating_add(GROUP));
        }
    }

    /// How long until it is to be committed, zero if it is due; none if it is empty.
    pub(super) fn wait(&self, now: MonoTime) -> Option<Duration> {
        self.due.map(|due| due.saturating_since(now))
    }

    /// In the order in which they came.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many records of each lane gave way, to be stated in the same commit.
    pub(super) fn given_up(&self) -> &PerLane<u64> {
        &self.given_up
    }

    /// The group after the disk has refused it.
    pub(super) fn refused(self, now: MonoTime) -> Self {
        Self { due: Some(now.saturating_add(RETRY)), refused: true, ..self }
    }

    /// Whether somebody has found the file of this life damaged.
    pub(super) fn tells_of_damage(&self, life: Epoch) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Damaged(epoch) if *epoch == life))
    }

    /// Drops what is about a file that is no longer in use.
    pub(super) fn leave_the_file(&mut self) {
        self.entries.retain(|entry| matches!(entry, Entry::Record(_) | Entry::Spent(_)));
    }

    fn give_up_one(&mut self) {
        let droppable = |entry: &Entry| lane(entry).filter(|lane| lane.may_be_dropped());
        let Some(least_urgent) = self.entries.iter().filter_map(droppable).max() else { return };
        let oldest = self.entries.iter().position(|entry| droppable(entry) == Some(least_urgent));
        if let Some(oldest) = oldest {
            self.entries.remove(oldest);
            self.given_up[least_urgent] += 1;
        }
    }
}

fn lane(entry: &Entry) -> Option<Lane> {
    match entry {
        Entry::Record(record) => Some(record.lane()),
        Entry::Settle(_) | Entry::GiveUp { .. } | Entry::Spent(_) | Entry::Damaged(_) => None,
    }
}

/// Whether somebody waits for it: hits and answers are made durable at once.
fn is_urgent(entry: &Entry) -> bool {
    matches!(lane(entry), Some(Lane::Hit | Lane::Answer))
}
