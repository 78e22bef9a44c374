use clap::Parser;
use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::command::{Challenge, Command, Operation, Role};
use edge_protocol::evidence::{ClipManifest, LeafHasher, ManifestGroup, ManifestSpan};
use edge_protocol::hash::Hash256;
use edge_protocol::media::Codec;
use edge_protocol::sign::{Chain, SigningKey};
use edge_protocol::time::{ClockQuality, MediaTime, WallStamp};
use rtcc::database::requests::{Offer, Part};
use rtcc::files::{self, Access};
use rtcc::receiver::message::Effect;

use super::*;
use crate::commands::Arguments;
use crate::commands::stage::{Unit, World};

const GROUPS: [&[u8]; 2] = [b"first group of pictures", b"second"];

impl World {
    /// Runs `rtcc clip` as a person types it.
    fn ask(&self, more: &[&str]) -> std::thread::JoinHandle<anyhow::Result<()>> {
        let center = format!("http://{}", self.address);
        let [key, cert] =
            ["pki/person-ada.key", "pki/person-ada.pem"].map(|name| self.path(name).display().to_string());
        let root = self.path("pki/root.pem").display().to_string();
        let mut words = vec!["rtcc", "clip", "--center", &center, "--unit", "gate-1", "--camera", "north"];
        words.extend(["--from", "2026-11-21T14:05:00Z", "--to", "2026-11-21T14:05:10Z", "--purpose", "theft"]);
        words.extend(["--case", "26-1", "--key", &key, "--cert", &cert, "--root", &root]);
        words.extend(more);
        let output = self.path("clip.mp4").display().to_string();
        if !more.contains(&"-o") {
            words.extend(["-o", &output]);
        }
        Self::run(words.into_iter().map(str::to_owned).collect())
    }
}

impl Unit {
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
    let mut world = World::new("ada", Role::Investigator);
    let mut unit = world.unit("gate-1");
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
    assert!(!exists(&world.path("clip.mp4.unverified")) && !exists(&world.path("clip.mp4.manifest.unverified")));
    let root = world.path("pki/root.pem").display().to_string();
    let file = world.path("clip.mp4").display().to_string();
    Arguments::parse_from(["rtcc", "verify", &file, "--root", &root]).run().unwrap();
}

#[test]
fn one_flipped_bit_is_found_and_the_clip_gets_no_name() {
    let mut world = World::new("ada", Role::Investigator);
    let mut unit = world.unit("gate-1");
    unit.is_born(1);
    let asked = world.ask(&[]);
    let command = unit.hear(&mut world.commands);
    unit.give(&command, |media| media[25] ^= 1);
    let words = failure(asked);
    assert!(words.contains("NOT VERIFIED") && words.contains("group 1 of 2"), "{words}");
    assert!(!exists(&world.path("clip.mp4")));
    assert!(!exists(&world.path("clip.mp4.manifest")), "what was not verified gets no name of a manifest either");
    assert!(exists(&world.path("clip.mp4.unverified")) && exists(&world.path("clip.mp4.manifest.unverified")));
}

/// Puts evidence of an earlier day there.
fn lay_down(path: &Path) {
    files::replace(path, b"evidence", Access::Owner).unwrap();
}

#[test]
fn evidence_that_lies_there_is_neither_overwritten_nor_a_reason_to_ask() {
    for taken in ["clip.mp4", "clip.mp4.manifest"] {
        let mut world = World::new("ada", Role::Investigator);
        world.unit("gate-1").is_born(1);
        lay_down(&world.path(taken));
        let words = failure(world.ask(&[]));
        assert!(words.contains(taken) && words.contains("not overwritten"), "{words}");
        assert_eq!(std::fs::read(world.path(taken)).unwrap(), b"evidence");
        assert!(world.commands.try_recv().is_err(), "the unit was asked");
    }
}

#[test]
fn evidence_that_came_while_the_clip_was_waited_for_is_not_overwritten() {
    let mut world = World::new("ada", Role::Investigator);
    let mut unit = world.unit("gate-1");
    unit.is_born(1);
    let asked = world.ask(&[]);
    let command = unit.hear(&mut world.commands);
    lay_down(&world.path("clip.mp4"));
    unit.give(&command, |_| {});
    let words = failure(asked);
    assert!(words.contains("not overwritten"), "{words}");
    assert_eq!(std::fs::read(world.path("clip.mp4")).unwrap(), b"evidence");
    assert!(!exists(&world.path("clip.mp4.manifest")));
}

#[test]
fn a_place_where_nothing_can_be_written_is_said_before_a_unit_is_asked() {
    let mut world = World::new("ada", Role::Investigator);
    world.unit("gate-1").is_born(1);
    let absent = world.path("absent/clip.mp4").display().to_string();
    let words = failure(world.ask(&["-o", &absent]));
    assert!(words.contains("cannot write") && words.contains("absent"), "{words}");
    assert!(world.commands.try_recv().is_err(), "the unit was asked");
}

#[test]
fn what_the_unit_refuses_is_told_in_its_words() {
    let mut world = World::new("ada", Role::Investigator);
    let mut unit = world.unit("gate-1");
    unit.is_born(1);
    let asked = world.ask(&[]);
    let command = unit.hear(&mut world.commands);
    unit.answer(&command, RequestStatus::Refused, None);
    let words = failure(asked);
    assert!(words.contains("the unit's words") && words.contains(&command.request.to_string()), "{words}");
}

#[test]
fn a_unit_that_returns_gets_a_fresh_command_under_the_same_request() {
    let mut world = World::new("ada", Role::Investigator);
    let mut unit = world.unit("gate-1");
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
    let world = World::new("ada", Role::Investigator);
    let mut unit = world.unit("gate-1");
    unit.is_born(1);
    unit.dies();
    let words = failure(world.ask(&[]));
    assert!(words.contains("not connected") && words.contains("--wait"), "{words}");
}

#[test]
fn a_unit_that_was_never_heard_is_waited_for_by_those_who_wait() {
    let mut world = World::new("ada", Role::Investigator);
    let words = failure(world.ask(&[]));
    assert!(words.contains("ever heard"), "{words}");
    let asked = world.ask(&["--wait", "1h"]);
    let mut unit = world.unit("gate-1");
    unit.is_born(1);
    let command = unit.hear(&mut world.commands);
    unit.give(&command, |_| {});
    asked.join().unwrap().unwrap();
}

#[test]
fn a_clip_larger_than_one_answer_is_fetched_in_parts() {
    let mut world = World::new("ada", Role::Investigator);
    let mut unit = world.unit("gate-1");
    unit.is_born(1);
    let asked = world.ask(&[]);
    let command = unit.hear(&mut world.commands);
    let group: Vec<u8> = (0..9_000_000_u32).flat_map(|n| (n % 251).to_le_bytes().into_iter().take(1)).collect();
    unit.give_groups(&command, &[&group, b"end"], |_| {});
    asked.join().unwrap().unwrap();
    assert_eq!(std::fs::metadata(world.path("clip.mp4")).unwrap().len(), 9_000_003);
}

#[test]
fn a_center_that_is_started_again_is_waited_for_also_by_those_in_a_hurry() {
    for more in [&["--wait", "1h"][..], &[]] {
        let mut world = World::new("ada", Role::Investigator);
        let mut unit = world.unit("gate-1");
        unit.is_born(1);
        let asked = world.ask(more);
        let command = unit.hear(&mut world.commands);
        world.is_started_again();
        unit.give(&command, |_| {});
        asked.join().unwrap().unwrap();
        assert_eq!(std::fs::read(world.path("clip.mp4")).unwrap(), GROUPS.concat());
    }
}

#[test]
fn a_center_that_never_answered_is_said_at_once_with_the_request_also_to_those_who_wait() {
    let mut world = World::new("ada", Role::Investigator);
    world.ends();
    let id = "4f2a4f2a4f2a4f2a4f2a4f2a4f2a4f2a";
    let asked = world.ask(&["--wait", "1h", "--request", id]);
    world.is_missed();
    let words = failure(asked);
    assert!(words.contains("cannot reach the center") && words.contains(id), "{words}");
}
