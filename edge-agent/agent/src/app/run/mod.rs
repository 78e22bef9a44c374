//! `edge-agent run`: every station on its thread, joined by queues, until somebody says stop.
//!
//! Read `start` first: it is the data's way. Cameras deliver access units to the recorder and to the vision worker;
//! what the worker sees becomes records; records become durable in the outbox; the uplink sends them.

pub(super) mod alert;
mod assembly;
pub(super) mod auditing;
pub(super) mod cameras;
pub(super) mod center;
mod checking;
pub(super) mod commands;
mod commissioning;
mod ending;
mod enrolling;
mod errand;
pub(super) mod eyes;
pub(super) mod fitting;
mod giving_way;
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
mod putting;
mod readings;
mod recording;
mod renewing;
mod rings;
mod searching;
mod sight;
mod sources;
mod successor;
pub(super) mod surviving;
pub(super) mod telling;
mod vitals;
pub(super) mod witness;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::record::Word;
use edge_store::disk::RealDisk;
use edge_store::outbox::OutboxError;
use edge_store::ring::{RingPlace, camera_folder};

use super::update::lock::Lock;
use super::vision::Chooser;
use crate::capture::{Camera, SourceSwitch, list_plugins};
use crate::config::{self, Config, ConfigError};
use crate::publish::Entry;
use crate::record::{self, Recorder};
use crate::supervise::queue::{Bounds, Overflow, Sender, bounded};
use crate::supervise::{Clock, Heartbeats, Mode, Restart, Station, Stop, Supervisor, program};
use crate::uplink;
use crate::vision::Numbers;
use crate::vision::client::{Throttle, Viewfinder, VisionClient, VisionQueues, VisionSettings};

use assembly::Assembly;
use ending::{Anew, Ended, Ending, SOON};
use eyes::Eyes;
use moments::Moments;
use plates::Plates;
use telling::Teller;
use vitals::Vitals;

/// How long all stages together may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// Sightings on their way to becoming records; the worker's listener waits beyond.
const SIGHTINGS: Bounds = Bounds::items("sightings", 64, Overflow::Wait);

/// Runs the agent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  edge-agent run --config /etc/edge-agent/edge-agent.toml
  edge-agent check-config            what is wrong with it, all at once

Ends with 0 when it was told to stop, with 78 where no configuration can be used, not even the last \
good one, and with 1 for everything else, after which the service manager starts it again.")]
pub struct RunArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-agent/edge-agent.toml")]
    config: PathBuf,
}

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The image's own agent can use what this release cannot.
    #[error("this release cannot use a configuration that the image's own agent takes")]
    Misread(#[source] ConfigError),
    /// Another agent has the data folder.
    #[error(
        "another edge-agent runs on {}: stop it first (systemctl stop edge-agent), or name another data_dir",
        .data_dir.display()
    )]
    NotAlone {
        /// The folder.
        data_dir: PathBuf,
    },
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
    /// A stage cannot be started.
    #[error("cannot start the stage {stage}")]
    Start {
        /// Which.
        stage: String,
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
    let usable = surviving::usable(&arguments.config);
    let data_dir = surviving::data_dir(&arguments.config, &usable);
    if data_dir.is_dir() {
        // Before a life is counted: who is refused here has not crashed.
        drop(alone(&data_dir)?);
    }
    let left_out = giving_way::give_way(usable.as_ref().ok().map(|usable| &usable.config), &data_dir, &clock);
    let misread = |error| {
        let image_can = surviving::image_can_use(&arguments.config);
        if image_can { RunError::Misread(error) } else { RunError::Config(error) }
    };
    let mut survivor = surviving::prepare(&arguments.config, usable, &clock).map_err(misread)?;
    std::fs::create_dir_all(&survivor.config.data_dir).map_err(system("cannot make the data folder"))?;
    let _alone = alone(&survivor.config.data_dir)?;
    let ending = Ending::new()?;
    // Before any stage, none of which could beat meanwhile, and before the vision worker, which would make it once
    // more.
    list_plugins();
    let mut supervisor = Supervisor::new(clock.clone());
    // A new unit begins anew once it is enrolled.
    let now = survivor.awaited.as_ref().map_or_else(Stop::new, |awaited| awaited.enrolled.clone());
    let anew = Anew { now, left_out, ..Anew::default() };
    let started = start(&arguments.config, &survivor, (&clock, &anew), &mut supervisor);
    let ended = started.and_then(|()| ending.wait(&supervisor, (&anew, &clock), || survivor.proved()));
    tracing::info!("stopping");
    let report = supervisor.stop(GRACE);
    if !report.overdue.is_empty() {
        tracing::warn!(stages = ?report.overdue, "did not end in time");
    }
    match ended? {
        // A release that always does so would have the unit boot again and again; this way it is left out.
        Ended::Anew if program::first().is_some() && clock.mono().as_duration() < SOON => {}
        Ended::Anew | Ended::Told => survivor.end(),
    }
    Ok(())
}

/// Held as long as this process runs: two would take outbox, ring and the broker's connection from each other.
fn alone(data_dir: &Path) -> Result<Option<Lock>, RunError> {
    match Lock::agent(data_dir) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(RunError::NotAlone { data_dir: data_dir.to_owned() }),
        Err(error) => {
            // A disk that is full or sick is no reason to stop.
            tracing::warn!(%error, "whether another agent runs on this data folder is not known");
            Ok(None)
        }
    }
}

/// Starts every station, the end of the data's way first, so that nobody hands to somebody who is not there.
fn start(
    file: &Path,
    survivor: &surviving::Start,
    (clock, anew): (&Clock, &Anew),
    supervisor: &mut Supervisor,
) -> Result<(), RunError> {
    let config = &survivor.config;
    let awaited = survivor.awaited.clone();
    let (locked, heartbeats) = (survivor.locked.as_deref(), Heartbeats::default());
    let mut assembly = Assembly { file, config, awaited, locked, clock, anew, heartbeats, supervisor };
    let vitals = Vitals::default();
    let (entries, announcement) = match &survivor.awaited {
        None => center::start(&mut assembly, &vitals).map(|(entries, told)| (entries, Some(told)))?,
        Some(awaited) => (nobody::start(&mut assembly, awaited.clone(), &vitals)?, None),
    };
    vitals.note_start(&survivor.words);
    if let Some(why) = locked {
        vitals.note_locked(why);
    }
    surviving::tell(&survivor.words, &config.data_dir, &entries, clock.wall());
    let shared = Shared { entries, moments: Moments::default(), vitals: vitals.clone(), plates: Plates::default() };
    let sightings = start_events(&mut assembly, &shared)?;
    let (throttle, viewfinder) = (Throttle::default(), Viewfinder::default());
    let program = program::itself().map_err(system("cannot find the agent's own program"))?;
    let settings = super::vision::settings(config, program.clone(), &throttle, &viewfinder);
    let (assignment, plates) = (settings.cameras.clone(), shared.plates.clone());
    let eyes = match survivor.mode {
        Mode::Normal => start_vision(&mut assembly, sightings, settings, &vitals)?,
        Mode::Safe => no_vision(config, &vitals, &throttle),
    };
    vitals.watch_queue(eyes.gauge());
    let switches = start_cameras(&mut assembly, &eyes, &shared)?;
    health::serve_metrics(&mut assembly, &vitals)?;
    let looks = page::Looks { viewfinder, assignment, plates, switches, announcement };
    page::start(&mut assembly, (&shared.entries, &vitals), looks, program)?;
    housing::start(&mut assembly, &shared.entries, &vitals, throttle)?;
    health::start(&mut assembly, shared.entries, vitals)
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
    assembly: &mut Assembly<'_>,
    shared: &Shared,
) -> Result<Sender<crate::vision::client::VisionEvent>, RunError> {
    let (sightings, seen) = bounded(SIGHTINGS);
    let vitals = &shared.vitals;
    vitals.watch_queue(sightings.gauge());
    let kept = if assembly.keeps() { Some(keeping::start(assembly, &shared.entries)?) } else { None };
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
        alarms: assembly.alarms(),
        clock: assembly.clock.clone(),
        pulse: assembly.pulse("events"),
    };
    let mut teller = Teller::new(assembly.config, ends);
    assembly.start_with(Restart::StopAll, "events", Station::Analytics, move |_| teller.run())?;
    Ok(sightings)
}

/// The vision worker and who keeps it running.
fn start_vision(
    assembly: &mut Assembly<'_>,
    sightings: Sender<crate::vision::client::VisionEvent>,
    settings: VisionSettings,
    vitals: &Vitals,
) -> Result<Eyes, RunError> {
    let config = assembly.config;
    let numbers = Numbers::kept(Arc::new(RealDisk), config.data_dir.join("vision.lives"));
    let vitals = vitals.clone();
    let chooser = Chooser::new(config, assembly.clock.clone(), numbers, move |set| vitals.note_set(set));
    let (eyes, units) = eyes::eyes(config.cameras.len(), settings.throttle.clone());
    let queues = VisionQueues { units, events: sightings };
    let mut client =
        VisionClient::new(settings, chooser.prepare(), queues, assembly.clock.clone(), assembly.pulse("vision"));
    assembly.start("vision", Station::Analytics, move |stop| client.run(stop))?;
    Ok(eyes)
}

/// Eyes that nobody is behind: what they are shown is dropped.
fn no_vision(config: &Config, vitals: &Vitals, throttle: &Throttle) -> Eyes {
    telling::tell_ready("ready in safe mode: recording and reporting alone", vitals);
    eyes::eyes(config.cameras.len(), throttle.clone()).0
}

/// Every camera with its recorder. A ring that cannot be opened costs the recording of that camera and nothing else.
/// What comes back changes where their pictures come from.
fn start_cameras(
    assembly: &mut Assembly<'_>,
    eyes: &Eyes,
    shared: &Shared,
) -> Result<BTreeMap<CameraId, SourceSwitch>, RunError> {
    let mut switches = BTreeMap::new();
    for described in &assembly.config.cameras {
        let id = &described.id;
        let mut camera = Camera::new(cameras::capture_settings(described), assembly.clock.clone());
        let mut feed = if assembly.keeps() { Some(start_recorder(assembly, described, shared)?) } else { None };
        let (mut eye, moments) = (eyes.of_one_camera(), shared.moments.clone());
        shared.vitals.watch_camera(id.clone(), camera.watch());
        switches.insert(id.clone(), camera.switch());
        let pulse = assembly.pulse(format!("camera {id}"));
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
        assembly.start(format!("cam {id}"), Station::Capture, body)?;
    }
    Ok(switches)
}

fn start_recorder(
    assembly: &mut Assembly<'_>,
    camera: &config::Camera,
    shared: &Shared,
) -> Result<record::Feed, RunError> {
    let (feed, units) = record::feed();
    let place = ring_place(assembly.config, camera);
    shared.vitals.watch_queue(feed.gauge());
    let ends = record::Ends {
        feed: units,
        clock: assembly.clock.clone(),
        pulse: assembly.pulse(format!("recorder {}", camera.id)),
    };
    let tell = recording::tell(shared.entries.clone(), assembly.clock.clone());
    let mut recorder = Recorder::new(Arc::new(RealDisk), place.clone(), ends, tell);
    shared.vitals.rings.watch(camera.id.clone(), place, recorder.recorded());
    let name = format!("rec {}", camera.id);
    assembly.start(name, Station::Record, move |stop| recorder.run(stop))?;
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
