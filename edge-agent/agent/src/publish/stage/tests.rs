use edge_store::outbox::{Limit, OutboxReader};

use super::*;
use crate::publish::QUEUE;
use crate::supervise::Heartbeats;
use crate::supervise::queue::{Sender, bounded};

const ALL: Limit = Limit { records: 1_000, bytes: 1 << 20 };

struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Clock::system() }
    }

    fn plan(&self) -> Plan {
        Plan { path: self.folder.path().join("outbox.db"), budget: Budget::DEFAULT }
    }

    fn open(&self) -> (Publisher, Sender<Entry>, watch::Receiver<Committed>) {
        let (sender, receiver) = bounded(QUEUE);
        let pulse = Heartbeats::default().register("publish", TICK, self.clock.mono());
        let (publisher, news) = Publisher::open(self.plan(), receiver, self.clock.clone(), pulse).unwrap();
        (publisher, sender, news)
    }

    fn stored(&self, lane: Lane) -> Vec<Record> {
        let mut reader = OutboxReader::open(&self.plan().path).unwrap();
        let unsettled = reader.unsettled(lane, Sequence::ZERO, ALL).unwrap();
        unsettled.records.iter().map(|stored| Record::from_payload(lane, &stored.payload).unwrap()).collect()
    }
}

fn alert(text: &str) -> Record {
    Record::Alert(Box::new(Alert {
        at: Moment::from_millis(1),
        clock: edge_protocol::time::ClockQuality::Free,
        camera: None,
        kind: AlertKind::Fault(edge_protocol::record::Word::cut("test")),
        over: false,
        text: Sentence::cut(text),
    }))
}

#[test]
fn what_was_sent_is_durable_when_the_stage_has_ended() {
    let bench = Bench::new();
    let (mut publisher, sender, mut news) = bench.open();
    let sent: Vec<Record> = (0..50).map(|i| alert(&i.to_string())).collect();
    for record in &sent {
        sender.send(Entry::Record(record.clone())).unwrap();
    }
    drop(sender);
    publisher.run(&Stop::new()).unwrap();
    assert!(news.has_changed().unwrap());
    assert!(news.borrow_and_update().groups >= 1);
    drop(publisher);
    assert_eq!(bench.stored(Lane::Alert), sent);
}

#[test]
fn a_stop_drains_the_queue_first() {
    let bench = Bench::new();
    let (mut publisher, sender, _news) = bench.open();
    sender.send(Entry::Record(alert("last words"))).unwrap();
    let stop = Stop::new();
    stop.set();
    publisher.run(&stop).unwrap();
    drop(publisher);
    assert_eq!(bench.stored(Lane::Alert), [alert("last words")]);
}

#[test]
fn settled_records_are_forgotten_and_others_stay() {
    let bench = Bench::new();
    let (mut publisher, sender, news) = bench.open();
    let epoch = news.borrow().epoch;
    for text in ["one", "two", "three"] {
        sender.send(Entry::Record(alert(text))).unwrap();
    }
    let stop = Stop::new();
    stop.set();
    publisher.run(&stop).unwrap();
    let second = Sequence::ZERO.next().next();
    sender.send(Entry::Settle(Settlement { epoch, lane: Lane::Alert, up_to: second })).unwrap();
    let unknown = Sequence::new(900);
    sender.send(Entry::Settle(Settlement { epoch, lane: Lane::Alert, up_to: unknown })).unwrap();
    publisher.run(&stop).unwrap();
    drop(publisher);
    assert_eq!(bench.stored(Lane::Alert), [alert("three")]);
}

#[test]
fn a_damaged_file_is_set_aside_and_the_gap_is_told_first() {
    let bench = Bench::new();
    let rubbish = vec![0xa5; 8192];
    #[allow(clippy::disallowed_methods, reason = "the damage itself")]
    std::fs::write(bench.plan().path, rubbish).unwrap();
    let (mut publisher, sender, _news) = bench.open();
    drop(sender);
    publisher.run(&Stop::new()).unwrap();
    drop(publisher);
    let stored = bench.stored(Lane::Alert);
    let [Record::Alert(alert)] = stored.as_slice() else { panic!("{stored:?}") };
    assert!(matches!(alert.kind, AlertKind::Gap(Gap { of: GapOf::Outbox, .. })), "{alert:?}");
}
