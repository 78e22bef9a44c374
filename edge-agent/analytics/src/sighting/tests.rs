use proptest::prelude::*;

use super::*;
use crate::geometry::{Point, Rect};
use crate::picture::RgbCrop;
use crate::track::TrackId;

fn summary() -> TrackSummary {
    TrackSummary {
        track: TrackId(7),
        class: ObjectClass::Car,
        confidence: 0.75,
        first: MediaTime::from_nanos(-5),
        last: MediaTime::from_nanos(9_000_000_000),
        path: vec![PathPoint { media: MediaTime::from_nanos(3), foot: Point { x: 1.5, y: 2.5 } }],
        heading: Some(Heading::DownLeft),
        colour: Some(Colour::Red),
        zones: vec![ZoneStay { zone: "kerb".into(), entered: MediaTime::from_nanos(1), dwell_ms: 5, inside: true }],
        lines: vec![LineCrossing { line: "stop".into(), media: MediaTime::from_nanos(2), forward: false }],
        rect: Rect { x: 1.0, y: 2.0, w: 3.0, h: 4.0 },
        frame_width: 640,
        frame_height: 360,
    }
}

fn read() -> PlateRead {
    PlateRead {
        pass: PassId(3),
        track: None,
        revision: Revision::Final,
        text: "AB1".into(),
        characters: vec![ReadCharacter { best: 'A', probability: 0.5, others: vec![('4', 0.25)] }],
        confidence: 0.5,
        agreeing: 2,
        reads: 3,
        alternates: vec![TextAlternate { text: "4B1".into(), probability: 0.25 }],
        class: Some(ObjectClass::Truck),
        heading: None,
        colour: None,
        first: MediaTime::from_nanos(1),
        last: MediaTime::from_nanos(2),
        best: MediaTime::from_nanos(2),
        plate_rect: Rect::default(),
        vehicle_rect: Some(Rect::default()),
        plate_crop: Some(Crop::Pixels(RgbCrop { width: 1, height: 1, bytes: vec![1, 2, 3] })),
        vehicle_crop: Some(Crop::Jpeg(vec![0xff, 0xd8])),
    }
}

#[test]
fn every_sighting_comes_back_as_it_was_sent() {
    let zone = ZoneCount { zone: "kerb".into(), class: None, entered: 1, left: 2, peak: 3, present: 4, dwell_s: 5 };
    let line = LineCount { line: "stop".into(), class: ObjectClass::Person, forward: 1, backward: 2 };
    let counts = Counts {
        from: MediaTime::from_nanos(0),
        to: MediaTime::from_nanos(60),
        frames_offered: 9,
        frames_analysed: 8,
        looked_ms: 7,
        plate_reads: 1,
        zones: vec![zone],
        lines: vec![line],
    };
    let frame = FrameSighting {
        media: MediaTime::from_nanos(5),
        outcome: Outcome::Analysed,
        tracks: vec![TrackBox { track: TrackId(1), class: ObjectClass::Bus, rect: Rect::default(), confidence: 0.5 }],
    };
    for sighting in [
        Sighting::Frame(frame),
        Sighting::TrackUpdate(summary()),
        Sighting::TrackEnd(summary()),
        Sighting::Plate(read()),
        Sighting::Counts(counts),
    ] {
        let bytes = minicbor::to_vec(&sighting).unwrap();
        assert_eq!(minicbor::decode::<Sighting>(&bytes).unwrap(), sighting);
    }
}

#[test]
fn debug_output_shows_neither_plate_nor_pixels() {
    let shown = format!("{:?}", Sighting::Plate(read()));
    assert!(!shown.contains("AB1") && !shown.contains("4B1"), "{shown}");
    let alternate = format!("{:?} {:?}", read().alternates, read().characters);
    assert!(!alternate.contains("4B1"), "{alternate}");
}

#[test]
fn a_torn_message_is_an_error() {
    let bytes = minicbor::to_vec(Sighting::TrackEnd(summary())).unwrap();
    for cut in 0..bytes.len() {
        assert!(minicbor::decode::<Sighting>(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn whatever_a_broken_worker_sends_is_an_answer_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        place in 0_usize..4000,
        flip in 1_u8..,
    ) {
        drop(minicbor::decode::<Sighting>(&bytes));
        let mut sound = minicbor::to_vec(Sighting::Plate(read())).unwrap();
        let index = place % sound.len();
        sound[index] ^= flip;
        drop(minicbor::decode::<Sighting>(&sound));
    }
}
