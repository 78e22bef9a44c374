//! A unit that takes orders, another one in the second wave, and the server that units download from.

use std::path::Path;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use edge_agent::update::Evidence;
use edge_tests::files::FileServer;
use edge_tests::process::{Process, program};
use edge_tests::world::{DEADLINE, Plan, UNIT, World};
use serde_json::Value;

use crate::bystander::Bystander;

/// The other unit, of the second wave.
pub(crate) const OTHER: &str = "pole-2";

/// How long something new has to prove itself: ten seconds here, the product's five minutes with `UPDATE_PROVES=300`.
pub(crate) fn proves() -> u64 {
    std::env::var("UPDATE_PROVES").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(10)
}

pub(crate) struct Bench {
    pub(crate) bystander: Bystander,
    pub(crate) world: World,
    pub(crate) server: FileServer,
    /// The agent's runtime folder.
    run: tempfile::TempDir,
    /// What agent and updates find in their environment, `NAME=value`.
    environment: Vec<String>,
}

impl Bench {
    /// With an agent that finds this in its environment, runs under this command, and has run a model.
    pub(crate) fn start(environment: Vec<String>, under: &[&str]) -> Bench {
        let run = tempfile::Builder::new().prefix("edge-update-").tempdir().unwrap();
        let environment = [environment, vec![format!("RUNTIME_DIRECTORY={}", run.path().display())]].concat();
        let under = under.iter().map(|word| (*word).to_owned());
        let started_by = ["env".to_owned()].into_iter().chain(environment.clone()).chain(under).collect();
        let mut world = World::with("demo-city", Plan { started_by, ..Plan::default() });
        let server = FileServer::start(&world.pki.server());
        world.start_agent();
        let bystander = Bystander::connect(&world.pki, world.broker.port(), OTHER);
        for unit in [UNIT, OTHER] {
            world.wait("the unit is online", || {
                world.ask(&format!("/api/units/{unit}")).filter(|unit| unit["online"] == true)
            });
        }
        let bench = Bench { bystander, world, server, run, environment };
        bench.world.wait("a model has run", || bench.seen()?.worker);
        bench
    }

    /// What the running agent says of itself.
    pub(crate) fn seen(&self) -> Option<Evidence> {
        serde_json::from_slice(&std::fs::read(self.run.path().join("evidence")).ok()?).ok()
    }

    /// `rtcc update` as a supervisor types it.
    pub(crate) fn rtcc_update(&self, arguments: &[&str]) -> Process {
        let person = self.world.pki.person("grace", "supervisor");
        let mut update = Program::new(program("rtcc"));
        update.arg("update").args(arguments).args(["--center", &self.world.center_address()]);
        if !["status", "stop"].contains(&arguments[0]) {
            update.arg("--key").arg(&person.key_path).arg("--cert").arg(&person.certificate_path);
        }
        Process::spawn("rtcc update", &mut update)
    }

    /// Orders what was put on the server under the file's own name.
    pub(crate) fn roll_out(&self, file: &Path, units: &str) -> Process {
        let name = file.file_name().unwrap().to_str().unwrap();
        let url = format!("https://localhost:{}/{name}", self.server.address().port());
        let (file, what) = (file.display().to_string(), ["--case", "CHG-2026-18", "--waves", "1,1", "--units", units]);
        self.rtcc_update(&[&["--bundle", &file, "--url", &url][..], &what].concat())
    }

    /// What edge-update.path starts, once the order is there.
    pub(crate) fn carry_out(&self, within: u64) -> Process {
        let order = self.world.data_dir().join("update/order");
        self.world.wait("the order", || order.exists().then_some(()));
        let (hold, within) = (proves().to_string(), within.to_string());
        let mut update = self.edge_agent(&["update", "carry-out", "--hold", &hold, "--within", &within]);
        Process::spawn("edge-agent update", &mut update)
    }

    /// The image's own program as the service units call it.
    pub(crate) fn edge_agent(&self, arguments: &[&str]) -> Program {
        let mut agent = Program::new(program("edge-agent"));
        agent.args(arguments).arg("--config").arg(self.world.configuration()).env("NO_COLOR", "1");
        agent.envs(self.environment.iter().filter_map(|variable| variable.split_once('=')));
        agent
    }

    /// The first unit's state in the newest rollout, and what it says.
    pub(crate) fn status(&self) -> (String, String) {
        let mut status = self.rtcc_update(&["status", "--json"]);
        assert!(status.wait(DEADLINE).success(), "{}", status.lines().join("\n"));
        let shown: Value = serde_json::from_str(&status.lines().join("\n")).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&shown["units"][0]["state"]), text(&shown["units"][0]["words"]))
    }

    /// Waits, longer than for anything else, until the unit is so.
    pub(crate) fn wait_for(&self, state: &str, words: &str) {
        let until = Instant::now() + DEADLINE + Duration::from_secs(2 * proves());
        loop {
            let (found, said) = self.status();
            if found == state && said.contains(words) {
                return;
            }
            assert!(Instant::now() < until && ["asked", "waiting"].contains(&found.as_str()), "{found}: {said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// One unit alone, which must fail with these words, and the rollout with it.
    pub(crate) fn fails(&self, file: &Path, words: &str) {
        let mut rollout = self.roll_out(file, UNIT);
        let mut process = self.carry_out(60);
        assert!(!rollout.wait(DEADLINE).success());
        let (state, said) = self.status();
        assert!(state == "failed" && said.contains(words), "{state}: {said}");
        assert!(process.wait(DEADLINE).success(), "{}", process.lines().join("\n"));
    }

    /// The alert, and the audit entry under the unit's seal.
    pub(crate) fn told(&self, kind: &str, from: &str, to: &str) {
        self.world.wait_for_event("alert", "the alert", |event| {
            let versions = &event["record"]["kind"][kind];
            versions["from"].as_str().is_some_and(|text| text.contains(from)) && versions["to"] == to
        });
        self.world
            .wait_for_sealed_entry(|text| text.contains(to) && text.contains("in use") && !text.contains("trial"));
    }
}
