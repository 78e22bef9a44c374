use std::path::Path;
use std::time::Duration;

use edge_protocol::record::LossCause;
use proptest::prelude::*;

use super::apply::{ApplyError, Received, Settled, apply, settled_now};
use super::clips::Files;
use super::message::{BadSeal, Batch, Effect, Item, Loss, Message};
use crate::database::ingest::{NewRecord, SealFound};
use crate::database::queries::{self, EventFilter};
use crate::database::spans::Span;
use crate::database::{Database, DatabaseError};

mod forgotten;
mod requests;

const NOW: i64 = 1_795_219_200_000_000;

/// A receiver without a broker.
struct Receiver {
    database: Database,
    files: Files,
}

impl Receiver {
    fn open(folder: &Path) -> Self {
        Self {
            database: Database::open(&folder.join("center.db"), Duration::from_millis(20)).unwrap(),
            files: Files::open(folder).unwrap(),
        }
    }

    fn take(&mut self, messages: Vec<Message>) -> Result<Vec<Settled>, ApplyError> {
        let received: Vec<_> = messages.into_iter().map(|message| Received { message, received_us: NOW }).collect();
        apply(&mut self.database, &mut self.files, &received, NOW)
    }

    fn prefix(&mut self, messages: Vec<Message>) -> Vec<(String, u64)> {
        self.take(messages).unwrap().into_iter().map(|s| (s.lane, s.sequence)).collect()
    }

    fn events(&self) -> Vec<(String, i64)> {
        let filter = EventFilter { limit: 10_000, ..EventFilter::default() };
        queries::events(self.database.reader(), &filter).unwrap().into_iter().map(|e| (e.lane, e.sequence)).collect()
    }

    fn counter(&self, name: &str) -> i64 {
        let counters = queries::counters(self.database.reader()).unwrap();
        counters.into_iter().find(|(n, _)| n == name).map_or(0, |(_, value)| value)
    }
}

fn record(sequence: u64) -> Item {
    let body = format!("{{\"n\":{sequence}}}");
    let record =
        NewRecord { sequence, camera: Some("north".into()), at_us: Some(NOW - 500), plate: None, seal: None, body };
    Item { sequence, record: Some(record), effect: Effect::None }
}

fn bare(sequence: u64, effect: Effect) -> Item {
    Item { sequence, record: None, effect }
}

fn batch(epoch: u64, lane: &'static str, items: Vec<Item>) -> Message {
    Message::Batch(Batch { unit: "gate-1".into(), epoch, lane, items, settled: None })
}

fn reads(epoch: u64, sequences: impl IntoIterator<Item = u64>) -> Message {
    batch(epoch, "read", sequences.into_iter().map(record).collect())
}

fn one(lane: &str, sequence: u64) -> Vec<(String, u64)> {
    vec![(lane.to_owned(), sequence)]
}

#[test]
fn a_record_that_comes_twice_is_kept_once_and_acknowledged_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    assert_eq!(center.prefix(vec![reads(7, 1..=3)]), one("read", 3));
    assert_eq!(center.prefix(vec![reads(7, 2..=3)]), one("read", 3));
    assert_eq!(center.events().len(), 3);
    assert_eq!(center.counter("duplicates"), 2);
    assert_eq!(center.counter("records"), 3);
}

#[test]
fn only_the_unbroken_run_is_acknowledged_and_the_hole_is_a_gap_until_it_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    assert_eq!(center.prefix(vec![reads(7, 4..=5)]), [], "the beginning is missing");
    assert_eq!(center.prefix(vec![reads(7, 1..=2)]), one("read", 2));
    let gaps = queries::gaps(center.database.reader(), 1).unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].kind, gaps[0].first, gaps[0].last), ("missing", 3, 3));
    assert_eq!(center.prefix(vec![reads(7, [3])]), one("read", 5));
    assert_eq!(queries::gaps(center.database.reader(), 1).unwrap(), []);
}

#[test]
fn what_a_unit_declares_lost_is_settled_and_stays_visible_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.take(vec![reads(7, [1, 5])]).unwrap();
    let lost = |at, spans: &[Span], cause| {
        let effect = Effect::Lost(Loss { epoch: 7, lane: "read", spans: spans.to_vec(), cause });
        Item { effect, ..record(at) }
    };
    let items = vec![
        lost(1, &[Span::new(2, 3).unwrap()], LossCause::Disk),
        lost(2, &[Span::new(4, 4).unwrap()], LossCause::Budget),
        // Stated again as one with a later one, as a unit does whose statement was dropped.
        lost(3, &[Span::new(2, 4).unwrap(), Span::new(6, 6).unwrap()], LossCause::Disk),
    ];
    let mut settled = center.prefix(vec![batch(7, "alert", items)]);
    settled.sort();
    assert_eq!(settled, [("alert".to_owned(), 3), ("read".to_owned(), 6)]);
    let gaps = queries::gaps(center.database.reader(), 1).unwrap();
    let told: Vec<_> = gaps.iter().map(|gap| (gap.kind, gap.lane.as_str(), gap.first, gap.last)).collect();
    assert_eq!(told, [("lost", "read", 2, 3), ("withheld", "read", 4, 4), ("lost", "read", 6, 6)]);
    let counted = (center.counter("lost"), center.counter("withheld"));
    assert_eq!(counted, (3, 1), "a budget is no fault, and nothing is lost twice");
}

#[test]
fn a_new_epoch_counts_from_the_beginning_and_nothing_fresh_is_taken_for_a_duplicate() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.take(vec![reads(u64::MAX, 1..=9)]).unwrap();
    let settled = center.take(vec![reads(8, 1..=2)]).unwrap();
    assert_eq!((settled[0].epoch, settled[0].sequence), (8, 2));
    assert_eq!(center.events().len(), 11);
    assert_eq!(center.counter("duplicates"), 0);
    // A straggler of the old epoch neither brings it back nor is lost.
    let settled = center.take(vec![reads(u64::MAX, [10])]).unwrap();
    assert_eq!((settled[0].epoch, settled[0].sequence), (u64::MAX, 10));
    let unit = &queries::units(center.database.reader()).unwrap()[0];
    assert_eq!((unit.epoch.as_deref(), unit.epochs), (Some("0000000000000008"), 2));
    let now = settled_now(&center.database).unwrap();
    assert_eq!(now.iter().map(|s| (s.epoch, s.sequence)).collect::<Vec<_>>(), [(8, 2)]);
}

#[test]
fn two_receivers_acknowledge_what_they_have_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Receiver::open(folder.path());
    let mut second = Receiver::open(folder.path());
    assert_eq!(first.prefix(vec![reads(7, [1, 2])]), one("read", 2));
    assert_eq!(second.prefix(vec![reads(7, [5, 6])]), one("read", 2), "3 and 4 are with neither");
    assert_eq!(first.prefix(vec![reads(7, [3, 4])]), one("read", 6), "5 and 6 are with the other");
    assert_eq!(second.prefix(vec![reads(7, [1, 6])]), one("read", 6));
    assert_eq!(first.events().len(), 6);
    assert_eq!(first.counter("duplicates"), 2);
}

#[test]
fn a_locked_database_acknowledges_nothing_and_takes_the_same_messages_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    let mut other = Database::open(&folder.path().join("center.db"), Duration::ZERO).unwrap();
    let held = other.write().unwrap();
    let refused = center.take(vec![reads(7, [1])]);
    assert!(matches!(refused, Err(ApplyError::Database(DatabaseError::Locked))), "{refused:?}");
    drop(held);
    assert_eq!(center.prefix(vec![reads(7, [1])]), one("read", 1));
    assert_eq!(center.counter("duplicates"), 0);
}

#[test]
fn sequences_that_cannot_be_are_refused_and_counted_without_harm_to_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    assert_eq!(center.prefix(vec![reads(7, [0, 1, u64::MAX])]), one("read", 1));
    let refusals = queries::refusals(center.database.reader()).unwrap();
    assert_eq!((refusals[0].reason.as_str(), refusals[0].count), ("sequence", 2));
}

#[test]
fn births_and_deaths_are_kept_and_a_late_death_of_an_earlier_life_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    let state = |epoch, birth: Option<&str>| Message::State {
        unit: "gate-1".into(),
        epoch: Some(epoch),
        birth: birth.map(str::to_owned),
    };
    let unit = |center: &Receiver| queries::units(center.database.reader()).unwrap().remove(0);
    center.take(vec![state(u64::MAX, Some("{\"cameras\":[]}")), state(8, Some("{\"cameras\":[1]}"))]).unwrap();
    center.take(vec![state(u64::MAX, None)]).unwrap();
    assert!(unit(&center).online, "that was the death of the life before");
    center.take(vec![state(8, None)]).unwrap();
    assert!(!unit(&center).online);
    assert_eq!(unit(&center).state, Some(serde_json::json!({"cameras": [1]})));
}

#[test]
fn a_unit_that_is_born_again_hears_what_is_here_of_its_life() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    let born = |epoch| Message::State { unit: "gate-1".into(), epoch: Some(epoch), birth: Some("{}".into()) };
    assert_eq!(center.prefix(vec![born(7)]), [], "nothing of it is here");
    center.take(vec![reads(6, 1..=9), reads(7, 1..=3)]).unwrap();
    assert_eq!(center.prefix(vec![born(7)]), one("read", 3));
    // What came with it counts, also when it comes behind it.
    assert_eq!(center.prefix(vec![born(7), reads(7, 4..=6)]), one("read", 6));
}

#[test]
fn events_are_found_by_every_filter_and_in_the_order_of_their_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    let mut plated = record(3);
    plated.record.as_mut().unwrap().plate = Some("AB12".into());
    center.take(vec![reads(7, [1, 2]), batch(7, "hit", vec![plated])]).unwrap();
    let find = |filter: EventFilter| {
        let filter = EventFilter { limit: 10, ..filter };
        let found = queries::events(center.database.reader(), &filter).unwrap();
        found.into_iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(find(EventFilter::default()), [1, 2, 3]);
    assert_eq!(find(EventFilter { newest: true, ..EventFilter::default() }), [3, 2, 1]);
    assert_eq!(find(EventFilter { after: 1, ..EventFilter::default() }), [2, 3]);
    assert_eq!(find(EventFilter { lane: Some("hit".into()), ..EventFilter::default() }), [3]);
    assert_eq!(find(EventFilter { plate: Some("AB12".into()), ..EventFilter::default() }), [3]);
    assert_eq!(find(EventFilter { plate: Some("AB1".into()), ..EventFilter::default() }), [0_i64; 0]);
    assert_eq!(find(EventFilter { unit: Some("gate-2".into()), ..EventFilter::default() }), [0_i64; 0]);
    assert_eq!(find(EventFilter { camera: Some("north".into()), ..EventFilter::default() }), [1, 2, 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Two receivers get the messages of a lane in any order, any of them repeatedly; restarts are free.
    #[test]
    fn however_messages_are_shared_and_repeated_the_acknowledged_run_is_what_is_committed(
        deliveries in prop::collection::vec((any::<bool>(), 1_u64..12, 1_u64..4), 1..25),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut centers = [Receiver::open(folder.path()), Receiver::open(folder.path())];
        let mut model = std::collections::BTreeSet::new();
        for (which, first, length) in deliveries {
            let sequences: Vec<u64> = (first..first + length).collect();
            model.extend(sequences.iter().copied());
            let run = (1..100).take_while(|n| model.contains(n)).last();
            let settled = centers[usize::from(which)].take(vec![reads(7, sequences)]).unwrap();
            prop_assert_eq!(settled.first().map(|s| s.sequence), run);
        }
        prop_assert_eq!(centers[0].events().len(), model.len());
    }
}

#[test]
fn a_wrong_seal_and_a_missing_one_are_kept_as_such_counted_and_told() {
    let why = "it seals another entry than this";
    bad_seal(SealFound::Wrong, Effect::BadSeal(BadSeal::Wrong, why.into()), ["wrong", "signature WRONG", "wrong-seal"]);
    let why = "entry 7 (outcome) has none";
    let missing = Effect::BadSeal(BadSeal::Missing, why.into());
    bad_seal(SealFound::Missing, missing, ["missing", "signature MISSING", "no-seal"]);
}

fn bad_seal(found: SealFound, effect: Effect, [kept, words, name]: [&str; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    let mut entry = record(1);
    entry.record.as_mut().unwrap().seal = Some(found);
    entry.effect = effect;
    center.take(vec![batch(7, "audit", vec![entry.clone()])]).unwrap();
    center.take(vec![batch(7, "audit", vec![entry])]).unwrap();
    let filter = EventFilter { limit: 10, ..EventFilter::default() };
    let events = queries::events(center.database.reader(), &filter).unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.lane.as_str(), event.seal.as_deref())).collect();
    assert_eq!(told, [("audit", Some(kept)), ("alert", None)]);
    assert!(events[1].record["text"].as_str().unwrap().contains(words), "{events:?}");
    let refusals = queries::refusals(center.database.reader()).unwrap();
    assert_eq!((refusals[0].unit.as_str(), refusals[0].reason.as_str(), refusals[0].count), ("gate-1", name, 1));
}
