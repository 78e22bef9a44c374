//! The listening thread: what the worker says, as events.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge_analytics::sighting::{FrameSighting, Outcome, Sighting};
use edge_protocol::id::CameraId;
use edge_protocol::time::MediaTime;
use edge_protocol::time::MonoTime;

use super::super::wire::{CameraIndex, FromWorker, WireError, read_for_agent};
use super::{Viewfinder, VisionEvent};
use crate::supervise::Clock;
use crate::supervise::queue::Sender;

/// One worker as it is heard.
#[derive(Debug)]
pub(super) struct Listener {
    names: Vec<CameraId>,
    viewfinder: Viewfinder,
    events: Sender<VisionEvent>,
    clock: Clock,
    heard: Mutex<Heard>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Heard {
    ready: Option<MonoTime>,
    last: Option<MonoTime>,
    complaint: Option<String>,
    over: bool,
    deaf: bool,
    /// Last frame looked at, per camera, by this worker or the ones before.
    looked: BTreeMap<CameraIndex, MediaTime>,
    /// Cameras whose first look by this worker is still to come.
    unseen: BTreeSet<CameraIndex>,
}

impl Listener {
    /// A listener to a new worker; `looked` is what was looked at before it.
    pub(super) fn new(
        names: Vec<CameraId>,
        viewfinder: &Viewfinder,
        events: Sender<VisionEvent>,
        clock: Clock,
        looked: BTreeMap<CameraIndex, MediaTime>,
    ) -> Self {
        let unseen = looked.keys().copied().collect();
        let heard = Mutex::new(Heard { looked, unseen, ..Heard::default() });
        Self { names, viewfinder: viewfinder.clone(), events, clock, heard, ended: Condvar::new() }
    }

    /// Listens until the worker is gone, says something that cannot be understood, or nobody wants to hear it.
    pub(super) fn listen(&self, socket: &UnixStream) {
        let (mut reader, mut scratch) = (BufReader::with_capacity(1 << 16, socket), Vec::new());
        loop {
            match read_for_agent(&mut reader, &mut scratch) {
                Ok(message) => {
                    if !self.hear(message) {
                        self.heard().deaf = true;
                        break;
                    }
                }
                Err(WireError::Closed) => break,
                Err(error) => {
                    self.heard().complaint = Some(format!("the vision worker cannot be understood: {error}"));
                    break;
                }
            }
        }
        self.heard().over = true;
        self.ended.notify_all();
    }

    /// Takes one message; false if nobody listens to events any more.
    fn hear(&self, message: FromWorker) -> bool {
        let event = match message {
            FromWorker::Ready(ready) => {
                self.heard().ready = Some(self.clock.mono());
                VisionEvent::Ready(ready)
            }
            FromWorker::Unable(reason) => {
                self.heard().complaint = Some(reason);
                return true;
            }
            FromWorker::Beat(_, progress) => {
                self.heard().last = Some(self.clock.mono());
                VisionEvent::Progress(progress)
            }
            FromWorker::Snapshot(index, snapshot) => {
                if let Some(camera) = self.named(index) {
                    self.viewfinder.put(camera, snapshot);
                }
                return true;
            }
            FromWorker::Sighting(index, sighting) => {
                let Some(camera) = self.named(index) else { return true };
                self.heard().last = Some(self.clock.mono());
                if let Some(gap) = self.look(index, &camera, &sighting)
                    && self.events.send(gap).is_err()
                {
                    return false;
                }
                VisionEvent::Sighting(camera, sighting)
            }
        };
        self.events.send(event).is_ok()
    }

    /// The camera of a number that the worker said.
    fn named(&self, index: CameraIndex) -> Option<CameraId> {
        let name = self.names.get(usize::from(index)).cloned();
        if name.is_none() {
            let words = format!("the vision worker speaks of a camera {index} that is not there");
            self.heard().complaint = Some(words);
        }
        name
    }

    /// Notes a frame that was looked at; the gap before it, if it is the first one of this worker.
    fn look(&self, index: CameraIndex, camera: &CameraId, sighting: &Sighting) -> Option<VisionEvent> {
        let Sighting::Frame(FrameSighting { media, outcome, .. }) = sighting else { return None };
        match outcome {
            Outcome::Analysed | Outcome::Still | Outcome::Rate => {}
            Outcome::Replaced | Outcome::Failed => return None,
        }
        let mut heard = self.heard();
        let before = heard.looked.insert(index, *media);
        if !heard.unseen.remove(&index) {
            return None;
        }
        Some(VisionEvent::NotLooked { camera: camera.clone(), from: before?, to: *media })
    }

    /// Since when the worker is ready.
    pub(super) fn ready_since(&self) -> Option<MonoTime> {
        self.heard().ready
    }

    /// When its analysis answered a heartbeat last, or told of a frame: a starved one may take seconds from one answer
    /// to the next, and is not hung.
    pub(super) fn last_heard(&self) -> Option<MonoTime> {
        self.heard().last
    }

    /// Whether nothing more will be heard.
    pub(super) fn over(&self) -> bool {
        self.heard().over
    }

    /// Waits until nothing more will be heard, but not longer than `at_most`.
    pub(super) fn wait_until_over(&self, at_most: Duration) {
        let heard = self.heard();
        drop(self.ended.wait_timeout_while(heard, at_most, |heard| !heard.over));
    }

    /// Whether nobody takes events any more.
    pub(super) fn deaf(&self) -> bool {
        self.heard().deaf
    }

    /// What the worker, or what it said, complains of.
    pub(super) fn complaint(&self) -> Option<String> {
        self.heard().complaint.clone()
    }

    /// The last frame looked at, per camera.
    pub(super) fn looked(&self) -> BTreeMap<CameraIndex, MediaTime> {
        self.heard().looked.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
