//! A model's manifest: what the network expects and means, so that a model can be exchanged without code.
//!
//! Parsed once, checked wholly, and turned into a [`ModelSpec`] that cannot be wrong. Unknown keys are refused where
//! they could change how a model is used (`input`, `head`, `thresholds`) and tolerated in its provenance.
//! Comparing the hash with the file, and the shapes with the graph, is the business of whoever opens the file.

mod check;
mod raw;

use std::fmt;

use crate::preprocess::InputSpec;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Road users.
    Objects,
    /// Licence plates.
    Plates,
    /// The text of a plate crop.
    PlateText,
}

/// How a network's outputs are to be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Head {
    /// One map per stride: class logits, then the distances left, top, right, bottom, as logarithms of strides.
    LtrbAnchorFree {
        /// Output name and stride in pixels of the input.
        maps: Vec<(String, u32)>,
    },
    /// YOLOX: rows of centre, size, objectness and class probabilities over all strides.
    Yolox {
        /// Strides in the order of the rows.
        strides: Vec<u32>,
    },
    /// `FastestDet`: one map of objectness, centre offset, size and class probabilities.
    FastestDet,
    /// `YOLOv8`: columns of centre, size and class probabilities.
    YoloV8 {
        /// Whether the class scores still are logits.
        logits: bool,
    },
    /// Rows of finished detections; suppression happened inside the graph.
    EndToEnd,
    /// Connectionist temporal classification over the columns of the crop.
    Ctc(TextHead),
    /// One distribution over the alphabet per character slot.
    Slots(TextHead),
}

/// What the heads that read text share.
#[derive(Clone, Debug, PartialEq)]
pub struct TextHead {
    /// The output to read; the first one where the manifest names none.
    pub output: Option<String>,
    /// What each symbol stands for; the blank or padding stands for nothing.
    pub symbols: Vec<Option<char>>,
    /// Whether the outputs still are logits.
    pub logits: bool,
    /// Divides the logits so that probabilities mean what they say; fitted in training.
    pub temperature: f32,
    /// Most characters of a text.
    pub max_length: usize,
}

/// When a detection counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// Least score per class, in the order of the classes.
    pub score: Vec<f32>,
    /// Boxes of one class that overlap by more are one.
    pub nms_iou: f32,
    /// Most detections of one frame.
    pub max_detections: usize,
}

/// The same network in another number format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name, `int8` say.
    pub name: String,
    /// The file beside the manifest.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: Sha256Hex,
}

/// A SHA-256 as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sha256Hex(String);

impl Sha256Hex {
    /// Accepts exactly 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (text.len() == 64 && digits).then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Everything the product needs to know of a model. Made by [`ModelSpec::parse`] alone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelSpec {
    /// Name, for example `road-objects`.
    pub name: String,
    /// Version.
    pub version: String,
    /// The model's file beside the manifest.
    pub file: String,
    /// SHA-256 of that file.
    pub sha256: Sha256Hex,
    /// What it is for.
    pub task: Task,
    /// What it takes in.
    pub input: InputSpec,
    /// How its outputs are read.
    pub head: Head,
    /// Class names in the order of the outputs; empty for text.
    pub classes: Vec<String>,
    /// When a detection counts; without meaning for text.
    pub thresholds: Thresholds,
    /// Other number formats.
    pub variants: Vec<Variant>,
}

/// One thing wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key, with dots.
    pub field: &'static str,
    /// What is wrong and what is allowed.
    pub what: String,
}

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or a key is missing, unknown or of the wrong type.
    #[error("the manifest cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Readable, but it contradicts itself or the product.
    #[error("the manifest is wrong: {}", Listed(.0))]
    Wrong(Vec<Mistake>),
}

struct Listed<'a>(&'a [Mistake]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { field, what }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{field}: {what}")?;
        }
        Ok(())
    }
}

impl ModelSpec {
    /// Reads and checks a `manifest.json`; all mistakes are reported together.
    ///
    /// # Errors
    /// When it cannot be read or contradicts itself.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        let raw: raw::Manifest = serde_json::from_slice(json)?;
        check::checked(raw).map_err(ManifestError::Wrong)
    }

    /// The shape of the input tensor: batch of one, then the axes in the order of the layout.
    pub fn input_shape(&self) -> [usize; 4] {
        self.input.shape()
    }
}

#[cfg(test)]
mod tests;
