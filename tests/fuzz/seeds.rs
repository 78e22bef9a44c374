//! A well-formed example of each format that a corpus cannot hold as a file, since it is signed or binary: made by the
//! code that writes it.

use std::sync::Arc;
use std::time::Duration;

use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::evidence::{ClipManifest, LeafHasher, ManifestGroup, ManifestSpan};
use edge_protocol::hash::Hash256;
use edge_protocol::id::RequestId;
use edge_protocol::media::Codec;
use edge_protocol::time::{ClockQuality, MediaTime, WallStamp, WallTime};
use edge_store::disk::RealDisk;
use edge_store::ring::{NewGroup, NewPicture, Ring};

use super::checks::ring_place;

const VIDEO: &[u8] = &[0, 0, 0, 2, 0x67, 1, 0, 0, 0, 3, 0x65, 3, 9];

fn stamp() -> WallStamp {
    let time = WallTime::from_micros(1_790_000_000_000_000);
    WallStamp { time, quality: ClockQuality::Synchronised { bound_ms: 40 } }
}

/// A segment file with two groups.
pub fn segment() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (mut ring, _) = Ring::open(Arc::new(RealDisk), ring_place(folder.path())).unwrap();
    for second in 0..2_i64 {
        let media = MediaTime::from_nanos(second * 1_000_000_000);
        let picture = NewPicture { bytes: VIDEO, key: true, decode: media, media };
        let group = NewGroup {
            codec: Codec::H264,
            parameters: Hash256::of(b"p"),
            size: Some((640, 360)),
            discontinuity: false,
            wall: stamp(),
            duration: Duration::from_secs(1),
            pictures: &[picture],
        };
        ring.append(&group).unwrap();
    }
    drop(ring);
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    std::fs::read(files.into_iter().find(|path| path.extension().is_some_and(|end| end == "seg")).unwrap()).unwrap()
}

/// The payload of a command's envelope: a clip.
pub fn command() -> Vec<u8> {
    orders().remove(0)
}

/// The payloads of every kind of order.
pub fn orders() -> Vec<Vec<u8>> {
    use edge_protocol::command::{Artefact, ClipScope, Operation, QuietHours, Role, UpdateScope};
    let at = stamp().time;
    let to = at.saturating_add(Duration::from_secs(15));
    let update = UpdateScope {
        url: "https://center.example:8443/bundles/1.5.0.raucb".to_owned(),
        hash: Hash256::of(b"bundle"),
        bytes: 6,
        version: "1.5.0".parse().unwrap(),
        quiet: Some(QuietHours { from_min: 120, to_min: 240, offset_min: -480 }),
        artefact: None,
    };
    let alone = |artefact| UpdateScope { artefact: Some(artefact), ..update.clone() };
    let (models, agent) = (alone(Artefact::Models), alone(Artefact::Agent));
    vec![
        order("ada", Role::Investigator, Operation::Clip(ClipScope { camera: "gate".parse().unwrap(), from: at, to })),
        order("bo", Role::Technician, Operation::Health),
        order("kim", Role::PolicyAdmin, Operation::Update(update.clone())),
        order("kim", Role::PolicyAdmin, Operation::Update(UpdateScope { quiet: None, ..update })),
        order("kim", Role::PolicyAdmin, Operation::Update(models)),
        order("kim", Role::PolicyAdmin, Operation::Update(agent)),
        order("kim", Role::PolicyAdmin, Operation::Recall(RequestId::from_bytes([3; 16]))),
    ]
}

fn order(issuer: &str, role: edge_protocol::command::Role, operation: edge_protocol::command::Operation) -> Vec<u8> {
    let at = stamp().time;
    let command = edge_protocol::command::Command {
        version: CONTRACT_VERSION,
        id: edge_protocol::id::CommandId::from_bytes([1; 16]),
        request: RequestId::from_bytes([2; 16]),
        agency: "springfield".parse().unwrap(),
        unit: "pole-7".parse().unwrap(),
        issuer: issuer.parse().unwrap(),
        role,
        operation,
        purpose: "investigation".parse().unwrap(),
        case: "26-01234".parse().unwrap(),
        policy: None,
        issued: at,
        expires: at.saturating_add(Duration::from_mins(5)),
        challenge: "00112233445566778899aabbccddeeff".parse().unwrap(),
    };
    minicbor::to_vec(&command).unwrap()
}

/// Manifest and file as the check of a clip takes them.
pub fn clip() -> Vec<u8> {
    let span = ManifestSpan { from: stamp().time, to: stamp().time };
    let mut manifest = ClipManifest {
        version: CONTRACT_VERSION,
        agency: "springfield".parse().unwrap(),
        unit: "pole-7".parse().unwrap(),
        camera: "gate".parse().unwrap(),
        request: RequestId::from_bytes([2; 16]),
        codec: Codec::H264,
        parameters: Hash256::of(b"parameters"),
        asked: span,
        actual: span,
        gaps: vec![span],
        groups: Vec::new(),
        media_bytes: VIDEO.len() as u64,
        media_hash: Hash256::of(VIDEO),
        made: stamp(),
        software: "0.1.0".parse().unwrap(),
    };
    let mut group = ManifestGroup {
        segment: 5,
        group: 0,
        offset: 0,
        length: VIDEO.len() as u64,
        frames: 1,
        first: MediaTime::ZERO,
        last: MediaTime::ZERO,
        wall: stamp(),
        leaf: Hash256::of(b""),
    };
    group.leaf = LeafHasher::leaf(VIDEO, &manifest.head(&group));
    manifest.groups.push(group);
    let payload = minicbor::to_vec(&manifest).unwrap();
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..], &payload, VIDEO].concat()
}

/// The payloads of an enrolment's messages: asking, asking anew, and both answers.
pub fn enrolment() -> Vec<Vec<u8>> {
    use edge_protocol::enrolment::{Answer, Refusal, Renewal, RenewalAnswer, Request, Serial, SetupCode};
    let serial: Serial = "EV-0001".parse().unwrap();
    let proof = SetupCode::draw(&[7; SetupCode::RANDOM_BYTES]).proof_key(&serial);
    vec![
        minicbor::to_vec(Request::new(serial, [3; 16], vec![0x30, 0x03, 1, 2, 3], &proof)).unwrap(),
        minicbor::to_vec(Renewal::new(vec![0x30, 0x03, 1, 2, 3])).unwrap(),
        Answer::refuse([0; 16], Refusal::WrongCode, Some(stamp().time)).encode(),
        RenewalAnswer::Granted(vec![0x30, 0x00]).encode(),
    ]
}

/// The payload of a set of models' manifest.
pub fn models() -> Vec<u8> {
    use edge_protocol::model_set::{ModelFile, ModelSet};
    let file = ModelFile { path: "plates/plates.onnx".to_owned(), bytes: 6, hash: Hash256::of(b"model!") };
    let set = ModelSet {
        version: CONTRACT_VERSION,
        agency: "springfield".parse().unwrap(),
        revision: 2,
        built: stamp().time,
        least_software: "0.1.0".parse().unwrap(),
        files: vec![file],
    };
    minicbor::to_vec(&set).unwrap()
}

/// The payload of a release's manifest.
pub fn release() -> Vec<u8> {
    let release = edge_protocol::agent_release::AgentRelease {
        version: CONTRACT_VERSION,
        software: "1.4.1".parse().unwrap(),
        built: stamp().time,
        images: vec!["1.4.0".parse().unwrap()],
        bytes: 8,
        hash: Hash256::of(b"program!"),
    };
    minicbor::to_vec(&release).unwrap()
}
