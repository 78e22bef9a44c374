//! How a camera is, for health, metrics and the local page.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge_protocol::media::Codec;
use edge_protocol::time::MonoTime;

use super::Trouble;

/// Pictures are counted over spans of this length.
const SPAN: Duration = Duration::from_secs(5);

/// What a camera is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Connecting; no picture yet.
    Connecting,
    /// Pictures come.
    Receiving,
    /// Pictures come, but for this long none that decoding can start with; the camera sends them seldom.
    WithoutKey(Duration),
    /// Something is wrong; the next try comes after this wait.
    Waiting {
        /// What is wrong.
        trouble: Trouble,
        /// From the trouble to the next try.
        wait: Duration,
    },
    /// The recording has come to its end.
    Ended,
    /// Stopped on request.
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Receiving => f.write_str("receiving"),
            Self::WithoutKey(since) => write!(f, "receiving, but no key picture for {} s", since.as_secs()),
            Self::Waiting { trouble, wait } => write!(f, "{trouble}; next try after {:.1} s", wait.as_secs_f32()),
            Self::Ended => f.write_str("the recording has ended"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// How a camera is at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraHealth {
    /// What it is doing, in words through `Display`.
    pub state: State,
    /// Pictures received a second, over the last full five seconds.
    pub fps: f32,
    /// Since the last picture; `None` before the first.
    pub last_unit_age: Option<Duration>,
    /// Connections after the first.
    pub reconnects: u64,
    /// Access units received.
    pub units: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Samples in which there was no picture.
    pub without_picture: u64,
    /// Times that the stream said it lost packets.
    pub losses: u64,
    /// Times that the camera's clock jumped.
    pub jumps: u64,
    /// How the pictures are coded, once known.
    pub codec: Option<Codec>,
    /// Their width and height, once known.
    pub size: Option<(u32, u32)>,
    /// The camera's own clock minus the box's, milliseconds, where the camera sends reports.
    pub camera_clock_ms: Option<i64>,
}

/// The view of a camera's health that outlives its thread; clones see the same camera.
#[derive(Debug, Clone)]
pub struct CameraWatch {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    health: CameraHealth,
    last_unit: Option<MonoTime>,
    span_began: MonoTime,
    span_units: u32,
}

/// What one access unit adds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) at: MonoTime,
    pub(super) bytes: usize,
    pub(super) codec: Codec,
    pub(super) size: Option<(u32, u32)>,
    pub(super) lost: bool,
    pub(super) jumped: bool,
    pub(super) camera_clock_ms: Option<i64>,
}

impl CameraWatch {
    pub(super) fn new() -> Self {
        let health = CameraHealth {
            state: State::Connecting,
            fps: 0.0,
            last_unit_age: None,
            reconnects: 0,
            units: 0,
            bytes: 0,
            without_picture: 0,
            losses: 0,
            jumps: 0,
            codec: None,
            size: None,
            camera_clock_ms: None,
        };
        let inner = Inner { health, last_unit: None, span_began: MonoTime::ZERO, span_units: 0 };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// How the camera is at `now`.
    pub fn health(&self, now: MonoTime) -> CameraHealth {
        let mut inner = self.lock();
        inner.close_span(now);
        let last_unit_age = inner.last_unit.map(|last| now.saturating_since(last));
        CameraHealth { last_unit_age, ..inner.health.clone() }
    }

    pub(super) fn set_state(&self, state: State) {
        self.lock().health.state = state;
    }

    pub(super) fn reconnected(&self) {
        self.lock().health.reconnects += 1;
    }

    pub(super) fn without_picture(&self) {
        self.lock().health.without_picture += 1;
    }

    pub(super) fn received(&self, unit: Received) {
        let mut inner = self.lock();
        inner.close_span(unit.at);
        inner.span_units += 1;
        inner.last_unit = Some(unit.at);
        let health = &mut inner.health;
        health.units += 1;
        health.bytes += unit.bytes as u64;
        health.losses += u64::from(unit.lost);
        health.jumps += u64::from(unit.jumped);
        health.codec = Some(unit.codec);
        health.size = unit.size.or(health.size);
        health.camera_clock_ms = unit.camera_clock_ms.or(health.camera_clock_ms);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn close_span(&mut self, now: MonoTime) {
        let passed = now.saturating_since(self.span_began);
        if passed < SPAN {
            return;
        }
        // A span is closed when somebody looks, so it may be longer than asked for.
        self.health.fps = f64_to_f32(f64::from(self.span_units) / passed.as_secs_f64());
        self.span_began = now;
        self.span_units = 0;
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a rate for people: seven digits are more than enough")]
fn f64_to_f32(rate: f64) -> f32 {
    rate as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(at: Duration) -> Received {
        Received {
            at: MonoTime::from_duration(at),
            bytes: 100,
            codec: Codec::H264,
            size: Some((640, 480)),
            lost: false,
            jumped: false,
            camera_clock_ms: None,
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_full_span_and_falls_to_zero() {
        let watch = CameraWatch::new();
        for tenths in 1..=60 {
            watch.received(unit(Duration::from_millis(100 * tenths)));
        }
        let health = watch.health(MonoTime::from_duration(Duration::from_secs(7)));
        assert!((health.fps - 9.8).abs() < 0.3, "{}", health.fps);
        assert_eq!(health.last_unit_age, Some(Duration::from_secs(1)));
        assert_eq!((health.units, health.bytes), (60, 6000));
        watch.health(MonoTime::from_duration(Duration::from_secs(13)));
        let silent = watch.health(MonoTime::from_duration(Duration::from_secs(20)));
        assert!(silent.fps < f32::EPSILON, "{}", silent.fps);
    }

    #[test]
    fn the_state_is_said_in_words() {
        let state = State::Waiting { trouble: Trouble::CredentialsMissing, wait: Duration::from_millis(1500) };
        assert_eq!(
            state.to_string(),
            "401: the camera wants a user and password, and none are configured; next try after 1.5 s"
        );
    }
}
