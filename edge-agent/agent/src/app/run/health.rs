//! How the unit is: told every minute out of what the stations say, and shown to the service watchdog.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::commissioning::Finding;
use edge_protocol::id::CameraId;
use edge_protocol::record::{
    CameraCondition, CameraHealth, Confidence, Health, ModelHealth, Record, RingHealth, Sentence, StorageHealth,
    Temperature, UplinkHealth, Word,
};
use edge_protocol::time::{Moment, MonoTime, WallStamp, WallTime};
use edge_store::database::set_aside_in;
use edge_store::disk::{Disk as _, RealDisk, Room};

use super::rings::{Rings, RingsSeen};
use super::successor::Successor;
use super::vitals::{CameraVitals, Shared, Vitals};
use super::witness::Witness;
use super::{Assembly, RunError, heat, housing, problems, software, vitals};
use crate::app::doctor::{Machine, disk_wear};
use crate::metrics::{self, Metrics, Numbers, Stream};
use crate::peripherals::zone;
use crate::publish::Entry;
use crate::supervise::queue::Sender;
use crate::supervise::{Clock, Fault, Heartbeats, Restart, Station, Stop};

/// How often the watchdog is fed and the counters are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A port that somebody else has is not free again at once.
const METRICS_PAUSE: Duration = Duration::from_secs(10);

/// Serves the same numbers to a scraper on this box, if the configuration wants it.
pub(super) fn serve_metrics(assembly: &mut Assembly<'_>, vitals: &Vitals) -> Result<(), RunError> {
    let Some(address) = assembly.config.health.metrics else { return Ok(()) };
    let (vitals, clock, data_dir) = (vitals.clone(), assembly.clock.clone(), assembly.config.data_dir.clone());
    let look: metrics::Look = Arc::new(move || vitals.numbers(&clock, &data_dir));
    let mut server = Metrics::new(address, look, assembly.clock.clone(), assembly.pulse("metrics"));
    assembly.start_with(Restart::After(METRICS_PAUSE), "metrics", Station::Control, move |stop| server.run(stop))
}

/// The stage that tells how the unit is and feeds the watchdog while every stage beats.
pub(super) fn start(assembly: &mut Assembly<'_>, entries: Sender<Entry>, vitals: Vitals) -> Result<(), RunError> {
    let (clock, every) = (assembly.clock.clone(), assembly.config.health.every);
    let (heartbeats, data_dir) = (assembly.heartbeats.clone(), assembly.config.data_dir.clone());
    let mut witness = Witness::new(&data_dir, clock.wall());
    let (mut successor, anew) = (Successor::new(&data_dir, assembly.anew.left_out.clone()), assembly.anew.now.clone());
    let mut last = clock.mono();
    let body = move |stop: &Stop| {
        while !stop.wait_timeout(LOOK) {
            let now = clock.mono();
            let fed = feed_watchdog(&heartbeats, now);
            vitals.look(now);
            witness.look(&vitals, fed, &entries, (now, clock.wall()));
            if successor.has_come(now) {
                tracing::info!("another agent is in use: this one ends, and that one begins");
                anew.set();
            }
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
    assembly.start("health", Station::Analytics, body)
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

/// What disk and kernel say. They are asked with nothing locked, so that whoever notes something in [`Vitals`] waits
/// for no disk.
struct Asked {
    rings: BTreeMap<CameraId, RingHealth>,
    storage: StorageHealth,
    zones: Vec<Temperature>,
    memory_bytes: u64,
    wear: Finding,
}

impl Asked {
    fn now(rings: &Rings, data_dir: &Path, now: WallTime) -> Self {
        let RingsSeen { health: rings, failed, folders } = rings.look();
        let Room { total, free } = RealDisk.room(data_dir).unwrap_or_default();
        let folders = folders.iter().map(PathBuf::as_path).chain([data_dir]);
        let storage = StorageHealth {
            total_bytes: total,
            free_bytes: free,
            outbox_bytes: std::fs::metadata(data_dir.join("outbox.sqlite")).map_or(0, |file| file.len()),
            locked: None,
            failed_writes: failed,
            set_aside: folders.filter_map(|at| set_aside_in(at).ok()).sum(),
        };
        let zones = heat::read(Path::new(zone::FOLDER));
        let wear = disk_wear(&Machine::default(), data_dir, now);
        Self { rings, storage, zones, memory_bytes: memory_bytes(), wear }
    }
}

impl Vitals {
    pub(super) fn record(&self, clock: &Clock, data_dir: &Path) -> Health {
        let (now, mono) = (clock.wall(), clock.mono());
        let asked = Asked::now(&self.rings, data_dir, now.time);
        let uplink = self.uplink();
        self.lock().health(asked, uplink, now, mono)
    }

    fn numbers(&self, clock: &Clock, data_dir: &Path) -> Numbers {
        let (health, shared) = (self.record(clock, data_dir), self.lock());
        let stream = |(camera, vitals): (&CameraId, &CameraVitals)| {
            let seen = vitals.watch.as_ref()?.health(clock.mono());
            Some(Stream {
                camera: camera.clone(),
                losses: seen.losses,
                jumps: seen.jumps,
                without_picture: seen.without_picture,
                clock_ms: seen.camera_clock_ms,
            })
        };
        Numbers { health, streams: shared.cameras.iter().filter_map(stream).collect(), queues: shared.queues.clone() }
    }
}

impl Shared {
    fn health(&self, asked: Asked, uplink: UplinkHealth, now: WallStamp, mono: MonoTime) -> Health {
        let Asked { mut rings, storage, zones, memory_bytes, wear } = asked;
        let storage = StorageHealth { locked: self.locked.clone(), ..storage };
        let places = self.order.iter().enumerate();
        let cameras: Vec<CameraHealth> =
            places.filter_map(|(place, id)| self.camera(id, place, rings.remove(id), mono)).collect();
        let mut problems = self.start.clone();
        problems.extend(problems::unseen(&cameras, &self.worker));
        problems.extend(self.cameras.iter().filter_map(|(id, vitals)| vitals.sight.problem(id, mono)));
        if self.is_new && self.locked.is_none() {
            problems.push(problems::not_enrolled());
        } else if !self.is_new {
            problems.extend(problems::unkept(&cameras, &uplink, &storage));
        }
        problems.extend(problems::worn(&wear));
        problems.extend(self.board.iter().flat_map(housing::problems));
        problems.extend(self.ready.iter().flat_map(|ready| &ready.missing).map(|what| problems::worker_lacks(what)));
        problems.extend(heat::problems(&zones).map(|text| Sentence::cut(&text)));
        Health {
            at: Moment::from(now.time),
            clock: now.quality,
            uptime_s: mono.as_duration().as_secs(),
            software: software(),
            cameras,
            models: self.models(),
            worker: self.worker.clone(),
            storage,
            uplink,
            temperatures: self.board_temperatures.iter().cloned().chain(zones).collect(),
            memory_bytes,
            problems,
            board: self.board.clone(),
        }
    }

    fn camera(&self, id: &CameraId, place: usize, ring: Option<RingHealth>, now: MonoTime) -> Option<CameraHealth> {
        let vitals = self.cameras.get(id)?;
        let seen = vitals.watch.as_ref()?.health(now);
        let progress = self.progress.cameras.get(place);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "frames a second, never negative")]
        let received_mfps = (seen.fps * 1000.0) as u32;
        let (condition, text) = vitals.condition(&seen.state);
        let can_be_seen = vitals::condition(&seen.state) == CameraCondition::Streaming && !self.records_alone();
        let coverage = vitals.coverage(progress, now).filter(|_| can_be_seen);
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

/// Resident memory of this process, from `/proc`; zero where there is none.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn nobody_waits_for_the_disk_that_health_looks_at() {
        let (vitals, clock, folder) = (Vitals::default(), Clock::system(), tempfile::tempdir().unwrap());
        // A card that does not answer.
        let slow = vitals.rings.lock();
        let begun = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let asks = scope.spawn(|| {
                begun.store(true, Ordering::Release);
                vitals.record(&clock, folder.path())
            });
            while !begun.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            for _ in 0..1000 {
                std::thread::yield_now();
                assert!(vitals.is_free(), "whoever notes something waits for the disk");
            }
            drop(slow);
            assert!(asks.join().is_ok());
        });
    }
}
