//! A center whose database knows less than its units were told.

use super::super::message::Answer;
use super::*;
use crate::database::enrolment::OWN_NAME;
use crate::database::requests::RequestStatus;

fn marked(lane: &'static str, settled: u64, items: Vec<Item>) -> Message {
    Message::Batch(Batch { unit: "gate-1".into(), epoch: 7, lane, items, settled: Some(settled) })
}

fn alerts(settled: u64, sequences: std::ops::RangeInclusive<u64>) -> Message {
    marked("alert", settled, sequences.map(record).collect())
}

impl Receiver {
    /// Every gap as kind, lane, first and last.
    fn gaps(&self) -> Vec<(&'static str, String, u64, u64)> {
        let gaps = queries::gaps(self.database.reader(), 1).unwrap();
        gaps.into_iter().map(|gap| (gap.kind, gap.lane, gap.first, gap.last)).collect()
    }

    fn alarms(&self) -> Vec<String> {
        let filter = EventFilter { unit: Some(OWN_NAME.to_owned()), limit: 100, ..EventFilter::default() };
        let found = queries::events(self.database.reader(), &filter).unwrap();
        found.iter().map(|event| event.record["text"].as_str().unwrap().to_owned()).collect()
    }

    fn forgotten(&self) -> i64 {
        queries::units(self.database.reader()).unwrap()[0].forgotten
    }
}

#[test]
fn an_empty_database_begins_where_the_unit_goes_on_and_states_the_hole() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    assert_eq!(center.prefix(vec![alerts(40, 41..=45)]), one("alert", 45));
    assert_eq!(center.gaps(), [("forgotten", "alert".to_owned(), 1, 40)]);
    assert_eq!((center.counter("forgotten"), center.forgotten(), center.counter("lost")), (40, 40, 0));
    let alarms = center.alarms();
    assert!(alarms.len() == 1 && alarms[0].starts_with("40 records of gate-1 in the lane alert"), "{alarms:?}");
    // What comes with it afterwards says nothing new.
    assert_eq!(center.prefix(vec![alerts(45, 46..=46), alerts(40, 41..=45)]), one("alert", 46));
    assert_eq!((center.counter("forgotten"), center.alarms().len()), (40, 1));
}

#[test]
fn an_older_database_states_what_it_lacks_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.take(vec![alerts(0, 1..=10), alerts(10, 15..=16)]).unwrap();
    assert_eq!(center.gaps(), [("missing", "alert".to_owned(), 11, 14)]);
    assert_eq!(center.prefix(vec![alerts(20, 21..=22)]), one("alert", 22));
    let forgotten = |first, last| ("forgotten", "alert".to_owned(), first, last);
    assert_eq!(center.gaps(), [forgotten(11, 14), forgotten(17, 20)]);
    assert_eq!(center.forgotten(), 8);
    assert_eq!(center.events().iter().filter(|(lane, _)| lane == "alert").count(), 10 + 2 + 2 + 1, "and the alarm");
}

#[test]
fn a_whole_database_hears_nothing_in_the_mark_and_neither_does_one_of_another_epoch_or_lane() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.take(vec![alerts(0, 1..=10), reads(7, 4..=5), reads(8, 4..=5)]).unwrap();
    assert_eq!(center.prefix(vec![alerts(10, 11..=12)]), one("alert", 12));
    let missing = ("missing", "read".to_owned(), 1, 3);
    assert_eq!(center.gaps(), [missing.clone(), missing]);
    assert_eq!((center.counter("forgotten"), center.alarms().len()), (0, 0));
}

#[test]
fn a_mark_that_cannot_be_is_refused_and_what_came_with_it_is_kept() {
    for settled in [41, 45, 46, u64::MAX, i64::MAX.unsigned_abs()] {
        let folder = tempfile::tempdir().unwrap();
        let mut center = Receiver::open(folder.path());
        assert_eq!(center.prefix(vec![alerts(settled, 41..=45)]), [], "{settled}");
        assert_eq!(center.gaps(), [("missing", "alert".to_owned(), 1, 40)]);
        let refusals = queries::refusals(center.database.reader()).unwrap();
        assert_eq!((refusals.len(), refusals[0].reason.as_str()), (1, "settled"));
        assert_eq!((center.events().len(), center.alarms().len()), (5, 0));
        // What it would have skipped is still wanted.
        assert_eq!(center.prefix(vec![alerts(0, 1..=40)]), one("alert", 45));
    }
}

/// Whoever stands between may raise a mark; the unit goes on with what it has.
#[test]
fn what_comes_although_it_was_stated_as_forgotten_is_kept_and_stated_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    center.take(vec![alerts(40, 41..=41)]).unwrap();
    assert_eq!(center.prefix(vec![alerts(9, 10..=12), alerts(9, 11..=12)]), one("alert", 41));
    let forgotten = |first, last| ("forgotten", "alert".to_owned(), first, last);
    assert_eq!(center.gaps(), [forgotten(1, 9), forgotten(13, 40)]);
    assert_eq!((center.counter("records"), center.counter("duplicates")), (1 + 3 + 1, 2));
    // Pictures and pieces of clips leave no record; they are taken all the same.
    let picture = |at| bare(at, Effect::Thumb { hash: format!("{at:064x}"), bytes: vec![1] });
    center.take(vec![marked("thumb", 40, vec![picture(41)]), marked("thumb", 1, vec![picture(2)])]).unwrap();
    let thumbs: i64 = center.database.reader().query_row("SELECT count(*) FROM thumbs", [], |row| row.get(0)).unwrap();
    assert_eq!(thumbs, 2);
}

#[test]
fn a_clip_of_which_something_is_not_here_any_more_is_to_be_asked_for_again() {
    for lane in ["clip", "answer"] {
        let folder = tempfile::tempdir().unwrap();
        let mut center = Receiver::open(folder.path());
        center.hand_in("ab", "{}");
        let accepted = Answer {
            request: "ab".into(),
            status: Some(RequestStatus::Accepted),
            words: "the unit accepted it".into(),
            offer: None,
        };
        center.take(vec![batch(7, "answer", vec![bare(1, Effect::Answer(accepted))])]).unwrap();
        center.take(vec![marked(lane, 3, vec![bare(4, Effect::None)])]).unwrap();
        assert_eq!(center.request("ab").status, RequestStatus::Again, "{lane}");
    }
}

/// One unit's word must not make the center unreadable for all.
#[test]
fn marks_beyond_all_bounds_are_counted_as_far_as_numbers_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Receiver::open(folder.path());
    let last = i64::MAX as u64 - 2;
    for lane in ["alert", "hit"] {
        center.take(vec![marked(lane, last, vec![record(last + 1)])]).unwrap();
    }
    assert!(center.forgotten() > i64::MAX / 2 && center.counter("forgotten") > i64::MAX / 2);
}
