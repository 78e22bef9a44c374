//! A unit on RAUC's bench whose agent runs for real, with broker and center; only its boots are a script's.

use std::process::Command;

use edge_agent::update::{Evidence, SlotName};
use edge_tests::process::{Process, program};
use edge_tests::world::{Plan, World};

use super::bench::Bench;

/// The unit; what it ran in one boot is nothing to the next.
pub(crate) struct Pole {
    pub(crate) world: World,
    pub(crate) bench: Bench,
    boots: u8,
}

impl Pole {
    /// With broker and center, before its first boot.
    pub(crate) fn on(bench: Bench) -> Pole {
        std::fs::create_dir(bench.path("run")).expect("a runtime folder");
        let runtime = format!("RUNTIME_DIRECTORY={}", bench.path("run").display());
        let world = World::with("demo-city", Plan { started_by: vec!["env".to_owned(), runtime], ..Plan::default() });
        Pole { world, bench, boots: 0 }
    }

    pub(crate) fn power_on(&mut self) -> SlotName {
        self.boots += 1;
        // The boot empties the runtime folder.
        for name in ["reboot", "evidence"] {
            drop(std::fs::remove_file(self.bench.path("run").join(name)));
        }
        self.bench.power_on()
    }

    pub(crate) fn a_boot_is_asked_for(&self) -> bool {
        self.bench.path("run/reboot").exists()
    }

    /// What the running agent says of itself.
    pub(crate) fn seen(&self) -> Option<Evidence> {
        serde_json::from_slice(&std::fs::read(self.bench.path("run/evidence")).ok()?).ok()
    }

    /// `edge-agent update`, as the service units and a technician call it.
    pub(crate) fn update(&self, arguments: &[&str]) -> Process {
        let mut update = Command::new(program("edge-agent"));
        update.arg("update").args(arguments).arg("--rauc-conf").arg(self.bench.path("system.conf"));
        update.arg("--config").arg(self.world.configuration()).env("NO_COLOR", "1").env("RUST_LOG", "info");
        update.env("RUNTIME_DIRECTORY", self.bench.path("run")).env("EDGE_BOOT_ID", format!("boot-{}", self.boots));
        Process::spawn("edge-agent update", &mut update)
    }
}
