//! What the worker asks of whoever runs the models. The stations do not know each other, so `app` brings this.

use bytes::Bytes;
use edge_analytics::infer::{Infer, ModelRole};
use edge_analytics::manifest::ModelSpec;

use super::wire::ModelStanding;

/// A model on its way to a worker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelBytes {
    /// The manifest as it was read.
    pub manifest: Bytes,
    /// The variant whose graph this is; none for the model's own format.
    pub variant: Option<String>,
    /// The graph.
    pub graph: Bytes,
    /// The self-test's input; empty for an even one.
    pub golden_input: Vec<f32>,
    /// What the self-test's outputs must be.
    pub golden_outputs: Vec<(String, Vec<f32>)>,
}

/// A runtime that opens models from memory, tests them and runs them.
pub trait Engine: Infer + Send {
    /// Opens a model on the first of `providers` that takes it and runs its self-test.
    ///
    /// # Errors
    /// In words: which file and field is wrong, or what the runtime said.
    fn open(&mut self, model: &ModelBytes, providers: &[String]) -> Result<(ModelRole, ModelSpec), String>;

    /// What each opened model runs on.
    fn standings(&self) -> Vec<ModelStanding>;
}
