//! The minutes in which a new slot proves itself, passing in real time with every real program: the agent with camera
//! and models, broker and center, RAUC with its service and two slots, and the watch beside the agent. Only the boots
//! are a script's.
//!
//! A slot proves itself for eight seconds here; `UPDATE_PROVES=300` has it take the five minutes of the product. What
//! this needs and a machine may lack is what `tests/stories/rauc.rs` needs.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story starts programs and says aloud what it skips"
)]

#[path = "rauc/bench.rs"]
#[allow(dead_code, reason = "the story of RAUC alone needs more of it")]
mod bench;
#[path = "rauc/pole.rs"]
mod pole;

use std::time::{Duration, Instant};

use bench::{Bench, Signer};
use edge_agent::update::SlotName;
use edge_tests::process::Process;
use edge_tests::world::DEADLINE;
use pole::Pole;
use serde_json::Value;

/// RAUC's bus is made by a program that this one is started again under.
#[test]
fn a_slot_is_good_only_after_its_minutes_and_a_fault_within_them_brings_the_former_one_back() {
    bench::on_a_bus_of_its_own("the_minutes_on_a_bus_of_its_own");
}

#[test]
#[ignore = "started by the test above, on a bus of its own"]
fn the_minutes_on_a_bus_of_its_own() {
    let mut story = Story::new();
    story.a_slot_that_works_is_good_after_its_minutes();
    story.an_agent_that_dies_within_them_costs_the_slot();
}

/// How long a slot has to prove itself.
fn proves() -> u64 {
    std::env::var("UPDATE_PROVES").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(8)
}

/// An agent that has died is believed for as long as it may go without writing, so a fault needs more than that to
/// show.
const BELIEVED: u64 = 20;

struct Story {
    pole: Pole,
}

impl Story {
    fn new() -> Story {
        let bench = Bench::new();
        bench.bundle("two.raucb", ["2.0.0", "edge-test", "20261101120000"], Signer::Agency);
        bench.bundle("three.raucb", ["3.0.0", "edge-test", "20261101120000"], Signer::Agency);
        let mut story = Story { pole: Pole::on(bench) };
        assert_eq!(story.pole.power_on(), SlotName::A);
        story.start_agent();
        story
    }

    /// Until it does all that a new slot is asked for.
    fn start_agent(&mut self) {
        self.pole.world.start_agent();
        self.pole.world.wait("the agent does everything", || {
            let seen = self.pole.seen()?;
            (seen.inferred && seen.acknowledged && !seen.cameras.is_empty()).then_some(())
        });
    }

    fn confirm(&self, hold: u64, within: u64) -> Process {
        self.pole.update(&["confirm", "--hold", &hold.to_string(), "--within", &within.to_string()])
    }

    fn install(&self, bundle: &str) {
        let file = self.pole.bench.path(bundle).display().to_string();
        let mut install = self.pole.update(&["install", &file, "--reboot"]);
        assert!(install.wait(DEADLINE).success(), "{}", install.lines().join("\n"));
        assert!(self.pole.a_boot_is_asked_for());
    }

    /// How far the update is, and nothing below which is installed.
    fn state(&self) -> (String, String) {
        let mut status = self.pole.update(&["status", "--json"]);
        assert!(status.wait(DEADLINE).success(), "{}", status.lines().join("\n"));
        let line = status.lines().into_iter().find(|line| line.starts_with('{')).unwrap();
        let shown: Value = serde_json::from_str(&line).unwrap();
        (shown["state"].as_str().unwrap().to_owned(), shown["floor"].as_str().unwrap_or_default().to_owned())
    }

    fn left(&self, slot: &str) -> String {
        std::fs::read_to_string(self.pole.bench.path(&format!("boot/left.{slot}"))).unwrap().trim().to_owned()
    }

    /// The alert, and the audit entry under the unit's seal.
    fn told(&self, kind: &str, to: &str, words: &str) {
        self.pole.world.wait_for_event("alert", "the alert", |event| event["record"]["kind"][kind]["to"] == to);
        self.pole.world.wait_for_sealed_entry(|text| text.contains(words));
    }

    fn a_slot_that_works_is_good_after_its_minutes(&mut self) {
        self.install("two.raucb");
        self.pole.world.stop_agent();
        assert_eq!(self.pole.power_on(), SlotName::B);
        assert_eq!(self.left("B"), "2", "the bootloader counts");
        let began = Instant::now();
        let mut confirm = self.confirm(proves(), proves() + 120);
        self.start_agent();
        let holds = Instant::now();
        assert_eq!(self.state().0, "confirming");
        assert!(confirm.wait(DEADLINE + Duration::from_secs(2 * proves())).success(), "{:?}", confirm.lines());
        assert!(began.elapsed() >= Duration::from_secs(proves()), "{:?}", began.elapsed());
        // From when everything held on, give or take the seconds between two looks.
        assert!(holds.elapsed() + Duration::from_secs(6) >= Duration::from_secs(proves()), "{:?}", holds.elapsed());
        assert_eq!(self.state(), ("good".to_owned(), "2.0.0".to_owned()));
        assert_eq!((self.left("B").as_str(), self.pole.bench.primary().as_str()), ("3", "B"));
        self.told("update", "2.0.0", "slot B with 2.0.0 is marked good");
    }

    fn an_agent_that_dies_within_them_costs_the_slot(&mut self) {
        let hold = proves().max(BELIEVED + 10);
        self.install("three.raucb");
        self.pole.world.stop_agent();
        assert_eq!(self.pole.power_on(), SlotName::A);
        let mut confirm = self.confirm(hold, hold + 10);
        self.start_agent();
        // Everything holds by now, and not for long enough.
        assert_eq!(self.state().0, "confirming");
        self.pole.world.kill_agent();
        assert!(confirm.wait(DEADLINE + Duration::from_secs(2 * hold)).success(), "{:?}", confirm.lines());
        assert_eq!(self.state(), ("rolling back".to_owned(), "2.0.0".to_owned()));
        assert!(self.pole.a_boot_is_asked_for());
        assert_eq!(self.left("A"), "0", "the slot is marked bad");
        assert_eq!(self.pole.power_on(), SlotName::B);
        let mut confirm = self.confirm(proves(), proves() + 120);
        self.start_agent();
        self.told("rollback", "2.0.0", "slot B with 2.0.0 is back, 3.0.0 was given up: the agent does not run");
        assert!(confirm.wait(DEADLINE).success(), "{:?}", confirm.lines());
        assert_eq!(self.state(), ("rolled back".to_owned(), "2.0.0".to_owned()));
    }
}
