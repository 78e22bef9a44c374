//! A camera under capture, watched.
#![allow(dead_code, reason = "shared by stories that each use a part of it")]

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use edge_agent::capture::{Camera, CameraHealth, CameraWatch, Settings, Source, State, Trouble, Watchdog};
use edge_agent::media::AccessUnit;
use edge_agent::supervise::{Backoff, Clock, Heartbeats, Stop};

/// How long anything may take here; machines that run tests are slow and shared.
const DEADLINE: Duration = Duration::from_mins(1);

/// The product's watchdog: for a camera that must not fail.
pub(crate) fn patient(source: Source) -> Settings {
    Settings::new("camera".parse().expect("a name"), source)
}

/// A watchdog that bites soon: for a camera that is to fail.
pub(crate) fn quick(source: Source) -> Settings {
    let watchdog =
        Watchdog { first: Duration::from_secs(6), silence: Duration::from_secs(3), key: Duration::from_secs(3) };
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
    Settings { watchdog, backoff, ..patient(source) }
}

/// A camera that is being captured; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Watched {
    name: &'static str,
    clock: Clock,
    stop: Stop,
    watch: CameraWatch,
    units: Arc<Mutex<Vec<AccessUnit>>>,
    thread: Option<JoinHandle<()>>,
}

impl Watched {
    /// Starts capturing and keeps every access unit.
    pub(crate) fn start(name: &'static str, settings: Settings) -> Watched {
        let units = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&units);
        let mut watched = Watched::start_with(name, settings, move |unit| kept.lock().expect("units").push(unit));
        watched.units = units;
        watched
    }

    /// Starts capturing; access units go to `deliver`.
    #[allow(clippy::disallowed_methods, reason = "a story holds its own threads")]
    pub(crate) fn start_with(
        name: &'static str,
        settings: Settings,
        mut deliver: impl FnMut(AccessUnit) + Send + 'static,
    ) -> Watched {
        let (clock, stop) = (Clock::system(), Stop::new());
        let mut camera = Camera::new(settings, clock.clone());
        let watch = camera.watch();
        let thread = {
            let (stop, clock) = (stop.clone(), clock.clone());
            std::thread::spawn(move || {
                let pulse = Heartbeats::default().register(name, DEADLINE, clock.mono());
                camera.run(&stop, &pulse, &mut deliver);
            })
        };
        Watched { name, clock, stop, watch, units: Arc::default(), thread: Some(thread) }
    }

    /// How it is now.
    pub(crate) fn health(&self) -> CameraHealth {
        self.watch.health(self.clock.mono())
    }

    /// Everything received so far.
    pub(crate) fn units(&self) -> Vec<AccessUnit> {
        self.units.lock().expect("units").clone()
    }

    /// Waits until this many access units have come in all.
    pub(crate) fn wait_for_units(&self, count: u64) {
        self.wait(&format!("{count} access units"), |health| health.units >= count);
    }

    /// Waits until this trouble is said.
    pub(crate) fn wait_for_trouble(&self, wanted: &Trouble) {
        self.wait(
            &format!("{wanted:?}"),
            |health| matches!(&health.state, State::Waiting { trouble, .. } if trouble == wanted),
        );
    }

    /// Waits until the health is as wanted.
    #[allow(clippy::disallowed_methods, reason = "a story's deadline")]
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&CameraHealth) -> bool) {
        let until = Instant::now() + DEADLINE;
        let mut seen = Vec::new();
        loop {
            let health = self.health();
            if wanted(&health) {
                return;
            }
            let said = health.state.to_string();
            if seen.last() != Some(&said) && seen.len() < 50 {
                seen.push(said);
            }
            assert!(Instant::now() < until, "{}: {what} did not come; {health:?}; states: {seen:#?}", self.name);
            // Health has no way to wake a waiter; looking often is cheap.
            self.stop.wait_timeout(Duration::from_millis(5));
        }
    }

    /// Stops it and says how long that took.
    #[allow(clippy::disallowed_methods, reason = "a story's measure")]
    pub(crate) fn stop(self) -> Duration {
        let began = Instant::now();
        drop(self);
        began.elapsed()
    }

    /// No picture is shown at or before the one before it, and each is decoded after it.
    pub(crate) fn assert_times_rise(&self) {
        for pair in self.units().windows(2) {
            assert!(pair[0].media < pair[1].media, "{}: {:?} then {:?}", self.name, pair[0].media, pair[1].media);
            assert!(pair[0].decode < pair[1].decode, "{}: {:?} then {:?}", self.name, pair[0].decode, pair[1].decode);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking(), "{}: the camera's thread panicked", self.name);
        }
    }
}
