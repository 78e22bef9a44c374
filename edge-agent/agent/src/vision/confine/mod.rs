//! What the vision worker gives up before it meets a camera's bytes.
//!
//! Belongs here: the lock-down itself, in its two parts. Does not belong here: what the worker does with what is left.
//!
//! - [`early`] runs before the process has a second thread: landlock, capabilities, namespaces and limits belong to a
//!   thread, and later threads inherit them.
//! - [`late`] runs once models, decoders and their plug-ins are loaded: from then on no file is opened, no socket
//!   made, nothing executable mapped, by any thread.

mod early;
mod late;

pub use early::{Identity, close_inherited_files, early, resolve_identity};
pub use late::late;

/// Why the lock-down could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The process already has more than one thread, so a part of it would stay free.
    #[error("the worker has {0} threads before its confinement, one was expected")]
    Threads(usize),
    /// A step without which the worker must not go on.
    #[error("cannot {step}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system call filter could not be built or installed.
    #[error("cannot install the system call filter: {0}")]
    Filter(String),
}

/// Which layers hold, for health: a missing one is named rather than hidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    /// Layers in force.
    pub held: Vec<String>,
    /// Layers that the kernel or the surroundings refused, with the reason.
    pub missing: Vec<String>,
}

impl Layers {
    fn note(&mut self, layer: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.held.push(layer.to_owned()),
            Err(why) => self.missing.push(format!("{layer}: {why}")),
        }
    }
}

#[cfg(test)]
mod tests;
