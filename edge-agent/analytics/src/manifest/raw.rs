//! The manifest as it is written, before any check.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) task: String,
    pub(super) input: Input,
    pub(super) head: Head,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) classes: Vec<String>,
    pub(super) thresholds: Option<Thresholds>,
    pub(super) alphabet: Option<String>,
    pub(super) blank: Option<usize>,
    pub(super) max_length: Option<usize>,
    #[serde(default)]
    pub(super) variants: Vec<Variant>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The graph's name of the input; the runtime takes the first input, so it only documents.
    #[serde(default, rename = "name")]
    pub(super) _name: Option<String>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: u32,
    pub(super) layout: String,
    pub(super) dtype: String,
    pub(super) colour: String,
    pub(super) resize: Resize,
    pub(super) mean: PerChannel,
    pub(super) scale: PerChannel,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resize {
    #[serde(alias = "mode")]
    pub(super) r#type: String,
    #[serde(alias = "pad")]
    pub(super) pad_value: Option<u8>,
    #[serde(alias = "position")]
    pub(super) pad_position: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum PerChannel {
    All(f32),
    Each(Vec<f32>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) strides: Vec<u32>,
    #[serde(default)]
    pub(super) outputs: Vec<String>,
    pub(super) activation: Option<String>,
    pub(super) temperature: Option<f32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thresholds {
    pub(super) score: BTreeMap<String, f32>,
    pub(super) nms_iou: f32,
    pub(super) max_detections: usize,
}

#[derive(Debug, Deserialize)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) sha256: String,
}

/// A model for text has no classes, and its manifest may say so with `null`.
fn null_is_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(from).map(Option::unwrap_or_default)
}
