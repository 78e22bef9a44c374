//! Locks between processes: who runs on a data folder, who owns the update's state, who the artefacts of a kind, and who
//! changes the order.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

/// Between two tries of a lock that is waited for.
const STEP: Duration = Duration::from_millis(100);
const STEPS: u32 = 100;

/// Held for as long as it is kept.
#[derive(Debug)]
pub(in crate::app) struct Lock(#[expect(dead_code, reason = "dropping it gives the lock back")] Flock<File>);

impl Lock {
    /// Runs as the agent on this data folder; none while another process does.
    pub(in crate::app) fn agent(data_dir: &Path) -> io::Result<Option<Self>> {
        Ok(Flock::lock(file(data_dir, "agent.lock")?, FlockArg::LockExclusiveNonblock).ok().map(Self))
    }

    /// Owns the update's state; none while another process does, which can take minutes.
    pub(super) fn state(folder: &Path) -> io::Result<Option<Self>> {
        Ok(Flock::lock(file(folder, "lock")?, FlockArg::LockExclusiveNonblock).ok().map(Self))
    }

    /// Owns the artefacts of a kind; none while another process does, which can take a minute.
    pub(super) fn artefact(folder: &Path, kind: &str) -> io::Result<Option<Self>> {
        let file = file(folder, &format!("{kind}.lock"))?;
        Ok(Flock::lock(file, FlockArg::LockExclusiveNonblock).ok().map(Self))
    }

    /// The same, for whoever cannot come again later: waits some seconds.
    pub(super) fn artefact_soon(folder: &Path, kind: &str) -> io::Result<Option<Self>> {
        for _ in 0..STEPS {
            if let Some(lock) = Self::artefact(folder, kind)? {
                return Ok(Some(lock));
            }
            std::thread::sleep(STEP);
        }
        Ok(None)
    }

    /// May change the order: waits for whoever does so, which is a matter of moments.
    pub(in crate::app) fn order(folder: &Path) -> io::Result<Self> {
        Flock::lock(file(folder, "order.lock")?, FlockArg::LockExclusive).map(Self).map_err(|(_, error)| error.into())
    }
}

fn file(folder: &Path, name: &str) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    File::create(folder.join(name))
}
