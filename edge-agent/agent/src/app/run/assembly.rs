//! What every part of the start needs: the configuration, time, and the supervisor that runs the stages.

use std::path::Path;
use std::time::Duration;

use super::auditing::Alarms;
use super::ending::Anew;
use super::{RunError, surviving};
use crate::config::Config;
use crate::supervise::{Clock, Fault, Heartbeats, Pulse, Restart, Station, Stop, Supervisor};

/// How long a stage may go without a heartbeat before the service watchdog is no longer fed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stage that faults is started again after this.
const PAUSE: Duration = Duration::from_secs(2);

/// The agent while its stations are put together.
pub(super) struct Assembly<'c> {
    /// The file that people write.
    pub(super) file: &'c Path,
    pub(super) config: &'c Config,
    /// Only a unit that is nobody's yet has this; it keeps nothing.
    pub(super) awaited: Option<surviving::Awaited>,
    /// Why the storage is locked: then nothing is recorded, and memory holds what waits.
    pub(super) locked: Option<&'c str>,
    pub(super) clock: &'c Clock,
    pub(super) anew: &'c Anew,
    pub(super) heartbeats: Heartbeats,
    pub(super) supervisor: &'c mut Supervisor,
}

impl Assembly<'_> {
    /// Whether anything is recorded and kept to be found later.
    pub(super) fn keeps(&self) -> bool {
        self.awaited.is_none() && self.locked.is_none()
    }

    /// What puts alarms into the audit log; none for a unit that is nobody's yet.
    pub(super) fn alarms(&self) -> Option<Alarms> {
        self.awaited.is_none().then(|| Alarms::new(self.config))
    }

    /// A stage's heart, which the watchdog goes by from now on.
    pub(super) fn pulse(&self, stage: impl Into<String>) -> Pulse {
        self.heartbeats.register(stage, HEARTBEAT, self.clock.mono())
    }

    /// Starts a stage that is started again soon after a fault.
    pub(super) fn start(
        &mut self,
        stage: impl Into<String>,
        station: Station,
        body: impl FnMut(&Stop) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), RunError> {
        self.start_with(Restart::After(PAUSE), stage, station, body)
    }

    /// Starts a stage.
    pub(super) fn start_with(
        &mut self,
        restart: Restart,
        stage: impl Into<String>,
        station: Station,
        body: impl FnMut(&Stop) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), RunError> {
        let stage = stage.into();
        let started = self.supervisor.start(stage.as_str(), station, restart, body);
        started.map_err(|source| RunError::Start { stage, source })
    }
}
