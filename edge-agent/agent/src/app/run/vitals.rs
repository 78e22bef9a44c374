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
use edge_store::ring::RingPlace;

use super::rings::RingWatch;
use super::sight::Sight;
use crate::capture::{CameraWatch, State, Trouble};
use crate::peripherals::Indication;
use crate::record::Recorded;
use crate::supervise::queue::Gauge;
use crate::update::Evidence;
use crate::vision::client::VisionEvent;
use crate::vision::{CameraProgress, Progress, Ready};

/// What health is gathered from; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Vitals {
    shared: Arc<Mutex<Shared>>,
    /// Whether the technician's page is open.
    setup_open: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) cameras: BTreeMap<CameraId, CameraVitals>,
    pub(super) uplink: Arc<Mutex<UplinkHealth>>,
    pub(super) ready: Option<Ready>,
    pub(super) progress: Progress,
    pub(super) order: Vec<CameraId>,
    pub(super) worker: WorkerHealth,
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
    pub(super) ring: Option<RingWatch>,
    pub(super) coverage: Option<f32>,
    pub(super) frozen: bool,
    pub(super) sight: Sight,
}

impl CameraVitals {
    /// The share of the last period that was looked at, or of the first so far; none where nothing of the stream can be
    /// decoded, whatever was seen before.
    pub(super) fn coverage(&self, progress: Option<&CameraProgress>) -> Option<f32> {
        let so_far = progress.filter(|p| p.period_ms > 0).map(|p| share(p.looked_ms, p.period_ms));
        self.coverage.or(so_far).filter(|_| !self.sight.is_blind())
    }
}

impl Vitals {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
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

    /// The unit is nobody's yet.
    pub(super) fn note_new(&self) {
        self.lock().is_new = true;
    }

    /// The storage stayed locked.
    pub(super) fn note_locked(&self, why: &str) {
        self.lock().locked = Some(Sentence::cut(why));
    }

    /// What an update wants to know of the running agent, the disk and the center's word aside.
    pub(super) fn evidence(&self) -> Evidence {
        let shared = self.lock();
        let progress = shared.order.iter().zip(&shared.progress.cameras);
        let seen = progress.filter(|(_, progress)| progress.analysed > 0).map(|(camera, _)| camera.clone());
        Evidence {
            // An image that cannot unlock the storage has to be left, and what the update wrote down lies in there.
            ready: shared.is_ready && shared.locked.is_none(),
            cameras: seen.collect(),
            inferred: shared.progress.runs.iter().any(|times| times.runs > 0),
            reached: shared.uplink.lock().unwrap_or_else(PoisonError::into_inner).connected,
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

    pub(super) fn rings(&self) -> impl Iterator<Item = &RingWatch> {
        self.cameras.values().filter_map(|camera| camera.ring.as_ref())
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share of a minute")]
pub(super) fn share(part_ms: u32, whole_ms: u32) -> f32 {
    (part_ms as f32 / whole_ms.max(1) as f32).min(1.0)
}

pub(super) fn condition(state: &State) -> CameraCondition {
    match state {
        State::Connecting => CameraCondition::Connecting,
        State::Receiving => CameraCondition::Streaming,
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
    use super::*;

    #[test]
    fn coverage_is_that_of_now_and_not_of_the_last_good_minute() {
        let looked = |units, decoded| CameraProgress {
            units,
            decoded,
            looked_ms: 9_000,
            period_ms: 10_000,
            ..CameraProgress::default()
        };
        let mut camera = CameraVitals::default();
        assert_eq!(camera.coverage(None), None);
        camera.sight.look(&looked(900, 900), Duration::from_mins(1));
        assert_eq!(camera.coverage(Some(&looked(900, 900))), Some(0.9), "the first period so far");
        camera.coverage = Some(1.0);
        assert_eq!(camera.coverage(Some(&looked(900, 900))), Some(1.0));
        camera.sight.look(&looked(1800, 900), Duration::from_mins(1));
        assert_eq!(camera.coverage(Some(&looked(1800, 900))), None, "the stream arrives and nothing is decoded");
    }
}
