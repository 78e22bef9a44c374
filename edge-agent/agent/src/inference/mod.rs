//! Tensors to outputs: the one place with ONNX Runtime.
//!
//! Belongs here: finding and loading the runtime's library, opening models that match their manifests, choosing
//! execution providers, the self-test, running. Does not belong here: what goes into a tensor or what an output
//! means (`edge_analytics`).
//!
//! The way to a running model: [`library::find`] -> [`Runtime::load`] -> [`ModelFile::read`] -> [`Models::open`],
//! which is the [`edge_analytics::infer::Infer`] that analytics asks for.

mod golden;
pub mod library;
mod model;
mod provider;
mod session;
mod telemetry;

pub use golden::{Golden, GoldenError};
pub use library::Runtime;
pub use model::ModelFile;
pub use provider::{Fallback, Provider};
pub use session::{Models, Standing};
pub use telemetry::{restart_without_telemetry, telemetry_is_off};

use std::path::PathBuf;

use edge_analytics::infer::ModelRole;

/// Why there is no model to run.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The runtime's library is nowhere.
    #[error("ONNX Runtime's library was not found; looked at {}", list(.tried))]
    LibraryMissing {
        /// Every path that was looked at.
        tried: Vec<PathBuf>,
    },
    /// The runtime's library does not load.
    #[error("cannot load ONNX Runtime from {}: {what}", path.display())]
    Library {
        /// The library.
        path: PathBuf,
        /// What the loader or the runtime said.
        what: String,
    },
    /// The runtime would report to its maker.
    #[error("refusing to load ONNX Runtime: {} is not set to 1, so it would send telemetry", library::TELEMETRY_SWITCH)]
    Telemetry,
    /// A file of a model cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model does not fit its manifest, or the manifest itself is wrong.
    #[error("{file}: {field}: {what}")]
    Mismatch {
        /// The manifest or model file.
        file: String,
        /// The manifest's key.
        field: &'static str,
        /// What is wrong.
        what: String,
    },
    /// No provider could open the model.
    #[error("model {} does not open: {what}", role.as_str())]
    Open {
        /// The model.
        role: ModelRole,
        /// What each provider said.
        what: String,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
