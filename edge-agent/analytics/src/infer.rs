//! The seam to inference: tensors out, outputs in. No runtime is known here; whoever holds one implements [`Infer`].

use std::fmt;

use minicbor::{Decode, Encode};

/// Which of a camera's three models is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ModelRole {
    /// Road users in a frame.
    #[n(0)]
    Objects,
    /// Licence plates in a frame or in the crop of a vehicle.
    #[n(1)]
    Plates,
    /// The text of one plate crop.
    #[n(2)]
    PlateText,
}

impl ModelRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Objects, Self::Plates, Self::PlateText];

    /// The name in logs, health and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Plates => "plates",
            Self::PlateText => "plate-text",
        }
    }
}

/// A model's input, row-major, borrowed from the preprocessing's own buffer.
#[derive(Clone, Copy, Debug)]
pub enum TensorView<'a> {
    /// 32-bit floats.
    F32 {
        /// Batch, then the axes in the order of the manifest's layout.
        shape: [usize; 4],
        /// The values.
        values: &'a [f32],
    },
    /// Bytes.
    U8 {
        /// Batch, then the axes in the order of the manifest's layout.
        shape: [usize; 4],
        /// The values.
        values: &'a [u8],
    },
}

/// One output of a model, always as 32-bit floats, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The output's name in the model.
    pub name: String,
    /// Axis lengths, batch first.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Vec<f32>,
}

/// A model run that failed, in the words of the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferFault {
    /// The model that was asked.
    pub model: ModelRole,
    /// What went wrong.
    pub what: String,
}

impl fmt::Display for InferFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {} failed: {}", self.model.as_str(), self.what)
    }
}

impl std::error::Error for InferFault {}

/// Runs a model on a tensor. Implemented by the agent's inference room, and by small fakes in tests.
pub trait Infer {
    /// Runs `model` on `input` and returns its outputs in the model's own order.
    ///
    /// # Errors
    /// When the runtime refuses or fails.
    fn run(&mut self, model: ModelRole, input: TensorView<'_>) -> Result<Vec<Output>, InferFault>;
}
