//! Models as an artefact of their own, with every real program: a signed set is rolled out by `rtcc update`,
//! downloaded, judged, tested with the real runtime, put to use in the running agent, watched, and kept; and each set
//! that is not fit ends with the former one in use, without anybody's hand.
//!
//! A set proves itself for ten seconds here; `UPDATE_PROVES=300` has it take the five minutes of the product.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story starts programs and says aloud what it skips"
)]

#[path = "update/bench.rs"]
mod bench;
#[path = "update/bystander.rs"]
mod bystander;

use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::{Duration, Instant};

use bench::{Bench, OTHER, proves};
use edge_agent::update::models::ModelSets;
use edge_agent::update::rauc::Rauc;
use edge_store::disk::RealDisk;
use edge_tests::process::{Process, program};
use edge_tests::world::{DEADLINE, UNIT, signal};
use nix::sys::signal::Signal;
use serde_json::Value;

#[test]
fn a_signed_set_of_models_is_rolled_out_proves_itself_and_stays_and_an_unfit_one_goes_by_itself() {
    if !Rauc::default().is_here() {
        return eprintln!("SKIPPED: rauc is not installed, and a unit without it takes no orders");
    }
    let mut story = Story::new();
    story.take_a_set_that_works();
    story.refuse_an_older_one();
    story.refuse_one_that_fails_its_self_test();
    story.give_up_one_with_which_no_worker_comes_up();
    story.look_with_the_images_models_where_the_set_in_use_rots();
}

struct Story {
    bench: Bench,
}

impl Story {
    fn new() -> Story {
        Story { bench: Bench::start(Vec::new(), &[]) }
    }

    fn set_in_use(&self) -> Option<u64> {
        ModelSets::new(&RealDisk, &self.bench.world.data_dir()).in_use().map(|set| set.revision)
    }

    /// A folder with the product's models.
    fn models(&self, name: &str) -> PathBuf {
        let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("../models"), self.bench.world.file(name));
        for model in ["road-objects", "plates", "plate-text"] {
            std::fs::create_dir_all(to.join(model).join("golden")).unwrap();
            for file in files(&from.join(model)).chain(files(&from.join(model).join("golden"))) {
                std::fs::copy(&file, to.join(file.strip_prefix(&from).unwrap())).unwrap();
            }
        }
        to
    }

    /// Signs a folder as a set and puts it on the server.
    fn publish(&self, revision: u64, folder: &Path) -> PathBuf {
        let (person, set) =
            (self.bench.world.pki.person("pat", "policy-admin"), self.bench.world.file(&format!("{revision}.set")));
        let mut models = Program::new(program("rtcc"));
        models.args(["models", "--revision", &revision.to_string()]).arg("--from").arg(folder).arg("-o").arg(&set);
        models.arg("--key").arg(&person.key_path).arg("--cert").arg(&person.certificate_path);
        let mut process = Process::spawn("rtcc models", &mut models);
        assert!(process.wait(DEADLINE).success(), "{}", process.lines().join("\n"));
        self.bench.server.put(&format!("/{revision}.set"), std::fs::read(&set).unwrap());
        set
    }

    /// One unit alone, which must fail with these words; the models in use stay.
    fn fails(&self, set: &Path, words: &str) {
        self.bench.fails(set, words);
        assert_eq!((self.set_in_use(), self.set_of_the_worker()), (Some(7), Some(7)));
    }

    fn set_of_the_worker(&self) -> Option<u64> {
        self.bench.seen().unwrap().worker.unwrap().set
    }

    fn take_a_set_that_works(&mut self) {
        let folder = self.models("models-7");
        let manifest = folder.join("road-objects/manifest.json");
        let mut changed: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
        changed["version"] = "7.7.7".into();
        std::fs::write(&manifest, changed.to_string()).unwrap();
        let set = self.publish(7, &folder);
        let former = self.bench.world.worker(None);
        let mut rollout = self.bench.roll_out(&set, &format!("{UNIT},{OTHER}"));
        let mut first = self.bench.carry_out(60 + proves());
        self.bench.wait_for("asked", "models 7 passed the self-test here and are in use on trial");
        assert_eq!(self.bench.bystander.heard(), 0, "the second wave waits for the first");
        // Whoever watches may end and begin again.
        let _killed: std::process::ExitStatus = first.kill();
        let begun = Instant::now();
        let mut second = self.bench.carry_out(60 + proves());
        self.bench.wait_for("good", "models 7 are in use, after the image's models");
        assert!(begun.elapsed() >= Duration::from_secs(proves()), "it had to prove itself: {:?}", begun.elapsed());
        assert!(second.wait(DEADLINE).success(), "{}", second.lines().join("\n"));
        assert_ne!(self.bench.world.worker(Some(former)), former, "another worker looks");
        assert_eq!((self.set_in_use(), self.set_of_the_worker()), (Some(7), Some(7)));
        self.bench.told("update", "image's models", "models 7");
        let of_health = self.bench.world.wait_for_event("health", "the new model's name", |event| {
            event["record"].to_string().contains("road-objects-7.7.7")
        });
        assert_eq!(of_health["unit"], UNIT);
        self.bench.world.wait("the second wave", || (self.bench.bystander.heard() > 0).then_some(()));
        let mut stop = self.bench.rtcc_update(&["stop", "--why", "the other is a test's"]);
        assert!(stop.wait(DEADLINE).success());
        assert!(!rollout.wait(DEADLINE).success());
    }

    fn refuse_an_older_one(&self) {
        self.fails(&self.publish(6, &self.models("models-6")), "revision 6 is below 7");
    }

    fn refuse_one_that_fails_its_self_test(&self) {
        let folder = self.models("models-8");
        let output = folder.join("plates/golden/p16.f32");
        let mut bytes = std::fs::read(&output).unwrap();
        bytes[..4].copy_from_slice(&1000_f32.to_le_bytes());
        std::fs::write(&output, bytes).unwrap();
        self.fails(&self.publish(8, &folder), "fails its self-test here");
        assert!(!self.bench.world.data_dir().join("models/sets/8").exists(), "nothing is left of it");
    }

    /// It passes its self-test, and rots before its worker is started.
    fn give_up_one_with_which_no_worker_comes_up(&mut self) {
        let set = self.publish(9, &self.models("models-9"));
        let mut rollout = self.bench.roll_out(&set, UNIT);
        let mut process = self.bench.carry_out(25);
        self.bench.wait_for("asked", "models 9 passed the self-test here and are in use on trial");
        let model = self.bench.world.data_dir().join("models/sets/9/plates/plates.onnx");
        std::fs::write(model, b"rotten").unwrap();
        signal(self.bench.world.worker(None), Signal::SIGKILL);
        self.bench.wait_for("failed", "models 7 are in use again, models 9 were given up: no model has run");
        assert!(process.wait(DEADLINE).success(), "{}", process.lines().join("\n"));
        assert!(!rollout.wait(DEADLINE).success());
        self.bench.told("rollback", "models 9", "models 7");
        self.bench
            .world
            .wait("the former models look", || self.bench.seen()?.worker.filter(|worker| worker.set == Some(7)));
        assert_eq!(self.set_in_use(), Some(7));
    }

    /// Nobody watches a set that had proved itself; the agent alone sees that its files are no longer what was signed.
    fn look_with_the_images_models_where_the_set_in_use_rots(&mut self) {
        let golden = self.bench.world.data_dir().join("models/sets/7/plates/golden/p16.f32");
        std::fs::write(golden, b"rotten").unwrap();
        signal(self.bench.world.worker(None), Signal::SIGKILL);
        self.bench.told("rollback", "models 7", "the image's models");
        self.bench
            .world
            .wait("the image's models look", || self.bench.seen()?.worker.filter(|worker| worker.set.is_none()));
        let standing = ModelSets::new(&RealDisk, &self.bench.world.data_dir()).standing().unwrap();
        assert_eq!((self.set_in_use(), standing.floor), (None, Some(7)));
        // The same set may come anew.
        let mut rollout = self.bench.roll_out(&self.bench.world.file("7.set"), UNIT);
        let mut process = self.bench.carry_out(60 + proves());
        self.bench.wait_for("good", "models 7 are in use, after the image's models");
        assert!(process.wait(DEADLINE).success(), "{}", process.lines().join("\n"));
        assert!(rollout.wait(DEADLINE).success());
        assert_eq!((self.set_in_use(), self.set_of_the_worker()), (Some(7), Some(7)));
    }
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file())
}
