use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::command::{Challenge, Command, Operation};
use edge_protocol::evidence::{ClipManifest, LeafHasher, ManifestGroup, ManifestSpan};
use edge_protocol::hash::Hash256;
use edge_protocol::media::Codec;
use edge_protocol::sign::{Chain, Root, SigningKey};
use edge_protocol::time::{ClockQuality, MediaTime, WallStamp};
use rtcc::broker::{Departure, LinkStatus};
use rtcc::database::Database;
use rtcc::database::requests::{Offer, Part};
use rtcc::enrolment::{Desk, Told};
use rtcc::http::{Center as Site, Readers, local_router};
use rtcc::pki::{Authority, Subject};
use rtcc::receiver::apply::{Received, apply};
use rtcc::receiver::clips::Files;
use rtcc::receiver::message::{Answer, Batch, Effect, Item, Message};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::*;
use crate::commands::Arguments;

const GROUPS: [&[u8]; 2] = [b"first group of pictures", b"second"];

/// A center without a broker, and the keys of a unit and a person.
struct World {
    folder: tempfile::TempDir,
    address: SocketAddr,
    commands: mpsc::Receiver<Departure>,
    _tasks: JoinSet<()>,
    _runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(&folder.path().join("pki"), &"metro".parse().unwrap(), wall_us()).unwrap();
        let ada = Subject::Person("ada".parse().unwrap(), edge_protocol::command::Role::Investigator);
        for subject in [Subject::Unit("gate-1".parse().unwrap()), ada] {
            authority.issue(&subject, wall_us()).unwrap();
        }
        let root = edge_protocol::sign::Root::from_pem(authority.certificate().as_bytes()).unwrap();
        let told = Told { broker_host: "localhost".into(), broker_port: 8883, purposes: Vec::new() };
        let database = folder.path().join("center.db");
        drop(Database::open(&database, Duration::from_secs(5)).unwrap());
        let link = Arc::new(LinkStatus::default());
        link.begin();
        let (departures, commands) = mpsc::channel(8);
        let site = Site {
            agency: "metro".into(),
            folder: folder.path().into(),
            database,
            link,
            receiver: Arc::default(),
            desk: Arc::new(Desk { agency: "metro".parse().unwrap(), root, issuer: None, told, broker_pid: None }),
            news: watch::channel(0).1,
            stop: watch::channel(false).1,
            departures,
            now_us: wall_us,
            readers: Readers::default(),
        };
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        let served = async move { axum::serve(listener, local_router(Arc::new(site))).await.unwrap() };
        tasks.spawn_on(served, runtime.handle());
        Self { folder, address, commands, _tasks: tasks, _runtime: runtime }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `rtcc clip` as a person types it.
    fn ask(&self, more: &[&str]) -> std::thread::JoinHandle<anyhow::Result<()>> {
        let center = format!("http://{}", self.address);
        let [key, cert, output] =
            ["pki/person-ada.key", "pki/person-ada.pem", "clip.mp4"].map(|name| self.path(name).display().to_string());
        let root = self.path("pki/root.pem").display().to_string();
        let mut words = vec!["rtcc", "clip", "--center", &center, "--unit", "gate-1", "--camera", "north"];
        words.extend(["--from", "2026-11-21T14:05:00Z", "--to", "2026-11-21T14:05:10Z", "--purpose", "theft"]);
        words.extend(["--case", "26-1", "--key", &key, "--cert", &cert, "--root", &root, "-o", &output]);
        words.extend(more);
        let arguments = Arguments::parse_from(words);
        std::thread::Builder::new().spawn(move || arguments.run()).unwrap()
    }

    fn unit(&self) -> Unit {
        Unit {
            database: Database::open(&self.path("center.db"), Duration::from_secs(5)).unwrap(),
            files: Files::open(self.folder.path()).unwrap(),
            pki: self.path("pki"),
            sequence: 1,
        }
    }
}

/// What a unit says, as the receiver hears it.
struct Unit {
    database: Database,
    files: Files,
    pki: PathBuf,
    sequence: u64,
}

impl Unit {
    fn say(&mut self, message: Message) {
        let received = [Received { message, received_us: wall_us() }];
        apply(&mut self.database, &mut self.files, &received, wall_us()).unwrap();
    }

    fn is_born(&mut self, challenge: u8) {
        let challenge = Challenge::from_bytes([challenge; 16]);
        let birth = Some(format!("{{\"state\":\"online\",\"challenge\":\"{challenge}\"}}"));
        self.say(Message::State { unit: "gate-1".into(), epoch: Some(7), birth });
    }

    fn dies(&mut self) {
        self.say(Message::State { unit: "gate-1".into(), epoch: Some(7), birth: None });
    }

    fn send(&mut self, lane: &'static str, effect: Effect) {
        let items = vec![Item { sequence: self.sequence, record: None, effect }];
        self.sequence += 1;
        self.say(Message::Batch(Batch { unit: "gate-1".into(), epoch: 7, lane, items }));
    }

    fn answer(&mut self, command: &Command, status: RequestStatus, offer: Option<Offer>) {
        let words = "the unit's words".to_owned();
        let request = command.request.to_string();
        self.send("answer", Effect::Answer(Answer { request, status: Some(status), words, offer }));
    }

    /// The next command, which must be signed by somebody of the agency.
    fn hear(&self, commands: &mut mpsc::Receiver<Departure>) -> Command {
        let Some(Departure::Publish { topic, payload }) = commands.blocking_recv() else { panic!("no command") };
        assert_eq!(topic, "rtcc/v1/metro/gate-1/down/cmd");
        let root = Root::from_pem(&std::fs::read(self.pki.join("root.pem")).unwrap()).unwrap();
        Command::open(&payload, &root, Some(WallTime::from_micros(wall_us()))).unwrap().command().clone()
    }

    /// Makes the clip and sends its files in pieces; `spoil` may change what is sent of the media.
    fn give(&mut self, command: &Command, spoil: impl FnOnce(&mut Vec<u8>)) {
        self.give_groups(command, &GROUPS, spoil);
    }

    fn give_groups(&mut self, command: &Command, groups: &[&[u8]], spoil: impl FnOnce(&mut Vec<u8>)) {
        let (mut media, manifest) = made(command, groups);
        let key = SigningKey::from_pem(&std::fs::read(self.pki.join("unit-gate-1.key")).unwrap()).unwrap();
        let chain = Chain::from_pem(&std::fs::read(self.pki.join("unit-gate-1.pem")).unwrap()).unwrap();
        let sealed = manifest.seal(&key, &chain).unwrap();
        let offer = Offer {
            media_bytes: u64::try_from(media.len()).unwrap(),
            media_hash: manifest.media_hash.to_string(),
            manifest_bytes: u64::try_from(sealed.len()).unwrap(),
            manifest_hash: Hash256::of(&sealed).to_string(),
            actual_from_us: 0,
            actual_to_us: 0,
            gaps: 0,
        };
        spoil(&mut media);
        self.answer(command, RequestStatus::Transferring, Some(offer));
        for (part, bytes) in [(Part::Manifest, sealed), (Part::Media, media)] {
            let length = (bytes.len() / 8).max(16);
            for (number, piece) in bytes.chunks(length).enumerate() {
                let offset = u64::try_from(number * length).unwrap();
                let request = command.request.to_string();
                self.send("clip", Effect::Chunk { request, part, offset, bytes: piece.to_vec() });
            }
        }
    }
}

fn made(command: &Command, groups: &[&[u8]]) -> (Vec<u8>, ClipManifest) {
    let Operation::Clip(scope) = &command.operation else { panic!("{command:?}") };
    let stamp = WallStamp { time: scope.from, quality: ClockQuality::Free };
    let media = groups.concat();
    let span = ManifestSpan { from: scope.from, to: scope.to };
    let mut manifest = ClipManifest {
        version: CONTRACT_VERSION,
        agency: command.agency.clone(),
        unit: command.unit.clone(),
        camera: scope.camera.clone(),
        request: command.request,
        codec: Codec::H264,
        parameters: Hash256::of(b""),
        asked: span,
        actual: span,
        gaps: Vec::new(),
        groups: Vec::new(),
        media_bytes: u64::try_from(media.len()).unwrap(),
        media_hash: Hash256::of(&media),
        made: stamp,
        software: Word::cut("1.0"),
    };
    let mut offset = 0;
    for (number, bytes) in groups.iter().enumerate() {
        let mut group = ManifestGroup {
            segment: 1,
            group: u32::try_from(number).unwrap(),
            offset,
            length: u64::try_from(bytes.len()).unwrap(),
            frames: 25,
            first: MediaTime::ZERO,
            last: MediaTime::ZERO,
            wall: stamp,
            leaf: Hash256::of(b""),
        };
        group.leaf = LeafHasher::leaf(bytes, &manifest.head(&group));
        offset += group.length;
        manifest.groups.push(group);
    }
    (media, manifest)
}

fn failure(asked: std::thread::JoinHandle<anyhow::Result<()>>) -> String {
    format!("{:#}", asked.join().unwrap().unwrap_err())
}

fn exists(path: &Path) -> bool {
    path.try_exists().unwrap()
}

#[test]
fn a_clip_is_asked_for_signed_fetched_and_verified() {
    let mut world = World::new();
    let mut unit = world.unit();
    unit.is_born(1);
    let asked = world.ask(&[]);
    let command = unit.hear(&mut world.commands);
    assert_eq!((command.purpose.as_str(), command.case.as_str()), ("theft", "26-1"));
    assert_eq!(command.challenge, Challenge::from_bytes([1; 16]));
    unit.answer(&command, RequestStatus::Accepted, None);
    unit.give(&command, |_| {});
    asked.join().unwrap().unwrap();
    assert_eq!(std::fs::read(world.path("clip.mp4")).unwrap(), GROUPS.concat());
    assert!(exists(&world.path("clip.mp4.manifest")));
    let root = world.path("pki/root.pem").display().to_string();
    let file = world.path("clip.mp4").display().to_string();
    Arguments::parse_from(["rtcc", "verify", &file, "--root", &root]).run().unwrap();
}

#[test]
fn one_flipped_bit_is_found_and_the_clip_gets_no_name() {
    let mut world = World::new();
    let mut unit = world.unit();
    unit.is_born(1);
    let asked = world.ask(&[]);
    let command = unit.hear(&mut world.commands);
    unit.give(&command, |media| media[25] ^= 1);
    let words = failure(asked);
    assert!(words.contains("NOT VERIFIED") && words.contains("group 1 of 2"), "{words}");
    assert!(!exists(&world.path("clip.mp4")));
}

#[test]
fn what_the_unit_refuses_is_told_in_its_words() {
    let mut world = World::new();
    let mut unit = world.unit();
    unit.is_born(1);
    let asked = world.ask(&[]);
    let command = unit.hear(&mut world.commands);
    unit.answer(&command, RequestStatus::Refused, None);
    let words = failure(asked);
    assert!(words.contains("the unit's words") && words.contains(&command.request.to_string()), "{words}");
}

#[test]
fn a_unit_that_returns_gets_a_fresh_command_under_the_same_request() {
    let mut world = World::new();
    let mut unit = world.unit();
    unit.is_born(1);
    let asked = world.ask(&["--wait", "1h"]);
    let first = unit.hear(&mut world.commands);
    unit.dies();
    unit.is_born(2);
    let second = unit.hear(&mut world.commands);
    assert_eq!(second.request, first.request);
    assert_ne!(second.id, first.id);
    assert_eq!(second.challenge, Challenge::from_bytes([2; 16]));
    unit.give(&second, |_| {});
    asked.join().unwrap().unwrap();
}

#[test]
fn a_unit_that_is_away_is_said_at_once_to_those_who_do_not_wait() {
    let world = World::new();
    let mut unit = world.unit();
    unit.is_born(1);
    unit.dies();
    let words = failure(world.ask(&[]));
    assert!(words.contains("not connected") && words.contains("--wait"), "{words}");
}

#[test]
fn a_unit_that_was_never_heard_is_waited_for_by_those_who_wait() {
    let mut world = World::new();
    let words = failure(world.ask(&[]));
    assert!(words.contains("ever heard"), "{words}");
    let asked = world.ask(&["--wait", "1h"]);
    let mut unit = world.unit();
    unit.is_born(1);
    let command = unit.hear(&mut world.commands);
    unit.give(&command, |_| {});
    asked.join().unwrap().unwrap();
}

#[test]
fn a_clip_larger_than_one_answer_is_fetched_in_parts() {
    let mut world = World::new();
    let mut unit = world.unit();
    unit.is_born(1);
    let asked = world.ask(&[]);
    let command = unit.hear(&mut world.commands);
    let group: Vec<u8> = (0..9_000_000_u32).flat_map(|n| (n % 251).to_le_bytes().into_iter().take(1)).collect();
    unit.give_groups(&command, &[&group, b"end"], |_| {});
    asked.join().unwrap().unwrap();
    assert_eq!(std::fs::metadata(world.path("clip.mp4")).unwrap().len(), 9_000_003);
}
