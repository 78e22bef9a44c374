//! The agent as an artefact of its own, with every real program: a signed release is rolled out by `rtcc update`,
//! tested, started by the image's agent in its own place, watched, and kept; and one that is not fit, crashes or rots
//! ends with the former agent in use, without anybody's hand.
//!
//! The release is this build's agent, which calls itself by the next version; what stands for the service manager
//! starts whatever ends once more. A release proves itself for ten seconds here; `UPDATE_PROVES=300` has it take the
//! five minutes of the product.
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
use std::time::{Duration, Instant};

use bench::{Bench, OTHER, proves};
use edge_agent::update::Version;
use edge_agent::update::rauc::Rauc;
use edge_agent::update::release::Releases;
use edge_store::disk::RealDisk;
use edge_tests::process::{Process, program};
use edge_tests::release;
use edge_tests::world::{DEADLINE, UNIT, signal};
use nix::sys::signal::Signal;

/// Starts what ends once more, as the agent's unit has it, until it is told to end. Nothing outlives it.
const MANAGER: &str = "trap 'kill $agent; wait $agent; exit' TERM
    while true; do setpriv --pdeathsig KILL \"$@\" & agent=$!; wait $agent; done";

#[test]
fn a_signed_release_of_the_agent_proves_itself_and_stays_and_an_unfit_one_goes_by_itself() {
    if !Rauc::default().is_here() {
        return eprintln!("SKIPPED: rauc is not installed, and a unit without it takes no orders");
    }
    let keys = tempfile::tempdir().unwrap();
    let mut story = Story::new(keys.path());
    story.take_a_release_that_works();
    story.lay_no_crash_to_it_that_a_second_agent_is_refused();
    story.refuse_one_that_calls_itself_by_another_name();
    story.refuse_one_that_cannot_use_the_units_configuration();
    story.refuse_one_that_is_signed_by_a_stranger();
    story.give_up_one_that_crashes();
    story.run_the_images_agent_where_the_release_in_use_rots();
    story.give_way_with_a_configuration_that_the_image_does_not_know();
}

struct Story {
    bench: Bench,
    /// Of whoever makes the images.
    keys: PathBuf,
    /// What the service manager keeps for the agent.
    state: PathBuf,
}

impl Story {
    fn new(keys: &Path) -> Story {
        release::development_keys(keys);
        let state = tempfile::Builder::new().prefix("edge-state-").tempdir_in(keys).unwrap().keep();
        let environment = vec![
            format!("EDGE_AGENT_KEYRING={}", keys.join("keyring.pem").display()),
            format!("STATE_DIRECTORY={}", state.display()),
        ];
        let bench = Bench::start(environment, &["bash", "-c", MANAGER, "manager"]);
        Story { bench, keys: keys.to_owned(), state }
    }

    fn in_use(&self) -> Option<String> {
        Releases::new(&RealDisk, &self.bench.world.data_dir()).in_use().map(|release| release.revision.to_string())
    }

    /// The release that runs by what it says of itself; none is the image's own agent.
    fn runs(&self) -> Option<String> {
        self.bench.seen()?.release.as_ref().map(Version::to_string)
    }

    /// The process of the agent.
    fn agent(&self) -> i32 {
        let life = self.bench.seen().unwrap().life;
        life.split_once('-').unwrap().0.parse().unwrap()
    }

    fn wait_until_runs(&self, release: Option<&str>) {
        self.bench.world.wait("the agent", || (self.runs().as_deref() == release).then_some(()));
    }

    /// Signs this build, which calls itself so, as a release and puts it on the server.
    fn publish(&self, file: &str, (software, calls_itself): (&str, &str), keys: &Path) -> PathBuf {
        self.publish_program(file, software, &release::called(&program("edge-agent"), calls_itself), keys)
    }

    fn publish_program(&self, file: &str, software: &str, program: &[u8], keys: &Path) -> PathBuf {
        let release = release::signed(program, software, keys, &self.bench.world.file(file));
        self.bench.server.put(&format!("/{file}"), std::fs::read(&release).unwrap());
        release
    }

    fn take_a_release_that_works(&mut self) {
        let release = self.publish("first.release", ("0.1.1", "0.1.1"), &self.keys);
        let mut rollout = self.bench.roll_out(&release, &format!("{UNIT},{OTHER}"));
        let mut first = self.bench.carry_out(60 + proves());
        self.bench.wait_for("asked", "agent 0.1.1 passed the self-test here and is in use on trial");
        assert_eq!(self.bench.bystander.heard(), 0, "the second wave waits for the first");
        self.wait_until_runs(Some("0.1.1"));
        // Whoever watches may end and begin again, and so may the agent.
        let _killed: std::process::ExitStatus = first.kill();
        signal(self.agent(), Signal::SIGKILL);
        let begun = Instant::now();
        let mut second = self.bench.carry_out(60 + proves());
        self.bench.wait_for("good", "agent 0.1.1 is in use, after the image's agent");
        assert!(begun.elapsed() >= Duration::from_secs(proves()), "it had to prove itself: {:?}", begun.elapsed());
        assert!(second.wait(DEADLINE).success(), "{}", second.lines().join("\n"));
        assert_eq!((self.in_use().as_deref(), self.runs().as_deref()), (Some("0.1.1"), Some("0.1.1")));
        self.bench.told("update", "the image's agent", "agent 0.1.1");
        self.bench.world.wait_for_event("health", "the new agent's name", |event| {
            event["unit"] == UNIT && event["record"]["software"] == "edge-agent 0.1.1"
        });
        self.bench.world.wait("the second wave", || (self.bench.bystander.heard() > 0).then_some(()));
        let mut stop = self.bench.rtcc_update(&["stop", "--why", "the other is a test's"]);
        assert!(stop.wait(DEADLINE).success());
        assert!(!rollout.wait(DEADLINE).success());
    }

    fn lay_no_crash_to_it_that_a_second_agent_is_refused(&self) {
        for _ in 0..3 {
            let mut second = Process::spawn("a second agent", &mut self.bench.edge_agent(&["run"]));
            assert!(!second.wait(DEADLINE).success());
            assert!(
                second.lines().iter().any(|line| line.contains("another edge-agent runs on")),
                "{:?}",
                second.lines()
            );
        }
        self.ends_and_begins(Signal::SIGKILL);
        assert_eq!(self.runs().as_deref(), Some("0.1.1"));
    }

    fn stays(&self, release: &Path, words: &str) {
        self.bench.fails(release, words);
        assert_eq!((self.in_use().as_deref(), self.runs().as_deref()), (Some("0.1.1"), Some("0.1.1")));
    }

    fn refuse_one_that_calls_itself_by_another_name(&self) {
        let release = self.publish("second.release", ("0.1.2", "0.1.3"), &self.keys);
        self.stays(&release, "it calls itself `edge-agent 0.1.3` and not `edge-agent 0.1.2`");
        assert!(!self.bench.world.data_dir().join("agents/sets/0.1.2").exists(), "nothing is left of it");
    }

    /// It reads another key in place of one that the configuration has.
    fn refuse_one_that_cannot_use_the_units_configuration(&self) {
        let program = release::with(&release::called(&program("edge-agent"), "0.1.2"), "analysed_fps", "analysed_per");
        let release = self.publish_program("fifth.release", "0.1.2", &program, &self.keys);
        self.stays(&release, "it fails its self-test here: it ends with exit status: 78");
    }

    fn refuse_one_that_is_signed_by_a_stranger(&self) {
        let stranger = self.keys.join("stranger");
        release::development_keys(&stranger);
        let release = self.publish("third.release", ("0.1.2", "0.1.2"), &stranger);
        self.stays(&release, "not signed by a key that this unit takes images from");
    }

    fn give_up_one_that_crashes(&self) {
        let release = self.publish("fourth.release", ("0.1.2", "0.1.2"), &self.keys);
        let mut rollout = self.bench.roll_out(&release, UNIT);
        let mut process = self.bench.carry_out(60 + proves());
        let mut former = None;
        for _ in 0..3 {
            self.bench.world.wait("a life of the new agent", || {
                (self.runs().as_deref() == Some("0.1.2") && former != Some(self.agent())).then_some(())
            });
            former = Some(self.agent());
            signal(self.agent(), Signal::SIGABRT);
        }
        let words = "agent 0.1.1 is in use again, agent 0.1.2 was given up: it crashed three times within five minutes";
        self.bench.wait_for("failed", words);
        assert!(process.wait(DEADLINE).success(), "{}", process.lines().join("\n"));
        assert!(!rollout.wait(DEADLINE).success());
        self.bench.told("rollback", "agent 0.1.2", "agent 0.1.1");
        self.wait_until_runs(Some("0.1.1"));
        let looks = || self.bench.seen().and_then(|seen| seen.worker);
        self.bench.world.wait("no life in safe mode, which would look at nothing", looks);
    }

    /// Nobody watches a release that had proved itself; the image's agent alone sees that it is not what was signed.
    fn run_the_images_agent_where_the_release_in_use_rots(&self) {
        self.rots("0.1.1");
        self.wait_until_runs(None);
        self.bench.told("rollback", "agent 0.1.1", "the image's agent");
        // A technician brings it anew.
        let release = self.bench.world.file("first.release");
        let mut update = self.bench.edge_agent(&["update", "agent", release.to_str().unwrap()]);
        let mut process = Process::spawn("edge-agent update", &mut update);
        assert!(process.wait(DEADLINE).success(), "{}", process.lines().join("\n"));
        process.wait_for_line("agent 0.1.1 is tested and in use", DEADLINE);
        self.wait_until_runs(Some("0.1.1"));
    }

    /// A release may know what its image does not, which must be able to live all the same once the release is gone.
    fn give_way_with_a_configuration_that_the_image_does_not_know(&self) {
        let (known, new) = ("analysed_fps", "analysed_per");
        let file = self.bench.world.configuration();
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace(known, new)).unwrap();
        let program = release::with(&release::called(&program("edge-agent"), "0.1.2"), known, new);
        let release = release::signed(&program, "0.1.2", &self.keys, &self.bench.world.file("sixth.release"));
        let mut update = self.bench.edge_agent(&["update", "agent", release.to_str().unwrap()]);
        let mut process = Process::spawn("edge-agent update", &mut update);
        assert!(process.wait(DEADLINE).success(), "{}", process.lines().join("\n"));
        self.wait_until_runs(Some("0.1.2"));
        self.ends_and_begins(Signal::SIGTERM);
        assert_eq!(self.runs().as_deref(), Some("0.1.2"));
        let (last_good, aside) = (self.state.join("last-good.toml"), self.state.join("aside.toml"));
        let kept = std::fs::read_to_string(&last_good).unwrap();
        assert!(kept.contains(known), "the release took from the image what it could use: {kept}");
        // Without it the image can use nothing, and gives way to whoever can.
        std::fs::rename(&last_good, &aside).unwrap();
        self.ends_and_begins(Signal::SIGKILL);
        assert_eq!(self.runs().as_deref(), Some("0.1.2"));
        std::fs::rename(&aside, &last_good).unwrap();
        self.rots("0.1.2");
        self.wait_until_runs(None);
    }

    /// Ends the agent so, and waits for its next life.
    fn ends_and_begins(&self, how: Signal) {
        let former = self.agent();
        signal(former, how);
        self.bench.world.wait("its next life", || (self.agent() != former).then_some(()));
    }

    /// One bit of a release in use is another one when the agent begins next.
    fn rots(&self, release: &str) {
        let file = self.bench.world.data_dir().join("agents/sets").join(release).join("edge-agent");
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        signal(self.agent(), Signal::SIGKILL);
    }
}
