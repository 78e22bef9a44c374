//! What the stations say of themselves, kept until it is told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge_analytics::care::Finding;
use edge_analytics::sighting::Sighting;
use edge_protocol::id::CameraId;
use edge_protocol::record::{
    BoardHealth, CameraCondition, Confidence, Sentence, Temperature, UplinkHealth, WorkerHealth,
};
use edge_protocol::time::MonoTime;

use super::rings::Rings;
use super::sight::Sight;
use crate::capture::{CameraWatch, State, Trouble};
use crate::peripherals::Indication;
use crate::supervise::queue::Gauge;
use crate::update::{Evidence, Worker};
use crate::vision::client::VisionEvent;
use crate::vision::{CameraProgress, Progress, Ready};

/// What a person is told of a camera whose encoder hangs.
const STANDS_STILL: &str = "pictures arrive and do not change: restart the camera";

/// What health is gathered from; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Vitals {
    shared: Arc<Mutex<Shared>>,
    /// The cameras' rings, which are looked at with nothing else locked.
    pub(super) rings: Rings,
    /// Whether the technician's page is open.
    setup_open: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Shared {
    pub(super) cameras: BTreeMap<CameraId, CameraVitals>,
    pub(super) uplink: Arc<Mutex<UplinkHealth>>,
    pub(super) ready: Option<Ready>,
    pub(super) progress: Progress,
    pub(super) order: Vec<CameraId>,
    pub(super) worker: WorkerHealth,
    /// The set of models that the newest worker was started with.
    set: Option<u64>,
    /// Whether it has run one.
    has_run: bool,
    pub(super) board: Option<BoardHealth>,
    pub(super) board_temperatures: Vec<Temperature>,
    pub(super) queues: Vec<Gauge>,
    pub(super) asked_for: bool,
    /// The service manager has been told that the agent has started.
    pub(super) is_ready: bool,
    /// What people have to know of this start.
    pub(super) start: Vec<Sentence>,
    /// Nobody has enrolled the unit yet: it keeps and tells nothing, and that is no fault.
    pub(super) is_new: bool,
    /// Why the storage is locked.
    pub(super) locked: Option<Sentence>,
}

#[derive(Debug, Default)]
pub(super) struct CameraVitals {
    pub(super) watch: Option<CameraWatch>,
    pub(super) coverage: Option<f32>,
    pub(super) frozen: bool,
    pub(super) sight: Sight,
}

impl CameraVitals {
    /// The share of the last period that was looked at, or of the first so far; none once no frame comes any more,
    /// whatever was seen before.
    pub(super) fn coverage(&self, progress: Option<&CameraProgress>, now: MonoTime) -> Option<f32> {
        let so_far = progress.filter(|p| p.period_ms > 0).map(|p| share(p.looked_ms, p.period_ms));
        self.coverage.or(so_far).filter(|_| !self.sight.is_stale(now))
    }

    /// The camera's condition by its stream, or by its picture where one arrives and stands still, and that in words.
    pub(super) fn condition(&self, state: &State) -> (CameraCondition, String) {
        let streaming = condition(state);
        if self.frozen && streaming == CameraCondition::Streaming {
            return (CameraCondition::Frozen, STANDS_STILL.to_owned());
        }
        (streaming, state.to_string())
    }
}

impl Vitals {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody holds it just now.
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.shared.try_lock().is_ok()
    }

    pub(super) fn watch_uplink(&self, uplink: Arc<Mutex<UplinkHealth>>) {
        self.lock().uplink = uplink;
    }

    pub(super) fn watch_camera(&self, camera: CameraId, watch: CameraWatch) {
        let mut shared = self.lock();
        shared.order.push(camera.clone());
        shared.cameras.entry(camera).or_default().watch = Some(watch);
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
        let whole = shared.worker.running && shared.locked.is_none();
        match (&shared.ready, missing, whole) {
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

    /// A worker is about to be started with this set of models, or with the image's own.
    pub(super) fn note_set(&self, set: Option<u64>) {
        self.lock().set = set;
    }

    /// The unit is nobody's yet.
    pub(super) fn note_new(&self) {
        self.lock().is_new = true;
    }

    /// The storage stayed locked.
    pub(super) fn note_locked(&self, why: &str) {
        self.lock().locked = Some(Sentence::cut(why));
    }

    /// How the line to the center is.
    pub(super) fn uplink(&self) -> UplinkHealth {
        let uplink = Arc::clone(&self.lock().uplink);
        uplink.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What an update wants to know of the running agent, the disk and the center's word aside.
    pub(super) fn evidence(&self, now: MonoTime) -> Evidence {
        let reached = self.uplink().connected;
        let shared = self.lock();
        let progress = shared.order.iter().zip(&shared.progress.cameras);
        let seen = progress.filter(|(_, progress)| progress.analysed > 0).map(|(camera, _)| camera.clone());
        let cameras: Vec<CameraId> = seen.collect();
        let is_seen = |camera: &&CameraId| shared.cameras.get(*camera).is_some_and(|seen| !seen.sight.is_stale(now));
        let (set, life) = (shared.set, shared.worker.restarts);
        Evidence {
            // An image that cannot unlock the storage has to be left, and what the update wrote down lies in there.
            ready: shared.is_ready && shared.locked.is_none(),
            worker: shared.has_run.then(|| Worker { set, life, cameras: cameras.clone() }),
            lately: cameras.iter().filter(is_seen).cloned().collect(),
            cameras,
            inferred: shared.progress.runs.iter().any(|times| times.runs > 0),
            reached,
            spared: shared.records_alone(),
            ..Evidence::default()
        }
    }

    pub(super) fn was_asked_for(&self) -> bool {
        std::mem::take(&mut self.lock().asked_for)
    }

    /// What the worker says of itself.
    pub(super) fn note(&self, event: &VisionEvent) {
        let mut shared = self.lock();
        match event {
            VisionEvent::Ready(ready) => {
                (shared.worker.running, shared.has_run) = (true, false);
                shared.ready = Some(ready.clone());
            }
            VisionEvent::Progress(progress) => {
                shared.progress = progress.clone();
                shared.has_run |= progress.runs.iter().any(|times| times.runs > 0);
            }
            VisionEvent::Lost { why, .. } => {
                (shared.worker.running, shared.has_run) = (false, false);
                shared.worker.restarts += 1;
                // Who knew of a picture that stands still, and how much was looked at, is gone; the next finds out
                // anew.
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

    /// Looks whose frames still come; the last account of one whose do not is of another time. To be called every
    /// second or so.
    pub(super) fn look(&self, now: MonoTime) {
        let mut shared = self.lock();
        let Shared { progress, order, cameras, .. } = &mut *shared;
        for (camera, progress) in order.iter().zip(&progress.cameras) {
            let vitals = cameras.entry(camera.clone()).or_default();
            vitals.sight.meet(progress, now);
            if vitals.sight.is_stale(now) {
                vitals.coverage = None;
            }
        }
    }

    /// A span of `span` has passed: what was analysed in it.
    pub(super) fn measure(&self, span: Duration) {
        let mut shared = self.lock();
        let Shared { progress, order, cameras, .. } = &mut *shared;
        for (camera, progress) in order.iter().zip(&progress.cameras) {
            cameras.entry(camera.clone()).or_default().sight.look(progress, span);
        }
    }
}

impl Shared {
    /// Whether heat or supply leave nothing for analysis: the last account of it is then of another time.
    pub(super) fn records_alone(&self) -> bool {
        self.board.as_ref().is_some_and(|board| board.analysis == Confidence::ZERO)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share of a minute")]
pub(super) fn share(part_ms: u32, whole_ms: u32) -> f32 {
    (part_ms as f32 / whole_ms.max(1) as f32).min(1.0)
}

pub(super) fn condition(state: &State) -> CameraCondition {
    match state {
        State::Connecting => CameraCondition::Connecting,
        State::Receiving | State::WithoutKey(_) => CameraCondition::Streaming,
        State::Waiting {
            trouble: Trouble::CredentialsRefused | Trouble::CredentialsMissing | Trouble::Credentials(_),
            ..
        } => CameraCondition::Unauthorised,
        State::Waiting { .. } => CameraCondition::Silent,
        State::Ended | State::Stopped => CameraCondition::Off,
    }
}

#[cfg(test)]
mod tests {
    use edge_analytics::care::CareSighting;
    use edge_analytics::time::MediaTime;

    use super::*;

    #[test]
    fn coverage_is_that_of_now_and_not_of_the_last_good_minute() {
        let looked = |units, period_ms| {
            let analysed = u64::from(period_ms / 100);
            CameraProgress {
                units,
                decoded: analysed,
                analysed,
                looked_ms: period_ms / 10 * 9,
                period_ms,
                ..CameraProgress::default()
            }
        };
        let camera: CameraId = "gate".parse().unwrap();
        let vitals = Vitals::default();
        vitals.lock().order.push(camera.clone());
        let at = |second| MonoTime::from_duration(Duration::from_secs(second));
        let coverage = |progress: &CameraProgress, second| {
            vitals.lock().progress.cameras = vec![progress.clone()];
            vitals.look(at(second));
            vitals.lock().cameras[&camera].coverage(Some(progress), at(second))
        };
        assert_eq!(coverage(&CameraProgress::default(), 0), None);
        assert_eq!(coverage(&looked(100, 10_000), 10), Some(0.9), "the first period so far");
        vitals.lock().cameras.get_mut(&camera).unwrap().coverage = Some(1.0);
        assert_eq!(coverage(&looked(600, 20_000), 60), Some(1.0));
        assert_eq!(coverage(&looked(699, 20_000), 69), Some(1.0), "a decoder may take its time");
        assert_eq!(coverage(&looked(700, 20_000), 70), None, "the stream arrives and no frame of it");
        assert_eq!(
            coverage(&looked(800, 30_000), 80),
            Some(0.9),
            "frames again: of this period, not of an earlier one"
        );
    }

    #[test]
    fn a_camera_whose_picture_stands_still_is_frozen_until_it_moves_is_silent_or_nobody_looks_any_more() {
        let (vitals, camera) = (Vitals::default(), "gate".parse::<CameraId>().unwrap());
        let care = |finding, over| {
            let (media, measured, limit) = (MediaTime::from_nanos(0), 61.0, 60.0);
            let told = CareSighting { media, finding, over, measured, limit };
            vitals.note(&VisionEvent::Sighting(camera.clone(), Sighting::Care(told)));
        };
        let is = |state: &State| vitals.lock().cameras.entry(camera.clone()).or_default().condition(state);
        care(Finding::TooDark, false);
        assert_eq!(is(&State::Receiving), (CameraCondition::Streaming, State::Receiving.to_string()));
        care(Finding::Frozen, false);
        assert_eq!(is(&State::Receiving), (CameraCondition::Frozen, STANDS_STILL.to_owned()));
        assert_eq!(
            is(&State::Ended).0,
            CameraCondition::Off,
            "a stream that is gone has no picture that could stand still"
        );
        care(Finding::TooDark, true);
        assert_eq!(is(&State::Receiving).0, CameraCondition::Frozen);
        care(Finding::Frozen, true);
        assert_eq!(is(&State::Receiving).0, CameraCondition::Streaming);
        care(Finding::Frozen, false);
        vitals.note(&VisionEvent::Lost { why: "killed".to_owned(), at: MonoTime::ZERO });
        assert_eq!(is(&State::Receiving).0, CameraCondition::Streaming, "who knew of it is gone");
    }

    #[test]
    fn a_camera_whose_frames_stopped_worked_in_this_life_and_not_lately() {
        let vitals = Vitals::default();
        let [gate, yard] = ["gate", "yard"].map(|camera| camera.parse::<CameraId>().unwrap());
        vitals.lock().order = vec![gate.clone(), yard.clone()];
        let at = |second| MonoTime::from_duration(Duration::from_secs(second));
        let seen = |period_ms| CameraProgress { analysed: 9, period_ms, ..CameraProgress::default() };
        for second in 0..20 {
            vitals.lock().progress.cameras = vec![seen(1000), seen(1000 * (1 + u32::try_from(second).unwrap()))];
            vitals.look(at(second));
        }
        let evidence = vitals.evidence(at(19));
        assert_eq!((evidence.cameras, evidence.lately), (vec![gate, yard.clone()], vec![yard]));
    }
}
