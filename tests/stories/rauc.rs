//! Updates with the real RAUC: signed bundles, two slots, a bootloader that counts. Slots are files, bundles are
//! mounted over loop devices, the service sits on a bus of its own; only the boots are a script's.
//!
//! What this needs and a machine may lack: root, loop devices, `rauc`, `dbus-run-session`, `mksquashfs`, `openssl`. The
//! format is plain, since verity needs device-mapper.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files and says aloud what it skips"
)]

#[path = "rauc/bench.rs"]
mod bench;

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench::{Bench, Signer};
use edge_agent::update::rauc::Rauc;
use edge_agent::update::{
    Before, Event, Evidence, HOLD, Outside, Phase, Refusal, SlotName, Slots, Told, Updater, WITHIN, Wanted,
};
use edge_protocol::time::{ClockQuality, MonoTime, WallStamp};
use edge_store::disk::RealDisk;
use edge_tests::process::{Process, program};

/// The bus is made by a program that this one is started again under.
#[test]
fn signed_bundles_are_installed_confirmed_and_rolled_back_and_all_others_refused() {
    bench::on_a_bus_of_its_own("the_story_on_a_bus_of_its_own");
}

#[test]
fn a_slot_that_never_unlocks_the_storage_gives_way_and_the_last_one_stays() {
    bench::on_a_bus_of_its_own("locked_on_a_bus_of_its_own");
}

/// The state of the update is in the storage, so each of these boots knows nothing of the ones before.
#[test]
#[ignore = "started by the test above, on a bus of its own"]
fn locked_on_a_bus_of_its_own() {
    let bench = Bench::new();
    let configuration = bench.agent_configuration();
    std::fs::create_dir(bench.path("run")).unwrap();
    std::fs::write(bench.path("storage.locked"), "the data partition was not unlocked\n").unwrap();
    bench.set_primary("B");
    let boot = || {
        for name in ["run/reboot", "update/state"] {
            drop(std::fs::remove_file(bench.path(name)));
        }
        let booted = bench.power_on();
        let mut confirm = Command::new(program("edge-agent"));
        confirm.args(["update", "confirm", "--within", "1", "--config"]).arg(&configuration);
        confirm.arg("--rauc-conf").arg(bench.path("system.conf")).env("RUNTIME_DIRECTORY", bench.path("run"));
        (booted, Process::spawn("edge-agent update confirm", confirm.env("NO_COLOR", "1").env("RUST_LOG", "info")))
    };
    for _ in 0..3 {
        let (booted, mut confirm) = boot();
        assert_eq!(booted, SlotName::B);
        assert!(confirm.wait(DEADLINE).success(), "{}", confirm.lines().join("\n"));
        assert!(bench.path("run/reboot").exists(), "a boot is asked for");
    }
    let (booted, _confirm) = boot();
    assert_eq!(booted, SlotName::A, "three attempts, then the former image");
    // It cannot unlock the storage either, and slot B has no attempts left.
    let mut rauc = Rauc::with_configuration(&bench.path("system.conf"));
    assert!(!rauc.status().unwrap().has_way_back(), "the unit would boot for ever");
}

/// What the unit tells and asks for in this story.
#[derive(Debug, Clone, Default)]
struct Around(Arc<Mutex<(Vec<Told>, bool, u32)>>);

impl Outside for Around {
    fn check(&mut self, _: &Wanted) -> Result<(), Refusal> {
        Ok(())
    }

    fn tell(&mut self, told: &Told) -> bool {
        self.0.lock().unwrap().0.push(told.clone());
        true
    }

    fn reboot(&mut self) {
        self.0.lock().unwrap().1 = true;
    }

    fn boot(&self) -> String {
        self.0.lock().unwrap().2.to_string()
    }
}

/// No step takes as long, even on a machine with other things to do.
const DEADLINE: Duration = Duration::from_mins(1);

fn wall() -> WallStamp {
    let quality = ClockQuality::Synchronised { bound_ms: 500 };
    WallStamp { time: "2026-11-25T12:00:00Z".parse().unwrap(), quality }
}

fn healthy() -> Evidence {
    Evidence {
        life: "one".into(),
        ready: true,
        fed: true,
        cameras: vec!["yard".parse().unwrap()],
        lately: vec!["yard".parse().unwrap()],
        inferred: true,
        outbox: true,
        audit: true,
        clock: true,
        reached: true,
        acknowledged: true,
        ..Evidence::default()
    }
}

/// The unit of the story, one boot after the other.
struct Unit {
    bench: Bench,
    around: Around,
}

impl Unit {
    /// Boots; the update goes on from what the disk says.
    fn power_on(&mut self) -> (SlotName, Updater) {
        let booted = self.bench.power_on();
        let mut around = self.around.0.lock().unwrap();
        (around.1, around.2) = (false, around.2 + 1);
        drop(around);
        (booted, self.resume())
    }

    /// The process that watches over this boot begins, or begins anew.
    fn resume(&self) -> Updater {
        let rauc = Box::new(Rauc::with_configuration(&self.bench.path("system.conf")));
        let folder = self.bench.path("update");
        std::fs::create_dir_all(&folder).unwrap();
        let mut updater = Updater::open(Arc::new(RealDisk), folder, rauc, Box::new(self.around.clone())).unwrap();
        updater.start(MonoTime::ZERO, wall()).unwrap();
        updater
    }

    fn install(&self, updater: &mut Updater, bundle: &str) -> Option<Refusal> {
        let wanted = Wanted { file: self.bench.path(bundle), hash: None, version: None };
        updater.handle(Event::Asked(wanted, Before::from(&healthy())), MonoTime::ZERO, wall()).unwrap()
    }

    fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.around.0.lock().unwrap().0)
    }

    fn reboot_is_wanted(&self) -> bool {
        self.around.0.lock().unwrap().1
    }
}

/// Looks once a minute for so long.
fn watch(updater: &mut Updater, evidence: Option<&Evidence>, span: Duration) {
    for minute in 0..=span.as_secs() / 60 {
        let now = MonoTime::from_duration(Duration::from_secs(60 * minute));
        updater.look(evidence.cloned(), now, wall()).unwrap();
    }
}

#[test]
#[ignore = "runs on the bus that the other test makes"]
fn the_story_on_a_bus_of_its_own() {
    let mut unit = Unit { bench: Bench::new(), around: Around::default() };
    unit.bench.bundle("good.raucb", ["2.0.0", "edge-test", "20261101120000"], Signer::Agency);
    refuse_what_does_not_belong_here(&mut unit);
    install_and_confirm(&mut unit);
    refuse_below_the_floor(&mut unit);
    roll_back_what_does_not_see(&mut unit);
    roll_back_what_never_says_anything(&mut unit);
    roll_back_what_refuses_the_configuration(&mut unit);
    show_the_status(&unit);
}

fn refuse_what_does_not_belong_here(unit: &mut Unit) {
    unit.bench.bundle("rogue.raucb", ["2.0.0", "edge-test", "20261101120000"], Signer::Stranger);
    unit.bench.bundle("other.raucb", ["2.0.0", "edge-other", "20261101120000"], Signer::Agency);
    unit.bench.bundle("stale.raucb", ["2.0.0", "edge-test", "20260101120000"], Signer::Agency);
    unit.bench.bundle("dateless.raucb", ["2.0.0", "edge-test", ""], Signer::Agency);
    unit.bench.change_a_byte("good.raucb", "torn.raucb");
    unit.bench.cut_short("good.raucb", "short.raucb");
    let (booted, mut updater) = unit.power_on();
    assert_eq!(booted, SlotName::A);
    let before = unit.bench.slots();
    for (bundle, words) in [
        ("rogue.raucb", "not signed by a key that this unit trusts"),
        ("torn.raucb", "no whole bundle"),
        ("short.raucb", "no whole bundle"),
        ("other.raucb", "it is for `edge-other`"),
        ("stale.raucb", "was good until"),
        ("dateless.raucb", "is no date"),
        ("nowhere.raucb", "cannot be read"),
    ] {
        let refusal = unit.install(&mut updater, bundle).unwrap_or_else(|| panic!("{bundle} was taken")).to_string();
        assert!(refusal.contains(words), "{bundle}: {refusal}");
        assert_eq!(updater.state().phase, Phase::Idle, "{bundle}");
        assert!(matches!(unit.told().as_slice(), [Told::Refused(_)]), "{bundle}");
        assert!(unit.bench.slots() == before, "{bundle} changed a slot");
        assert_eq!(unit.bench.primary(), "A", "{bundle}");
    }
}

fn install_and_confirm(unit: &mut Unit) {
    let (_, mut updater) = unit.power_on();
    let before = unit.bench.slots();
    assert_eq!(unit.install(&mut updater, "good.raucb"), None);
    let after = unit.bench.slots();
    assert!(after.0 == before.0, "the booted slot is left alone");
    assert!(after.1 == unit.bench.image("2.0.0"), "the other holds the image");
    assert_eq!(unit.bench.primary(), "B");
    let (booted, mut updater) = unit.power_on();
    assert_eq!(booted, SlotName::B);
    assert!(matches!(updater.state().phase, Phase::Confirming { .. }), "{:?}", updater.state().phase);
    watch(&mut updater, Some(&healthy()), HOLD);
    assert!(matches!(updater.state().phase, Phase::Good { .. }), "{:?}", updater.state().phase);
    assert!(matches!(unit.told().as_slice(), [Told::Installed(_), Told::Good(_)]));
    // Confirmed: boots use attempts up, and each start gives them back.
    for _ in 0..5 {
        let (booted, mut updater) = unit.power_on();
        assert_eq!(booted, SlotName::B);
        watch(&mut updater, Some(&healthy()), Duration::ZERO);
    }
}

/// RAUC without a floor of its own installs an older version; so the refusal is ours.
fn refuse_below_the_floor(unit: &mut Unit) {
    unit.bench.bundle("old.raucb", ["1.0.0", "edge-test", "20261101120000"], Signer::Agency);
    let (_, mut updater) = unit.power_on();
    let before = unit.bench.slots();
    let refusal = unit.install(&mut updater, "old.raucb").expect("a refusal").to_string();
    assert!(refusal.contains("version 1.0.0 is below 2.0.0"), "{refusal}");
    assert!(unit.bench.slots() == before);
    let mut rauc = Rauc::with_configuration(&unit.bench.path("system.conf"));
    rauc.install(&unit.bench.path("old.raucb")).expect("RAUC alone would have installed it");
    unit.bench.set_primary("B");
    unit.told();
}

fn roll_back_what_does_not_see(unit: &mut Unit) {
    unit.bench.bundle("blind.raucb", ["3.0.0", "edge-test", "20261101120000"], Signer::Agency);
    let (_, mut updater) = unit.power_on();
    assert_eq!(unit.install(&mut updater, "blind.raucb"), None);
    let (booted, mut updater) = unit.power_on();
    assert_eq!(booted, SlotName::A);
    let blind = Evidence { cameras: Vec::new(), ..healthy() };
    watch(&mut updater, Some(&blind), WITHIN);
    assert!(unit.reboot_is_wanted());
    let (booted, updater) = unit.power_on();
    assert_eq!(booted, SlotName::B);
    let Phase::RolledBack { why, .. } = &updater.state().phase else { panic!("{:?}", updater.state().phase) };
    assert!(why.contains("no frame of camera yard"), "{why}");
    assert!(matches!(unit.told().as_slice(), [Told::Installed(_), Told::RolledBack(..)]));
    assert_eq!(updater.state().floor, "2.0.0".parse().ok());
}

/// An image whose agent does not even start: nothing of ours runs in it, and the bootloader gives it up.
fn roll_back_what_never_says_anything(unit: &mut Unit) {
    let (_, mut updater) = unit.power_on();
    watch(&mut updater, Some(&healthy()), Duration::ZERO);
    assert_eq!(unit.install(&mut updater, "blind.raucb"), None);
    for _ in 0..3 {
        assert_eq!(unit.bench.power_on(), SlotName::A);
    }
    let (booted, updater) = unit.power_on();
    assert_eq!(booted, SlotName::B);
    assert!(matches!(updater.state().phase, Phase::RolledBack { .. }), "{:?}", updater.state().phase);
}

/// An image that no longer knows a key of the configuration: its agent ends at once and is not started again, so that
/// no boot uses an attempt up. The watch needs no configuration, sees that no agent runs, and gives the slot up.
fn roll_back_what_refuses_the_configuration(unit: &mut Unit) {
    let (_, mut updater) = unit.power_on();
    watch(&mut updater, Some(&healthy()), Duration::ZERO);
    assert_eq!(unit.install(&mut updater, "blind.raucb"), None);
    let (booted, updater) = unit.power_on();
    assert_eq!(booted, SlotName::A);
    drop(updater);
    let configuration = unit.bench.agent_configuration();
    let text = std::fs::read_to_string(&configuration).expect("the configuration");
    let refused = unit.bench.path("refused.toml");
    std::fs::write(&refused, format!("no_longer_known = 1\n{text}")).expect("another configuration");
    let mut confirm = Command::new(program("edge-agent"));
    confirm.args(["update", "confirm", "--rauc-conf"]).arg(unit.bench.path("system.conf"));
    confirm.arg("--config").arg(&refused).env("NO_COLOR", "1").env("EDGE_BOOT_ID", "another");
    let mut confirm = Process::spawn("edge-agent update confirm", &mut confirm);
    confirm.wait_for_line("update: confirming", DEADLINE);
    let _killed: std::process::ExitStatus = confirm.kill();
    // Nobody waits for twenty minutes here.
    let mut updater = unit.resume();
    watch(&mut updater, None, WITHIN);
    assert!(unit.reboot_is_wanted());
    let (booted, updater) = unit.power_on();
    assert_eq!(booted, SlotName::B);
    let Phase::RolledBack { why, .. } = &updater.state().phase else { panic!("{:?}", updater.state().phase) };
    assert_eq!(why, "the agent does not run");
}

fn show_the_status(unit: &Unit) {
    let configuration = unit.bench.agent_configuration();
    let mut status = Command::new(program("edge-agent"));
    status.args(["update", "status", "--rauc-conf"]).arg(unit.bench.path("system.conf"));
    let output = status.arg("--config").arg(configuration).output().expect("run edge-agent");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("slot A: 3.0.0, bad\n"), "{said}");
    assert!(said.contains("slot B: 2.0.0, good, booted"), "{said}");
    assert!(said.contains("update: rolled back; nothing below 2.0.0 is installed"), "{said}");
}
