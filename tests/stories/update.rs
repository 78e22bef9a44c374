//! An update that the center orders, with every real program: broker, center, agent, the process that carries orders
//! out, RAUC with its service, and an HTTPS server behind a line that breaks. Only the boots are a script's.
//!
//! `rtcc update` rolls it out to two units in two waves, is killed in the middle with its center, and goes on. What
//! fails in the first wave keeps the second from ever beginning.
//!
//! What this needs and a machine may lack is what `tests/stories/rauc.rs` needs. The five minutes in which a new slot
//! proves itself are not waited for here: the bootloader gives it up, and that is told.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story starts programs and says aloud what it skips"
)]

#[path = "rauc/bench.rs"]
#[allow(dead_code, reason = "the story of RAUC alone needs more of it")]
mod bench;
#[path = "update/bystander.rs"]
mod bystander;
#[path = "rauc/pole.rs"]
#[allow(dead_code, reason = "the story of the minutes needs more of it")]
mod pole;

use std::path::PathBuf;
use std::process::Command as Program;

use bench::{Bench, Signer};
use bystander::Bystander;
use edge_agent::update::{Order, Orders, SlotName};
use edge_protocol::command::{Command, MAX_COMMAND_LIFE, Operation, Role, UpdateScope};
use edge_protocol::hash::Hash256;
use edge_protocol::id::{CommandId, RequestId};
use edge_protocol::sign::{Chain, SigningKey};
use edge_protocol::time::WallTime;
use edge_store::disk::RealDisk;
use edge_tests::files::FileServer;
use edge_tests::process::{Process, program};
use edge_tests::proxy::{Cuts, Direction, Proxy};
use edge_tests::world::{DEADLINE, UNIT};
use pole::Pole;
use serde_json::Value;

/// RAUC's bus is made by a program that this one is started again under.
#[test]
fn an_ordered_update_is_downloaded_over_a_breaking_line_installed_booted_and_told_and_bad_orders_are_refused() {
    bench::on_a_bus_of_its_own("the_story_on_a_bus_of_its_own");
}

#[test]
#[ignore = "started by the test above, on a bus of its own"]
fn the_story_on_a_bus_of_its_own() {
    let mut story = Story::new();
    story.refuse_a_host_that_the_configuration_does_not_name();
    story.refuse_another_file_than_was_ordered();
    story.refuse_what_is_not_there();
    story.call_back_what_has_not_begun();
    let rollout = story.install_over_a_line_that_breaks();
    story.boot_when_the_hour_comes(&rollout);
    story.give_up_what_never_proves_itself(rollout);
}

/// The other unit, of the second wave.
const OTHER: &str = "pole-2";

/// A rollout on its way.
struct Rollout {
    /// The request of the first unit.
    request: String,
    /// `rtcc update resume`.
    process: Process,
}

struct Story {
    bystander: Bystander,
    pole: Pole,
    server: FileServer,
    line: Proxy,
    ordered: u8,
}

impl Story {
    fn new() -> Story {
        let bench = Bench::new();
        // Something that does not shrink, so that the line has something to carry.
        std::fs::create_dir_all(bench.path("tree-2.0.0")).unwrap();
        std::fs::write(bench.path("tree-2.0.0/noise"), noise(1_500_000)).unwrap();
        bench.bundle("good.raucb", ["2.0.0", "edge-test", "20261101120000"], Signer::Agency);
        let mut pole = Pole::on(bench);
        let world = &mut pole.world;
        let server = FileServer::start(&world.pki.server());
        server.put("/good.raucb", std::fs::read(pole.bench.path("good.raucb")).unwrap());
        let line = Proxy::to(server.address());
        world.start_agent();
        let bystander = Bystander::connect(&world.pki, world.broker.port(), OTHER);
        for unit in [UNIT, OTHER] {
            world.wait("the unit is online", || {
                world.ask(&format!("/api/units/{unit}")).filter(|unit| unit["online"] == true)
            });
        }
        pole.power_on();
        Story { bystander, pole, server, line, ordered: 0 }
    }

    fn bundle(&self) -> Vec<u8> {
        std::fs::read(self.pole.bench.path("good.raucb")).unwrap()
    }

    /// The good bundle behind the line that breaks, to be booted at once.
    fn good(&self) -> UpdateScope {
        let bundle = self.bundle();
        UpdateScope {
            url: format!("https://localhost:{}/good.raucb", self.line.port()),
            hash: Hash256::of(&bundle),
            bytes: bundle.len() as u64,
            version: "2.0.0".parse().unwrap(),
            quiet: None,
            artefact: None,
        }
    }

    /// Orders it as a supervisor; what the center knows of the request by.
    fn order(&mut self, scope: UpdateScope) -> String {
        self.ordered += 1;
        let unit = self.pole.world.ask(&format!("/api/units/{UNIT}")).unwrap();
        let person = self.pole.world.pki.person("grace", "supervisor");
        let now = WallTime::from_micros(jiff::Timestamp::now().as_microsecond());
        let command = Command {
            version: 1,
            id: CommandId::from_bytes([self.ordered; 16]),
            request: RequestId::from_bytes([self.ordered; 16]),
            agency: "demo-city".parse().unwrap(),
            unit: UNIT.parse().unwrap(),
            issuer: "grace".parse().unwrap(),
            role: Role::Supervisor,
            operation: Operation::Update(scope),
            purpose: "maintenance".parse().unwrap(),
            case: "CHG-2026-17".parse().unwrap(),
            policy: None,
            issued: now,
            expires: now.saturating_add(MAX_COMMAND_LIFE),
            challenge: unit["state"]["challenge"].as_str().unwrap().parse().unwrap(),
        };
        let key = SigningKey::from_pem(person.key_pem.as_bytes()).unwrap();
        let sealed = command.seal(&key, &Chain::from_pem(person.certificate_pem.as_bytes()).unwrap()).unwrap();
        let posted = ureq::post(format!("{}/api/requests", self.pole.world.center_address()));
        posted.content_type("application/cose").send(&sealed).unwrap();
        command.request.to_string()
    }

    /// Waits until the center's request is so, with these words.
    fn wait_for(&self, request: &str, status: &str, words: &str) -> Value {
        self.pole.world.wait(&format!("request {request} {status}: {words}"), || {
            let found = self.pole.world.ask(&format!("/api/requests/{request}"))?;
            let fits = found["status"] == status && found["words"].as_str()?.contains(words);
            assert!(fits || found["status"] == "waiting" || found["status"] == "accepted", "{found}");
            fits.then_some(found)
        })
    }

    fn order_lies_there(&self) -> bool {
        self.order_path().exists()
    }

    fn order_path(&self) -> PathBuf {
        self.pole.world.data_dir().join("update/order")
    }

    /// Starts the process once the order is there, as the path unit does, and waits for its end.
    fn carry_out(&self) {
        self.pole.world.wait("the order", || self.order_lies_there().then_some(()));
        let mut process = self.pole.update(&["carry-out"]);
        let status = process.wait(DEADLINE);
        assert!(status.success(), "{}", process.lines().join("\n"));
        assert!(!self.order_lies_there(), "the order has ended");
    }

    fn refuse_a_host_that_the_configuration_does_not_name(&mut self) {
        let scope = UpdateScope { url: "https://elsewhere.example/good.raucb".to_owned(), ..self.good() };
        let request = self.order(scope);
        self.wait_for(&request, "refused", "from the hosts of its configuration alone");
        assert!(!self.order_lies_there());
    }

    fn refuse_another_file_than_was_ordered(&mut self) {
        let before = self.pole.bench.slots();
        let request = self.order(UpdateScope { hash: Hash256::of(b"another"), ..self.good() });
        self.carry_out();
        self.wait_for(&request, "failed", "its hash is");
        assert!(self.pole.bench.slots() == before && self.pole.bench.primary() == "A", "nothing was changed");
        assert!(!self.pole.world.data_dir().join("update/bundle.raucb").exists(), "nothing is kept of it");
    }

    fn refuse_what_is_not_there(&mut self) {
        let gone = format!("https://localhost:{}/gone.raucb", self.line.port());
        let request = self.order(UpdateScope { url: gone, ..self.good() });
        self.carry_out();
        self.wait_for(&request, "failed", "the server answers 404");
    }

    /// `rtcc update` as a supervisor types it.
    fn rtcc_update(&self, arguments: &[&str]) -> Process {
        let person = self.pole.world.pki.person("grace", "supervisor");
        let mut update = Program::new(program("rtcc"));
        update.arg("update").args(arguments).args(["--center", &self.pole.world.center_address()]);
        if arguments[0] != "status" {
            update.arg("--key").arg(&person.key_path).arg("--cert").arg(&person.certificate_path);
        }
        Process::spawn("rtcc update", &mut update)
    }

    fn call_back_what_has_not_begun(&mut self) {
        let url = format!("https://localhost:{}/good.raucb", self.line.port());
        let bundle = self.pole.bench.path("good.raucb").display().to_string();
        let what = ["--version", "2.0.0", "--url", &url, "--bundle", &bundle, "--case", "CHG-2026-16"];
        let mut begun = self.rtcc_update(&[&what[..], &["--all", "--waves", "1,100%"]].concat());
        self.pole.world.wait("the order", || self.order_lies_there().then_some(()));
        let (request, _) = self.rollout();
        let mut recall = self.rtcc_update(&["recall", "--why", "wrong file"]);
        assert!(recall.wait(DEADLINE).success(), "{}", recall.lines().join("\n"));
        assert!(!self.order_lies_there(), "the unit has nothing to begin with");
        self.wait_for(&request, "failed", "the update to 2.0.0 is called back, nothing was changed");
        assert!(!begun.wait(DEADLINE).success());
        assert_eq!(self.bystander.heard(), 0, "nor has the other unit");
    }

    /// The first unit's request, and the second unit's state in the rollout.
    fn rollout(&self) -> (String, String) {
        let mut status = self.rtcc_update(&["status", "--json"]);
        assert!(status.wait(DEADLINE).success(), "{}", status.lines().join("\n"));
        let shown: Value = serde_json::from_str(&status.lines().join("\n")).unwrap();
        assert_eq!((&shown["units"][0]["unit"], &shown["units"][1]["unit"]), (&UNIT.into(), &OTHER.into()));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&shown["units"][0]["request"]), text(&shown["units"][1]["state"]))
    }

    /// Rolls it out with hours that are not now; the center and `rtcc update` are killed while it arrives.
    fn install_over_a_line_that_breaks(&mut self) -> Rollout {
        let before = self.server.asked().len();
        self.line.plan_cuts(Cuts { seed: 17, direction: Direction::FromTarget, bytes: 200_000..=400_000, count: 3 });
        let url = format!("https://localhost:{}/good.raucb", self.line.port());
        let bundle = self.pole.bench.path("good.raucb").display().to_string();
        let what = ["--version", "2.0.0", "--url", &url, "--bundle", &bundle, "--case", "CHG-2026-17"];
        let whom = ["--all", "--waves", "1,100%", "--stop-after", "1"];
        let hours = never();
        let when = ["--window", &hours, "--utc-offset", "+00:00"];
        let mut begun = self.rtcc_update(&[&what[..], &whom, &when].concat());
        self.pole.world.wait("the order", || self.order_lies_there().then_some(()));
        let mut first = self.pole.update(&["carry-out"]);
        let (request, _) = self.rollout();
        let _killed: std::process::ExitStatus = begun.kill();
        self.pole.world.kill_center();
        self.pole.world.start_center();
        let process = self.rtcc_update(&["resume"]);
        self.wait_for(&request, "accepted", "2.0.0 was written to slot B");
        assert_eq!(self.line.cuts_made(), 3);
        let asked: Vec<u64> = self.server.asked().split_off(before).into_iter().map(|(_, from)| from).collect();
        assert_eq!((asked.len(), asked[0]), (4, 0), "{asked:?}");
        assert!(asked.is_sorted_by(|a, b| a < b), "each goes on where the one before broke off: {asked:?}");
        assert!(self.pole.bench.slots().1 == self.pole.bench.image("2.0.0"));
        assert!(!self.pole.a_boot_is_asked_for(), "it waits for its hours");
        // A second order while one is under way.
        let second = self.order(self.good());
        self.wait_for(&second, "failed", "the update to 2.0.0 is under way");
        let _killed: std::process::ExitStatus = first.kill();
        Rollout { request, process }
    }

    /// No story waits for an hour: the order on the disk is given none instead.
    fn boot_when_the_hour_comes(&self, rollout: &Rollout) {
        let folder = self.pole.world.data_dir().join("update");
        let orders = Orders::new(&RealDisk, &folder);
        let order = orders.read().unwrap().unwrap();
        orders.write(&Order { quiet: None, ..order }).unwrap();
        let _process = self.pole.update(&["carry-out"]);
        self.pole.world.wait("the unit is to boot", || self.pole.a_boot_is_asked_for().then_some(()));
        self.wait_for(&rollout.request, "accepted", "the unit boots into the new slot");
    }

    fn give_up_what_never_proves_itself(&mut self, mut rollout: Rollout) {
        for _ in 0..3 {
            assert_eq!(self.pole.power_on(), SlotName::B);
        }
        assert_eq!(self.pole.power_on(), SlotName::A);
        let mut confirm = self.pole.update(&["confirm"]);
        let why = "2.0.0 was given up: the bootloader did not start it, or gave it up";
        self.wait_for(&rollout.request, "failed", why);
        assert!(!self.order_lies_there(), "the order has ended");
        assert!(confirm.wait(DEADLINE).success());
        let rolled_back = self.pole.world.wait_for_event("alert", "the alert of the rollback", |event| {
            event["record"]["kind"]["rollback"]["from"] == "2.0.0"
        });
        assert_eq!(rolled_back["unit"], UNIT);
        self.pole.world.wait_for_sealed_entry(|text| text.contains(why));
        assert!(!rollout.process.wait(DEADLINE).success());
        let said = rollout.process.lines().join("\n");
        assert!(said.contains("STOPPED in wave 1 of 2: 1 failed") && said.contains(why), "{said}");
        // Stopped is stopped, whatever becomes of the center.
        self.pole.world.kill_center();
        self.pole.world.start_center();
        let mut resumed = self.rtcc_update(&["resume"]);
        assert!(!resumed.wait(DEADLINE).success());
        assert!(resumed.lines().join("\n").contains("STOPPED in wave 1 of 2: 1 failed"), "{:?}", resumed.lines());
        assert_eq!(self.rollout(), (rollout.request, "waiting".to_owned()));
        assert_eq!(self.bystander.heard(), 0, "the second wave has never begun");
    }
}

/// Two hours that begin in twelve.
fn never() -> String {
    let hour = jiff::Timestamp::now().as_second().div_euclid(3600).rem_euclid(24);
    format!("{:02}:00-{:02}:00", (hour + 12) % 24, (hour + 14) % 24)
}

/// Bytes that no compression makes less of.
fn noise(length: usize) -> Vec<u8> {
    let mut draw = edge_tests::proxy::Draw::new(7);
    std::iter::repeat_with(|| draw.next().to_le_bytes()).flatten().take(length).collect()
}
