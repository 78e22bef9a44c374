//! How the unit is: gathered from every station, told every minute, and shown to the service watchdog.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge_analytics::care::Finding;
use edge_analytics::sighting::Sighting;
use edge_protocol::id::CameraId;
use edge_protocol::record::{
    BoardHealth, CameraCondition, CameraHealth, Confidence, Health, ModelHealth, Record, Sentence, StorageHealth,
    Temperature, UplinkHealth, Word, WorkerHealth,
};
use edge_protocol::time::{Moment, MonoTime};
use edge_store::database::set_aside_in;
use edge_store::disk::{Disk as _, RealDisk, Room};
use edge_store::ring::RingPlace;

use super::rings::RingWatch;
use super::sight::Sight;
use super::witness::Witness;
use super::{Common, RunError, heat, housing, problems, software, system};
use crate::capture::{CameraWatch, State, Trouble};
use crate::metrics::{self, Metrics, Numbers};
use crate::peripherals::Indication;
use crate::publish::Entry;
use crate::record::Recorded;
use crate::supervise::queue::{Gauge, Sender};
use crate::supervise::{Clock, Fault, Heartbeats, Restart, Station, Stop};
use crate::update::Evidence;
use crate::vision::client::VisionEvent;
use crate::vision::{Progress, Ready};

/// How often the watchdog is fed and the counters are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A port that somebody else has is not free again at once.
const METRICS_PAUSE: Duration = Duration::from_secs(10);
/// What a person is told of a camera whose encoder hangs.
const STANDS_STILL: &str = "pictures arrive and do not change: restart the camera";

/// What health is gathered from; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Vitals {
    shared: Arc<Mutex<Shared>>,
    /// Whether the technician's page is open.
    setup_open: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Shared {
    cameras: BTreeMap<CameraId, CameraVitals>,
    uplink: Arc<Mutex<UplinkHealth>>,
    ready: Option<Ready>,
    progress: Progress,
    order: Vec<CameraId>,
    worker: WorkerHealth,
    board: Option<BoardHealth>,
    board_temperatures: Vec<Temperature>,
    queues: Vec<Gauge>,
    asked_for: bool,
    /// The service manager has been told that the agent has started.
    is_ready: bool,
    /// What people have to know of this start.
    start: Vec<Sentence>,
    /// Nobody has enrolled the unit yet: it keeps and tells nothing, and that is no fault.
    is_new: bool,
}

#[derive(Debug, Default)]
struct CameraVitals {
    watch: Option<CameraWatch>,
    ring: Option<RingWatch>,
    coverage: Option<f32>,
    frozen: bool,
    sight: Sight,
}

impl Vitals {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch_uplink(&self, uplink: Arc<Mutex<UplinkHealth>>) {
        self.lock().uplink = uplink;
    }

    pub(super) fn watch_camera(&self, camera: CameraId, watch: CameraWatch) {
        let mut shared = self.lock();
        shared.order.push(camera.clone());
        shared.cameras.entry(camera).or_default().watch = Some(watch);
    }

    /// A camera's ring, and what its recorder has done.
    pub(super) fn watch_ring(&self, camera: CameraId, place: RingPlace, recorded: Recorded) {
        self.lock().cameras.entry(camera).or_default().ring = Some(RingWatch::new(place, recorded));
    }

    pub(super) fn watch_queue(&self, queue: Gauge) {
        self.lock().queues.push(queue);
    }

    /// Has the next look tell how the unit is, whatever the interval.
    pub(super) fn tell_now(&self) {
        self.lock().asked_for = true;
    }

    /// What the box's own board says.
    pub(super) fn note_board(&self, board: BoardHealth, temperatures: Vec<Temperature>) {
        let mut shared = self.lock();
        shared.board = Some(board);
        shared.board_temperatures = temperatures;
    }

    /// What the status LED should say.
    pub(super) fn indication(&self, now: MonoTime) -> Indication {
        let shared = self.lock();
        let states = shared.cameras.values().filter_map(|camera| Some(camera.watch.as_ref()?.health(now).state));
        let missing = states.into_iter().any(|state| condition(&state) != CameraCondition::Streaming);
        if self.setup_open.load(Ordering::Relaxed) {
            return Indication::SetupOpen;
        }
        match (&shared.ready, missing, shared.worker.running) {
            (None, ..) => Indication::Booting,
            (Some(_), true, _) => Indication::NoCamera,
            (Some(_), false, false) => Indication::Fault,
            (Some(_), false, true) => Indication::Seeing,
        }
    }

    /// The service manager was told that the agent has started.
    pub(super) fn note_ready(&self) {
        self.lock().is_ready = true;
    }

    /// What people have to know of this start, as long as it lasts.
    pub(super) fn note_start(&self, words: &[String]) {
        self.lock().start = words.iter().map(|words| Sentence::cut(words)).collect();
    }

    /// Whether the technician's page is open.
    pub(super) fn note_setup(&self, open: bool) {
        self.setup_open.store(open, Ordering::Relaxed);
    }

    /// The unit is nobody's yet.
    pub(super) fn note_new(&self) {
        self.lock().is_new = true;
    }

    /// What an update wants to know of the running agent, the disk and the center's word aside.
    pub(super) fn evidence(&self) -> Evidence {
        let shared = self.lock();
        let progress = shared.order.iter().zip(&shared.progress.cameras);
        let seen = progress.filter(|(_, progress)| progress.analysed > 0).map(|(camera, _)| camera.clone());
        Evidence {
            ready: shared.is_ready,
            cameras: seen.collect(),
            inferred: shared.progress.runs.iter().any(|times| times.runs > 0),
            reached: shared.uplink.lock().unwrap_or_else(PoisonError::into_inner).connected,
            spared: shared.records_alone(),
            ..Evidence::default()
        }
    }

    fn was_asked_for(&self) -> bool {
        std::mem::take(&mut self.lock().asked_for)
    }

    /// What the worker says of itself.
    pub(super) fn note(&self, event: &VisionEvent) {
        let mut shared = self.lock();
        match event {
            VisionEvent::Ready(ready) => {
                shared.worker.running = true;
                shared.ready = Some(ready.clone());
            }
            VisionEvent::Progress(progress) => shared.progress = progress.clone(),
            VisionEvent::Lost { why, .. } => {
                shared.worker.running = false;
                shared.worker.restarts += 1;
                // Who knew of a picture that stands still, and how much was looked at, is gone; the next finds out anew.
                shared.cameras.values_mut().for_each(|camera| (camera.frozen, camera.coverage) = (false, None));
                shared.progress.cameras.iter_mut().for_each(|progress| progress.period_ms = 0);
                shared.worker.last_end = Some(Sentence::cut(why));
            }
            VisionEvent::Sighting(camera, Sighting::Counts(counts)) => {
                let millis = counts.to.saturating_since(counts.from).as_millis();
                let looked = share(counts.looked_ms, u32::try_from(millis).unwrap_or(u32::MAX));
                shared.cameras.entry(camera.clone()).or_default().coverage = Some(looked);
            }
            VisionEvent::Sighting(camera, Sighting::Care(care)) if care.finding == Finding::Frozen => {
                shared.cameras.entry(camera.clone()).or_default().frozen = !care.over;
            }
            VisionEvent::Sighting(..) | VisionEvent::NotLooked { .. } => {}
        }
    }

    /// A span of `span` has passed: what was analysed in it.
    fn measure(&self, span: Duration) {
        let mut shared = self.lock();
        let Shared { progress, order, cameras, .. } = &mut *shared;
        for (camera, progress) in order.iter().zip(&progress.cameras) {
            cameras.entry(camera.clone()).or_default().sight.look(progress, span);
        }
    }

    pub(super) fn record(&self, clock: &Clock, data_dir: &std::path::Path) -> Health {
        let mut shared = self.lock();
        let now = clock.wall();
        let order = shared.order.clone();
        let cameras: Vec<CameraHealth> =
            order.iter().enumerate().filter_map(|(place, id)| shared.camera(id, place, clock.mono())).collect();
        let uplink = shared.uplink.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let storage = shared.storage(data_dir);
        let zones = heat::read(std::path::Path::new(heat::ZONES));
        let mut problems = shared.start.clone();
        problems.extend(problems::unseen(&cameras, &shared.worker));
        problems.extend(shared.cameras.iter().filter_map(|(id, vitals)| vitals.sight.problem(id)));
        if shared.is_new {
            problems.push(problems::not_enrolled());
        } else {
            problems.extend(problems::unkept(&cameras, &uplink, &storage));
        }
        problems.extend(shared.board.iter().flat_map(housing::problems));
        problems.extend(shared.ready.iter().flat_map(|ready| &ready.missing).map(|what| problems::worker_lacks(what)));
        problems.extend(heat::problems(&zones).map(|text| Sentence::cut(&text)));
        Health {
            at: Moment::from(now.time),
            clock: now.quality,
            uptime_s: clock.mono().as_duration().as_secs(),
            software: software(),
            cameras,
            models: shared.models(),
            worker: shared.worker.clone(),
            storage,
            uplink,
            temperatures: shared.board_temperatures.iter().cloned().chain(zones).collect(),
            memory_bytes: memory_bytes(),
            problems,
            board: shared.board.clone(),
        }
    }

    fn numbers(&self, clock: &Clock, data_dir: &std::path::Path) -> Numbers {
        Numbers { health: self.record(clock, data_dir), queues: self.lock().queues.clone() }
    }
}

impl Shared {
    /// Whether heat or supply leave nothing for analysis: the last account of it is then of another time.
    fn records_alone(&self) -> bool {
        self.board.as_ref().is_some_and(|board| board.analysis == Confidence::ZERO)
    }

    fn camera(&mut self, id: &CameraId, place: usize, now: MonoTime) -> Option<CameraHealth> {
        let ring = self.cameras.get_mut(id)?.ring.as_mut().and_then(RingWatch::health);
        let vitals = self.cameras.get(id)?;
        let seen = vitals.watch.as_ref()?.health(now);
        let progress = self.progress.cameras.get(place);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "frames a second, never negative")]
        let received_mfps = (seen.fps * 1000.0) as u32;
        let streaming = condition(&seen.state);
        let (condition, text) = if streaming == CameraCondition::Streaming && vitals.frozen {
            (CameraCondition::Frozen, STANDS_STILL.to_owned())
        } else {
            (streaming, seen.state.to_string())
        };
        // The first period is not over for a minute; until then what of it was looked at.
        let so_far = progress.filter(|p| p.period_ms > 0).map(|p| share(p.looked_ms, p.period_ms));
        let is_there = streaming == CameraCondition::Streaming;
        let coverage = vitals.coverage.or(so_far).filter(|_| is_there && !self.records_alone());
        Some(CameraHealth {
            camera: id.clone(),
            condition,
            text: Sentence::cut(&text),
            received_mfps,
            analysed_mfps: vitals.sight.analysed_mfps(),
            coverage: Confidence::from_ratio(coverage.unwrap_or(0.0)),
            last_picture_ms: seen.last_unit_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            codec: seen.codec,
            size: seen.size,
            decoder: progress.filter(|p| !p.decoder.is_empty()).map(|p| Word::cut(&p.decoder)),
            reconnects: seen.reconnects,
            ring,
        })
    }

    fn storage(&self, data_dir: &std::path::Path) -> StorageHealth {
        let Room { total, free } = RealDisk.room(data_dir).unwrap_or_default();
        StorageHealth {
            total_bytes: total,
            free_bytes: free,
            outbox_bytes: std::fs::metadata(data_dir.join("outbox.sqlite")).map_or(0, |file| file.len()),
            failed_writes: self.rings().map(RingWatch::failed).sum(),
            set_aside: self
                .rings()
                .map(RingWatch::folder)
                .chain([data_dir])
                .filter_map(|at| set_aside_in(at).ok())
                .sum(),
        }
    }

    fn rings(&self) -> impl Iterator<Item = &RingWatch> {
        self.cameras.values().filter_map(|camera| camera.ring.as_ref())
    }

    fn models(&self) -> Vec<ModelHealth> {
        let Some(ready) = &self.ready else { return Vec::new() };
        let model = |model: &crate::vision::ModelStanding| {
            let place = edge_analytics::infer::ModelRole::ALL.iter().position(|role| *role == model.role);
            let times = place.and_then(|place| self.progress.runs.get(place)).copied().unwrap_or_default();
            ModelHealth {
                role: Word::cut(model.role.as_str()),
                name: Word::cut(&model.label),
                provider: Word::cut(&model.provider),
                fallback: (!model.fallbacks.is_empty()).then(|| Sentence::cut(&model.fallbacks.join("; "))),
                median_us: times.median_us,
                slow_us: times.slow_us,
                runs: times.runs,
            }
        };
        ready.models.iter().map(model).collect()
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share of a minute")]
fn share(part_ms: u32, whole_ms: u32) -> f32 {
    (part_ms as f32 / whole_ms.max(1) as f32).min(1.0)
}

fn condition(state: &State) -> CameraCondition {
    match state {
        State::Connecting => CameraCondition::Connecting,
        State::Receiving => CameraCondition::Streaming,
        State::Waiting {
            trouble: Trouble::CredentialsRefused | Trouble::CredentialsMissing | Trouble::Credentials(_),
            ..
        } => CameraCondition::Unauthorised,
        // What arrives without a key picture is no picture to anybody.
        State::Waiting { .. } | State::WithoutKey(_) => CameraCondition::Silent,
        State::Ended | State::Stopped => CameraCondition::Off,
    }
}

/// Resident memory of this process, from `/proc`; zero where there is none.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Serves the same numbers to a scraper on this box, if the configuration wants it.
pub(super) fn serve_metrics(common: &mut Common<'_>, vitals: &Vitals) -> Result<(), RunError> {
    let Some(address) = common.config.health.metrics else { return Ok(()) };
    let (vitals, clock, data_dir) = (vitals.clone(), common.clock.clone(), common.config.data_dir.clone());
    let look: metrics::Look = Arc::new(move || vitals.numbers(&clock, &data_dir));
    let mut server = Metrics::new(address, look, common.clock.clone(), common.pulse("metrics"));
    let again = Restart::After(METRICS_PAUSE);
    let started = common.supervisor.start("metrics", Station::Control, again, move |stop| server.run(stop));
    started.map_err(system("cannot start the metrics"))
}

/// The stage that tells how the unit is and feeds the watchdog while every stage beats.
pub(super) fn start(common: &mut Common<'_>, entries: Sender<Entry>, vitals: Vitals) -> Result<(), RunError> {
    let (clock, every) = (common.clock.clone(), common.config.health.every);
    let (heartbeats, data_dir) = (common.heartbeats.clone(), common.config.data_dir.clone());
    let mut witness = Witness::new(&data_dir, clock.wall());
    let mut last = clock.mono();
    let body = move |stop: &Stop| {
        while !stop.wait_timeout(LOOK) {
            let now = clock.mono();
            let fed = feed_watchdog(&heartbeats, now);
            witness.look(&vitals, fed, &entries, (now, clock.wall()));
            let since = now.saturating_since(last);
            if since < every && !vitals.was_asked_for() {
                continue;
            }
            last = now;
            vitals.measure(since);
            let record = Record::Health(Box::new(vitals.record(&clock, &data_dir)));
            entries.send(Entry::Record(record)).map_err(|_| Fault("the outbox has stopped".to_owned()))?;
        }
        Ok(())
    };
    let again = Restart::After(super::PAUSE);
    common.supervisor.start("health", Station::Analytics, again, body).map_err(system("cannot start health"))
}

/// Whether every stage beats.
fn feed_watchdog(heartbeats: &Heartbeats, now: MonoTime) -> bool {
    let stale = heartbeats.stale(now);
    if stale.is_empty() {
        if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]) {
            tracing::debug!(%error, "the watchdog is not fed");
        }
    } else {
        tracing::error!(?stale, "stages do not beat; the watchdog is not fed");
    }
    stale.is_empty()
}
