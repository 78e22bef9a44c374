//! Says what is going on, with the time since the beginning.

use std::time::Instant;

/// The demo's voice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    began: Instant,
}

impl Steps {
    /// Counts from now.
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now() }
    }

    /// Seconds since the beginning.
    pub(crate) fn elapsed_s(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Says a step.
    pub(crate) fn say(&self, words: &str) {
        println!("[{:6.1} s] {words}", self.elapsed_s());
    }
}
