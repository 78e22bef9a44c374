//! Says what is going on, with the time since the beginning.

use std::time::{Duration, Instant, SystemTime};

/// When `make demo` began, in microseconds since 1970: set by the Makefile, so that set-up and build count too.
const BEGAN: &str = "EDGE_BEGAN_US";

/// The demo's voice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    began: Instant,
    before: Duration,
}

impl Steps {
    /// Counts from the moment that the Makefile noted, else from now.
    pub(crate) fn begin() -> Self {
        let noted = std::env::var(BEGAN).ok().and_then(|text| text.parse().ok()).map(Duration::from_micros);
        let before = noted.and_then(|at| (SystemTime::UNIX_EPOCH + at).elapsed().ok()).unwrap_or_default();
        Self { began: Instant::now(), before }
    }

    /// Says a step.
    pub(crate) fn say(&self, words: &str) {
        println!("[{:6.1} s] {words}", (self.before + self.began.elapsed()).as_secs_f64());
    }
}
