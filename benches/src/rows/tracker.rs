//! The tracker alone on given detections, judged by motmetrics (`benches/track_score.py`).

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Surroundings;
use crate::cost;
use crate::table::Row;

/// What motmetrics says.
#[derive(Debug, Deserialize)]
struct Score {
    num_frames: f64,
    mota: f64,
    idf1: f64,
    num_switches: f64,
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let data = around.root.join("../shared/data/tracking");
    if !data.is_dir() {
        eprintln!("bench: SKIPPED tracker: the sequence is absent ({})", data.display());
        return Ok(Vec::new());
    }
    let tracks = around.folder.join("TUD-Campus.txt");
    let mut track = Command::new(around.programs.join("edge-agent"));
    track.args(["inspect", "track", "--detections"]).arg(data.join("TUD-Campus-det.txt"));
    cost::of_program(track.arg("--mot").arg(&tracks))?;
    let (python, _) = cost::of_program(&mut Command::new(around.root.join("edge-agent/setup/python-bench")))?;
    let mut judge = Command::new(python.trim());
    judge.arg(around.root.join("benches/track_score.py")).arg(data.join("TUD-Campus-gt.txt")).arg(&tracks);
    let (said, _) = cost::of_program(&mut judge)?;
    let score: Score = serde_json::from_str(said.trim()).context("motmetrics' figures")?;
    Ok(vec![Row {
        what: format!("tracker alone on TUD-Campus ({} frames), MOTA and IDF1", score.num_frames),
        goal: "> 0.627 and > 0.717".to_owned(),
        measured: format!("{:.3} and {:.3}, {} switches of identity", score.mota, score.idf1, score.num_switches),
        reference: "SORT on the same detections: 0.627; 0.717 with its tracks kept for 30 frames".to_owned(),
        met: Some(score.mota > 0.627 && score.idf1 > 0.717),
    }])
}
