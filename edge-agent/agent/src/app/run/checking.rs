//! The checks of `edge-agent doctor`, made for the technician's page by the running agent itself.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::vitals::Vitals;
use super::{Assembly, RunError};
use crate::app::doctor::{Around, Machine, examine};
use crate::page::Checks;
use crate::peripherals::simulated::Bench;
use crate::supervise::queue::{Bounds, Overflow, ReceiveError, Sender, bounded};
use crate::supervise::{Station, Stop};

/// One is under way, and no other waits behind it.
const ASKED: Bounds = Bounds::items("checks", 1, Overflow::Refuse);
const LOOK: Duration = Duration::from_secs(1);

/// Asks for checks and sees how far they are; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Checking {
    asked: Sender<()>,
    checks: Arc<Mutex<Checks>>,
}

impl Checking {
    /// Begins them, where none are under way.
    pub(super) fn begin(&self) {
        let mut checks = self.lock();
        checks.running = checks.running || self.asked.send(()).is_ok();
    }

    /// How far they are.
    pub(super) fn checks(&self) -> Checks {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the stage that makes the checks. It shows no beats: they take as long as they take, and nobody waits for them.
pub(super) fn start(assembly: &mut Assembly<'_>, vitals: &Vitals, program: PathBuf) -> Result<Checking, RunError> {
    let (asked, waiting) = bounded(ASKED);
    let checking = Checking { asked, checks: Arc::default() };
    let (own, clock, vitals) = (checking.clone(), assembly.clock.clone(), vitals.clone());
    let (file, data_dir) = (assembly.file.to_owned(), assembly.config.data_dir.clone());
    let body = move |stop: &Stop| {
        while !stop.is_set() {
            match waiting.receive_timeout(LOOK) {
                Ok(()) => {}
                Err(ReceiveError::Timeout) => continue,
                Err(ReceiveError::Closed) => return Ok(()),
            }
            let now = clock.wall();
            let running = Some(Box::new(vitals.record(&clock, &data_dir)));
            let (program, machine) = (program.clone(), Machine::default());
            let around = Around { now, program, bench: Bench::default(), machine, running };
            let findings = examine(&file, &around).findings;
            *own.lock() = Checks { running: false, at: Some(now.time), findings };
        }
        Ok(())
    };
    assembly.start("checks", Station::Control, body)?;
    Ok(checking)
}
