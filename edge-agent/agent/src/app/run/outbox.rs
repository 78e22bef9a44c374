//! The uplink's view of the outbox: it reads by itself, and hands what changes the file to the stage that owns it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::Lane;
use edge_protocol::record::{LossCause, Record};
use edge_store::outbox::{self, Limit, OutboxReader};

use crate::publish::{Announce, Entry, Settlement};
use crate::supervise::queue::Sender;
use crate::uplink::{Backlog, Bell, Outbox, OutboxFault, Spent, Stored};

/// The life of the file as its writer last announced it; a reader of a former file must be opened anew.
type Life = Arc<AtomicU64>;

/// What the outbox's writer is told to announce to.
pub(super) fn announce(bell: &Bell) -> (Announce, Life) {
    let (bell, life) = (bell.clone(), Life::default());
    let shared = Arc::clone(&life);
    let announce: Announce = Box::new(move |epoch, lane, last| {
        shared.store(epoch.get(), Ordering::Release);
        bell.ring(lane, last);
    });
    (announce, life)
}

/// The uplink's end.
#[derive(Debug)]
pub(super) struct Bridge {
    path: PathBuf,
    life: Life,
    reader: Option<OutboxReader>,
    entries: Sender<Entry>,
}

impl Bridge {
    pub(super) fn new(path: PathBuf, life: Life, entries: Sender<Entry>) -> Self {
        Self { path, life, reader: None, entries }
    }

    /// A reader of the file as it is now.
    fn reader(&mut self) -> Result<&OutboxReader, OutboxFault> {
        let epoch = self.epoch();
        let reader = match self.reader.take().filter(|reader| reader.epoch() == epoch) {
            Some(reader) => reader,
            None => OutboxReader::open(&self.path).map_err(fault)?,
        };
        Ok(self.reader.insert(reader))
    }

    fn hand_over(&self, entry: Entry) {
        if self.entries.send(entry).is_err() {
            tracing::debug!("the outbox has stopped; what the uplink had to say is said after the next start");
        }
    }
}

impl Outbox for Bridge {
    fn epoch(&self) -> Epoch {
        Epoch::new(self.life.load(Ordering::Acquire))
    }

    fn backlog(&mut self, lane: Lane) -> Result<Backlog, OutboxFault> {
        let backlog = self.reader()?.backlog(lane).map_err(fault)?;
        Ok(Backlog { last: backlog.last, settled: backlog.settled, records: backlog.records })
    }

    fn read(&mut self, lane: Lane, after: Sequence, records: u32, bytes: usize) -> Result<Vec<Stored>, OutboxFault> {
        let found = self.reader()?.unsettled(lane, after, Limit { records, bytes }).map_err(fault)?;
        if !found.rotten.is_empty() {
            tracing::error!(%lane, count = found.rotten.len(), "stored records are damaged; their loss is stated");
            self.give_up(lane, &found.rotten, LossCause::Damage);
        }
        let stored = |stored: outbox::Stored| Stored { sequence: stored.sequence, payload: stored.payload };
        Ok(found.records.into_iter().map(stored).collect())
    }

    fn settle(&mut self, epoch: Epoch, lane: Lane, up_to: Sequence) {
        self.hand_over(Entry::Settle(Settlement { epoch, lane, up_to }));
    }

    fn give_up(&mut self, lane: Lane, sequences: &[Sequence], cause: LossCause) {
        self.hand_over(Entry::GiveUp { lane, sequences: sequences.to_vec(), cause });
    }

    fn spent(&mut self) -> Result<Spent, OutboxFault> {
        let spent = self.reader()?.spent().map_err(fault)?;
        Ok(Spent { day: spent.day, bytes: spent.bytes })
    }

    fn note_spent(&mut self, spent: Spent) {
        self.hand_over(Entry::Spent(outbox::Spent { day: spent.day, bytes: spent.bytes }));
    }

    fn append(&mut self, record: Record) {
        self.hand_over(Entry::Record(record));
    }
}

#[allow(clippy::needless_pass_by_value, reason = "given to map_err")]
fn fault(error: outbox::OutboxError) -> OutboxFault {
    OutboxFault(error.to_string())
}
