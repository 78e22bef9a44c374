//! The uplink's view of the outbox: it reads by itself, and hands what changes the file to the stage that owns it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::Lane;
use edge_protocol::record::{LossCause, Record};
use edge_store::outbox::{Backlog, Limit, OutboxError, OutboxReader, Spent};

use crate::publish::{Announce, Entry, Settlement};
use crate::supervise::queue::Sender;
use crate::uplink::{Bell, Outbox, OutboxFault, Stored};

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

    /// Looks into the file as it is now. Damage that only a reader meets is told whoever writes the file.
    fn look<T>(&mut self, look: impl FnOnce(&OutboxReader) -> Result<T, OutboxError>) -> Result<T, OutboxFault> {
        let epoch = self.epoch();
        let reader = match self.reader.take().filter(|reader| reader.epoch() == epoch) {
            Some(reader) => Ok(reader),
            None => OutboxReader::open(&self.path),
        };
        let looked = match reader {
            Ok(reader) if reader.epoch() != epoch => return Err(OutboxFault("a new file is being begun".to_owned())),
            Ok(reader) => look(self.reader.insert(reader)),
            Err(error) => Err(error),
        };
        looked.map_err(|error| {
            if error.is_damage() {
                self.hand_over(Entry::Damaged(epoch));
            }
            OutboxFault(error.to_string())
        })
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
        self.look(|outbox| outbox.backlog(lane))
    }

    fn read(&mut self, lane: Lane, after: Sequence, records: u32, bytes: usize) -> Result<Vec<Stored>, OutboxFault> {
        let found = self.look(|outbox| outbox.unsettled(lane, after, Limit { records, bytes }))?;
        if !found.rotten.is_empty() {
            tracing::error!(%lane, count = found.rotten.len(), "stored records are damaged");
        }
        let whole = found.records.into_iter().map(|stored| (stored.sequence, Some(stored.payload)));
        let rotten = found.rotten.into_iter().map(|sequence| (sequence, None));
        let mut read: Vec<_> = whole.chain(rotten).map(|(sequence, payload)| Stored { sequence, payload }).collect();
        read.sort_unstable_by_key(|stored| stored.sequence);
        Ok(read)
    }

    fn settle(&mut self, epoch: Epoch, lane: Lane, up_to: Sequence) {
        self.hand_over(Entry::Settle(Settlement { epoch, lane, up_to }));
    }

    fn give_up(&mut self, epoch: Epoch, lane: Lane, sequences: &[Sequence], cause: LossCause) {
        self.hand_over(Entry::GiveUp { epoch, lane, sequences: sequences.to_vec(), cause });
    }

    fn spent(&mut self) -> Result<Spent, OutboxFault> {
        self.look(OutboxReader::spent)
    }

    fn note_spent(&mut self, spent: Spent) {
        self.hand_over(Entry::Spent(spent));
    }

    fn append(&mut self, record: Record) {
        self.hand_over(Entry::Record(record));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use edge_store::outbox::{self, Budget};

    use super::*;
    use crate::supervise::queue::{Bounds, Overflow, Receiver, bounded};

    /// Objects enough for many pages, and both ends of their bridge.
    fn filled(path: &std::path::Path) -> (Bridge, Receiver<Entry>) {
        let mut outbox = outbox::Outbox::open(path, Budget::DEFAULT).unwrap().outbox;
        for _ in 0..400 {
            outbox.append(Lane::Object, &[7; 200]).unwrap();
        }
        outbox.commit().unwrap();
        let (sender, entries) = bounded(Bounds::items("entries", 8, Overflow::Refuse));
        let life = Arc::new(AtomicU64::new(outbox.epoch().get()));
        (Bridge::new(path.to_owned(), life, sender), entries)
    }

    #[test]
    fn damage_that_only_the_reader_meets_is_told_whoever_writes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.sqlite");
        let (mut bridge, entries) = filled(&path);
        assert_eq!(bridge.read(Lane::Object, Sequence::ZERO, 400, 1 << 20).unwrap().len(), 400);
        assert!(entries.try_receive().is_err());
        // Half of the file, in use, and not its first page, which opening it reads.
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let bytes = file.metadata().unwrap().len();
        for page in (bytes / 4096 / 2)..(bytes / 4096) {
            file.write_all_at(&[0; 4096], page * 4096).unwrap();
        }
        let epoch = bridge.epoch();
        bridge.reader = None;
        bridge.read(Lane::Object, Sequence::ZERO, 400, 1 << 20).unwrap_err();
        assert!(matches!(entries.try_receive(), Ok(Entry::Damaged(damaged)) if damaged == epoch));
    }

    #[test]
    fn a_damaged_row_keeps_its_place_and_has_no_payload() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.sqlite");
        let (mut bridge, _entries) = filled(&path);
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        let at = bytes.windows(200).position(|window| window == [7; 200]).unwrap();
        file.write_all_at(&[8], at as u64).unwrap();
        let read = bridge.read(Lane::Object, Sequence::ZERO, 400, 1 << 20).unwrap();
        let numbers: Vec<_> = read.iter().map(|stored| stored.sequence.get()).collect();
        assert_eq!(numbers, (1..=400).collect::<Vec<_>>());
        assert_eq!(read.iter().filter(|stored| stored.payload.is_none()).count(), 1);
    }
}
