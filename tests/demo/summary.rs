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
    /// From the time of an event to its reception, of hits and of all others.
    pub(crate) latency: Delays,
    /// The hit and its pictures.
    pub(crate) hit: Option<Hit>,
    /// The clip.
    pub(crate) clip: Option<Clip>,
    /// How a technician left the unit.
    pub(crate) commissioning: Option<Commissioning>,
    /// What `edge-agent doctor` says in a terminal.
    pub(crate) doctor: Option<Diagnosis>,
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
    /// Sequences that the unit gave out, by its own outbox.
    pub(crate) made: u64,
    /// Records that the center has.
    pub(crate) committed: u64,
    /// Records that the center has twice.
    pub(crate) duplicates: u64,
    /// Sequences that the center does not have.
    pub(crate) gaps: u64,
    /// Records that came again after the cut and were known by their name: nothing counts them twice.
    pub(crate) sent_again: u64,
}

/// Delays of the events that were on their way while the link was up. The rest waited for the link, and that is no
/// delay. A road user's event has the time at which it was last seen; that it is gone shows a second later.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Delays {
    /// Hits; absent where there was none.
    pub(crate) hits: Option<Latency>,
    /// All other records that have a time.
    pub(crate) others: Option<Latency>,
}

/// Delays of one kind of event.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    /// How many events these are the delays of.
    pub(crate) events: usize,
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
    pub(crate) asked: Span,
    /// What came: from a key frame on.
    pub(crate) actual: Span,
    /// The size of the file.
    pub(crate) bytes: u64,
    /// Gaps within it.
    pub(crate) gaps: usize,
    /// Whether every proof holds.
    pub(crate) verified: bool,
    /// Where it is.
    pub(crate) file: String,
}

/// The commissioning report.
#[derive(Debug, Serialize)]
pub(crate) struct Commissioning {
    /// Checks that were well.
    pub(crate) ok: usize,
    /// Checks that want something done.
    pub(crate) warnings: usize,
    /// Checks that failed.
    pub(crate) failed: usize,
    /// What is not well and cannot be excused on a machine such as this, in words.
    pub(crate) not_green: Vec<String>,
    /// What the board's parts measure, by the unit's health.
    pub(crate) board: String,
    /// Whether the signature is the unit's.
    pub(crate) verified: bool,
    /// Where the signed report is.
    pub(crate) file: String,
}

/// What `edge-agent doctor` came to.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Diagnosis {
    /// Checks that were well.
    pub(crate) ok: usize,
    /// Checks that want something done.
    pub(crate) warnings: usize,
    /// Checks that failed.
    pub(crate) failed: usize,
    /// Warnings that are the affair of a machine such as this, in words.
    pub(crate) excused: Vec<String>,
    /// What is not well beside them, in words.
    pub(crate) not_green: Vec<String>,
    /// How the program ended: 0, 1 with warnings, 2 when something failed.
    pub(crate) status: i32,
}

/// A stretch of time, RFC 3339.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Span {
    /// Its beginning.
    pub(crate) from: String,
    /// Its end.
    pub(crate) to: String,
}
