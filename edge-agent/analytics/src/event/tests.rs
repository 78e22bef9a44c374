use edge_protocol::hash::{Hash128, Version};
use edge_protocol::id::TrackId;
use edge_protocol::record::{ObjectEvent, ThumbOf, Word};
use edge_protocol::time::WallTime;

use super::*;
use crate::geometry::{Point, Rect};
use crate::hotlist::{Listed, normalise};
use crate::sighting::{Counts, LineCount, PathPoint, ReadCharacter, TrackSummary, ZoneCount, ZoneStay};

const BOUND: ClockQuality = ClockQuality::Synchronised { bound_ms: 20 };

/// Media time zero is 1,000 s after 1970.
fn wall(media: MediaTime) -> WallStamp {
    WallStamp { time: WallTime::from_micros(1_000_000_000 + media.as_nanos() / 1000), quality: BOUND }
}

fn at(seconds: i64) -> MediaTime {
    MediaTime::from_nanos(seconds * 1_000_000_000)
}

fn camera() -> CameraId {
    "gate".parse().unwrap()
}

fn maker(publish: Publish, plates: &[&str], loosest: Match) -> EventMaker {
    let listed = plates.iter().map(|p| Listed { plate: normalise(p).unwrap(), reason: Some(Word::cut("test")) });
    let hotlist = Arc::new(Hotlist::new(Word::cut("test-plates"), Some(Version::of(b"1")), listed));
    EventMaker::new(camera(), EventPolicy { publish, loosest, hotlist, ..EventPolicy::default() })
}

fn plate(text: &str, revision: Revision) -> Sighting {
    let other = |c| ReadCharacter { best: c, probability: 0.9, others: vec![('X', 0.05), ('Y', 0.01)] };
    Sighting::Plate(PlateRead {
        pass: PassId(3),
        track: Some(TrackId(8)),
        revision,
        text: text.into(),
        characters: text.chars().map(other).collect(),
        confidence: 0.5,
        agreeing: 4,
        reads: 6,
        alternates: Vec::new(),
        class: Some(ObjectClass::Car),
        heading: None,
        colour: None,
        first: at(1),
        last: at(3),
        best: at(2),
        plate_rect: Rect::default(),
        vehicle_rect: None,
        plate_crop: Some(Crop::Jpeg(vec![1; 3000])),
        vehicle_crop: Some(Crop::Jpeg(vec![2; 8000])),
    })
}

fn track() -> TrackSummary {
    let point = |s, x, y| PathPoint { media: at(s), foot: Point { x, y } };
    TrackSummary {
        track: TrackId(5),
        class: ObjectClass::Person,
        confidence: 0.8,
        first: at(1),
        last: at(12),
        path: vec![point(1, 0.0, 300.0), point(12, 320.0, 900.0)],
        heading: Some(crate::sighting::Heading::Right),
        colour: Some(crate::sighting::Colour::Red),
        zones: vec![ZoneStay { zone: "kerb".into(), entered: at(2), dwell_ms: 700, inside: true }],
        lines: Vec::new(),
        rect: Rect::default(),
        frame_width: 640,
        frame_height: 600,
    }
}

fn only_track(records: &[Record]) -> &ObjectEvent {
    let [Record::Object(object)] = records else { panic!("{records:?}") };
    let ObjectRecord::Track(event) = object.as_ref() else { panic!("{records:?}") };
    event
}

fn lanes(records: &[Record]) -> Vec<&'static str> {
    records.iter().map(|record| record.lane().as_str()).collect()
}

#[test]
fn every_record_is_within_the_bounds_of_the_contract() {
    let mut maker = maker(Publish::All, &["AB123"], Match::Fuzzy);
    let counts = Counts {
        from: at(0),
        to: at(60),
        frames_offered: 9,
        frames_analysed: 8,
        looked_ms: 7,
        plate_reads: 1,
        zones: vec![],
        lines: vec![],
    };
    for sighting in [
        plate("AB123", Revision::Final),
        Sighting::TrackUpdate(track()),
        Sighting::TrackEnd(track()),
        Sighting::Counts(counts),
    ] {
        let records = maker.take(&sighting, &wall);
        assert!(!records.is_empty());
        for record in records {
            record.check().unwrap();
            assert_eq!(Record::from_payload(record.lane(), &record.to_payload()).unwrap(), record);
        }
    }
}

#[test]
fn by_default_no_plate_text_leaves_the_unit_without_a_hit() {
    let mut maker = EventMaker::new(camera(), EventPolicy::default());
    for revision in [Revision::Preview, Revision::Final] {
        assert!(maker.take(&plate("AB123CD", revision), &wall).is_empty());
    }
}

#[test]
fn all_publishes_preview_and_final_with_alternates_by_place() {
    let mut maker = maker(Publish::All, &[], Match::Exact);
    let records = maker.take(&plate("AB123CD", Revision::Preview), &wall);
    assert_eq!(lanes(&records), ["read"]);
    let [Record::Read(read)] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((read.text.as_str(), read.agreeing, read.reads), ("AB123CD", 4, 6));
    assert_eq!((read.first.as_millis(), read.last.as_millis(), read.clock), (1_001_000, 1_003_000, BOUND));
    assert_eq!(read.alternates.len(), 6);
    assert!(read.alternates.iter().all(|a| a.character == 'X'));
    assert_eq!(read.crop, Some(Hash128::of(&[1; 3000])));
    assert_eq!(maker.take(&plate("AB123CD", Revision::Final), &wall).len(), 1);
}

#[test]
fn a_hit_comes_once_with_its_pictures_bound_by_hash() {
    let mut maker = maker(Publish::Counts, &["ab 123-cd"], Match::Confusable);
    let records = maker.take(&plate("AB123CD", Revision::Preview), &wall);
    assert_eq!(lanes(&records), ["hit", "thumb", "thumb"]);
    let [Record::Hit(hit), Record::Thumb(first), Record::Thumb(second)] = records.as_slice() else { panic!() };
    assert_eq!((hit.matched, hit.listed.as_str()), (Match::Exact, "AB123CD"));
    assert_eq!(hit.read.versions.hotlist, Some(Version::of(b"1")));
    assert_eq!(hit.pictures, [first.hash(), second.hash()]);
    assert_eq!((first.of, second.of), (ThumbOf::Plate, ThumbOf::Vehicle));
    assert_eq!(first.at.as_millis(), 1_002_000);
    assert!(maker.take(&plate("AB123CD", Revision::Final), &wall).is_empty());
}

#[test]
fn a_better_match_is_told_again_and_a_fuzzy_one_waits_for_the_end() {
    let mut maker = maker(Publish::Counts, &["AB123CD"], Match::Fuzzy);
    assert!(maker.take(&plate("AB124CD", Revision::Preview), &wall).is_empty());
    let how = |records: Vec<Record>| match records.first() {
        Some(Record::Hit(hit)) => Some(hit.matched),
        _ => None,
    };
    assert_eq!(how(maker.take(&plate("A8123CD", Revision::Preview), &wall)), Some(Match::Confusable));
    assert_eq!(how(maker.take(&plate("AB124CD", Revision::Final), &wall)), None);
    assert_eq!(how(maker.take(&plate("AB123CD", Revision::Final), &wall)), Some(Match::Exact));
    maker.restart();
    assert_eq!(how(maker.take(&plate("AB124CD", Revision::Final), &wall)), Some(Match::Fuzzy));
}

#[test]
fn a_hit_that_the_whole_pass_does_not_bear_out_is_taken_back_in_words_without_the_plate() {
    let mut maker = maker(Publish::Counts, &["AB123CD"], Match::Fuzzy);
    let refuted = |records: Vec<Record>| match records.as_slice() {
        [Record::Alert(alert)] => Some(alert.text.as_str().to_owned()),
        _ => None,
    };
    maker.take(&plate("AB123CD", Revision::Preview), &wall);
    assert_eq!(refuted(maker.take(&plate("AB123CD", Revision::Final), &wall)), None, "it stands");
    for other in ["XY987ZW", "AB124CD"] {
        let words = refuted(maker.take(&plate(other, Revision::Final), &wall)).expect(other);
        assert!(words.contains("pass 3 does not stand") && !words.contains(other), "{words}");
    }
    maker.restart();
    assert_eq!(refuted(maker.take(&plate("XY987ZW", Revision::Final), &wall)), None, "nothing was told");
}

#[test]
fn pictures_stay_within_their_bytes_together() {
    let mut maker = maker(Publish::Counts, &["AB123CD"], Match::Exact);
    let Sighting::Plate(mut read) = plate("AB123CD", Revision::Final) else { panic!() };
    read.vehicle_crop = Some(Crop::Jpeg(vec![2; 12 * 1024 - 2999]));
    let records = maker.take(&Sighting::Plate(read), &wall);
    assert_eq!(lanes(&records), ["hit", "thumb"]);
}

#[test]
fn a_track_is_told_while_it_lasts_and_at_its_end() {
    let mut maker = EventMaker::new(camera(), EventPolicy::default());
    let fresh = TrackSummary { last: at(1), ..track() };
    assert!(maker.take(&Sighting::TrackUpdate(fresh), &wall).is_empty());
    let records = maker.take(&Sighting::TrackUpdate(track()), &wall);
    assert!(!only_track(&records).ended);
    let records = maker.take(&Sighting::TrackEnd(track()), &wall);
    let event = only_track(&records);
    assert!(event.ended);
    let last = event.path[1];
    assert_eq!((last.after_ds, last.x, last.y), (110, 250, 500));
    assert_eq!((event.zones[0].zone.as_str(), event.zones[0].entered.as_millis()), ("kerb", 1_002_000));
}

#[test]
fn counts_carry_the_tracks_that_ended_in_their_period() {
    let mut maker = EventMaker::new(camera(), EventPolicy::default());
    maker.take(&Sighting::TrackEnd(track()), &wall);
    let zone = ZoneCount { zone: "kerb".into(), class: None, entered: 1, left: 2, peak: 3, present: 4, dwell_s: 5 };
    let line = LineCount { line: "stop".into(), class: ObjectClass::Car, forward: 1, backward: 2 };
    let counts = Counts {
        from: at(0),
        to: at(60),
        frames_offered: 9,
        frames_analysed: 8,
        looked_ms: 7,
        plate_reads: 6,
        zones: vec![zone],
        lines: vec![line],
    };
    let mut tracks = Vec::new();
    for _ in 0..2 {
        let records = maker.take(&Sighting::Counts(counts.clone()), &wall);
        let [Record::Object(object)] = records.as_slice() else { panic!("{records:?}") };
        let ObjectRecord::Counts(counts) = object.as_ref() else { panic!("{records:?}") };
        assert_eq!((counts.plate_reads, counts.zones[0].entered, counts.lines[0].backward), (6, 1, 2));
        tracks.push(counts.tracks.iter().map(|row| row.count).sum::<u32>());
    }
    assert_eq!(tracks, [1, 0]);
}
