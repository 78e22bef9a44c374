//! What ends the agent.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{RunError, surviving, system};
use crate::supervise::{Clock, Stop, Supervisor};
use crate::update::Version;

/// An agent that is to begin anew soon has run for so long: after eight starts in ten minutes the box boots
/// (`StartLimitBurst=` of its unit), and whoever tries the addresses of a camera must not get there.
pub(super) const SOON: Duration = Duration::from_mins(2);

/// Has the agent end in order and begin anew; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Anew {
    /// At once.
    pub(super) now: Stop,
    /// Once it has run for [`SOON`]: people may ask for this as often as they like.
    pub(super) soon: Stop,
    /// A release that is no reason for it: the image's agent has left it out, though nobody could write that down.
    pub(super) left_out: Option<Version>,
}

impl Anew {
    async fn wait(&self, clock: &Clock) {
        let soon = async {
            self.soon.wait().await;
            tokio::time::sleep(SOON.saturating_sub(clock.mono().as_duration())).await;
        };
        tokio::select! {
            () = self.now.wait() => {}
            () = soon => {}
        }
    }
}

/// Why the agent ends in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Somebody told it to.
    Told,
    /// It begins anew by itself.
    Anew,
}

/// What ends the agent from outside. Made before any stage starts: who is told to stop right after READY stops in
/// order.
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
        (anew, clock): (&Anew, &Clock),
        mut proved: impl FnMut(),
    ) -> Result<Ended, RunError> {
        let failed = supervisor.failed();
        self.runtime.block_on(async {
            let mut begins_anew = std::pin::pin!(anew.wait(clock));
            let mut runs_well = std::pin::pin!(tokio::time::sleep(surviving::PROVED));
            let mut is_proved = false;
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return Ok(Ended::Told),
                    _ = self.interrupt.recv() => return Ok(Ended::Told),
                    () = &mut begins_anew => return Ok(Ended::Anew),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The number in a line of the agent's unit.
    fn limit(key: &str) -> u64 {
        let unit = include_str!("../../../../../systemd/edge-agent.service");
        unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap().parse().unwrap()
    }

    #[test]
    fn whoever_tries_addresses_as_fast_as_the_agent_begins_anew_boots_no_box() {
        let within = Duration::from_secs(limit("StartLimitIntervalSec")).as_secs();
        let starts = within / SOON.as_secs() + 1;
        // The start before and what else may go wrong in these ten minutes.
        assert!(starts + 2 <= limit("StartLimitBurst"), "{starts} starts in {within} s");
    }

    #[test]
    fn an_agent_that_has_run_for_a_while_begins_anew_soon_and_a_young_one_waits() {
        let wait = |clock: Clock, anew: &Anew| {
            let (ending, supervisor) = (Ending::new().unwrap(), Supervisor::new(clock.clone()));
            ending.wait(&supervisor, (anew, &clock), || {})
        };
        let asked = || {
            let anew = Anew::default();
            anew.soon.set();
            anew
        };
        assert_eq!(wait(Clock::ahead(SOON), &asked()).unwrap(), Ended::Anew);
        let (anew, young) = (asked(), Clock::system());
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| wait(young.clone(), &anew));
            while young.mono().as_duration() < Duration::from_millis(100) {
                assert!(!waits.is_finished(), "a start each second boots the box");
                std::thread::yield_now();
            }
            anew.now.set();
            waits.join().unwrap().unwrap();
        });
    }
}
