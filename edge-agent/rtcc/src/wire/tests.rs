use std::sync::LazyLock;

use edge_protocol::batch::{Batch as Sent, CONTRACT_VERSION, MAX_MESSAGE_BYTES};
use edge_protocol::command::{Challenge, Operation, Role};
use edge_protocol::hash::{Hash128, Hash256};
use edge_protocol::id::{CommandId, PassId, RequestId};
use edge_protocol::record::{
    Alert, AuditKind, ClipChunk, Confidence, Hit, LossCause, LossRecord, Match, PlateText, Read, Refused, Revision,
    Sentence, SequenceRange, Span as Period, Thumb, ThumbOf, UpdateStage, UpdateStep, Versions, Word,
};
use edge_protocol::sign::{Chain, SigningKey};
use edge_protocol::state::{AckMode, Birth, CameraCard, Death, ReadsPublished};
use edge_protocol::time::{ClockQuality, WallStamp, WallTime};
use proptest::prelude::*;

use super::*;

mod settled;
use crate::pki::{Authority, Subject};

const AT: i64 = 1_795_219_200_000;

fn agency() -> AgencyId {
    AgencyId::new("metro").unwrap()
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    Authority::create(&folder.path().join("pki"), &"metro".parse().unwrap(), AT * 1000).unwrap()
});

fn root() -> Root {
    Root::from_pem(AUTHORITY.certificate().as_bytes()).unwrap()
}

fn camera() -> CameraId {
    CameraId::new("north").unwrap()
}

fn request() -> RequestId {
    RequestId::from_bytes([7; 16])
}

fn read() -> Read {
    Read {
        camera: camera(),
        pass: PassId(1),
        revision: Revision::Final,
        text: PlateText::new("AB12CDE").unwrap(),
        characters: vec![Confidence::from_steps(240); 7],
        confidence: Confidence::from_steps(250),
        alternates: Vec::new(),
        agreeing: 3,
        reads: 4,
        track: None,
        class: None,
        heading: None,
        colour: None,
        first: Moment::from_millis(AT),
        last: Moment::from_millis(AT + 700),
        clock: ClockQuality::Free,
        crop: None,
        versions: Versions::default(),
    }
}

fn hit() -> Record {
    Record::Hit(Box::new(Hit {
        read: read(),
        matched: Match::Exact,
        listed: PlateText::new("AB12CDE").unwrap(),
        list: Word::cut("test"),
        reason: None,
        pictures: vec![Hash128::of(b"jpeg")],
    }))
}

fn alert(kind: AlertKind) -> Record {
    let text = Sentence::cut("words");
    Record::Alert(Box::new(Alert {
        at: Moment::from_millis(AT),
        clock: ClockQuality::Free,
        camera: None,
        kind,
        over: false,
        text,
    }))
}

fn verdict(verdict: Verdict) -> Record {
    Record::Answer(Box::new(record::Answer {
        at: Moment::from_millis(AT),
        clock: ClockQuality::Free,
        request: Some(request()),
        command: None,
        verdict,
    }))
}

fn sent(records: Vec<Record>, encoding: Encoding) -> Vec<u8> {
    Sent::new(Epoch::new(7), Sequence::new(5), records).unwrap().encode(encoding)
}

fn received(lane: &str, payload: &[u8]) -> Message {
    read_message(&agency(), &root(), format!("rtcc/v1/metro/gate-1/up/{lane}").as_bytes(), payload)
}

fn items(lane: &str, record: Record) -> Vec<Item> {
    let message = received(lane, &sent(vec![record], Encoding::Cbor));
    let Message::Batch(batch) = message else { panic!("{message:?}") };
    batch.items
}

fn reason(message: &Message) -> &'static str {
    let Message::Refused { reason, .. } = message else { panic!("{message:?}") };
    reason
}

#[test]
fn a_hit_is_the_same_event_in_either_encoding() {
    let cbor = received("hit", &sent(vec![hit(), hit()], Encoding::Cbor));
    assert_eq!(cbor, received("hit", &sent(vec![hit(), hit()], Encoding::Json)));
    let Message::Batch(batch) = cbor else { panic!("{cbor:?}") };
    assert_eq!((batch.unit.as_str(), batch.epoch, batch.lane), ("gate-1", 7, "hit"));
    assert_eq!(batch.items.iter().map(|item| item.sequence).collect::<Vec<_>>(), [5, 6]);
    let record = batch.items[0].record.as_ref().unwrap();
    assert_eq!((record.camera.as_deref(), record.plate.as_deref()), (Some("north"), Some("AB12CDE")));
    assert_eq!(record.at_us, Some((AT + 700) * 1000));
    assert!(record.body.contains("\"matched\":\"exact\""), "{}", record.body);
}

fn entry() -> AuditRecord {
    AuditRecord {
        at: Moment::from_millis(AT),
        clock: ClockQuality::Free,
        entry: 7,
        previous: Hash256::of(b"before"),
        kind: AuditKind::Outcome,
        request: None,
        command: None,
        person: None,
        role: None,
        purpose: None,
        case: None,
        refusal: None,
        text: Sentence::cut("slot A with 1.0.0 is back"),
        report: None,
        seal: None,
    }
}

/// The entry under this unit's seal.
fn sealed_by(unit: &str) -> AuditRecord {
    let made = AUTHORITY.make(&Subject::Unit(unit.parse().unwrap()), AT * 1000).unwrap();
    let key = SigningKey::from_pem(made.key.as_bytes()).unwrap();
    let chain = Chain::from_pem(made.certificate.as_bytes()).unwrap();
    entry().sealed((&agency(), &UnitId::new("gate-1").unwrap()), &key, &chain).unwrap()
}

#[test]
fn an_entry_is_signed_by_the_unit_under_whose_topic_it_comes_or_its_signature_is_wrong_or_missing() {
    let good = sealed_by("gate-1");
    let changed = AuditRecord { text: Sentence::cut("all is well"), ..good.clone() };
    for (entry, found) in [
        (AuditRecord { kind: AuditKind::Local, ..entry() }, None),
        (entry(), Some(SealFound::Missing)),
        (AuditRecord { seal: None, ..good.clone() }, Some(SealFound::Missing)),
        (good, Some(SealFound::Signed)),
        (changed, Some(SealFound::Wrong)),
        (sealed_by("gate-2"), Some(SealFound::Wrong)),
    ] {
        let record = Record::Audit(Box::new(entry));
        for encoding in [Encoding::Cbor, Encoding::Json] {
            let message = received("audit", &sent(vec![record.clone()], encoding));
            let Message::Batch(batch) = message else { panic!("{message:?}") };
            let item = &batch.items[0];
            assert_eq!(item.record.as_ref().unwrap().seal, found, "{item:?}");
            let alarmed = if let Effect::BadSeal(what, _) = item.effect { Some(what) } else { None };
            let bad = match found {
                Some(SealFound::Wrong) => Some(BadSeal::Wrong),
                Some(SealFound::Missing) => Some(BadSeal::Missing),
                Some(SealFound::Signed) | None => None,
            };
            assert_eq!(alarmed, bad, "{item:?}");
        }
    }
}

#[test]
fn what_does_not_belong_under_its_topic_is_refused() {
    let payload = sent(vec![hit()], Encoding::Cbor);
    assert_eq!(reason(&received("read", &payload)), "lane");
    for topic in [&b"rtcc/v1/other/gate-1/up/hit"[..], b"rtcc/v1/metro/gate-1/down/cmd", b"x", b"\xff", b""] {
        assert_eq!(reason(&read_message(&agency(), &root(), topic, &payload)), "topic");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_reason() {
    assert_eq!(reason(&received("hit", &vec![0; MAX_MESSAGE_BYTES + 1])), "oversized");
    assert_eq!(reason(&received("hit", b"garbage")), "malformed");
    assert_eq!(reason(&received("hit", b"")), "malformed");
    let mut later = sent(vec![hit()], Encoding::Cbor);
    later[2] = 2; // {0: 2, ...}: a version that is not known yet
    assert_eq!(reason(&received("hit", &later)), "version");
    let whole = sent(vec![hit()], Encoding::Cbor);
    for end in 0..whole.len() {
        reason(&received("hit", &whole[..end]));
    }
}

#[test]
fn a_loss_settles_the_ranges_of_the_lane_and_epoch_it_names() {
    let range = |first, last| SequenceRange { first: Sequence::new(first), last: Sequence::new(last) };
    let lost = LossRecord {
        epoch: Epoch::new(3),
        lane: Lane::Read,
        ranges: vec![range(2, 4), range(9, 9)],
        cause: LossCause::Damage,
    };
    let found = items("alert", alert(AlertKind::Loss(lost)));
    let spans = vec![Span::new(2, 4).unwrap(), Span::new(9, 9).unwrap()];
    assert_eq!(found[0].effect, Effect::Lost(Loss { epoch: 3, lane: "read", spans, cause: LossCause::Damage }));
    assert!(found[0].record.is_some(), "a loss is shown to people as well");
}

#[test]
fn a_picture_is_kept_under_the_hash_that_the_hit_names() {
    let thumb = Thumb {
        camera: camera(),
        pass: PassId(1),
        of: ThumbOf::Plate,
        at: Moment::from_millis(AT),
        clock: ClockQuality::Free,
        jpeg: b"jpeg".to_vec(),
    };
    let found = items("thumb", Record::Thumb(thumb));
    let hash = Hash128::of(b"jpeg").to_string();
    assert_eq!(found[0].effect, Effect::Thumb { hash, bytes: b"jpeg".to_vec() });
    assert!(found[0].record.is_none());
}

#[test]
fn pieces_of_clips_carry_their_place() {
    let chunk = ClipChunk { request: request(), part: ClipPart::Media, offset: 9, bytes: b"abc".to_vec(), last: true };
    let found = items("clip", Record::Clip(chunk));
    let bytes = b"abc".to_vec();
    assert_eq!(found[0].effect, Effect::Chunk { request: "07".repeat(16), part: Part::Media, offset: 9, bytes });
}

#[test]
fn verdicts_become_what_people_see() {
    let moment = Moment::from_millis(AT);
    let period = Period { from: moment, to: moment };
    let made = ClipOffer {
        camera: camera(),
        asked: period,
        actual: period,
        gaps: vec![period],
        media_bytes: 10,
        media_hash: Hash256::of(b"m"),
        manifest_bytes: 5,
        manifest_hash: Hash256::of(b"n"),
    };
    let step = UpdateStep { stage: UpdateStage::Downloading, percent: 40, text: Sentence::cut("40 % is here") };
    let refuse = |reason| Verdict::Refused(Refused { reason, text: Sentence::cut("no") });
    for (given, status) in [
        (Verdict::Accepted, Some(RequestStatus::Accepted)),
        (refuse(Refusal::Case), Some(RequestStatus::Refused)),
        (refuse(Refusal::Expired), Some(RequestStatus::Again)),
        (refuse(Refusal::Busy), Some(RequestStatus::Again)),
        (refuse(Refusal::Interrupted), Some(RequestStatus::Again)),
        (refuse(Refusal::Replayed), None),
        (Verdict::Clip(made), Some(RequestStatus::Transferring)),
        (Verdict::Nothing(Sentence::cut("nothing")), Some(RequestStatus::Failed)),
        (Verdict::Failed(Sentence::cut("disk")), Some(RequestStatus::Failed)),
        (Verdict::Done(Sentence::cut("done")), Some(RequestStatus::Complete)),
        (Verdict::Update(step), Some(RequestStatus::Accepted)),
        (refuse(Refusal::Address), Some(RequestStatus::Refused)),
    ] {
        let found = items("answer", verdict(given.clone()));
        let Effect::Answer(answer) = &found[0].effect else { panic!("{found:?}") };
        assert_eq!((answer.request.as_str(), answer.status), ("07".repeat(16).as_str(), status), "{given:?}");
        assert_eq!(answer.offer.is_some(), matches!(given, Verdict::Clip(_)));
        assert!(found[0].record.is_some(), "every answer is an event");
    }
}

fn birth(unit: &str) -> State {
    State::Birth(Birth {
        version: CONTRACT_VERSION,
        agency: agency(),
        unit: UnitId::new(unit).unwrap(),
        epoch: Epoch::new(7),
        started: WallStamp::default(),
        software: Word::cut("1.0"),
        cameras: vec![CameraCard {
            id: camera(),
            name: Word::cut("North gate"),
            owner: agency(),
            place: None,
            heading_deg: Some(270),
            field_of_view_deg: None,
        }],
        reads: ReadsPublished::Counts,
        encoding: Encoding::Cbor,
        challenge: Challenge::from_bytes([3; 16]),
        challenge_id: 1,
        ack: AckMode::Center,
    })
}

#[test]
fn a_birth_is_kept_as_json_and_a_unit_cannot_be_born_as_another() {
    let said = |payload: &[u8]| read_message(&agency(), &root(), b"rtcc/v1/metro/gate-1/state", payload);
    for encoding in [Encoding::Cbor, Encoding::Json] {
        let message = said(&birth("gate-1").encode(encoding));
        let Message::State { unit, epoch: Some(7), birth: Some(json) } = message else { panic!("{message:?}") };
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((unit.as_str(), &json["cameras"][0]["id"]), ("gate-1", &"north".into()));
        assert_eq!(json["challenge"], "03".repeat(16));
        assert_eq!(reason(&said(&birth("gate-2").encode(encoding))), "identity");
    }
    let death = State::Death(Death { version: CONTRACT_VERSION, epoch: Epoch::new(7), stopped: false });
    let gone = |epoch| Message::State { unit: "gate-1".into(), epoch, birth: None };
    assert_eq!(said(&death.encode(Encoding::Cbor)), gone(Some(7)));
    assert_eq!(said(b""), gone(None), "a retained state that was taken away");
    assert_eq!(reason(&said(b"garbage")), "malformed");
}

#[test]
fn the_same_question_has_the_same_words_in_every_command_of_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let now = AT * 1000;
    let authority = Authority::create(folder.path(), &"metro".parse().unwrap(), now).unwrap();
    let issued = authority.issue(&Subject::Person("ada".parse().unwrap(), Role::Investigator), now).unwrap();
    let key = SigningKey::from_pem(&std::fs::read(issued.key).unwrap()).unwrap();
    let chain = Chain::from_pem(&std::fs::read(issued.certificate).unwrap()).unwrap();
    let sealed = |number: u8, case: &str| {
        let command = Command {
            version: CONTRACT_VERSION,
            id: CommandId::from_bytes([number; 16]),
            request: request(),
            agency: agency(),
            unit: UnitId::new("gate-1").unwrap(),
            issuer: "ada".parse().unwrap(),
            role: Role::Investigator,
            operation: Operation::Health,
            purpose: Word::cut("theft"),
            case: Word::cut(case),
            policy: None,
            issued: WallTime::from_micros(now),
            expires: WallTime::from_micros(now + i64::from(number)),
            challenge: Challenge::from_bytes([number; 16]),
        };
        command.seal(&key, &chain).unwrap()
    };
    let described = describe_command(&sealed(1, "26-1")).unwrap();
    assert_eq!(described.topic, "rtcc/v1/metro/gate-1/down/cmd");
    assert_eq!(described.id, "07".repeat(16));
    assert_eq!(describe_command(&sealed(2, "26-1")).unwrap(), described);
    assert_ne!(describe_command(&sealed(3, "26-2")).unwrap().question, described.question);
    let mut forged = sealed(1, "26-1");
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert!(describe_command(&forged).is_err());
    assert!(describe_command(b"garbage").is_err());
}

#[test]
fn an_acknowledgement_goes_to_its_unit_and_says_lane_epoch_and_sequence() {
    let settled = Settled { unit: "gate-1".into(), epoch: 7, lane: "read".into(), sequence: 42 };
    let Some(Departure::Publish { topic, payload }) = acknowledgement(&agency(), &settled) else { panic!() };
    assert_eq!(topic, "rtcc/v1/metro/gate-1/down/ack");
    assert_eq!(Ack::decode(&payload).unwrap(), Ack::new(Epoch::new(7), Lane::Read, Sequence::new(42)));
    let nobody = Settled { unit: "all".into(), ..settled };
    assert_eq!(acknowledgement(&agency(), &nobody), None);
}

proptest! {
    #[test]
    fn no_bytes_under_no_topic_are_more_than_refused(topic in any::<Vec<u8>>(), payload in any::<Vec<u8>>()) {
        reason(&read_message(&agency(), &root(), &topic, &payload));
        for lane in Lane::ALL {
            reason(&received(lane.as_str(), &payload));
        }
    }
}
