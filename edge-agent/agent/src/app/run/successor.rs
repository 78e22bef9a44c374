//! The running agent sees that another one is in use by now, and ends for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_protocol::time::MonoTime;
use edge_store::disk::RealDisk;

use super::giving_way::place;
use super::surviving;
use crate::supervise::program;
use crate::update::release::{Place, Releases};
use crate::update::{KeepFault, Version, own_version};

/// How often it is looked for.
const LOOK: Duration = Duration::from_secs(2);

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
    use super::super::giving_way::tests::{next, unit};
    use super::*;
    use crate::update::release::tests::World;

    /// Whether another agent is in use than this one.
    fn is_another(world: &World, running: Option<Version>, left_out: Option<Version>) -> Result<bool, KeepFault> {
        let data_dir = world.data.path().to_owned();
        Successor { data_dir, running, left_out, last: None }.is_another()
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
}
