//! Records for the tests of this folder.

use edge_protocol::id::TrackId;
use edge_protocol::record::{
    Alert, AlertKind, Answer, Confidence, Counts, ObjectClass, ObjectEvent, ObjectRecord, Record, Verdict, Versions,
};
use edge_protocol::time::{ClockQuality, Moment};

pub(super) fn alert() -> Record {
    Record::Alert(Box::new(Alert {
        at: Moment::from_millis(0),
        clock: ClockQuality::Free,
        camera: None,
        kind: AlertKind::Fault("disk".parse().unwrap()),
        over: false,
        text: "the disk fails".parse().unwrap(),
    }))
}

pub(super) fn answer() -> Record {
    let (at, clock) = (Moment::from_millis(0), ClockQuality::Free);
    Record::Answer(Box::new(Answer { at, clock, request: None, command: None, verdict: Verdict::Accepted }))
}

pub(super) fn track() -> Record {
    Record::Object(Box::new(ObjectRecord::Track(ObjectEvent {
        camera: "gate".parse().unwrap(),
        track: TrackId(1),
        class: ObjectClass::Car,
        confidence: Confidence::ONE,
        first: Moment::from_millis(0),
        last: Moment::from_millis(1),
        clock: ClockQuality::Free,
        ended: true,
        heading: None,
        colour: None,
        path: Vec::new(),
        zones: Vec::new(),
        lines: Vec::new(),
        versions: Versions::default(),
    })))
}

pub(super) fn counts() -> Record {
    Record::Object(Box::new(ObjectRecord::Counts(Counts {
        camera: "gate".parse().unwrap(),
        from: Moment::from_millis(0),
        to: Moment::from_millis(60_000),
        clock: ClockQuality::Free,
        frames_offered: 1,
        frames_analysed: 1,
        looked_ms: 60_000,
        plate_reads: 0,
        tracks: Vec::new(),
        zones: Vec::new(),
        lines: Vec::new(),
    })))
}
