//! The image's agent gives way to a signed release of itself, which then runs in this very process.
//!
//! What was signed is checked at each start, copied into memory that nobody can change, and started from there. The
//! image's agent counts the life before it does so: a release that crashes three times within five minutes or six times
//! within an hour, that cannot be started, or that has had its boots is left out from then on, and the former release
//! or the image's own agent runs. It needs no configuration for that: a release may know one that its image does not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::time::MonoTime;
use edge_store::disk::RealDisk;

use super::surviving;
use crate::app::update::artefacts::Home;
use crate::app::update::release::keyring;
use crate::config::{Config, DATA_DIR};
use crate::supervise::{Clock, Life, Mode, program};
use crate::update::artefact::InUse;
use crate::update::release::{Place, Releases};
use crate::update::{KeepFault, Version, image_is_on_trial, own_version};

/// So many crashes within an hour are too many for a release: one that never gets ready dies too seldom for safe mode.
const MOST_CRASHES: usize = 6;
/// How often a successor is looked for.
const LOOK: Duration = Duration::from_secs(2);

/// Has the release that is in use run instead of this program, if there is one. Returns where the image's own agent is
/// to run, and in a release itself: with what was left out though nobody could write that down.
pub(super) fn give_way(file: &Path, clock: &Clock) -> Option<Version> {
    program::keep_name();
    let (None, Some(lives)) = (program::first(), surviving::lives()) else { return None };
    let config = surviving::usable(file).ok().map(|usable| usable.config);
    let data_dir = match &config {
        Some(config) => config.data_dir.clone(),
        None => surviving::data_dir_of_unusable(file).unwrap_or_else(|| DATA_DIR.into()),
    };
    let start = Start { config, data_dir, lives, clock, own: own_version() };
    if start.data_dir.is_dir() { start.begin() } else { None }
}

/// One start of the image's agent.
struct Start<'c> {
    config: Option<Config>,
    data_dir: PathBuf,
    /// Where lives are counted.
    lives: PathBuf,
    clock: &'c Clock,
    own: Version,
}

impl Start<'_> {
    fn begin(&self) -> Option<Version> {
        let mut left_out = None;
        loop {
            match place(&self.data_dir, &self.own) {
                Ok(Place::Give(release)) if left_out.as_ref() != Some(&release.revision) => {
                    if self.may_begin(&release) {
                        let why = self.start(&release);
                        self.leave_out(&release.revision, &why);
                    }
                    // After one that was on trial its former one; never the same again, where the disk takes nothing.
                    left_out = Some(release.revision);
                }
                Ok(Place::Damaged(revision, why)) if left_out.as_ref() != Some(&revision) => {
                    self.leave_out(&revision, &why);
                    left_out = Some(revision);
                }
                Ok(Place::NotFor(revision, why)) if left_out.as_ref() != Some(&revision) => {
                    tracing::info!("agent {revision} is left alone: {why}");
                    self.change(|releases| releases.put_aside(&revision, &self.own, why));
                    left_out = Some(revision);
                }
                Ok(Place::Give(InUse { revision, .. }) | Place::Damaged(revision, _) | Place::NotFor(revision, _)) => {
                    return Some(revision);
                }
                Ok(Place::Keep) => {
                    // What became of a release may not have been told, since the state was lost or the disk was full.
                    if self.releases().standing().is_ok_and(|standing| !standing.untold.is_empty()) {
                        self.change(|_| Ok(()));
                    }
                    return None;
                }
                Err(error) => {
                    tracing::error!(%error, "which release is in use is not known: the image's own agent runs");
                    return None;
                }
            }
        }
    }

    fn releases(&self) -> Releases<'static> {
        Releases::new(&RealDisk, &self.data_dir)
    }

    /// Counts the boot for one on trial, and has one that another image had left out used again. False where it has had
    /// its boots.
    fn may_begin(&self, release: &InUse<Version>) -> bool {
        let mut may_begin = true;
        self.change(|releases| {
            may_begin = releases.meet(&self.clock.boot().boot)?;
            releases.take_up(&release.revision)
        });
        may_begin
    }

    /// Starts a release in this process's place; returns why that cannot be.
    fn start(&self, release: &InUse<Version>) -> String {
        let (life, mode) = Life::begin(Arc::new(RealDisk), self.lives.clone(), &self.clock.boot());
        let why = match (mode, life.crashes()) {
            (Mode::Safe, _) => "it crashed three times within five minutes".to_owned(),
            (Mode::Normal, MOST_CRASHES..) => format!("it crashed {MOST_CRASHES} times within an hour"),
            (Mode::Normal, _) => self.take_the_place(release),
        };
        // Who runs next begins a life of its own.
        life.end();
        why
    }

    fn take_the_place(&self, release: &InUse<Version>) -> String {
        let keyring = match keyring() {
            Ok(keyring) => keyring,
            Err(error) => return format!("{error:#}"),
        };
        let program = match self.releases().program(&release.folder, &self.own, &keyring) {
            Ok((manifest, program)) if manifest.software == release.revision => program,
            Ok((manifest, _)) => return format!("it is {} by what was signed", manifest.software),
            Err(fault) => return fault.to_string(),
        };
        tracing::info!("agent {} runs in place of the image's {}", release.revision, self.own);
        let Err(error) = program.take_the_place(std::env::args_os().skip(1));
        format!("it cannot be started: {error}")
    }

    /// On trial it is given up; one that had proved itself is passed over by this image.
    fn leave_out(&self, revision: &Version, why: &str) {
        tracing::error!("agent {revision} is left out: {why}");
        self.change(|releases| {
            releases.give_up(why.to_owned())?;
            releases.pass_over(revision, &self.own, why.to_owned())
        });
    }

    fn change(&self, change: impl FnOnce(&Releases<'_>) -> Result<(), KeepFault>) {
        let home = Home { data_dir: &self.data_dir, config: self.config.as_ref(), clock: self.clock };
        match home.change(true, change) {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("a release is being put to use; what becomes of the former is not written down");
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "which agent runs is told to nobody"),
        }
    }
}

/// An image has to prove itself with the agent that it brings.
fn place(data_dir: &Path, own: &Version) -> Result<Place, KeepFault> {
    if image_is_on_trial(&RealDisk, &data_dir.join("update")) {
        return Ok(Place::Keep);
    }
    Releases::new(&RealDisk, data_dir).place(own)
}

/// Another agent than the running one, once it is in use.
#[derive(Debug)]
pub(super) struct Successor {
    data_dir: PathBuf,
    /// The release that runs; none is the image's own agent.
    running: Option<Version>,
    /// What the image's own agent has left out, though nobody could write that down.
    left_out: Option<Version>,
    last: Option<MonoTime>,
}

impl Successor {
    /// Of the program that runs.
    pub(super) fn new(data_dir: &Path, left_out: Option<Version>) -> Self {
        let running = program::first().map(|_| own_version());
        Self { data_dir: data_dir.to_owned(), running, left_out, last: None }
    }

    /// Nobody starts an agent again that no service manager started. What cannot be read is no reason to end.
    pub(super) fn has_come(&mut self, now: MonoTime) -> bool {
        if !surviving::is_managed() || self.last.is_some_and(|last| now.saturating_since(last) < LOOK) {
            return false;
        }
        self.last = Some(now);
        self.is_another().unwrap_or(false)
    }

    fn is_another(&self) -> Result<bool, KeepFault> {
        let wanted = if self.running.is_some() {
            // Whether it suits the image is for the image's agent to say, at the next start.
            Releases::new(&RealDisk, &self.data_dir).standing()?.used().cloned()
        } else {
            match place(&self.data_dir, &own_version())? {
                Place::Give(release) => Some(release.revision),
                Place::Keep | Place::NotFor(..) | Place::Damaged(..) => None,
            }
        };
        Ok(wanted != self.running && wanted.as_ref().is_none_or(|wanted| Some(wanted) != self.left_out.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::release::tests::World;
    use crate::update::{Before, Change, Phase, SlotName, Watch, write_phase};

    fn next() -> Version {
        "99.0.0".parse().unwrap()
    }

    /// Whether another agent is in use than this one.
    fn is_another(world: &World, running: Option<Version>, left_out: Option<Version>) -> Result<bool, KeepFault> {
        let data_dir = world.data.path().to_owned();
        Successor { data_dir, running, left_out, last: None }.is_another()
    }

    /// A unit whose image is this build, with a release for it.
    fn unit() -> World {
        let (world, own) = (World::new(), own_version());
        let file = world.file(&next().to_string(), b"next", |release| release.images = vec![own.clone()]);
        world.install_on(&own.to_string(), &file, None).unwrap();
        world
    }

    #[test]
    fn the_agent_ends_for_another_one_in_use_and_for_nothing_else() {
        assert!(!is_another(&World::new(), None, None).unwrap(), "there is no release");
        let world = unit();
        assert!(is_another(&world, None, None).unwrap(), "a release is in use");
        assert!(!is_another(&world, None, Some(next())).unwrap(), "it was left out, and nobody could write that down");
        assert!(!is_another(&world, Some(next()), None).unwrap(), "it runs");
        world.releases().pass_over(&next(), &own_version(), "it crashed".to_owned()).unwrap();
        assert!(is_another(&world, Some(next()), None).unwrap(), "the image's own is in use");
        assert!(!is_another(&world, None, None).unwrap(), "and runs");
    }

    #[test]
    fn what_cannot_be_read_ends_no_agent() {
        let world = unit();
        let standing = world.data.path().join("agents/standing");
        std::fs::remove_file(&standing).unwrap();
        std::fs::create_dir(&standing).unwrap();
        for running in [None, Some(next())] {
            is_another(&world, running, None).unwrap_err();
        }
    }

    #[test]
    fn an_image_proves_itself_with_the_agent_that_it_brings() {
        let world = unit();
        let change = || Change {
            from: SlotName::A,
            old: None,
            new: next(),
            before: Before::default(),
            boot: "first".to_owned(),
        };
        let of = |phase| {
            write_phase(&RealDisk, &world.data.path().join("update"), phase);
            place(world.data.path(), &own_version()).unwrap()
        };
        assert!(matches!(of(Phase::Installed { change: change() }), Place::Give(_)), "the former image still runs");
        for phase in [
            Phase::Rebooting { change: change() },
            Phase::Confirming { change: change(), watch: Watch::default() },
            Phase::AwaitingLine { change: change(), watch: Watch::default() },
            Phase::RollingBack { change: change(), why: "it does not work".to_owned() },
        ] {
            assert_eq!(of(phase), Place::Keep);
        }
        assert!(matches!(of(Phase::Good { change: change() }), Place::Give(_)));
    }
}
