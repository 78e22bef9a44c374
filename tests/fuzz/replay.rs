//! The corpora of the fuzz targets and thousands of seeded mutations of them, with an ordinary compiler.
//!
//! `FUZZ_MUTATIONS` says how many of each seed, `FUZZ_SEED` which; a failure prints both and the bytes.
//! `FUZZ_SEEDS_INTO` names a folder for the whole corpora, with what is made by code: a fuzzer begins with them.
#![cfg(test)]
#![allow(missing_docs, unreachable_pub, missing_debug_implementations, reason = "shared with the fuzz targets")]

#[allow(clippy::disallowed_methods, reason = "the segment file to be repaired is not written by the store")]
mod checks;
mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

fn number(name: &str, usually: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usually)
}

/// Marsaglia's xorshift: the same everywhere, and no dependency.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (bound.max(1) as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        const TELLING: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
        if self.below(2) == 0 { TELLING[self.below(TELLING.len())] } else { u8::try_from(self.below(256)).unwrap() }
    }

    /// One to four changes: a byte set, cut, put in, or a stretch copied.
    fn mutate(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                _ if bytes.is_empty() => bytes.push(self.byte()),
                0 | 1 => bytes[at] = self.byte(),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, self.byte()),
                _ => {
                    let stretch = bytes[at..bytes.len().min(at + 1 + self.below(16))].to_vec();
                    let to = self.below(bytes.len());
                    drop(bytes.splice(to..to, stretch));
                }
            }
        }
        bytes
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder).into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    match name {
        "ring" => seeds.push(seeds::segment()),
        "envelope" => seeds.push(seeds::command()),
        "verify" => seeds.push(seeds::clip()),
        "enrolment" => seeds.extend(seeds::enrolment()),
        "models" => seeds.push(seeds::models()),
        "release" => seeds.push(seeds::release()),
        "orders" => {
            seeds.extend(seeds::orders());
            seeds.extend(seeds::orders().into_iter().map(sealed));
            seeds.extend(checks::SIGNERS.certificates().map(<[u8]>::to_vec));
        }
        "request" => seeds.push(sealed(seeds::command())),
        _ => {}
    }
    assert!(!seeds.is_empty(), "no corpus {}", folder.display());
    seeds
}

fn sealed(command: Vec<u8>) -> Vec<u8> {
    use edge_protocol::sign::{Kind, Signed};
    let (key, chain) = &checks::SIGNERS.person;
    Signed::seal(Kind::Command, command, key, chain).unwrap()
}

/// Leaves the corpus for a fuzzer that knows files alone.
#[allow(clippy::disallowed_methods, reason = "files for another program, not the product's")]
fn hand_over(seeds: &[Vec<u8>], folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number:02}")), seed).unwrap();
    }
}

fn replay(name: &str, mutations: u64) {
    let (_, check) = checks::ALL.iter().find(|(known, _)| *known == name).expect("a check of this name");
    let start = number("FUZZ_SEED", 0x9e37_79b9_7f4a_7c15);
    let (mut draw, corpus) = (Draw(start.max(1)), corpus(name));
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS_INTO") {
        hand_over(&corpus, &Path::new(&folder).join(name));
    }
    for seed in corpus {
        let mutated = (0..number("FUZZ_MUTATIONS", mutations)).map(|_| draw.mutate(&seed)).collect::<Vec<_>>();
        for bytes in std::iter::once(seed).chain(mutated) {
            let held = catch_unwind(AssertUnwindSafe(|| check(&bytes)));
            assert!(held.is_ok(), "{name}: FUZZ_SEED={start}, with the bytes {bytes:02x?}");
        }
    }
}

#[test]
fn command_envelopes() {
    replay("envelope", 1_000);
}

#[test]
fn bodies_of_requests() {
    replay("request", 2_000);
}

#[test]
fn manifests_of_models() {
    replay("model", 2_000);
}

#[test]
fn configurations_and_plates_of_lists() {
    replay("config", 500);
}

#[test]
fn segments_of_the_ring() {
    replay("ring", 300);
}

#[test]
fn samples_of_streams() {
    replay("nal", 3_000);
}

#[test]
fn frames_of_the_vision_worker() {
    replay("worker", 3_000);
}

#[test]
fn clips_to_verify() {
    replay("verify", 1_000);
}

#[test]
fn topics() {
    replay("topic", 3_000);
}

#[test]
fn messages_of_enrolment_and_renewal() {
    replay("enrolment", 200);
}

#[test]
fn manifests_of_sets_of_models() {
    replay("models", 300);
}

#[test]
fn manifests_of_releases_of_the_agent() {
    replay("release", 300);
}

#[test]
fn orders_to_a_unit() {
    replay("orders", 60);
}

#[test]
fn answers_of_cameras() {
    replay("onvif", 2_000);
}

/// The checks get as deep as they mean to: what is well formed passes.
#[test]
fn the_seeds_are_taken() {
    use edge_protocol::command::Command;
    use edge_protocol::evidence::verify_clip;
    use edge_protocol::sign::{Kind, Signed};
    let signers = &*checks::SIGNERS;
    let command = sealed(seeds::command());
    assert!(Command::open(&command, &signers.root, None).is_ok());
    assert!(rtcc::wire::describe_command(&command).is_ok());
    let sealed = |payload, kind, (key, chain): &(_, _)| Signed::seal(kind, payload, key, chain).unwrap();
    let asked = sealed(seeds::enrolment().remove(0), Kind::Enrolment, &signers.unit);
    assert!(edge_protocol::enrolment::SealedRequest::open(&asked).is_ok());
    let set = sealed(seeds::models(), Kind::ModelSet, &signers.administrator);
    let agency = "springfield".parse().unwrap();
    assert!(edge_protocol::model_set::ModelSet::open(&set, &agency, &signers.root, None).is_ok());
    let (root, key, chain) = &*checks::MAKER;
    let release = Signed::seal(Kind::AgentRelease, seeds::release(), key, chain).unwrap();
    assert!(edge_protocol::agent_release::AgentRelease::open(&release, root, None).is_ok());
    let clip = seeds::clip();
    let (length, rest) = clip.split_first_chunk::<4>().unwrap();
    let (manifest, media) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let sealed = Signed::seal(Kind::ClipManifest, manifest.to_vec(), &signers.unit.0, &signers.unit.1).unwrap();
    let verified = verify_clip(&mut std::io::Cursor::new(media), &sealed, &signers.root);
    assert!(verified.is_ok(), "{verified:?}");
    for order in seeds::orders() {
        let seen =
            checks::orders::judged(|challenge| checks::orders::given_now(&order, challenge, checks::orders::entitled));
        assert_eq!(seen.acts, 1, "{seen:?}");
    }
    for seed in corpus("worker") {
        assert_ne!(edge_agent::vision::read_any(&seed), (0, 0), "{seed:02x?}");
    }
}
