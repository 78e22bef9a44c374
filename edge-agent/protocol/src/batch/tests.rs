use super::*;
use crate::hash::{Hash128, Version};
use crate::id::{CameraId, PassId, TrackId};
use crate::record::{
    Alternate, Colour, Confidence, Heading, ObjectClass, ObjectEvent, ObjectRecord, PathPoint, PlateText, Read,
    Revision, Versions,
};
use crate::time::{ClockQuality, Moment};

const NOON: i64 = 1_790_000_000_000;

fn versions() -> Versions {
    let version = |name: &str| Some(Version::of(name.as_bytes()));
    Versions { model: version("model"), config: version("config"), mask: version("mask"), hotlist: version("list") }
}

fn clock() -> ClockQuality {
    ClockQuality::Synchronised { bound_ms: 500 }
}

/// A final read of seven characters, each with an alternate, seen for 1.7 s.
fn read(number: u64) -> Record {
    let offset = i64::try_from(number).unwrap() * 2300;
    let alternate =
        |position| Alternate { position, character: 'B', probability: Confidence::from_steps(30 + position) };
    Record::Read(Box::new(Read {
        camera: CameraId::new("gate-north").unwrap(),
        pass: PassId(40_000 + number),
        revision: Revision::Final,
        text: PlateText::new("AB12CDE").unwrap(),
        characters: (0..7).map(|i| Confidence::from_steps(240 + i)).collect(),
        confidence: Confidence::from_steps(231),
        alternates: (0..7).map(alternate).collect(),
        agreeing: 9,
        reads: 31,
        track: Some(TrackId(70_000 + number)),
        class: Some(ObjectClass::Car),
        heading: Some(Heading::DownLeft),
        colour: Some(Colour::Blue),
        first: Moment::from_millis(NOON + offset),
        last: Moment::from_millis(NOON + offset + 1700),
        clock: clock(),
        crop: Some(Hash128::of(&number.to_be_bytes())),
        versions: versions(),
    }))
}

fn object(number: u64) -> Record {
    let offset = i64::try_from(number).unwrap() * 900;
    // Across the whole picture: distances between points are as long as they get.
    let path = [(0, 17, 205), (21, 170, 260), (44, 327, 320), (61, 492, 385)];
    Record::Object(Box::new(ObjectRecord::Track(ObjectEvent {
        camera: CameraId::new("crossing").unwrap(),
        track: TrackId(70_000 + number),
        class: ObjectClass::Car,
        confidence: Confidence::from_steps(201),
        first: Moment::from_millis(NOON + offset),
        last: Moment::from_millis(NOON + offset + 6100),
        clock: clock(),
        ended: true,
        heading: Some(Heading::Right),
        colour: Some(Colour::Silver),
        path: path.into_iter().map(|(after_ds, x, y)| PathPoint { after_ds, x, y }).collect(),
        zones: Vec::new(),
        lines: Vec::new(),
        versions: versions(),
    })))
}

fn batch(records: Vec<Record>) -> Batch {
    let batch = Batch::new(Epoch::new(0x1234_5678_9abc_def0), Sequence::new(1_000_000), records).unwrap();
    batch.with_settled(Sequence::new(999_999)).unwrap()
}

#[test]
fn a_read_costs_120_bytes_in_a_batch_and_200_alone() {
    let twenty = batch((0..20).map(read).collect()).encode(Encoding::Cbor).len();
    assert!(twenty <= 20 * 120, "{twenty} bytes for 20 reads");
    let alone = batch(vec![read(0)]).encode(Encoding::Cbor).len();
    assert!(alone <= 200, "{alone} bytes for one read");
}

#[test]
fn an_object_event_costs_60_bytes_in_a_batch() {
    let twenty = batch((0..20).map(object).collect()).encode(Encoding::Cbor).len();
    assert!(twenty <= 20 * 60, "{twenty} bytes for 20 object events");
}

#[test]
fn a_batch_is_read_as_it_was_written_in_both_encodings() {
    for records in [(0..20).map(read).collect::<Vec<_>>(), (0..20).map(object).collect()] {
        let written = batch(records);
        for encoding in [Encoding::Cbor, Encoding::Json] {
            assert_eq!(Batch::decode(&written.encode(encoding)).unwrap(), written, "{encoding:?}");
        }
    }
}

#[test]
fn a_record_alone_is_read_as_it_was_written() {
    let record = read(3);
    assert_eq!(Record::from_payload(Lane::Read, &record.to_payload()).unwrap(), record);
    assert!(Record::from_payload(Lane::Object, &record.to_payload()).is_err());
}

#[test]
fn records_are_named_one_after_the_other() {
    let batch = batch(vec![read(0), read(1)]);
    let sequences: Vec<u64> = batch.named().map(|(name, _)| name.sequence.get()).collect();
    assert_eq!(sequences, [1_000_000, 1_000_001]);
    assert_eq!(batch.last().get(), 1_000_001);
}

#[test]
fn a_batch_has_records_of_one_lane() {
    assert_eq!(Batch::new(Epoch::new(1), Sequence::new(1), vec![read(0), object(0)]), Err(NoBatch::Lane));
    assert_eq!(Batch::new(Epoch::new(1), Sequence::new(1), Vec::new()), Err(NoBatch::Count));
    assert_eq!(Batch::new(Epoch::new(1), Sequence::ZERO, vec![read(0)]), Err(NoBatch::Sequence));
}

#[test]
fn another_version_is_named_as_such() {
    let mut cbor = batch(vec![read(0)]).encode(Encoding::Cbor);
    cbor[2] = 2;
    assert!(matches!(Batch::decode(&cbor), Err(Unreadable::Version(2))));
    let json = String::from_utf8(batch(vec![read(0)]).encode(Encoding::Json)).unwrap();
    let json = json.replace("\"version\":1", "\"version\":7");
    assert!(matches!(Batch::decode(json.as_bytes()), Err(Unreadable::Version(7))));
}

#[test]
fn messages_too_large_or_with_bytes_behind_them_are_refused() {
    assert!(matches!(Batch::decode(&vec![0xa6; MAX_MESSAGE_BYTES + 1]), Err(Unreadable::Oversized(_))));
    let mut message = batch(vec![read(0)]).encode(Encoding::Cbor);
    message.push(0);
    assert!(Batch::decode(&message).is_err());
}

#[test]
fn a_read_that_does_not_fit_together_is_refused() {
    let Record::Read(mut bad) = read(0) else { panic!("a read") };
    bad.alternates[0].position = 7;
    let message = batch(vec![Record::Read(bad)]).encode(Encoding::Cbor);
    assert!(matches!(Batch::decode(&message), Err(Unreadable::Bounds(_))));
}

#[test]
fn a_batch_without_the_mark_is_written_as_before_there_was_one() {
    let marked = batch(vec![read(0)]);
    let plain = marked.clone().with_settled(Sequence::ZERO).unwrap();
    let (short, long) = (plain.encode(Encoding::Cbor), marked.encode(Encoding::Cbor));
    assert_eq!(short[0], 0xa6, "six fields");
    assert_eq!((long[0], &long[1..short.len()]), (0xa7, &short[1..]), "the seventh comes after all others");
    assert_eq!(long[short.len()..], [6, 1], "one before the first record");
    for whole in [&marked, &plain] {
        for encoding in [Encoding::Cbor, Encoding::Json] {
            assert_eq!(Batch::decode(&whole.encode(encoding)).unwrap(), *whole);
        }
    }
    let text = String::from_utf8(plain.encode(Encoding::Json)).unwrap();
    assert!(!text.contains("settled"), "{text}");
}

#[test]
fn a_mark_that_is_not_before_the_first_record_makes_no_batch() {
    let whole = batch(vec![read(0)]);
    for settled in [1_000_000, 1_000_001, u64::MAX] {
        assert_eq!(whole.clone().with_settled(Sequence::new(settled)), Err(NoBatch::Settled));
        let text = String::from_utf8(whole.encode(Encoding::Json)).unwrap();
        let forged = text.replace("\"settled\":999999", &format!("\"settled\":{settled}"));
        assert!(matches!(Batch::decode(forged.as_bytes()), Err(Unreadable::NoBatch(NoBatch::Settled))), "{settled}");
    }
    let written = whole.encode(Encoding::Cbor);
    let (body, mark) = written.split_at(written.len() - 2);
    assert_eq!(mark, [6, 1]);
    // Nothing before it, as far before it as its number, and further; then what is no mark at all.
    let (all, more) = ([6, 0x1a, 0, 0x0f, 0x42, 0x40], [6, 0x1a, 0xff, 0xff, 0xff, 0xff]);
    for wrong in [&[6, 0][..], &all, &more, &[], &[6], &[7, 23], &[5, 23], &[6, 0x38], &[6, 23, 0]] {
        assert!(Batch::decode(&[body, wrong].concat()).is_err(), "{wrong:?}");
    }
}
