//! The checks of `edge-agent doctor`, made for the technician's page by the running agent itself.

use std::path::PathBuf;

use super::errand::{self, Errand, Progress};
use super::vitals::Vitals;
use super::{Assembly, RunError};
use crate::app::doctor::{Around, Machine, examine};
use crate::page::Checks;
use crate::peripherals::simulated::Bench;

impl Progress for Checks {
    fn running(&mut self) -> &mut bool {
        &mut self.running
    }
}

/// Asks for checks and sees how far they are; clones are the same.
pub(super) type Checking = Errand<(), Checks>;

/// Starts the stage that makes the checks.
pub(super) fn start(assembly: &mut Assembly<'_>, vitals: &Vitals, program: PathBuf) -> Result<Checking, RunError> {
    let (checking, asked) = Checking::new();
    let (own, clock, vitals) = (checking.clone(), assembly.clock.clone(), vitals.clone());
    let (file, data_dir) = (assembly.file.to_owned(), assembly.config.data_dir.clone());
    errand::start(assembly, "checks", (checking.clone(), asked), move |(), _| {
        let now = clock.wall();
        let running = Some(Box::new(vitals.record(&clock, &data_dir)));
        let (program, machine) = (program.clone(), Machine::default());
        let around = Around { now, program, bench: Bench::default(), machine, running };
        let findings = examine(&file, &around).findings;
        *own.see() = Checks { running: true, at: Some(now.time), findings };
    })?;
    Ok(checking)
}
