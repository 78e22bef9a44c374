//! The image's agent gives way to a signed release of itself, which then runs in this very process.
//!
//! What was signed is checked at each start, copied into memory that nobody can change, and started from there. The
//! image's agent counts the life before it does so: a release that crashes three times within five minutes, or cannot
//! be started, is left out from then on, and the image's own agent runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use edge_store::disk::RealDisk;

use super::surviving;
use crate::app::update::artefacts::change;
use crate::app::update::release::keyring;
use crate::config::Config;
use crate::supervise::{Clock, Life, Mode, program};
use crate::update::artefact::InUse;
use crate::update::release::Releases;
use crate::update::{Version, own_version};

/// Has the release that is in use run instead of this program, if there is one. Returns where the image's own agent is
/// to run, and in a release itself.
pub(super) fn give_way(file: &Path, clock: &Clock) {
    program::keep_name();
    let (None, Some(lives)) = (program::first(), surviving::lives()) else { return };
    // A unit that is nobody's yet has no release.
    let Ok(surviving::Usable { config, .. }) = surviving::usable(file) else { return };
    let mut left_out = None;
    // After one that was on trial its former one; never the same again, where the disk takes nothing.
    while let Some(release) = releases(&config.data_dir).to_start(&own_version()) {
        if left_out.as_ref() == Some(&release) {
            return;
        }
        let (life, mode) = Life::begin(Arc::new(RealDisk), lives.clone(), &clock.boot());
        let why = match mode {
            Mode::Safe => "it crashed three times within five minutes".to_owned(),
            Mode::Normal => start(&config, &release),
        };
        // Who runs next begins a life of its own.
        life.end();
        leave_out(&config, clock, &release, &why);
        left_out = Some(release);
    }
}

fn releases(data_dir: &Path) -> Releases<'static> {
    Releases::new(&RealDisk, data_dir)
}

/// Starts a release in this process's place; returns why that cannot be.
fn start(config: &Config, release: &InUse<Version>) -> String {
    let keyring = match keyring() {
        Ok(keyring) => keyring,
        Err(error) => return format!("{error:#}"),
    };
    let program = match releases(&config.data_dir).program(release, &keyring) {
        Ok((_, program)) => program,
        Err(fault) => return fault.to_string(),
    };
    tracing::info!("agent {} runs in place of the image's {}", release.revision, own_version());
    let Err(error) = program.take_the_place(std::env::args_os().skip(1));
    format!("it cannot be started: {error}")
}

/// On trial it is given up; one that had proved itself is passed over by this image.
fn leave_out(config: &Config, clock: &Clock, release: &InUse<Version>, why: &str) {
    let revision = &release.revision;
    tracing::error!("agent {revision} is left out: {why}");
    let left = change(config, clock, |releases: &Releases<'_>| {
        releases.give_up(why.to_owned())?;
        releases.pass_over(revision, &own_version(), why.to_owned())
    });
    match left {
        Ok(true) => {}
        Ok(false) => tracing::warn!("another release is being put to use; it is for the next start to say"),
        Err(error) => tracing::error!(error = format!("{error:#}"), "which agent runs is told to nobody"),
    }
}

/// Another agent than the running one, once it is in use.
#[derive(Debug)]
pub(super) struct Successor {
    data_dir: PathBuf,
    at_start: Option<Version>,
}

impl Successor {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), at_start: in_use(data_dir) }
    }

    /// Nobody starts an agent again that no service manager started.
    pub(super) fn has_come(&self) -> bool {
        surviving::is_managed() && in_use(&self.data_dir) != self.at_start
    }
}

/// The release that is in use; none is the image's own agent.
fn in_use(data_dir: &Path) -> Option<Version> {
    let releases = releases(data_dir);
    match program::first() {
        // Whether it suits the image was for the image's agent to say, which is not asked again before the next start.
        Some(_) => releases.in_use().map(|release| release.revision),
        None => releases.to_start(&own_version()).map(|release| release.revision),
    }
}
