//! Holds `contract/` to the code: every key and name, what may be left out, every word and its number, and by the JSON
//! Schema every value's type.
//!
//! `UPDATE_CONTRACT=1 cargo test -p edge-protocol --test contract` writes `edge.schema.json` anew.
#![cfg(test)]
#![allow(unreachable_pub, dead_code, missing_docs, reason = "the modules of a test have no readers but the test")]

#[path = "contract/asyncapi.rs"]
mod asyncapi;
#[path = "contract/cddl.rs"]
mod cddl;
mod samples;
#[path = "contract/schema.rs"]
mod schema;
#[path = "contract/tried.rs"]
mod tried;

use std::collections::BTreeMap;
use std::fmt::Debug;

use cddl::{Member, Rule};
use edge_protocol::ack::Ack;
use edge_protocol::audit::AuditHead;
use edge_protocol::batch::{Batch, CONTRACT_VERSION, Encoding};
use edge_protocol::command::{
    Artefact, Challenge, ClipScope, Command, Operation, QuietHours, Refusal, Role, UpdateScope,
};
use edge_protocol::commissioning;
use edge_protocol::hash::Hash256;
use edge_protocol::id::{CommandId, Epoch, RequestId, Sequence};
use edge_protocol::lane::Lane;
use edge_protocol::media::Codec;
use edge_protocol::record::*;
use edge_protocol::state::{AckMode, Birth, CameraCard, Death, Place, PlaceSource, ReadsPublished, State};
use edge_protocol::time::{WallStamp, WallTime};
use minicbor::{Decode, Encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const CDDL: &str = include_str!("../contract/edge.cddl");
const ASYNCAPI: &str = include_str!("../contract/asyncapi.yaml");
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contract/edge.schema.json");

trait Both: Serialize + DeserializeOwned + Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug {}
impl<T: Serialize + DeserializeOwned + Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug> Both for T {}

/// The members of a CBOR map, each as its bytes.
fn entries(map: &[u8]) -> BTreeMap<u64, Vec<u8>> {
    let mut d = minicbor::Decoder::new(map);
    let count = d.map().unwrap().unwrap();
    let mut entry = || {
        let key = d.u64().unwrap();
        let from = d.position();
        d.skip().unwrap();
        (key, map[from..d.position()].to_vec())
    };
    (0..count).map(|_| entry()).collect()
}

fn written(entries: &BTreeMap<u64, Vec<u8>>) -> Vec<u8> {
    let mut e = minicbor::Encoder::new(Vec::new());
    e.map(entries.len() as u64).unwrap();
    let mut map = e.into_writer();
    for (key, value) in entries {
        map.extend(minicbor::to_vec(key).unwrap());
        map.extend(value);
    }
    map
}

struct Contract(BTreeMap<String, Rule>);

impl Contract {
    fn members(&self, rule: &str) -> &[Member] {
        match &self.0[rule] {
            Rule::Map(members) | Rule::Tuple(members) | Rule::Choice(members) => members,
            Rule::Words(_) | Rule::Other => panic!("{rule} has no members"),
        }
    }

    /// Keys, names, and what can be left out.
    fn map<T: Both>(&self, rule: &str, full: &T) {
        let members = self.members(rule);
        let entries = entries(&minicbor::to_vec(full).unwrap());
        let keys: Vec<u64> = members.iter().map(|member| member.key).collect();
        assert_eq!(entries.keys().copied().collect::<Vec<_>>(), keys, "{rule}: every key, in order");
        for member in members {
            let mut fewer = entries.clone();
            fewer.remove(&member.key);
            let read = minicbor::decode::<T>(&written(&fewer)).is_ok();
            assert_eq!(read, member.is_optional_in_cbor, "{rule}: without key {} in CBOR", member.key);
        }
        self.json(rule, full);
    }

    fn json<T: Both>(&self, rule: &str, full: &T) {
        let members = self.members(rule);
        let json = serde_json::to_value(full).unwrap();
        let object = json.as_object().unwrap();
        let mut names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(object.keys().collect::<Vec<_>>(), names, "{rule}: every name");
        for member in members {
            let mut fewer = object.clone();
            fewer.remove(&member.name);
            let read = serde_json::from_value::<T>(Value::Object(fewer)).is_ok();
            assert_eq!(read, member.is_optional_in_json, "{rule}: without {:?} in JSON", member.name);
        }
        assert_eq!(&serde_json::from_value::<T>(json).unwrap(), full);
    }

    fn tuple<T: Both>(&self, rule: &str, full: &T) {
        let bytes = minicbor::to_vec(full).unwrap();
        let length = minicbor::Decoder::new(&bytes).array().unwrap().unwrap();
        assert_eq!(length, self.members(rule).len() as u64, "{rule}");
        self.json(rule, full);
    }

    /// One sample of every alternative, in order.
    fn choice<T: Both>(&self, rule: &str, samples: &[T]) {
        let members = self.members(rule);
        assert_eq!(samples.len(), members.len(), "{rule}: every alternative");
        for (member, sample) in members.iter().zip(samples) {
            let bytes = minicbor::to_vec(sample).unwrap();
            let mut d = minicbor::Decoder::new(&bytes);
            d.array().unwrap();
            assert_eq!(d.u64().unwrap(), member.key, "{rule}: {}", member.name);
            let json = serde_json::to_value(sample).unwrap();
            let name =
                json.as_str().map_or_else(|| json.as_object().unwrap().keys().next().unwrap().clone(), str::to_owned);
            assert_eq!(name, member.name, "{rule}");
            assert!(member.value.starts_with(&format!("[{}", member.key)), "{rule}: {}", member.value);
        }
    }

    fn words<T: Both>(&self, rule: &str) {
        let Rule::Words(words) = &self.0[rule] else { panic!("{rule} has no words") };
        for (number, word) in words.iter().enumerate() {
            let read: T = serde_json::from_value(Value::from(word.as_str())).unwrap();
            assert_eq!(minicbor::to_vec(&read).unwrap(), minicbor::to_vec(number).unwrap(), "{rule}: {word}");
        }
        let beyond = minicbor::to_vec(words.len()).unwrap();
        assert!(minicbor::decode::<T>(&beyond).is_err(), "{rule}: the code has more words");
    }
}

fn contract() -> Contract {
    Contract(cddl::parse(CDDL))
}

fn birth() -> Birth {
    let place = Place { latitude_e7: 1, longitude_e7: 2, source: PlaceSource::Surveyed };
    let camera = CameraCard {
        id: "gate".parse().unwrap(),
        name: "Gate".parse().unwrap(),
        owner: "springfield".parse().unwrap(),
        place: Some(place),
        heading_deg: Some(10),
        field_of_view_deg: Some(60),
    };
    Birth {
        version: CONTRACT_VERSION,
        agency: "springfield".parse().unwrap(),
        unit: "pole-7".parse().unwrap(),
        epoch: Epoch::new(1),
        started: WallStamp { time: WallTime::from_micros(1), quality: samples::CLOCK },
        software: "0.1.0".parse().unwrap(),
        cameras: vec![camera],
        reads: ReadsPublished::All,
        encoding: Encoding::Json,
        challenge: Challenge::from_bytes([1; 16]),
        challenge_id: 3,
        ack: AckMode::Center,
    }
}

fn clip_scope() -> ClipScope {
    ClipScope { camera: "gate".parse().unwrap(), from: WallTime::from_micros(1), to: WallTime::from_micros(2) }
}

fn update_scope() -> UpdateScope {
    UpdateScope {
        url: "https://center/edge-1.5.0.raucb".to_owned(),
        hash: Hash256::of(b"bundle"),
        bytes: 6,
        version: "1.5.0".parse().unwrap(),
        quiet: Some(QuietHours { from_min: 120, to_min: 240, offset_min: -480 }),
        artefact: Some(Artefact::Models),
    }
}

fn command() -> Command {
    Command {
        version: CONTRACT_VERSION,
        id: CommandId::from_bytes([1; 16]),
        request: RequestId::from_bytes([2; 16]),
        agency: "springfield".parse().unwrap(),
        unit: "pole-7".parse().unwrap(),
        issuer: "ada".parse().unwrap(),
        role: Role::Investigator,
        operation: Operation::Clip(clip_scope()),
        purpose: "investigation".parse().unwrap(),
        case: "2026-0042".parse().unwrap(),
        policy: Some(Hash256::of(b"policy")),
        issued: WallTime::from_micros(1),
        expires: WallTime::from_micros(2),
        challenge: Challenge::from_bytes([3; 16]),
    }
}

#[test]
fn what_units_see_is_as_the_contract_says() {
    let contract = contract();
    contract.map("hit", &samples::hit());
    contract.map("read", &samples::read());
    contract.map("object", &samples::object());
    contract.map("zone-stay", &samples::object().zones[0]);
    contract.map("line-crossing", &samples::object().lines[0]);
    contract.map("counts", &samples::counts());
    contract.map("class-count", &samples::counts().tracks[0]);
    contract.map("zone-count", &samples::counts().zones[0]);
    contract.map("line-count", &samples::counts().lines[0]);
    contract.map("thumb", &samples::thumb());
    contract.map("clip-chunk", &samples::chunk());
}

#[test]
fn what_units_say_of_themselves_is_as_the_contract_says() {
    let contract = contract();
    contract.map("alert", &samples::alert(AlertKind::Gap(samples::gap())));
    contract.choice("alert-kind", &samples::alert_kinds());
    contract.map("gap", &samples::gap());
    contract.map("loss", &samples::loss());
    contract.tuple("sequence-range", &samples::loss().ranges[0]);
    contract.map("health", &samples::health());
    contract.map("board-health", &samples::board_health());
    contract.map("camera-health", &samples::camera_health());
    contract.map("ring", &samples::ring());
    contract.tuple("span", &samples::span());
    contract.map("model-health", &samples::model_health());
    contract.map("worker-health", &samples::worker_health());
    contract.map("storage-health", &samples::storage_health());
    contract.map("uplink-health", &samples::uplink_health());
    contract.map("lane-count", &samples::lane_count());
    contract.map("temperature", &samples::temperature());
    contract.map("birth", &birth());
    contract.map("death", &Death { version: CONTRACT_VERSION, epoch: Epoch::new(1), stopped: true });
    contract.map("camera-card", &birth().cameras[0]);
    contract.map("place", &birth().cameras[0].place.unwrap());
}

#[test]
fn what_is_asked_and_answered_is_as_the_contract_says() {
    let contract = contract();
    contract.map("ack", &Ack::new(Epoch::new(1), Lane::Hit, Sequence::new(9)));
    contract.map("command", &command());
    contract.map("clip-scope", &clip_scope());
    let recall = Operation::Recall(RequestId::from_bytes([2; 16]));
    let operations = [Operation::Clip(clip_scope()), Operation::Health, Operation::Update(update_scope()), recall];
    contract.choice("operation", &operations);
    contract.map("update-scope", &update_scope());
    contract.map("quiet-hours", &update_scope().quiet.unwrap());
    contract.map("audit", &samples::audit());
    contract.map("answer", &samples::answer(Verdict::Accepted));
    contract.choice("verdict", &samples::verdicts());
    contract.map("refused", &samples::refused());
    contract.map("clip-offer", &samples::offer());
    contract.map("update-step", &samples::update_step());
}

#[test]
fn the_head_of_an_audit_log_is_as_the_contract_says() {
    let (agency, unit) = ("springfield".parse().unwrap(), "pole-7".parse().unwrap());
    let head = AuditHead { version: CONTRACT_VERSION, agency, unit, entry: 7, hash: Hash256::of(b"entry") };
    contract().map("audit-head", &head);
}

#[test]
fn a_commissioning_report_is_as_the_contract_says() {
    let (contract, report) = (contract(), samples::report());
    contract.map("commissioning-report", &report);
    contract.map("aimed", &report.cameras[0]);
    contract.map("finding", &report.findings[0]);
    contract.map("held", &report.certificates[0]);
}

#[test]
fn every_word_has_its_number() {
    let contract = contract();
    contract.words::<Lane>("lane");
    contract.words::<Match>("match");
    contract.words::<Revision>("revision");
    contract.words::<ObjectClass>("class");
    contract.words::<Heading>("heading");
    contract.words::<Colour>("colour");
    contract.words::<Tamper>("tamper");
    contract.words::<GapOf>("gap-of");
    contract.words::<LossCause>("loss-cause");
    contract.words::<CameraCondition>("camera-condition");
    contract.words::<Codec>("codec");
    contract.words::<AuditKind>("audit-kind");
    contract.words::<commissioning::Verdict>("check-verdict");
    contract.words::<Role>("role");
    contract.words::<Refusal>("refusal");
    contract.words::<Artefact>("artefact");
    contract.words::<UpdateStage>("update-stage");
    contract.words::<ThumbOf>("thumb-of");
    contract.words::<ClipPart>("clip-part");
    contract.words::<ReadsPublished>("reads-published");
    contract.words::<Encoding>("encoding");
    contract.words::<AckMode>("ack-mode");
    contract.words::<PlaceSource>("place-source");
}

#[test]
fn a_batch_has_the_contracts_keys_and_names() {
    let contract = contract();
    let batch = Batch::new(Epoch::new(1), Sequence::new(9), vec![Record::Hit(Box::new(samples::hit()))]).unwrap();
    let batch = batch.with_settled(Sequence::new(8)).unwrap();
    let keys: Vec<u64> = entries(&batch.encode(Encoding::Cbor)).into_keys().collect();
    let members = contract.members("batch");
    assert_eq!(keys, members.iter().map(|member| member.key).collect::<Vec<_>>());
    let json: Value = serde_json::from_slice(&batch.encode(Encoding::Json)).unwrap();
    let mut names: Vec<&str> = members.iter().map(|member| member.name.as_str()).filter(|name| *name != "-").collect();
    names.sort_unstable();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), names);
    let optional: Vec<&str> =
        members.iter().filter(|member| member.is_optional_in_json).map(|member| member.name.as_str()).collect();
    assert_eq!(optional, ["settled"]);
    for encoding in [Encoding::Cbor, Encoding::Json] {
        let without = batch.clone().with_settled(Sequence::ZERO).unwrap();
        assert_eq!(Batch::decode(&without.encode(encoding)).unwrap(), without, "as units wrote it before");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "writes a source file on request, not a unit's data")]
fn the_json_schema_is_that_of_the_cddl() {
    let made = format!("{:#}\n", schema::schema(&contract().0));
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::write(SCHEMA, &made).unwrap();
    }
    assert!(std::fs::read_to_string(SCHEMA).unwrap() == made, "edge.schema.json is old; see the top of this file");
}

#[test]
fn every_reference_of_the_schema_leads_somewhere() {
    let schema = schema::schema(&contract().0);
    let defs = schema["$defs"].as_object().unwrap();
    let text = schema.to_string();
    for reference in text.split("\"#/$defs/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(defs.contains_key(name), "{name}");
    }
}

/// Messages as JSON, each with its rule, with every field filled.
fn messages() -> Vec<(&'static str, Value)> {
    let read = |encoded: Vec<u8>| serde_json::from_slice(&encoded).unwrap();
    let batch = |record| {
        let batch = Batch::new(Epoch::new(1), Sequence::new(9), vec![record]).unwrap();
        batch.with_settled(Sequence::new(8)).unwrap().encode(Encoding::Json)
    };
    let death = Death { version: CONTRACT_VERSION, epoch: Epoch::new(1), stopped: true };
    let mut messages: Vec<_> = samples::records().into_iter().map(|record| ("batch", read(batch(record)))).collect();
    messages.extend([
        ("state", read(State::Birth(birth()).encode(Encoding::Json))),
        ("state", read(State::Death(death).encode(Encoding::Json))),
        ("ack", read(Ack::new(Epoch::new(1), Lane::Hit, Sequence::new(9)).encode(Encoding::Json))),
        ("command", serde_json::to_value(command()).unwrap()),
        ("commissioning-report", serde_json::to_value(samples::report()).unwrap()),
    ]);
    for operation in [Operation::Health, Operation::Update(update_scope())] {
        messages.push(("command", serde_json::to_value(Command { operation, ..command() }).unwrap()));
    }
    messages
}

#[test]
fn every_message_fits_the_json_schema_and_none_does_with_a_value_of_another_type() {
    let schema = schema::schema(&contract().0);
    match tried::complaints(&schema, &messages()) {
        Some(complaints) => assert_eq!(complaints, ""),
        None => println!("SKIPPED: python3-jsonschema is not installed"),
    }
}
