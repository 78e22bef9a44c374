//! What ends the agent.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{RunError, surviving, system};
use crate::supervise::{Stop, Supervisor};

/// What ends the agent from outside. Made before any stage starts: who is told to stop right after READY stops in order.
pub(super) struct Ending {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    pub(super) fn new() -> Result<Self, RunError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("cannot wait for signals"))?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate()).map_err(system("cannot wait for SIGTERM"))?;
        let interrupt = signal(SignalKind::interrupt()).map_err(system("cannot wait for SIGINT"))?;
        drop(inside);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits for a polite signal, for somebody who has the agent begin anew, or for a stage to fail without which
    /// nothing works. What has run for a while has proved itself.
    pub(super) fn wait(
        mut self,
        supervisor: &Supervisor,
        anew: &Stop,
        mut proved: impl FnMut(),
    ) -> Result<(), RunError> {
        let failed = supervisor.failed();
        self.runtime.block_on(async {
            let mut runs_well = std::pin::pin!(tokio::time::sleep(surviving::PROVED));
            let mut is_proved = false;
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return Ok(()),
                    _ = self.interrupt.recv() => return Ok(()),
                    () = anew.wait() => return Ok(()),
                    () = failed.wait() => return Err(RunError::Stage),
                    () = &mut runs_well, if !is_proved => {
                        is_proved = true;
                        proved();
                    }
                }
            }
        })
    }
}
