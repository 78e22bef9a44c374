//! What the demo found, as `target/demo/summary.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::score::Score;

/// The whole.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// Seconds from the start of the cameras to the last event.
    pub(crate) seconds: f64,
    /// One entry per camera.
    pub(crate) cameras: BTreeMap<String, Camera>,
    /// The gate's passes; absent with a visitor's own camera.
    pub(crate) gate: Option<Score>,
    /// What became of the records.
    pub(crate) events: Events,
    /// From the time of the event to its reception, in milliseconds, by lane.
    pub(crate) latency: BTreeMap<String, Latency>,
    /// The hit and its pictures.
    pub(crate) hit: Option<Hit>,
    /// The clip.
    pub(crate) clip: Option<Clip>,
    /// What was promised and did not happen; empty is success.
    pub(crate) broken: Vec<String>,
}

/// One camera.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Camera {
    /// Frames decoded.
    pub(crate) decoded: u64,
    /// Frames analysed.
    pub(crate) analysed: u64,
    /// The share of time really looked at.
    pub(crate) coverage: f64,
    /// Tracks that were told, per class.
    pub(crate) tracks: BTreeMap<String, u64>,
    /// Plate passes with a final read.
    pub(crate) reads: u64,
}

/// What became of the records.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Events {
    /// Sequences the unit gave out.
    pub(crate) made: u64,
    /// Records the center committed.
    pub(crate) committed: u64,
    /// Records that came a second time and were dropped.
    pub(crate) duplicates: u64,
    /// Sequences that never came.
    pub(crate) gaps: u64,
}

/// Delays of one lane.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    /// Half of the events were faster.
    pub(crate) p50_ms: f64,
    /// One in a hundred was slower.
    pub(crate) p99_ms: f64,
}

/// The hit.
#[derive(Debug, Serialize)]
pub(crate) struct Hit {
    /// The plate of the list.
    pub(crate) listed: String,
    /// How many hits it made.
    pub(crate) hits: usize,
    /// How many pictures came with them.
    pub(crate) pictures: usize,
}

/// The clip.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Clip {
    /// What was asked for.
    pub(crate) asked: String,
    /// What came.
    pub(crate) actual: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Gaps within it.
    pub(crate) gaps: u64,
    /// Whether every proof holds.
    pub(crate) verified: bool,
    /// Where it is.
    pub(crate) file: String,
}
