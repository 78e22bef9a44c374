//! The main process's end: starts the worker, feeds it, listens to it, and starts it again when it dies or hangs.
//!
//! Two threads per life of a worker: this stage feeds and watches, a second one listens. What the worker says is
//! passed on as it comes; what was not looked at while there was no worker is said when looking begins again.

mod assignment;
mod child;
mod introduction;
mod listen;
mod viewfinder;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, Scope};
use std::time::Duration;

use edge_analytics::sighting::Sighting;
use edge_protocol::id::CameraId;
use edge_protocol::time::MediaTime;
use edge_protocol::time::MonoTime;

pub use self::assignment::Assignment;
use self::child::Child;
use self::introduction::{Patient, introduce};
use self::listen::Listener;
pub use self::viewfinder::Viewfinder;
use super::engine::ModelBytes;
use super::wire::{CameraIndex, Progress, Ready, ToWorker, UnitHead, WireError, write_frame};
use crate::media::AccessUnit;
use crate::supervise::queue::{ReceiveError, Receiver, Sender};
use crate::supervise::{Backoff, Clock, Fault, Pulse, Stop};

/// The longest this stage goes without looking at its stop, its worker and its clock.
const TICK: Duration = Duration::from_millis(50);
/// Between two heartbeats.
const BEAT: Duration = Duration::from_millis(500);
/// Pauses between starts grow from the first to the second of these, and begin anew once a worker has lived a while.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause where no worker ever became ready: a model that is missing does not come back within seconds,
/// and each attempt is said.
const LONGEST_PAUSE_UNREADY: Duration = Duration::from_mins(1);
const LIVED: Duration = Duration::from_secs(30);
/// How long a worker may take to finish when the agent stops.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the worker is started and watched.
#[derive(Debug, Clone)]
pub struct VisionSettings {
    /// The program to start: the agent itself.
    pub program: PathBuf,
    /// Each camera with what to look for.
    pub cameras: Assignment,
    /// Execution providers in the order to try.
    pub providers: Vec<String>,
    /// Decoders to prefer, by the name of their element.
    pub decoders: Vec<String>,
    /// A worker whose analysis has said nothing for this long, to no heartbeat and of no frame, is hung: killed and
    /// started again.
    pub silence: Duration,
    /// A worker that is not ready within this is given up: some accelerators compile models for minutes.
    pub start: Duration,
    /// How much of the configured rate is looked at.
    pub throttle: Throttle,
    /// Where pictures are asked for and left.
    pub viewfinder: Viewfinder,
}

/// Hundredths of each camera's configured rate that are looked at; clones are the same.
#[derive(Debug, Clone)]
pub struct Throttle(Arc<AtomicU8>);

impl Default for Throttle {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(100)))
    }
}

impl Throttle {
    /// From now on this many.
    pub fn set(&self, percent: u8) {
        self.0.store(percent.min(100), Ordering::Relaxed);
    }

    /// How many.
    pub fn percent(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker is started with.
pub struct Start {
    /// The program's arguments, the hidden subcommand first.
    pub arguments: Vec<String>,
    /// The models.
    pub models: Vec<ModelBytes>,
    /// The first number for tracks and passes.
    pub first: u64,
    /// Whether another one would be started with other models by now.
    pub is_outdated: Box<dyn Fn() -> bool + Send>,
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

/// Gathers it anew for every start, so that models need not stay in memory and what was missing may have come; in
/// words, what is missing. It is told what became of the worker before.
pub type Prepare = Box<dyn FnMut(Former) -> Result<Start, String> + Send>;

/// What became of the worker that was started last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Former {
    /// It had its models and looked.
    WasReady,
    /// It ended before that, or there was none yet.
    WasNot,
}

/// What the main process hears of the vision worker.
#[derive(Debug, Clone, PartialEq)]
pub enum VisionEvent {
    /// A worker is ready.
    Ready(Ready),
    /// Something about one camera.
    Sighting(CameraId, Sighting),
    /// The worker's counters, at every heartbeat.
    Progress(Progress),
    /// There is no worker; tracks and passes of the last one will not be finished.
    Lost {
        /// Why, in words.
        why: String,
        /// When it was noticed.
        at: MonoTime,
    },
    /// Looking at a camera has begun again after a worker was lost.
    NotLooked {
        /// The camera.
        camera: CameraId,
        /// The last frame that was looked at before.
        from: MediaTime,
        /// The first frame that was looked at after.
        to: MediaTime,
    },
}

/// The stage that keeps a worker running.
pub struct VisionClient {
    settings: VisionSettings,
    prepare: Prepare,
    units: Receiver<AccessUnit>,
    events: Sender<VisionEvent>,
    clock: Clock,
    pulse: Pulse,
    indices: BTreeMap<CameraId, CameraIndex>,
    looked: BTreeMap<CameraIndex, MediaTime>,
    was_ready: bool,
    /// The assignment that the worker has.
    assigned: u64,
    /// Whether the worker has other models than another one would have.
    is_outdated: Box<dyn Fn() -> bool + Send>,
}

impl std::fmt::Debug for VisionClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VisionClient").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The two queues of the stage.
#[derive(Debug)]
pub struct VisionQueues {
    /// Access units from the cameras.
    pub units: Receiver<AccessUnit>,
    /// What the worker says.
    pub events: Sender<VisionEvent>,
}

/// How one life of a worker ended.
enum End {
    /// The stage was told to stop, or nobody sends or listens any more.
    Asked,
    /// The worker is gone or no longer answers.
    Lost(String),
}

impl VisionClient {
    /// A stage without a worker yet.
    pub fn new(settings: VisionSettings, prepare: Prepare, queues: VisionQueues, clock: Clock, pulse: Pulse) -> Self {
        let indices = settings.cameras.all().into_iter().zip(0..).map(|((camera, _), index)| (camera, index)).collect();
        let VisionQueues { units, events } = queues;
        let (looked, was_ready, assigned) = (BTreeMap::new(), false, 0);
        let is_outdated = Box::new(|| false);
        Self { settings, prepare, units, events, clock, pulse, indices, looked, was_ready, assigned, is_outdated }
    }

    /// Keeps a worker running until told to stop.
    ///
    /// # Errors
    /// When the system refuses a process or thread.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while !stop.is_set() {
            let born = self.clock.mono();
            let why = match self.live(stop) {
                Ok(End::Asked) => return Ok(()),
                Ok(End::Lost(why)) => why,
                Err(error) => Fault::from_error(&error).0,
            };
            tracing::warn!(why, "vision worker lost; starting another");
            let at = self.clock.mono();
            if self.events.send(VisionEvent::Lost { why, at }).is_err() {
                return Ok(());
            }
            if at.saturating_since(born) > LIVED {
                backoff.succeeded();
            }
            backoff.most = if self.was_ready { LONGEST_PAUSE } else { LONGEST_PAUSE_UNREADY };
            let pause = backoff.failed(u32::MAX);
            self.wait(stop, if cfg!(feature = "sabotage-worker-left-dead") { Duration::MAX } else { pause });
        }
        Ok(())
    }

    /// One worker, from its start to its end.
    fn live(&mut self, stop: &Stop) -> Result<End, WireError> {
        let former = if self.was_ready { Former::WasReady } else { Former::WasNot };
        let Start { arguments, models, first, is_outdated } = match (self.prepare)(former) {
            Ok(start) => start,
            Err(missing) => return Ok(End::Lost(missing)),
        };
        self.is_outdated = is_outdated;
        let (ours, theirs) = UnixStream::pair()?;
        let mut child = Child::start(&self.settings.program, &arguments, theirs)?;
        let names = self.settings.cameras.all().into_iter().map(|(camera, _)| camera).collect();
        let listener = Arc::new(Listener::new(
            names,
            &self.settings.viewfinder,
            self.events.clone(),
            self.clock.clone(),
            self.looked.clone(),
        ));
        let end = thread::scope(|scope| {
            let end = self.accompany(scope, (models, first), (&mut child, &ours), (&listener, stop));
            if listener.over() || end.is_err() {
                child.let_end();
            }
            // Ends the worker if it still lives, and with it the two threads that this scope waits for.
            child.kill();
            end
        });
        self.looked = listener.looked();
        self.was_ready = listener.ready_since().is_some();
        match end {
            Ok(End::Asked) => Ok(End::Asked),
            Ok(End::Lost(why)) => Ok(End::Lost(listener.complaint().unwrap_or_else(|| child.epitaph(&why)))),
            Err(error) => {
                let noticed = format!("takes nothing more: {}", Fault::from_error(&error));
                Ok(End::Lost(listener.complaint().unwrap_or_else(|| child.epitaph(&noticed))))
            }
        }
    }

    /// From the first word to the last. Whatever comes back, the worker may still live and the threads with it.
    fn accompany<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        (models, first): (Vec<ModelBytes>, u64),
        (child, socket): (&mut Child, &UnixStream),
        (listener, stop): (&Arc<Listener>, &Stop),
    ) -> Result<End, WireError> {
        let (heard, ear) = (Arc::clone(listener), socket.try_clone()?);
        thread::Builder::new().name("vision-ear".to_owned()).spawn_scoped(scope, move || heard.listen(&ear))?;
        child.forward_log(scope)?;
        self.assigned = self.settings.cameras.number();
        // It reads its models only once the runtime's libraries are loaded.
        socket.set_write_timeout(Some(TICK))?;
        let born = self.clock.mono();
        let wait = || self.wait_for_reader(stop, born);
        if let Err(error) = introduce(&self.settings, models, first, &mut Patient { socket, wait }) {
            return if stop.is_set() { Ok(End::Asked) } else { Err(error) };
        }
        // From here on, one that takes nothing more is as hung as one that says nothing more.
        socket.set_write_timeout(Some(self.settings.silence))?;
        let end = self.feed(stop, socket, listener)?;
        if matches!(end, End::Asked) {
            // Nothing more comes: the worker finishes its tracks and reads, says them, and ends.
            socket.shutdown(Shutdown::Write)?;
            listener.wait_until_over(LAST_WORDS);
        }
        Ok(end)
    }

    /// Shows that this stage lives while a worker does not read yet, and passes over what cannot be looked at: piled up
    /// it would be what the worker has to decode first.
    fn wait_for_reader(&self, stop: &Stop, born: MonoTime) -> io::Result<()> {
        let now = self.clock.mono();
        self.pulse.beat(now);
        while self.units.receive_timeout(Duration::ZERO).is_ok() {}
        if stop.is_set() || now.saturating_since(born) > self.settings.start {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Feeds access units and heartbeats until something ends it.
    fn feed(&mut self, stop: &Stop, socket: &UnixStream, listener: &Listener) -> Result<End, WireError> {
        let born = self.clock.mono();
        let (mut beat, mut last_beat, mut scratch) = (0, None::<MonoTime>, Vec::new());
        let (mut thinned, mut compared) = (100, born);
        let mut socket = socket;
        loop {
            let now = self.clock.mono();
            self.pulse.beat(now);
            if stop.is_set() || listener.deaf() {
                return Ok(End::Asked);
            }
            if listener.over() {
                return Ok(End::Lost("closed its socket".to_owned()));
            }
            if let Some(why) = self.is_stale(&mut compared, now) {
                return Ok(End::Lost(why.to_owned()));
            }
            let Some(ready) = listener.ready_since() else {
                if now.saturating_since(born) > self.settings.start {
                    return Ok(End::Lost(format!("was not ready within {:?}", self.settings.start)));
                }
                // Frames of now cannot be looked at; the first key frame after the start is where looking begins.
                match self.units.receive_timeout(TICK) {
                    Ok(unit) if listener.ready_since().is_some() => self.unit(&mut socket, &mut scratch, &unit)?,
                    Ok(_) | Err(ReceiveError::Timeout) => {}
                    Err(ReceiveError::Closed) => return Ok(End::Asked),
                }
                continue;
            };
            if now.saturating_since(listener.last_heard().unwrap_or(ready)) > self.settings.silence {
                return Ok(End::Lost(format!("did not answer for {:?}", self.settings.silence)));
            }
            if last_beat.is_none_or(|last| now.saturating_since(last) >= BEAT) {
                (beat, last_beat) = (beat + 1, Some(now));
                write_frame(&mut socket, &mut scratch, &ToWorker::Beat(beat), &[])?;
                let percent = self.settings.throttle.percent();
                if std::mem::replace(&mut thinned, percent) != percent {
                    write_frame(&mut socket, &mut scratch, &ToWorker::Thin(percent), &[])?;
                }
            }
            for camera in self.settings.viewfinder.take_wanted() {
                if let Some(index) = self.indices.get(&camera) {
                    write_frame(&mut socket, &mut scratch, &ToWorker::Snapshot(*index), &[])?;
                }
            }
            match self.units.receive_timeout(TICK) {
                Ok(unit) => self.unit(&mut socket, &mut scratch, &unit)?,
                Err(ReceiveError::Timeout) => {}
                Err(ReceiveError::Closed) => return Ok(End::Asked),
            }
        }
    }

    /// Why another worker has to take this one's place although nothing is wrong with it.
    fn is_stale(&self, compared: &mut MonoTime, now: MonoTime) -> Option<&'static str> {
        if self.settings.cameras.number() != self.assigned {
            return Some("what to look for was changed");
        }
        // This asks the disk.
        if now.saturating_since(*compared) < BEAT {
            return None;
        }
        *compared = now;
        (self.is_outdated)().then_some("makes way for one with other models")
    }

    fn unit(&self, socket: &mut impl Write, scratch: &mut Vec<u8>, unit: &AccessUnit) -> Result<(), WireError> {
        let Some(camera) = self.indices.get(&unit.camera).copied() else { return Ok(()) };
        let head = UnitHead { camera, codec: unit.codec, media: unit.media, decode: unit.decode, key: unit.key };
        write_frame(socket, scratch, &ToWorker::Unit(head), &unit.bytes)
    }

    /// A pause in which access units are passed over rather than piled up.
    fn wait(&self, stop: &Stop, pause: Duration) {
        let begun = self.clock.mono();
        while !stop.is_set() && self.clock.mono().saturating_since(begun) < pause {
            self.pulse.beat(self.clock.mono());
            if self.units.receive_timeout(TICK) == Err(ReceiveError::Closed) {
                stop.wait_timeout(TICK);
            }
        }
    }
}
