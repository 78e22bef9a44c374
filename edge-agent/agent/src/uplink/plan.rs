//! What the uplink needs of the outbox, and what becomes of records read from it.

use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::Lane;
use edge_protocol::record::{LossCause, ObjectRecord, Record};
use edge_store::outbox::{Backlog, Spent};

use super::budget::Permit;

/// A committed record as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the lane.
    pub sequence: Sequence,
    /// As it was appended; none where the disk gives other bytes back.
    pub payload: Option<Vec<u8>>,
}

/// The outbox cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("outbox: {0}")]
pub struct OutboxFault(pub String);

/// What the uplink needs of the outbox. Reading happens here and now; the rest is handed to the outbox's own thread.
pub trait Outbox: Send {
    /// Life of the outbox's file.
    fn epoch(&self) -> Epoch;

    /// Where a lane stands.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn backlog(&mut self, lane: Lane) -> Result<Backlog, OutboxFault>;

    /// A lane's records after `after`, oldest first: at most `records` of them, and no more than `bytes` together,
    /// but always one if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read(&mut self, lane: Lane, after: Sequence, records: u32, bytes: usize) -> Result<Vec<Stored>, OutboxFault>;

    /// Forgets a lane's records up to and including this one.
    fn settle(&mut self, epoch: Epoch, lane: Lane, up_to: Sequence);

    /// Drops records that will never be sent; the outbox states their loss.
    fn give_up(&mut self, epoch: Epoch, lane: Lane, sequences: &[Sequence], cause: LossCause);

    /// What the latest day has cost, as it was noted last.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn spent(&mut self) -> Result<Spent, OutboxFault>;

    /// Keeps what the day has cost so far.
    fn note_spent(&mut self, spent: Spent);

    /// Appends a record of the uplink's own.
    fn append(&mut self, record: Record);
}

/// What becomes of the first records that were read: those that can be treated alike.
#[derive(Debug, PartialEq)]
pub(super) enum Plan {
    /// There is nothing.
    Nothing,
    /// Send these, which follow each other.
    Send(Sequence, Vec<Record>),
    /// Give these up: the budget does not permit them.
    Withhold(Vec<Sequence>),
    /// Give these up: nobody can read them.
    Unreadable(Vec<Sequence>),
}

impl Plan {
    fn begin(first: &Stored, fate: Fate) -> Self {
        match fate {
            Fate::Send(record) => Self::Send(first.sequence, vec![record]),
            Fate::Withhold => Self::Withhold(vec![first.sequence]),
            Fate::Unreadable => Self::Unreadable(vec![first.sequence]),
        }
    }

    /// Takes the next record in; tells whether it is one of these.
    fn take(&mut self, next: &Stored, fate: Fate) -> bool {
        match (self, fate) {
            (Self::Send(_, records), Fate::Send(record)) => records.push(record),
            (Self::Withhold(sequences), Fate::Withhold) | (Self::Unreadable(sequences), Fate::Unreadable) => {
                sequences.push(next.sequence);
            }
            (Self::Nothing | Self::Send(..) | Self::Withhold(_) | Self::Unreadable(_), _) => return false,
        }
        true
    }
}

/// What becomes of one record.
enum Fate {
    Send(Record),
    Withhold,
    Unreadable,
}

/// Looks at what was read. Records that follow a hole, or are to be treated differently, are left for the next time.
pub(super) fn plan(lane: Lane, read: &[Stored], permit: Permit) -> Plan {
    let Some((first, others)) = read.split_first() else { return Plan::Nothing };
    let mut plan = Plan::begin(first, fate(lane, first, permit));
    let mut last = first.sequence;
    for next in others {
        if next.sequence != last.next() || !plan.take(next, fate(lane, next, permit)) {
            break;
        }
        last = next.sequence;
    }
    plan
}

fn fate(lane: Lane, stored: &Stored, permit: Permit) -> Fate {
    match readable(lane, stored) {
        Some(record) if is_permitted(&record, permit) => Fate::Send(record),
        Some(_) => Fate::Withhold,
        None => Fate::Unreadable,
    }
}

fn readable(lane: Lane, stored: &Stored) -> Option<Record> {
    let (sequence, payload) = (stored.sequence.get(), stored.payload.as_deref());
    let record = payload.map(|payload| Record::from_payload(lane, payload)).transpose();
    record.unwrap_or_else(|error| {
        tracing::error!(%lane, sequence, %error, "a stored record cannot be read");
        None
    })
}

fn is_permitted(record: &Record, permit: Permit) -> bool {
    match permit {
        Permit::Send | Permit::Wait => true,
        Permit::GiveUp => false,
        Permit::CountsOnly => match record {
            Record::Object(object) => matches!(**object, ObjectRecord::Counts(_)),
            Record::Hit(_)
            | Record::Answer(_)
            | Record::Alert(_)
            | Record::Health(_)
            | Record::Audit(_)
            | Record::Read(_)
            | Record::Thumb(_)
            | Record::Clip(_) => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uplink::tests::{alert, counts, track};

    fn stored(sequence: u64, record: &Record) -> Stored {
        Stored { sequence: Sequence::new(sequence), payload: Some(record.to_payload()) }
    }

    fn sequences(numbers: &[u64]) -> Vec<Sequence> {
        numbers.iter().map(|&number| Sequence::new(number)).collect()
    }

    #[test]
    fn a_batch_ends_before_a_hole() {
        let read = [stored(5, &alert()), stored(6, &alert()), stored(8, &alert())];
        let Plan::Send(first, records) = plan(Lane::Alert, &read, Permit::Send) else { panic!("to be sent") };
        assert_eq!((first.get(), records.len()), (5, 2));
    }

    #[test]
    fn road_users_give_way_to_counts() {
        let read = [stored(1, &track()), stored(2, &track()), stored(3, &counts()), stored(4, &track())];
        assert_eq!(plan(Lane::Object, &read, Permit::CountsOnly), Plan::Withhold(sequences(&[1, 2])));
        let Plan::Send(first, records) = plan(Lane::Object, &read[2..], Permit::CountsOnly) else {
            panic!("to be sent")
        };
        assert_eq!((first.get(), records.len()), (3, 1));
    }

    #[test]
    fn what_nobody_can_read_is_given_up_apart_and_does_not_hold_up_the_rest() {
        let rotten = |sequence, payload| Stored { sequence: Sequence::new(sequence), payload };
        let read = [stored(5, &alert()), rotten(6, Some(vec![0xff])), rotten(7, None), stored(8, &alert())];
        let Plan::Send(_, records) = plan(Lane::Alert, &read, Permit::Send) else { panic!("to be sent") };
        assert_eq!(records.len(), 1);
        assert_eq!(plan(Lane::Alert, &read[1..], Permit::Send), Plan::Unreadable(sequences(&[6, 7])));
        assert_eq!(
            plan(Lane::Alert, &read[2..3], Permit::Send),
            Plan::Unreadable(sequences(&[7])),
            "and nothing else is read"
        );
        assert_eq!(plan(Lane::Alert, &[], Permit::Send), Plan::Nothing);
    }
}
