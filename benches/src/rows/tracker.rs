//! The tracker alone on given detections, judged by motmetrics (`benches/track_score.py`).

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Surroundings;
use crate::cost::{self, Spread};
use crate::table::Row;

/// What motmetrics says.
#[derive(Debug, Deserialize)]
struct Score {
    num_frames: f64,
    mota: f64,
    idf1: f64,
    num_switches: f64,
}

/// Follows the given detections once, and has the tracks judged.
fn once(around: &Surroundings, data: &Path, python: &str) -> Result<Score> {
    let tracks = around.folder.join("TUD-Campus.txt");
    // Of an earlier round: rows are not written over others.
    if tracks.exists() {
        std::fs::remove_file(&tracks)?;
    }
    let mut track = Command::new(around.programs.join("edge-agent"));
    track.args(["inspect", "track", "--detections"]).arg(data.join("TUD-Campus-det.txt"));
    cost::of_program(track.arg("--mot").arg(&tracks))?;
    let mut judge = Command::new(python);
    judge.arg(around.root.join("benches/track_score.py")).arg(data.join("TUD-Campus-gt.txt")).arg(&tracks);
    let (said, _) = cost::of_program(&mut judge)?;
    serde_json::from_str(said.trim()).context("motmetrics' figures")
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let data = around.root.join("../shared/data/tracking");
    if !data.is_dir() {
        eprintln!("bench: SKIPPED tracker: the sequence is absent ({})", data.display());
        return Ok(Vec::new());
    }
    let (python, _) = cost::of_program(&mut Command::new(around.root.join("edge-agent/setup/python-bench")))?;
    let rounds: Vec<Score> =
        (0..around.extent.rounds).map(|_| once(around, &data, python.trim())).collect::<Result<_>>()?;
    let spread = |of: fn(&Score) -> f64| Spread::of(rounds.iter().map(of).collect());
    let (mota, idf1) = (spread(|score| score.mota), spread(|score| score.idf1));
    let last = rounds.last().context("no round")?;
    Ok(vec![Row {
        what: format!("tracker alone on TUD-Campus ({} frames), MOTA and IDF1", last.num_frames),
        goal: "> 0.627 and > 0.717".to_owned(),
        measured: format!("{} and {}, {} switches of identity", mota.show(3), idf1.show(3), last.num_switches),
        reference: "SORT on the same detections: 0.627; 0.717 with its tracks kept for 30 frames".to_owned(),
        met: Some(mota.median > 0.627 && idf1.median > 0.717),
    }])
}
