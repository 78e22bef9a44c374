//! `edge-agent enroll`, asked for on the technician's page: on a unit without a shell it is the way.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge_protocol::enrolment::{BrokerAddress, SetupCode};
use edge_store::disk::RealDisk;

use super::surviving::Awaited;
use super::{Assembly, RunError};
use crate::app::enroll::{EnrollArgs, enrol};
use crate::page::Steps;
use crate::supervise::queue::{Bounds, Overflow, ReceiveError, Sender, bounded};
use crate::supervise::{Fault, Station, Stop};

/// One is under way, and no other waits behind it.
const ASKED: Bounds = Bounds::items("enrolments", 1, Overflow::Refuse);
const LOOK: Duration = Duration::from_secs(1);
/// How long somebody at the center has to approve, minutes.
const WAIT: u32 = 30;

/// What the enrolment is asked with.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) code: SetupCode,
    /// Where the factory did not name it.
    pub(super) broker: Option<BrokerAddress>,
}

/// Asks for the enrolment and sees how far it is; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Enrolling {
    asked: Sender<Asked>,
    steps: Arc<Mutex<Steps>>,
}

impl Enrolling {
    /// Begins it, where none is under way.
    pub(super) fn begin(&self, asked: Asked) {
        let mut steps = self.lock();
        if !steps.running && self.asked.send(asked).is_ok() {
            *steps = Steps { running: true, ..Steps::default() };
        }
    }

    /// How far it is.
    pub(super) fn steps(&self) -> Steps {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the stage that enrols. It shows no beats: it waits for a person at the center.
pub(super) fn start(assembly: &mut Assembly<'_>, awaited: Awaited, claim: PathBuf) -> Result<Enrolling, RunError> {
    let (asked, waiting) = bounded(ASKED);
    let enrolling = Enrolling { asked, steps: Arc::default() };
    let (own, config) = (enrolling.clone(), assembly.file.to_owned());
    let body = move |stop: &Stop| {
        while !stop.is_set() {
            let Asked { code, broker } = match waiting.receive_timeout(LOOK) {
                Ok(asked) => asked,
                Err(ReceiveError::Timeout) => continue,
                Err(ReceiveError::Closed) => return Ok(()),
            };
            let (config, claim, code) = (config.clone(), claim.clone(), Some(code));
            let arguments = EnrollArgs { config, claim, code, broker, wait: WAIT, key: None, again: false };
            awaited.under_way.store(true, Ordering::Release);
            let enrolled = enrol(&arguments, &RealDisk, &mut |step| own.lock().words.push(step.to_owned()));
            awaited.under_way.store(false, Ordering::Release);
            let mut steps = own.lock();
            steps.running = false;
            steps.failed = enrolled.err().map(|error| Fault::from_error(&error).0);
        }
        Ok(())
    };
    assembly.start("enrolment", Station::Control, body)?;
    Ok(enrolling)
}
