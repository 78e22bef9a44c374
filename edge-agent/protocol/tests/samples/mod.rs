//! One record of every kind with every field filled, for tests of the contract.

use edge_protocol::audit::Seal;
use edge_protocol::command::{Refusal, Role};
use edge_protocol::commissioning::{Aimed, Finding, Held, Jpeg, Report, SealedReport};
use edge_protocol::hash::{Hash128, Hash256, Version};
use edge_protocol::id::{CommandId, Epoch, PassId, RequestId, Sequence, TrackId};
use edge_protocol::lane::Lane;
use edge_protocol::media::Codec;
use edge_protocol::record::*;
use edge_protocol::state::{Place, PlaceSource};
use edge_protocol::time::{ClockQuality, Moment, WallStamp, WallTime};

pub fn moment(seconds: i64) -> Moment {
    Moment::from_millis(1_780_000_000_000 + seconds * 1000)
}

pub const CLOCK: ClockQuality = ClockQuality::Synchronised { bound_ms: 500 };

pub fn versions() -> Versions {
    let version = |name: &str| Some(Version::of(name.as_bytes()));
    Versions { model: version("model"), config: version("config"), mask: version("mask"), hotlist: version("hotlist") }
}

pub fn read() -> Read {
    let alternate = Alternate { position: 1, character: '8', probability: Confidence::from_steps(40) };
    Read {
        camera: "gate".parse().unwrap(),
        pass: PassId(7),
        revision: Revision::Final,
        text: "AB12CDE".parse().unwrap(),
        characters: (0..7).map(|i| Confidence::from_steps(240 + i)).collect(),
        confidence: Confidence::from_steps(230),
        alternates: vec![alternate],
        agreeing: 9,
        reads: 12,
        track: Some(TrackId(70)),
        class: Some(ObjectClass::Car),
        heading: Some(Heading::Down),
        colour: Some(Colour::Blue),
        first: moment(0),
        last: moment(2),
        clock: CLOCK,
        crop: Some(Hash128::of(b"crop")),
        versions: versions(),
    }
}

pub fn hit() -> Hit {
    Hit {
        read: read(),
        matched: Match::Confusable,
        listed: "AB12COE".parse().unwrap(),
        list: "stolen".parse().unwrap(),
        reason: Some("stolen vehicle".parse().unwrap()),
        pictures: vec![Hash128::of(b"plate"), Hash128::of(b"vehicle")],
    }
}

pub fn object() -> ObjectEvent {
    ObjectEvent {
        camera: "gate".parse().unwrap(),
        track: TrackId(70),
        class: ObjectClass::Truck,
        confidence: Confidence::from_steps(200),
        first: moment(0),
        last: moment(9),
        clock: CLOCK,
        ended: true,
        heading: Some(Heading::Left),
        colour: Some(Colour::White),
        path: vec![PathPoint { after_ds: 0, x: 10, y: 400 }, PathPoint { after_ds: 90, x: 480, y: 20 }],
        zones: vec![ZoneStay { zone: "lane-1".parse().unwrap(), entered: moment(1), dwell_ms: 4000, inside: true }],
        lines: vec![LineCrossing { line: "stop".parse().unwrap(), at: moment(5), forward: true }],
        versions: versions(),
    }
}

pub fn counts() -> Counts {
    let (zone, line) = ("lane-1".parse().unwrap(), "stop".parse().unwrap());
    let class = ObjectClass::Car;
    Counts {
        camera: "gate".parse().unwrap(),
        from: moment(0),
        to: moment(60),
        clock: CLOCK,
        frames_offered: 600,
        frames_analysed: 590,
        looked_ms: 59_000,
        plate_reads: 3,
        tracks: vec![ClassCount { class, count: 12 }],
        zones: vec![ZoneCount { zone, class: Some(class), entered: 4, left: 3, peak: 2, present: 1, dwell_s: 40 }],
        lines: vec![LineCount { line, class, forward: 5, backward: 6 }],
    }
}

pub fn loss() -> LossRecord {
    let ranges = vec![SequenceRange { first: Sequence::new(3), last: Sequence::new(9) }];
    LossRecord { epoch: Epoch::new(5), lane: Lane::Thumb, ranges, cause: LossCause::Budget }
}

pub fn alert_kinds() -> Vec<AlertKind> {
    let change = || Change { from: "0.1.0".parse().unwrap(), to: "0.2.0".parse().unwrap() };
    vec![
        AlertKind::Tamper(Tamper::Covered),
        AlertKind::Trigger("door".parse().unwrap()),
        AlertKind::Gap(gap()),
        AlertKind::Loss(loss()),
        AlertKind::Update(change()),
        AlertKind::Rollback(change()),
        AlertKind::Fault("disk".parse().unwrap()),
    ]
}

pub fn gap() -> Gap {
    Gap { of: GapOf::Recording, from: moment(0), to: Some(moment(4)) }
}

pub fn alert(kind: AlertKind) -> Alert {
    let text = "said in words".parse().unwrap();
    Alert { at: moment(1), clock: CLOCK, camera: Some("gate".parse().unwrap()), kind, over: true, text }
}

pub fn span() -> Span {
    Span { from: moment(0), to: moment(15) }
}

pub fn ring() -> RingHealth {
    RingHealth { oldest: Some(moment(0)), newest: Some(moment(9)), used_bytes: 10, quota_bytes: 20, gaps: vec![span()] }
}

pub fn camera_health() -> CameraHealth {
    CameraHealth {
        camera: "gate".parse().unwrap(),
        condition: CameraCondition::Streaming,
        text: "pictures arrive".parse().unwrap(),
        received_mfps: 25_000,
        analysed_mfps: 9_000,
        coverage: Confidence::ONE,
        last_picture_ms: Some(40),
        codec: Some(Codec::H264),
        size: Some((1920, 1080)),
        decoder: Some("avdec_h264".parse().unwrap()),
        reconnects: 1,
        ring: Some(ring()),
    }
}

pub fn model_health() -> ModelHealth {
    ModelHealth {
        role: "objects".parse().unwrap(),
        name: "objects-n".parse().unwrap(),
        provider: "cpu".parse().unwrap(),
        fallback: Some("openvino is not there".parse().unwrap()),
        median_us: 9_000,
        slow_us: 12_000,
        runs: 100,
    }
}

pub fn uplink_health() -> UplinkHealth {
    UplinkHealth {
        connected: true,
        reconnects: 2,
        backlog: vec![lane_count()],
        withheld: vec![lane_count()],
        sent_today_bytes: 5,
        rate_bytes_s: 6,
        bad_acks: 7,
        busy: 8,
        trouble: Some("nothing listens at the broker's address".parse().unwrap()),
    }
}

pub fn lane_count() -> LaneCount {
    LaneCount { lane: Lane::Read, count: 3 }
}

pub fn worker_health() -> WorkerHealth {
    WorkerHealth { running: true, restarts: 1, last_end: Some("killed".parse().unwrap()) }
}

pub fn storage_health() -> StorageHealth {
    StorageHealth {
        total_bytes: 1,
        free_bytes: 2,
        outbox_bytes: 3,
        failed_writes: 4,
        set_aside: 5,
        locked: Some("the board gave no key".parse().unwrap()),
    }
}

pub fn temperature() -> Temperature {
    Temperature { of: "board".parse().unwrap(), millicelsius: 41_500 }
}

pub fn health() -> Health {
    Health {
        at: moment(1),
        clock: CLOCK,
        uptime_s: 60,
        software: "0.1.0".parse().unwrap(),
        cameras: vec![camera_health()],
        models: vec![model_health()],
        worker: worker_health(),
        storage: storage_health(),
        uplink: uplink_health(),
        temperatures: vec![temperature()],
        memory_bytes: 200_000_000,
        problems: vec!["the disk is slow".parse().unwrap()],
        board: Some(board_health()),
    }
}

pub fn board_health() -> BoardHealth {
    BoardHealth {
        supply_mv: Some(12_010),
        supply_ma: Some(-830),
        tilt_mdeg: Some(1_200),
        light_mlx: Some(4_500),
        opened: Some(false),
        heater: Some(false),
        fan: Some(true),
        illuminator: Some(Confidence::ONE),
        analysis: Confidence::ONE,
        last_reset: "the watchdog".parse().unwrap(),
        failing: vec!["TMP117 does not answer".parse().unwrap()],
    }
}

pub fn audit() -> AuditRecord {
    AuditRecord {
        at: moment(1),
        clock: CLOCK,
        entry: 4,
        previous: Hash256::of(b"before"),
        kind: AuditKind::Refusal,
        request: Some(RequestId::from_bytes([1; 16])),
        command: Some(CommandId::from_bytes([2; 16])),
        person: Some("ada".parse().unwrap()),
        role: Some(Role::Investigator),
        purpose: Some("investigation".parse().unwrap()),
        case: Some("2026-0042".parse().unwrap()),
        refusal: Some(Refusal::Role),
        text: "said in words".parse().unwrap(),
        report: Some(SealedReport::from_bytes(vec![0xd2, 0x84])),
        seal: Some(Seal::from_bytes(vec![0xd2, 0x84])),
    }
}

pub fn report() -> Report {
    let place = Place { latitude_e7: 1, longitude_e7: 2, source: PlaceSource::Configured };
    Report {
        version: 1,
        made: WallStamp { time: WallTime::from_millis(1), quality: CLOCK },
        agency: "springfield".parse().unwrap(),
        unit: "gate-1".parse().unwrap(),
        serial: "SN42".parse().unwrap(),
        technician: "Kim".parse().unwrap(),
        site: "Main St, pole 17".parse().unwrap(),
        software: "edge-agent 1".parse().unwrap(),
        models: vec!["plates 1".parse().unwrap()],
        cameras: vec![Aimed {
            camera: "gate".parse().unwrap(),
            name: "Gate".parse().unwrap(),
            place: Some(place),
            size: Some((1920, 1080)),
            focus: Some(93),
            plate_px: Some(31),
            drawn: vec!["lane".parse().unwrap()],
            picture: Jpeg::new(vec![0xff, 0xd8, 0xff, 0xe0]),
        }],
        findings: vec![Finding::failed("tilt", "9°", "straighten it").of("box")],
        certificates: vec![Held {
            of: "unit".parse().unwrap(),
            serial: "0a".to_owned(),
            until: WallTime::from_millis(2),
        }],
    }
}

pub fn offer() -> ClipOffer {
    ClipOffer {
        camera: "gate".parse().unwrap(),
        asked: span(),
        actual: span(),
        gaps: vec![span()],
        media_bytes: 1000,
        media_hash: Hash256::of(b"media"),
        manifest_bytes: 100,
        manifest_hash: Hash256::of(b"manifest"),
    }
}

pub fn refused() -> Refused {
    Refused { reason: Refusal::Busy, text: "said in words".parse().unwrap() }
}

pub fn verdicts() -> Vec<Verdict> {
    let words = || "said in words".parse().unwrap();
    vec![
        Verdict::Accepted,
        Verdict::Refused(refused()),
        Verdict::Clip(offer()),
        Verdict::Nothing(words()),
        Verdict::Failed(words()),
        Verdict::Done(words()),
        Verdict::Update(update_step()),
    ]
}

pub fn update_step() -> UpdateStep {
    UpdateStep { stage: UpdateStage::Downloading, percent: 40, text: "40 % is here".parse().unwrap() }
}

pub fn answer(verdict: Verdict) -> Answer {
    let (request, command) = (Some(RequestId::from_bytes([1; 16])), Some(CommandId::from_bytes([2; 16])));
    Answer { at: moment(1), clock: CLOCK, request, command, verdict }
}

pub fn thumb() -> Thumb {
    let (camera, jpeg) = ("gate".parse().unwrap(), vec![0xff, 0xd8, 0xff, 0xd9]);
    Thumb { camera, pass: PassId(7), of: ThumbOf::Plate, at: moment(1), clock: CLOCK, jpeg }
}

pub fn chunk() -> ClipChunk {
    let request = RequestId::from_bytes([1; 16]);
    ClipChunk { request, part: ClipPart::Media, offset: 65_536, bytes: vec![1, 2, 3], last: true }
}

/// Every record, at least one per lane.
pub fn records() -> Vec<Record> {
    let mut records = vec![
        Record::Hit(Box::new(hit())),
        Record::Health(Box::new(health())),
        Record::Audit(Box::new(audit())),
        Record::Read(Box::new(read())),
        Record::Object(Box::new(ObjectRecord::Track(object()))),
        Record::Object(Box::new(ObjectRecord::Counts(counts()))),
        Record::Thumb(thumb()),
        Record::Clip(chunk()),
    ];
    records.extend(alert_kinds().into_iter().map(|kind| Record::Alert(Box::new(alert(kind)))));
    records.extend(verdicts().into_iter().map(|verdict| Record::Answer(Box::new(answer(verdict)))));
    records
}
