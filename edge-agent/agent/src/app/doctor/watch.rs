//! Watches the cameras for some seconds and has a vision worker look along: the agent's own capture and the agent's own
//! worker, so that what works here works there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::time::{MediaTime, MonoTime};

use super::rules::{CameraFacts, Work};
use crate::app::run::cameras::capture_settings;
use crate::app::run::eyes::{Eyes, eyes};
use crate::app::vision;
use crate::capture::{Camera, CameraWatch, State};
use crate::config::{self, Config};
use crate::media::AccessUnit;
use crate::supervise::queue::{Bounds, Overflow, Receiver, bounded};
use crate::supervise::{Clock, Fault, Heartbeats, Pulse, Restart, Station, Stop, Supervisor};
use crate::vision::client::{Throttle, Viewfinder, VisionClient, VisionEvent, VisionQueues};
use crate::vision::{ModelStanding, Numbers, Progress, RunTimes, Snapshot};

/// A camera is watched at least this long, and until its second key picture.
const LEAST: Duration = Duration::from_secs(3);
/// But not longer than this from its first picture, or from the beginning where there is none.
const MOST: Duration = Duration::from_secs(12);
/// From the worker's being ready to a picture of every camera that delivers.
const PICTURE: Duration = Duration::from_secs(12);
/// Opening the models takes a slow board this long.
const MODELS: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_secs(5);
const HEARD: Bounds = Bounds::items("doctor", 256, Overflow::Wait);

/// What was seen.
pub(super) struct Watched {
    /// Of each camera that was watched.
    pub(super) cameras: BTreeMap<CameraId, CameraFacts>,
    /// A picture of each that was decoded.
    pub(super) pictures: BTreeMap<CameraId, Arc<Snapshot>>,
    /// The models at work in the worker, or why there is none.
    pub(super) worker: Result<Vec<ModelStanding>, String>,
    /// What they had to do meanwhile.
    pub(super) work: Work,
}

/// Everything that runs while the cameras are watched.
struct Session {
    supervisor: Supervisor,
    clock: Clock,
    cameras: Vec<Watch>,
    viewfinder: Viewfinder,
    heard: Receiver<VisionEvent>,
    /// What the worker's models have done so far.
    progress: Progress,
}

struct Watch {
    id: CameraId,
    health: CameraWatch,
    seen: Arc<Mutex<Seen>>,
}

/// What a camera's access units add up to.
#[derive(Debug, Default)]
struct Seen {
    facts: CameraFacts,
    first: Option<(MediaTime, MonoTime)>,
    key: Option<MediaTime>,
}

impl Seen {
    fn take(&mut self, unit: &AccessUnit) {
        let (first, _) = *self.first.get_or_insert((unit.media, unit.arrival));
        let facts = &mut self.facts;
        facts.pictures += 1;
        facts.codec = Some(unit.codec);
        facts.size = unit.size.or(facts.size);
        facts.span = facts.span.max(unit.media.saturating_since(first));
        if unit.key {
            let group = self.key.replace(unit.media).map(|before| unit.media.saturating_since(before));
            facts.group = facts.group.max(group);
        }
    }

    /// Whether nothing more is worth waiting for.
    fn is_settled(&self, began: MonoTime, now: MonoTime) -> bool {
        let since = self.first.map_or(began, |(_, arrival)| arrival);
        let enough = self.facts.group.is_some() && self.facts.span >= LEAST;
        enough || now.saturating_since(since) >= MOST
    }
}

/// Watches these cameras of the configuration. `program` is the agent, for the worker.
///
/// # Errors
/// When the system refuses threads.
pub(super) fn watch(config: &Config, program: PathBuf, cameras: &[&config::Camera]) -> Result<Watched, Fault> {
    let mut session = Session::start(config, program, cameras)?;
    let worker = session.wait();
    let cameras: BTreeMap<_, _> =
        session.cameras.iter().map(|watch| (watch.id.clone(), session.facts(watch))).collect();
    let newest = |id: &CameraId| Some((id.clone(), session.viewfinder.newest(id)?));
    let pictures = cameras.keys().filter_map(newest).collect();
    let work = session.work(config);
    let Session { supervisor, heard, .. } = session;
    drop(heard);
    // What does not end in time ends with the process.
    let _overdue = supervisor.stop(GRACE);
    Ok(Watched { cameras, pictures, worker, work })
}

impl Session {
    fn start(config: &Config, program: PathBuf, cameras: &[&config::Camera]) -> Result<Self, Fault> {
        let clock = Clock::system();
        let mut supervisor = Supervisor::new(clock.clone());
        let (throttle, viewfinder) = (Throttle::default(), Viewfinder::default());
        let (eyes, units) = eyes(config.cameras.len(), throttle.clone());
        let (events, heard) = bounded(HEARD);
        // Nobody feeds a watchdog here, so the beats go nowhere.
        let pulse = Heartbeats::default().register("doctor", MODELS, clock.mono());
        let settings = vision::settings(config, program, &throttle, &viewfinder);
        let prepare = vision::prepare(config.models.library.clone(), vision::folders(config), Numbers::forgotten());
        let queues = VisionQueues { units, events };
        let mut client = VisionClient::new(settings, prepare, queues, clock.clone(), pulse.clone());
        let refused = |error| Fault::from_error(&error);
        let body = move |stop: &Stop| client.run(stop);
        supervisor.start("vision", Station::Analytics, Restart::StopAll, body).map_err(refused)?;
        let mut session =
            Self { supervisor, clock, cameras: Vec::new(), viewfinder, heard, progress: Progress::default() };
        for camera in cameras {
            session.add(camera, &eyes, &pulse).map_err(refused)?;
        }
        Ok(session)
    }

    fn add(&mut self, described: &config::Camera, eyes: &Eyes, pulse: &Pulse) -> std::io::Result<()> {
        let mut camera = Camera::new(capture_settings(described), self.clock.clone());
        let (mut eye, pulse, seen) = (eyes.of_one_camera(), pulse.clone(), Arc::new(Mutex::new(Seen::default())));
        self.cameras.push(Watch { id: described.id.clone(), health: camera.watch(), seen: Arc::clone(&seen) });
        let body = move |stop: &Stop| {
            camera.run(stop, &pulse, &mut |unit| {
                seen.lock().unwrap_or_else(PoisonError::into_inner).take(&unit);
                eye.offer(unit);
            });
            Ok(())
        };
        self.supervisor.start(format!("cam {}", described.id), Station::Capture, Restart::StopAll, body)
    }

    /// Waits until every camera has settled and the worker has shown a picture of each that delivers, or cannot.
    fn wait(&mut self) -> Result<Vec<ModelStanding>, String> {
        let began = self.clock.mono();
        let mut worker = Err(format!("the vision worker was not ready within {} s", MODELS.as_secs()));
        let mut ready = None;
        loop {
            let now = self.clock.mono();
            match self.heard.receive_timeout(LOOK) {
                Ok(VisionEvent::Ready(found)) => {
                    (worker, ready) = (Ok(found.models), Some(now));
                }
                Ok(VisionEvent::Lost { why, .. }) => {
                    worker = Err(why);
                    break;
                }
                Ok(VisionEvent::Progress(progress)) => self.progress = progress,
                Ok(VisionEvent::Sighting(..) | VisionEvent::NotLooked { .. }) | Err(_) => {}
            }
            if ready.is_some() {
                self.cameras.iter().for_each(|watch| self.viewfinder.ask(&watch.id));
            }
            let waited = |since: MonoTime, most| now.saturating_since(since) >= most;
            let seen = ready.is_some_and(|since| (self.all_shown() && self.has_worked()) || waited(since, PICTURE));
            if (seen && self.all_settled(began, now)) || waited(began, MODELS) {
                return worker;
            }
        }
        while !self.all_settled(began, self.clock.mono()) {
            // The worker's further complaints are the same.
            drop(self.heard.receive_timeout(LOOK));
        }
        worker
    }

    fn all_settled(&self, began: MonoTime, now: MonoTime) -> bool {
        self.cameras.iter().all(|watch| {
            let over = matches!(watch.health.health(now).state, State::Waiting { .. } | State::Ended | State::Stopped);
            over || watch.seen.lock().unwrap_or_else(PoisonError::into_inner).is_settled(began, now)
        })
    }

    /// Whether there is a picture of every camera that delivers.
    fn all_shown(&self) -> bool {
        let delivers = |watch: &&Watch| watch.seen.lock().unwrap_or_else(PoisonError::into_inner).facts.pictures > 0;
        self.cameras.iter().filter(delivers).all(|watch| self.viewfinder.newest(&watch.id).is_some())
    }

    /// Whether a frame was looked at, where one comes.
    fn has_worked(&self) -> bool {
        let delivers = |watch: &Watch| watch.seen.lock().unwrap_or_else(PoisonError::into_inner).facts.pictures > 0;
        self.frames() > 0 || !self.cameras.iter().any(delivers)
    }

    fn frames(&self) -> u64 {
        self.progress.cameras.iter().map(|camera| camera.analysed).sum()
    }

    /// What the models had to do, and what the configuration asks of them.
    fn work(&self, config: &Config) -> Work {
        #[allow(clippy::cast_precision_loss, reason = "a few hundred runs")]
        let took = |model: &RunTimes| model.runs as f64 * f64::from(model.median_us) / 1000.0;
        Work {
            frames: self.frames(),
            took_ms: self.progress.runs.iter().map(took).sum(),
            asked_fps: config.cameras.iter().map(|camera| camera.analysed_fps).sum(),
        }
    }

    fn facts(&self, watch: &Watch) -> CameraFacts {
        let facts = watch.seen.lock().unwrap_or_else(PoisonError::into_inner).facts.clone();
        match watch.health.health(self.clock.mono()).state {
            State::Waiting { trouble, .. } => CameraFacts { trouble: Some(trouble), ..facts },
            State::Connecting | State::Receiving | State::WithoutKey(_) | State::Ended | State::Stopped => facts,
        }
    }
}
