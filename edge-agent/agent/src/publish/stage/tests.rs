use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_protocol::id::PassId;
use edge_protocol::record::{
    Alert, AlertKind, Answer, Gap, GapOf, MAX_THUMB_BYTES, Sentence, SequenceRange, Thumb, ThumbOf, Verdict, Word,
};
use edge_protocol::time::{ClockQuality, Moment};
use edge_store::outbox::{Limit, OutboxReader};

use super::*;
use crate::publish::QUEUE;
use crate::publish::group::LARGEST;
use crate::supervise::Heartbeats;
use crate::supervise::queue::{Sender, bounded};

const ALL: Limit = Limit { records: 2_000, bytes: 1 << 20 };

struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
    budget: Budget,
    /// The last alert that was announced.
    alerts: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::system(),
            budget: Budget::DEFAULT,
            alerts: Arc::default(),
        }
    }

    fn plan(&self) -> Plan {
        Plan { path: self.folder.path().join("outbox.db"), budget: self.budget }
    }

    fn open(&self) -> (Publisher, Sender<Entry>) {
        let (sender, entries) = bounded(QUEUE);
        let pulse = Heartbeats::default().register("publish", TICK, self.clock.mono());
        let alerts = Arc::clone(&self.alerts);
        let announce: Announce = Box::new(move |_, lane, last| {
            if lane == Lane::Alert {
                alerts.store(last.get(), Ordering::SeqCst);
            }
        });
        let ends = Ends { entries, announce, clock: self.clock.clone(), pulse };
        (Publisher::open(self.plan(), ends).unwrap(), sender)
    }

    fn stored(&self, lane: Lane) -> Vec<Record> {
        let reader = OutboxReader::open(&self.plan().path).unwrap();
        let unsettled = reader.unsettled(lane, Sequence::ZERO, ALL).unwrap();
        unsettled.records.iter().map(|stored| Record::from_payload(lane, &stored.payload).unwrap()).collect()
    }
}

fn stopped() -> Stop {
    let stop = Stop::new();
    stop.set();
    stop
}

fn alert(text: &str) -> Record {
    Record::Alert(Box::new(Alert {
        at: Moment::from_millis(1),
        clock: ClockQuality::Free,
        camera: None,
        kind: AlertKind::Fault(Word::cut("test")),
        over: false,
        text: Sentence::cut(text),
    }))
}

fn answer() -> Record {
    let verdict = Verdict::Accepted;
    let (at, clock) = (Moment::from_millis(1), ClockQuality::Free);
    Record::Answer(Box::new(Answer { at, clock, request: None, command: None, verdict }))
}

fn thumb() -> Record {
    Record::Thumb(Thumb {
        camera: "gate".parse().unwrap(),
        pass: PassId(1),
        of: ThumbOf::Plate,
        at: Moment::from_millis(1),
        clock: ClockQuality::Free,
        jpeg: vec![0; 64],
    })
}

#[test]
fn what_was_sent_is_durable_when_the_stage_has_ended() {
    let bench = Bench::new();
    let (mut publisher, sender) = bench.open();
    let sent: Vec<Record> = (0..50).map(|i| alert(&i.to_string())).collect();
    for record in &sent {
        sender.send(Entry::Record(record.clone())).unwrap();
    }
    drop(sender);
    publisher.run(&Stop::new()).unwrap();
    assert_eq!(bench.alerts.load(Ordering::SeqCst), 50);
    drop(publisher);
    assert_eq!(bench.stored(Lane::Alert), sent);
}

#[test]
fn a_record_that_the_center_would_refuse_does_not_stop_its_lane() {
    let bench = Bench::new();
    let (mut publisher, sender) = bench.open();
    let Record::Thumb(small) = thumb() else { panic!("a picture") };
    let large = Thumb { jpeg: vec![0; MAX_THUMB_BYTES + 1], ..small };
    for record in [Record::Thumb(large), thumb()] {
        sender.send(Entry::Record(record)).unwrap();
    }
    publisher.run(&stopped()).unwrap();
    drop(publisher);
    assert_eq!(bench.stored(Lane::Thumb), [thumb()]);
}

#[test]
fn a_stop_drains_the_queue_first() {
    let bench = Bench::new();
    let (mut publisher, sender) = bench.open();
    sender.send(Entry::Record(alert("last words"))).unwrap();
    publisher.run(&stopped()).unwrap();
    drop(publisher);
    assert_eq!(bench.stored(Lane::Alert), [alert("last words")]);
}

#[test]
fn settled_records_are_forgotten_and_an_acknowledgement_of_what_was_never_sent_forgets_nothing() {
    let bench = Bench::new();
    let (mut publisher, sender) = bench.open();
    let epoch = publisher.epoch();
    for text in ["one", "two", "three"] {
        sender.send(Entry::Record(alert(text))).unwrap();
    }
    publisher.run(&stopped()).unwrap();
    for up_to in [2, 900] {
        let settlement = Settlement { epoch, lane: Lane::Alert, up_to: Sequence::new(up_to) };
        sender.send(Entry::Settle(settlement)).unwrap();
    }
    publisher.run(&stopped()).unwrap();
    drop(publisher);
    assert_eq!(bench.stored(Lane::Alert), [alert("three")]);
}

#[test]
fn a_disk_that_refuses_costs_the_least_urgent_records_beyond_a_bound_and_that_is_stated() {
    let bench = Bench::new();
    let (mut publisher, _sender) = bench.open();
    let now = bench.clock.mono();
    let mut group = Group::default().refused(now);
    for record in [alert("oldest"), thumb(), thumb()] {
        group.push(Entry::Record(record), now);
    }
    for i in 0..LARGEST {
        group.push(Entry::Record(alert(&i.to_string())), now);
        assert!(group.entries().len() <= LARGEST);
    }
    publisher.group = group;
    publisher.flush().unwrap();
    drop(publisher);
    assert_eq!(bench.stored(Lane::Thumb), []);
    let stored = bench.stored(Lane::Alert);
    let [first, .., Record::Alert(last)] = stored.as_slice() else { panic!("{stored:?}") };
    assert_eq!((first, stored.len()), (&alert("0"), LARGEST + 1));
    assert!(last.text.as_str().ends_with("given up: 1 alert, 2 thumb"), "{last:?}");
}

#[test]
fn a_group_that_the_disk_refused_waits_however_urgent_it_is() {
    let now = Clock::system().mono();
    let mut group = Group::default();
    group.push(Entry::Record(answer()), now);
    assert_eq!(group.wait(now), Some(Duration::ZERO));
    let mut group = group.refused(now);
    group.push(Entry::Record(answer()), now);
    assert!(group.wait(now) > Some(Duration::ZERO));
}

#[test]
fn a_damaged_file_is_set_aside_and_the_gap_is_told() {
    let bench = Bench::new();
    #[allow(clippy::disallowed_methods, reason = "the damage itself")]
    std::fs::write(bench.plan().path, vec![0xa5; 8192]).unwrap();
    let (mut publisher, sender) = bench.open();
    drop(sender);
    publisher.run(&Stop::new()).unwrap();
    drop(publisher);
    let stored = bench.stored(Lane::Alert);
    let [Record::Alert(alert)] = stored.as_slice() else { panic!("{stored:?}") };
    assert!(matches!(alert.kind, AlertKind::Gap(Gap { of: GapOf::Outbox, .. })), "{alert:?}");
}

#[test]
fn what_the_days_bytes_held_back_is_not_told_as_a_loss_of_the_disk() {
    let bench = Bench::new();
    let (mut publisher, sender) = bench.open();
    for _ in 0..2 {
        sender.send(Entry::Record(thumb())).unwrap();
    }
    let at = |number| Sequence::new(number);
    for (number, cause) in [(1, LossCause::Budget), (2, LossCause::Damage)] {
        let (epoch, sequences) = (publisher.epoch(), vec![at(number)]);
        sender.send(Entry::GiveUp { epoch, lane: Lane::Thumb, sequences, cause }).unwrap();
    }
    publisher.run(&stopped()).unwrap();
    drop(publisher);
    let told = bench.stored(Lane::Alert).into_iter().map(|record| {
        let Record::Alert(alert) = record else { panic!("{record:?}") };
        let AlertKind::Loss(loss) = &alert.kind else { panic!("{alert:?}") };
        (loss.cause, loss.ranges.clone(), alert.text.to_string())
    });
    let only = |number| vec![SequenceRange { first: at(number), last: at(number) }];
    let budget = "1 records of the lane thumb were held back by the day's byte budget".to_owned();
    let damage = "1 records of the lane thumb were damaged on the disk".to_owned();
    let expected = [(LossCause::Budget, only(1), budget), (LossCause::Damage, only(2), damage)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn what_was_dropped_for_room_is_stated_lane_by_lane() {
    let mut bench = Bench::new();
    bench.budget.lanes[Lane::Thumb] = 1;
    let (mut publisher, sender) = bench.open();
    sender.send(Entry::Record(thumb())).unwrap();
    publisher.run(&stopped()).unwrap();
    drop(publisher);
    let stored = bench.stored(Lane::Alert);
    let [Record::Alert(alert)] = stored.as_slice() else { panic!("{stored:?}") };
    let AlertKind::Loss(loss) = &alert.kind else { panic!("{alert:?}") };
    let first = Sequence::ZERO.next();
    assert_eq!((loss.lane, loss.ranges.as_slice()), (Lane::Thumb, &[SequenceRange { first, last: first }][..]));
}

fn give_up(epoch: Epoch, number: u64) -> Entry {
    let sequences = vec![Sequence::new(number)];
    Entry::GiveUp { epoch, lane: Lane::Thumb, sequences, cause: LossCause::Budget }
}

#[test]
fn losses_that_go_on_are_stated_now_and_then_and_none_is_forgotten() {
    let bench = Bench::new();
    let (mut publisher, sender) = bench.open();
    let now = bench.clock.mono();
    for _ in 0..3 {
        publisher.group.push(Entry::Record(thumb()), now);
    }
    publisher.commit();
    for number in 1..=3 {
        publisher.group.push(give_up(publisher.epoch(), number), now);
        publisher.commit();
    }
    assert!(publisher.owes_statement);
    assert_eq!(bench.stored(Lane::Alert).len(), 1, "one alert for three");
    publisher.ends.clock = Clock::ahead(STATE_EVERY);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| publisher.run(&Stop::new()));
        // Nothing more comes: the stage states by itself what it owes.
        while bench.alerts.load(Ordering::SeqCst) < 2 && !running.is_finished() {
            std::thread::yield_now();
        }
        drop(sender);
    });
    let stored = bench.stored(Lane::Alert);
    let [_, Record::Alert(second)] = stored.as_slice() else { panic!("{stored:?}") };
    let AlertKind::Loss(loss) = &second.kind else { panic!("{second:?}") };
    assert_eq!(loss.ranges, [SequenceRange { first: Sequence::new(2), last: Sequence::new(3) }]);
    assert!(!publisher.owes_statement);
}

#[test]
fn a_statement_that_is_owed_does_not_hurry_a_group_that_the_disk_refused() {
    let bench = Bench::new();
    let (mut publisher, sender) = bench.open();
    publisher.owes_statement = true;
    publisher.group = std::mem::take(&mut publisher.group).refused(bench.clock.mono());
    assert!(!publisher.is_due(bench.clock.mono()));
    sender.send(Entry::Record(alert("more"))).unwrap();
    assert!(publisher.is_due(bench.clock.mono().saturating_add(Duration::from_secs(2))));
}

#[test]
fn a_file_that_a_reader_finds_damaged_is_left_and_what_is_said_of_it_forgets_nothing_of_the_next() {
    let bench = Bench::new();
    let (mut publisher, sender) = bench.open();
    let damaged = publisher.epoch();
    let entries = [Entry::Record(thumb()), Entry::Damaged(damaged), Entry::Record(thumb()), give_up(damaged, 1)];
    for entry in entries {
        sender.send(entry).unwrap();
    }
    publisher.run(&stopped()).unwrap();
    assert_ne!(publisher.epoch(), damaged);
    for entry in [Entry::Damaged(damaged), give_up(damaged, 2)] {
        sender.send(entry).unwrap();
    }
    let second = publisher.epoch();
    publisher.run(&stopped()).unwrap();
    assert_eq!(publisher.epoch(), second, "the word on the file before is old");
    drop(publisher);
    assert_eq!(bench.stored(Lane::Thumb), [thumb(), thumb()]);
    let stored = bench.stored(Lane::Alert);
    let [Record::Alert(alert)] = stored.as_slice() else { panic!("{stored:?}") };
    assert!(matches!(alert.kind, AlertKind::Gap(Gap { of: GapOf::Outbox, .. })), "{alert:?}");
}

/// A disk that lets no new outbox be made: what the database begins with cannot be written.
struct Refusing(PathBuf);

impl Refusing {
    fn in_the_place_of_the_journal(bench: &Bench) -> Self {
        let folder = bench.folder.path().join("outbox.db-journal");
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn ends(self) {
        std::fs::remove_dir(self.0).unwrap();
    }
}

#[test]
fn a_damaged_file_that_a_refusing_disk_lets_nobody_replace_is_replaced_when_it_does_and_costs_no_record() {
    let bench = Bench::new();
    let (mut publisher, _sender) = bench.open();
    let (damaged, now) = (publisher.epoch(), bench.clock.mono());
    publisher.group.push(Entry::Record(alert("before")), now);
    publisher.commit();
    let refusing = Refusing::in_the_place_of_the_journal(&bench);
    let aside = bench.folder.path().join("outbox.db.damaged-1");
    let settlement = Settlement { epoch: damaged, lane: Lane::Alert, up_to: Sequence::new(1) };
    for entry in [Entry::Damaged(damaged), Entry::Record(thumb()), Entry::Settle(settlement)] {
        publisher.group.push(entry, now);
    }
    for attempt in 0..5 {
        publisher.commit();
        assert_eq!(publisher.left.as_ref(), Some(&aside), "attempt {attempt}");
        assert!(!publisher.is_due(bench.clock.mono()), "a disk that refuses is not worn");
        publisher.group.push(Entry::Record(answer()), now);
        assert_eq!(edge_store::database::set_aside_in(bench.folder.path()).unwrap(), 1, "attempt {attempt}");
    }
    assert!(publisher.flush().is_err_and(|fault| fault.0.contains("refused the last")), "a stop says what is lost");
    refusing.ends();
    publisher.commit();
    assert_eq!(publisher.left, None);
    assert_ne!(publisher.epoch(), damaged);
    let fresh = publisher.epoch();
    publisher.group.push(Entry::Record(alert("after")), now);
    publisher.commit();
    assert_eq!(publisher.epoch(), fresh, "once");
    drop(publisher);
    assert_eq!(bench.stored(Lane::Thumb), [thumb()]);
    assert_eq!(bench.stored(Lane::Answer).len(), 5);
    let stored = bench.stored(Lane::Alert);
    let [Record::Alert(gap), last] = stored.as_slice() else { panic!("{stored:?}") };
    assert!(matches!(gap.kind, AlertKind::Gap(Gap { of: GapOf::Outbox, .. })), "{gap:?}");
    assert!(gap.text.as_str().contains("outbox.db.damaged-1"), "{gap:?}");
    assert_eq!(*last, alert("after"));
    let kept = OutboxReader::open(&aside).unwrap().unsettled(Lane::Alert, Sequence::ZERO, ALL).unwrap();
    assert_eq!(kept.records.len(), 1, "what the file held can still be looked at");
}

#[test]
fn a_damaged_file_that_cannot_be_set_aside_stays_in_use_until_it_can() {
    let bench = Bench::new();
    let (mut publisher, _sender) = bench.open();
    let (damaged, now) = (publisher.epoch(), bench.clock.mono());
    // Something that cannot be moved onto is in the way of the file, not of what belongs to it.
    let taken = bench.folder.path().join("outbox.db.damaged-1-wal");
    std::fs::create_dir_all(taken.join("full")).unwrap();
    for entry in [Entry::Damaged(damaged), Entry::Record(thumb())] {
        publisher.group.push(entry, now);
    }
    for _ in 0..3 {
        publisher.commit();
        assert_eq!((publisher.epoch(), &publisher.left), (damaged, &None));
    }
    std::fs::remove_dir_all(taken).unwrap();
    publisher.commit();
    assert_ne!(publisher.epoch(), damaged);
    drop(publisher);
    assert_eq!(bench.stored(Lane::Thumb), [thumb()]);
    assert_eq!(bench.stored(Lane::Alert).len(), 1);
}
