//! `edge-agent enroll`, asked for on the technician's page: on a unit without a shell it is the way.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use edge_protocol::enrolment::{BrokerAddress, SetupCode};
use edge_store::disk::RealDisk;

use super::errand::{self, Errand, Progress};
use super::surviving::Awaited;
use super::{Assembly, RunError};
use crate::app::enroll::{EnrollArgs, enrol};
use crate::page::Steps;
use crate::supervise::Fault;

/// How long somebody at the center has to approve, minutes.
const WAIT: u32 = 30;

/// What the enrolment is asked with.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) code: SetupCode,
    /// Where the factory did not name it.
    pub(super) broker: Option<BrokerAddress>,
}

impl Progress for Steps {
    fn running(&mut self) -> &mut bool {
        &mut self.running
    }
}

/// Asks for the enrolment and sees how far it is; clones are the same.
pub(super) type Enrolling = Errand<Asked, Steps>;

/// Starts the stage that enrols.
pub(super) fn start(assembly: &mut Assembly<'_>, awaited: Awaited, claim: PathBuf) -> Result<Enrolling, RunError> {
    let (enrolling, asked) = Enrolling::new();
    let (own, config) = (enrolling.clone(), assembly.file.to_owned());
    errand::start(assembly, "enrolment", (enrolling.clone(), asked), move |Asked { code, broker }, _| {
        let (config, claim, code) = (config.clone(), claim.clone(), Some(code));
        let arguments = EnrollArgs { config, claim, code, broker, wait: WAIT, key: None, again: false };
        let _under_way = Raised::new(&awaited.under_way);
        let enrolled = enrol(&arguments, &RealDisk, &mut |step| own.see().words.push(step.to_owned()));
        own.see().failed = enrolled.err().map(|error| Fault::from_error(&error).0);
    })?;
    Ok(enrolling)
}

/// A flag that is up as long as this lives, even where there is a panic.
struct Raised<'f>(&'f AtomicBool);

impl<'f> Raised<'f> {
    fn new(flag: &'f AtomicBool) -> Self {
        flag.store(true, Ordering::Release);
        Self(flag)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
