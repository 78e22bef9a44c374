//! A camera over all its connections: connect, receive, say what is wrong, wait, connect again.

use std::time::Duration;

use edge_protocol::time::MonoTime;

use super::health::{CameraWatch, State};
use super::keys::Keys;
use super::pipeline::Pipeline;
use super::session::{End, Session};
use super::settings::{Pace, Settings, Source};
use super::switch::SourceSwitch;
use super::timeline::Timeline;
use super::{Trouble, trouble};
use crate::media::AccessUnit;
use crate::supervise::{Backoff, Clock, Pulse, Stop, chance};

/// A camera that was well for this long is tried again soon when it fails.
const WELL: Duration = Duration::from_secs(10);
/// How long a closer look at an unreachable address may take.
const CLOSER_LOOK: Duration = Duration::from_secs(3);
/// The longest pause between two heartbeats while waiting.
const BEAT: Duration = Duration::from_secs(1);

/// One camera; [`Camera::run`] is its thread's body.
#[derive(Debug)]
pub struct Camera {
    settings: Settings,
    /// Where `settings.source` comes from with each connection, and which one that was.
    switch: SourceSwitch,
    number: u64,
    clock: Clock,
    watch: CameraWatch,
    timeline: Timeline,
    backoff: Backoff,
    keys: Keys,
}

impl Camera {
    /// A camera that is not running yet.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let live = !matches!(settings.source, Source::File { pace: Pace::Free, .. });
        let backoff = settings.backoff.clone();
        let (switch, timeline) = (SourceSwitch::new(settings.source.clone()), Timeline::new(live));
        let keys = Keys::new(settings.watchdog.key);
        Self { settings, switch, number: 0, clock, watch: CameraWatch::new(), timeline, backoff, keys }
    }

    /// The view of its health.
    pub fn watch(&self) -> CameraWatch {
        self.watch.clone()
    }

    /// What changes where its pictures come from, while it runs.
    pub fn switch(&self) -> SourceSwitch {
        self.switch.clone()
    }

    /// Receives until `stop` is set, or a recording that is not repeated ends. `deliver` gets each access unit on this
    /// thread and must not wait: a camera is never held up by those who use its pictures.
    pub fn run(&mut self, stop: &Stop, pulse: &Pulse, deliver: &mut dyn FnMut(AccessUnit)) {
        let mut first = true;
        while !stop.is_set() {
            if !std::mem::take(&mut first) {
                self.watch.reconnected();
            }
            self.watch.set_state(State::Connecting);
            let began = self.clock.mono();
            let before = self.watch.health(began).units;
            let trouble = match self.connect(stop, pulse, deliver) {
                End::Stopped => break,
                End::Left => {
                    self.backoff.succeeded();
                    continue;
                }
                End::Ended if self.watch.health(began).units == before => Trouble::Ended,
                End::Ended => match self.settings.source {
                    Source::File { repeat: true, .. } => continue,
                    Source::File { repeat: false, .. } => {
                        self.watch.set_state(State::Ended);
                        return;
                    }
                    Source::Rtsp { .. } | Source::V4l2 { .. } | Source::Test(_) => Trouble::Ended,
                },
                End::Trouble(trouble) => self.in_context(trouble),
            };
            if self.clock.mono().saturating_since(began) > WELL {
                self.backoff.succeeded();
            }
            self.wait(trouble, stop, pulse);
        }
        self.watch.set_state(State::Stopped);
    }

    fn connect(&mut self, stop: &Stop, pulse: &Pulse, deliver: &mut dyn FnMut(AccessUnit)) -> End {
        (self.number, self.settings.source) = self.switch.now();
        let pipeline = match Pipeline::build(&self.settings) {
            Ok(pipeline) => pipeline,
            Err(trouble) => return End::Trouble(trouble),
        };
        let mut session = Session {
            camera: &self.settings.camera,
            watchdog: self.settings.watchdog,
            clock: &self.clock,
            watch: &self.watch,
            is_left: &|| self.switch.has_left(self.number),
            pulse,
            timeline: &mut self.timeline,
            keys: &mut self.keys,
            deliver,
        };
        session.run(&pipeline, stop)
    }

    /// The trouble in the light of what is configured.
    fn in_context(&self, trouble: Trouble) -> Trouble {
        match (&self.settings.source, trouble) {
            (Source::Rtsp { credentials: None, .. }, Trouble::CredentialsRefused) => Trouble::CredentialsMissing,
            (Source::Rtsp { url, .. }, Trouble::Unreachable) => trouble::look_closer(url, CLOSER_LOOK),
            (_, trouble) => trouble,
        }
    }

    fn wait(&mut self, trouble: Trouble, stop: &Stop, pulse: &Pulse) {
        // From the upper half: a street of units must not call all cameras in the same second after a power cut.
        let wait = self.backoff.failed(chance() | 1 << 31);
        let wait = if cfg!(feature = "sabotage-camera-left-alone") { Duration::MAX } else { wait };
        tracing::warn!(camera = %self.settings.camera, %trouble, wait_ms = wait.as_millis(), "no pictures");
        self.watch.set_state(State::Waiting { trouble, wait });
        let until = self.clock.mono().saturating_add(wait);
        loop {
            let now: MonoTime = self.clock.mono();
            pulse.beat(now);
            if self.switch.has_left(self.number) {
                self.backoff.succeeded();
                return;
            }
            let left = until.saturating_since(now);
            if left.is_zero() || stop.wait_timeout(left.min(BEAT)) {
                return;
            }
        }
    }
}
