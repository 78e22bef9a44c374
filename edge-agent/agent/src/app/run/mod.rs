//! `edge-agent run`: every station on its thread, joined by queues, until somebody says stop.
//!
//! Read `start` first: it is the data's way. Cameras deliver access units to the recorder and to the vision worker;
//! what the worker sees becomes records; records become durable in the outbox; the uplink sends them.

pub(super) mod alert;
mod auditing;
pub(super) mod cameras;
pub(super) mod center;
mod checking;
pub(super) mod commands;
mod commissioning;
mod enrolling;
pub(super) mod eyes;
pub(super) mod fitting;
mod health;
mod heat;
mod holding;
mod housing;
mod keeping;
mod moments;
mod nobody;
mod opening;
mod outbox;
mod page;
mod plates;
mod problems;
mod recording;
mod renewing;
mod rings;
mod sight;
pub(super) mod surviving;
pub(super) mod telling;
mod vitals;
pub(super) mod witness;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::record::Word;
use edge_store::disk::RealDisk;
use edge_store::outbox::OutboxError;
use edge_store::ring::{RingPlace, camera_folder};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::capture::Camera;
use crate::config::{self, Config, ConfigError};
use crate::publish::Entry;
use crate::record::{self, Recorder};
use crate::supervise::queue::{Bounds, Overflow, Sender, bounded};
use crate::supervise::{Clock, Heartbeats, Mode, Restart, Station, Stop, Supervisor};
use crate::uplink;
use crate::vision::Numbers;
use crate::vision::client::{Throttle, Viewfinder, VisionClient, VisionQueues, VisionSettings};

use eyes::Eyes;
use moments::Moments;
use plates::Plates;
use telling::Teller;
use vitals::Vitals;

/// How long all stages together may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long a stage may go without a heartbeat before the service watchdog is no longer fed.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stage that faults is started again after this.
const PAUSE: Duration = Duration::from_secs(2);
/// Sightings on their way to becoming records; the worker's listener waits beyond.
const SIGHTINGS: Bounds = Bounds::items("sightings", 64, Overflow::Wait);

/// Runs the agent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  edge-agent run --config /etc/edge-agent/edge-agent.toml
  edge-agent check-config /etc/edge-agent/edge-agent.toml     what is wrong with it, all at once

Ends with 0 when it was told to stop, with 78 where no configuration can be used, not even the last good one, and with 1
for everything else, after which the service manager starts it again.")]
pub struct RunArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-agent/edge-agent.toml")]
    config: PathBuf,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The outbox cannot be opened.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The audit log cannot be opened.
    #[error(transparent)]
    Audit(#[from] edge_store::database::DatabaseError),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A key or certificate is not what it should be.
    #[error("{path}: {why}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The certificates for the broker cannot be used.
    #[error(transparent)]
    Tls(#[from] uplink::tls::TlsError),
    /// The system refuses something that the agent cannot do without.
    #[error("{doing}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for the unit's challenge")]
    Random,
    /// A stage failed that the agent cannot do without.
    #[error("a stage that the agent cannot do without has failed; see the log")]
    Stage,
}

fn system(doing: &'static str) -> impl Fn(io::Error) -> RunError {
    move |source| RunError::System { doing, source }
}

/// Runs until SIGTERM or SIGINT, then stops in the order of the data.
///
/// # Errors
/// See [`RunError`].
pub fn run(arguments: &RunArgs) -> Result<(), RunError> {
    let clock = Clock::system();
    let mut survivor = surviving::prepare(&arguments.config, &clock)?;
    std::fs::create_dir_all(&survivor.config.data_dir).map_err(system("cannot make the data folder"))?;
    let ending = Ending::new()?;
    let mut supervisor = Supervisor::new(clock.clone());
    let started = start(&arguments.config, &survivor, &clock, &mut supervisor);
    let enrolled = survivor.awaited.as_ref().map(|awaited| awaited.enrolled.clone());
    let ended = started.and_then(|()| ending.wait(&supervisor, enrolled.as_ref(), || survivor.proved()));
    tracing::info!("stopping");
    let report = supervisor.stop(GRACE);
    if !report.overdue.is_empty() {
        tracing::warn!(stages = ?report.overdue, "did not end in time");
    }
    if ended.is_ok() {
        survivor.end();
    }
    ended
}

/// What every part of [`start`] needs.
struct Common<'c> {
    /// The file that people write.
    file: &'c Path,
    config: &'c Config,
    /// Only a unit that is nobody's yet has this; it keeps nothing.
    awaited: Option<surviving::Awaited>,
    /// Why the storage is locked: then nothing is recorded, and memory holds what waits.
    locked: Option<&'c str>,
    clock: &'c Clock,
    heartbeats: Heartbeats,
    supervisor: &'c mut Supervisor,
}

impl Common<'_> {
    /// Whether anything is recorded and kept to be found later.
    fn keeps(&self) -> bool {
        self.awaited.is_none() && self.locked.is_none()
    }

    fn pulse(&self, name: impl Into<String>) -> crate::supervise::Pulse {
        self.heartbeats.register(name, HEARTBEAT, self.clock.mono())
    }
}

/// Starts every station, the end of the data's way first, so that nobody hands to somebody who is not there.
fn start(file: &Path, survivor: &surviving::Start, clock: &Clock, supervisor: &mut Supervisor) -> Result<(), RunError> {
    let config = &survivor.config;
    let awaited = survivor.awaited.clone();
    let locked = survivor.locked.as_deref();
    let mut common = Common { file, config, awaited, locked, clock, heartbeats: Heartbeats::default(), supervisor };
    let vitals = Vitals::default();
    let (entries, announcement) = match &survivor.awaited {
        None => center::start(&mut common, &vitals).map(|(entries, told)| (entries, Some(told)))?,
        Some(awaited) => (nobody::start(&mut common, awaited.clone(), &vitals)?, None),
    };
    vitals.note_start(&survivor.words);
    if let Some(why) = locked {
        vitals.note_locked(why);
    }
    surviving::tell(&survivor.words, &config.data_dir, &entries, clock.wall());
    let shared = Shared { entries, moments: Moments::default(), vitals: vitals.clone(), plates: Plates::default() };
    let sightings = start_events(&mut common, &shared)?;
    let (throttle, viewfinder) = (Throttle::default(), Viewfinder::default());
    let program = std::env::current_exe().map_err(system("cannot find the agent's own program"))?;
    let settings = super::vision::settings(config, program.clone(), &throttle, &viewfinder);
    let (assignment, plates) = (settings.cameras.clone(), shared.plates.clone());
    let looks = page::Looks { viewfinder, assignment, plates, announcement };
    let eyes = match survivor.mode {
        Mode::Normal => start_vision(&mut common, sightings, settings)?,
        Mode::Safe => no_vision(config, &vitals, &throttle),
    };
    vitals.watch_queue(eyes.gauge());
    start_cameras(&mut common, &eyes, &shared)?;
    health::serve_metrics(&mut common, &vitals)?;
    page::start(&mut common, (&shared.entries, &vitals), looks, program)?;
    housing::start(&mut common, &shared.entries, &vitals, throttle)?;
    health::start(&mut common, shared.entries, vitals)
}

/// The agent's version, as every record and manifest names it.
fn software() -> Word {
    Word::cut(concat!("edge-agent ", env!("CARGO_PKG_VERSION")))
}

/// What stages share.
struct Shared {
    entries: Sender<Entry>,
    moments: Moments,
    vitals: Vitals,
    plates: Plates,
}

/// Sightings to records; what comes back is where the vision worker's words go.
fn start_events(
    common: &mut Common<'_>,
    shared: &Shared,
) -> Result<Sender<crate::vision::client::VisionEvent>, RunError> {
    let (sightings, seen) = bounded(SIGHTINGS);
    let vitals = &shared.vitals;
    vitals.watch_queue(sightings.gauge());
    let kept = if common.keeps() { Some(keeping::start(common, &shared.entries)?) } else { None };
    if let Some(kept) = &kept {
        vitals.watch_queue(kept.gauge());
    }
    let ends = telling::Ends {
        seen,
        entries: shared.entries.clone(),
        kept,
        moments: shared.moments.clone(),
        plates: shared.plates.clone(),
        vitals: vitals.clone(),
        clock: common.clock.clone(),
        pulse: common.pulse("events"),
    };
    let mut teller = Teller::new(common.config, ends);
    let started = common.supervisor.start("events", Station::Analytics, Restart::StopAll, move |_| teller.run());
    started.map_err(system("cannot start the events"))?;
    Ok(sightings)
}

/// The vision worker and who keeps it running.
fn start_vision(
    common: &mut Common<'_>,
    sightings: Sender<crate::vision::client::VisionEvent>,
    settings: VisionSettings,
) -> Result<Eyes, RunError> {
    let config = common.config;
    let numbers = Numbers::kept(Arc::new(RealDisk), config.data_dir.join("vision.lives"));
    let prepare = super::vision::prepare(config.models.library.clone(), super::vision::folders(config), numbers);
    let (eyes, units) = eyes::eyes(config.cameras.len(), settings.throttle.clone());
    let queues = VisionQueues { units, events: sightings };
    let mut client = VisionClient::new(settings, prepare, queues, common.clock.clone(), common.pulse("vision"));
    let again = Restart::After(PAUSE);
    let started = common.supervisor.start("vision", Station::Analytics, again, move |stop| client.run(stop));
    started.map_err(system("cannot start the vision worker's client"))?;
    Ok(eyes)
}

/// Eyes that nobody is behind: what they are shown is dropped.
fn no_vision(config: &Config, vitals: &Vitals, throttle: &Throttle) -> Eyes {
    telling::tell_ready("ready in safe mode: recording and reporting alone", vitals);
    eyes::eyes(config.cameras.len(), throttle.clone()).0
}

/// Every camera with its recorder. A ring that cannot be opened costs the recording of that camera and nothing else.
fn start_cameras(common: &mut Common<'_>, eyes: &Eyes, shared: &Shared) -> Result<(), RunError> {
    for described in &common.config.cameras {
        let id = &described.id;
        let mut camera = Camera::new(cameras::capture_settings(described), common.clock.clone());
        let mut feed = if common.keeps() { Some(start_recorder(common, described, shared)?) } else { None };
        let (mut eye, moments) = (eyes.of_one_camera(), shared.moments.clone());
        shared.vitals.watch_camera(id.clone(), camera.watch());
        let pulse = common.pulse(format!("camera {id}"));
        let body = move |stop: &Stop| {
            camera.run(stop, &pulse, &mut |unit| {
                moments.note(&unit);
                if let Some(feed) = &mut feed {
                    feed.offer(unit.clone());
                }
                eye.offer(unit);
            });
            Ok(())
        };
        let again = Restart::After(PAUSE);
        let started = common.supervisor.start(format!("cam {id}"), Station::Capture, again, body);
        started.map_err(system("cannot start a camera"))?;
    }
    Ok(())
}

fn start_recorder(common: &mut Common<'_>, camera: &config::Camera, shared: &Shared) -> Result<record::Feed, RunError> {
    let (feed, units) = record::feed();
    let place = ring_place(common.config, camera);
    shared.vitals.watch_queue(feed.gauge());
    let ends = record::Ends {
        feed: units,
        clock: common.clock.clone(),
        pulse: common.pulse(format!("recorder {}", camera.id)),
    };
    let tell = recording::tell(shared.entries.clone(), common.clock.clone());
    let mut recorder = Recorder::new(Arc::new(RealDisk), place.clone(), ends, tell);
    shared.vitals.watch_ring(camera.id.clone(), place, recorder.recorded());
    let again = Restart::After(PAUSE);
    let name = format!("rec {}", camera.id);
    let started = common.supervisor.start(name, Station::Record, again, move |stop| recorder.run(stop));
    started.map_err(system("cannot start a recorder"))?;
    Ok(feed)
}

pub(super) fn ring_place(config: &Config, camera: &config::Camera) -> RingPlace {
    RingPlace {
        folder: camera_folder(&config.data_dir, &camera.id),
        index: None,
        unit: config.unit.clone(),
        camera: camera.id.clone(),
        quota_bytes: camera.quota_bytes,
    }
}

/// What ends the agent from outside. Made before any stage starts: who is told to stop right after READY stops in order.
struct Ending {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    fn new() -> Result<Self, RunError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("cannot wait for signals"))?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate()).map_err(system("cannot wait for SIGTERM"))?;
        let interrupt = signal(SignalKind::interrupt()).map_err(system("cannot wait for SIGINT"))?;
        drop(inside);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits for a polite signal, for a new unit to be enrolled, or for a stage to fail without which nothing works.
    /// What has run for a while has proved itself.
    fn wait(
        mut self,
        supervisor: &Supervisor,
        enrolled: Option<&Stop>,
        mut proved: impl FnMut(),
    ) -> Result<(), RunError> {
        let failed = supervisor.failed();
        let is_enrolled = async || match enrolled {
            Some(enrolled) => enrolled.wait().await,
            None => std::future::pending().await,
        };
        self.runtime.block_on(async {
            let mut runs_well = std::pin::pin!(tokio::time::sleep(surviving::PROVED));
            let mut is_proved = false;
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return Ok(()),
                    _ = self.interrupt.recv() => return Ok(()),
                    () = is_enrolled() => return Ok(()),
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
