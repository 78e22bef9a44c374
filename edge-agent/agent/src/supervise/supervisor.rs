//! Starts named threads, restarts those that fault, stops and joins them in the order of the data.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use edge_protocol::time::MonoTime;

use super::{Clock, Stop};

/// Where a stage sits in the data's way; stages stop in this order, so that nothing upstream feeds a stage that is
/// gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Station {
    /// Cameras to access units.
    Capture,
    /// The vision worker's end of the socket, and what turns sightings into events.
    Analytics,
    /// Access units to the ring.
    Record,
    /// Events to the outbox.
    Publish,
    /// Outbox to MQTT.
    Uplink,
    /// Commands, the local page, metrics, health.
    Control,
}

/// All stations, first to stop first.
const STOP_ORDER: [Station; 6] =
    [Station::Capture, Station::Analytics, Station::Record, Station::Publish, Station::Uplink, Station::Control];

/// Why a stage ended although nobody told it to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

impl Fault {
    /// A fault in the words of an error.
    pub fn from_error(error: &dyn std::error::Error) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let said = cause.to_string();
            // Some say their cause themselves.
            if !words.ends_with(&said) {
                words = format!("{words}: {said}");
            }
            source = cause.source();
        }
        Self(words)
    }
}

/// What happens after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Start the stage again, no sooner than this after its fault.
    After(Duration),
    /// The agent cannot do its work without this stage: stop everything and let the service restart.
    StopAll,
}

/// How a stop went.
#[derive(Debug, PartialEq, Eq)]
pub struct StopReport {
    /// Stages that did not end within their grace and were left behind.
    pub overdue: Vec<String>,
}

/// Owns every thread of the agent.
#[derive(Debug)]
pub struct Supervisor {
    clock: Clock,
    stages: Vec<Stage>,
    failed: Stop,
    /// Set when all stages are on their way to their end.
    stopping: Stop,
}

#[derive(Debug)]
struct Stage {
    name: String,
    station: Station,
    stop: Stop,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Supervisor {
    /// A supervisor without stages.
    pub fn new(clock: Clock) -> Self {
        Self { clock, stages: Vec::new(), failed: Stop::new(), stopping: Stop::new() }
    }

    /// Set when a stage faulted whose policy is [`Restart::StopAll`].
    pub fn failed(&self) -> Stop {
        self.failed.clone()
    }

    /// Starts a stage on a thread of its own. `body` runs until it returns `Ok` or its [`Stop`] is set; a fault or a
    /// panic is logged and met with `restart`.
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub fn start(
        &mut self,
        name: impl Into<String>,
        station: Station,
        restart: Restart,
        body: impl FnMut(&Stop) -> Result<(), Fault> + Send + 'static,
    ) -> io::Result<()> {
        let (name, stop) = (name.into(), Stop::new());
        let (end, ended) = sync_channel(1);
        let (failed, stopping) = (self.failed.clone(), self.stopping.clone());
        let run = Run { name: name.clone(), restart, stop: stop.clone(), failed, stopping, end };
        let thread = spawn(&name, move || run.until_stopped(body))?;
        self.stages.push(Stage { name, station, stop, ended, thread });
        Ok(())
    }

    /// Stops all stages in the order of the data, each station joined within `grace` in all.
    pub fn stop(self, grace: Duration) -> StopReport {
        self.stopping.set();
        let deadline = self.clock.mono().saturating_add(grace);
        let mut overdue = Vec::new();
        let mut stages = self.stages;
        for station in STOP_ORDER {
            let (now, later) = stages.into_iter().partition::<Vec<_>, _>(|stage| stage.station == station);
            stages = later;
            for stage in &now {
                stage.stop.set();
            }
            overdue.extend(now.into_iter().filter_map(|stage| join(stage, deadline, &self.clock).err()));
        }
        StopReport { overdue }
    }
}

/// Joins a stage that was told to stop; the name of one that did not make it comes back.
fn join(stage: Stage, deadline: MonoTime, clock: &Clock) -> Result<(), String> {
    match stage.ended.recv_timeout(deadline.saturating_since(clock.mono())) {
        Err(RecvTimeoutError::Timeout) => {
            tracing::warn!(stage = stage.name, "did not end in time; left behind");
            return Err(stage.name);
        }
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
    }
    // The body's panics were caught in the thread, so joining cannot bring one back.
    stage.thread.join().map_err(|_| stage.name)
}

#[allow(clippy::disallowed_methods, reason = "the one place that starts threads: named, stopped and joined here")]
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // The kernel keeps 15 bytes of a thread's name.
    thread::Builder::new().name(name.chars().take(15).collect()).spawn(body)
}

/// What a stage's thread needs to keep its body running.
struct Run {
    name: String,
    restart: Restart,
    stop: Stop,
    failed: Stop,
    stopping: Stop,
    end: SyncSender<()>,
}

impl Run {
    fn until_stopped(self, mut body: impl FnMut(&Stop) -> Result<(), Fault>) {
        while !self.stop.is_set() {
            let ended = catch_unwind(AssertUnwindSafe(|| body(&self.stop)));
            let fault = match ended {
                Ok(Ok(())) => {
                    // The watchdog does not miss it: it lets go of its heartbeat. In a stop, a stage may end because
                    // what fed it did.
                    if !self.stop.is_set() && !self.stopping.is_set() {
                        tracing::warn!(stage = self.name, "ended without being told to, and is not started again");
                    }
                    break;
                }
                Ok(Err(fault)) => fault,
                Err(_) => Fault("panicked".to_owned()),
            };
            match self.restart {
                Restart::After(pause) => {
                    tracing::error!(stage = self.name, %fault, restart_ms = pause.as_millis(), "stage faulted");
                    self.stop.wait_timeout(pause);
                }
                Restart::StopAll => {
                    tracing::error!(stage = self.name, %fault, "stage faulted; the agent cannot go on without it");
                    self.failed.set();
                    break;
                }
            }
        }
        if self.end.try_send(()).is_err() {
            tracing::debug!(stage = self.name, "ended after the supervisor gave up on it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Barrier, Mutex};

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    #[test]
    fn stages_stop_in_the_order_of_the_data_whatever_the_order_they_were_started_in() {
        let mut supervisor = Supervisor::new(Clock::system());
        let ended = Arc::new(Mutex::new(Vec::new()));
        let running = Arc::new(Barrier::new(4));
        for (name, station) in [("uplink", Station::Uplink), ("capture", Station::Capture), ("record", Station::Record)]
        {
            let (ended, running) = (Arc::clone(&ended), Arc::clone(&running));
            supervisor
                .start(name, station, Restart::StopAll, move |stop| {
                    running.wait();
                    while !stop.wait_timeout(GRACE) {}
                    ended.lock().unwrap().push(name);
                    Ok(())
                })
                .unwrap();
        }
        running.wait();
        assert_eq!(supervisor.stop(GRACE), StopReport { overdue: vec![] });
        assert_eq!(*ended.lock().unwrap(), ["capture", "record", "uplink"]);
    }

    #[test]
    fn a_stage_that_faults_or_panics_is_started_again() {
        let mut supervisor = Supervisor::new(Clock::system());
        let (tell, told) = sync_channel(1);
        let runs = AtomicU32::new(0);
        supervisor
            .start("flaky", Station::Capture, Restart::After(Duration::ZERO), move |_| {
                match runs.fetch_add(1, Ordering::SeqCst) {
                    0 => Err(Fault("first".to_owned())),
                    1 => panic!("second"),
                    _ => {
                        tell.send(()).unwrap();
                        Ok(())
                    }
                }
            })
            .unwrap();
        told.recv_timeout(GRACE).expect("the stage reached its third run");
        assert!(supervisor.stop(GRACE).overdue.is_empty());
    }

    #[test]
    fn a_fault_without_which_nothing_works_is_told_to_the_owner() {
        let mut supervisor = Supervisor::new(Clock::system());
        let failed = supervisor.failed();
        let body = |_: &Stop| Err(Fault("disk gone".to_owned()));
        supervisor.start("outbox", Station::Publish, Restart::StopAll, body).unwrap();
        assert!(failed.wait_timeout(GRACE));
        supervisor.stop(GRACE);
    }

    #[test]
    fn a_stage_that_ignores_its_stop_is_named() {
        let mut supervisor = Supervisor::new(Clock::system());
        let release = Stop::new();
        let held = release.clone();
        let running = Arc::new(Barrier::new(2));
        let started = Arc::clone(&running);
        supervisor
            .start("deaf", Station::Control, Restart::StopAll, move |_| {
                started.wait();
                while !held.wait_timeout(GRACE) {}
                Ok(())
            })
            .unwrap();
        running.wait();
        assert_eq!(supervisor.stop(Duration::from_millis(5)).overdue, ["deaf"]);
        release.set();
    }
}
