//! What is left beside decoding and model runs, against the same pipeline in Python (`benches/python_pipeline.py`).

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Surroundings, pipeline};
use crate::cost::{self, Spread};
use crate::table::Row;

/// What the Python pipeline says of itself; seconds.
#[derive(Debug, Deserialize)]
struct Figures {
    frames: f64,
    total: f64,
    reading: f64,
    models: f64,
    wall: f64,
}

impl Figures {
    /// Milliseconds a frame beside reading and model runs.
    fn rest_ms(&self) -> f64 {
        (self.total - self.reading - self.models) * 1000.0 / self.frames
    }
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let video = around.gate()?;
    let (python, _) = cost::of_program(&mut Command::new(around.root.join("edge-agent/setup/python-bench")))?;
    let (mut ratios, mut ours_ms, mut theirs_ms) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ours_fps, mut theirs_fps) = (Vec::new(), Vec::new());
    for _ in 0..around.extent.rounds {
        let ours = pipeline::once(around, &video)?;
        let mut program = Command::new(python.trim());
        program.arg(around.root.join("benches/python_pipeline.py")).arg(&video).arg(around.root.join("models"));
        let (said, _) = cost::of_program(&mut program)?;
        let theirs: Figures = serde_json::from_str(said.trim()).context("the Python pipeline's figures")?;
        ratios.push(ours.rest_ms() / theirs.rest_ms());
        ours_ms.push(ours.rest_ms());
        theirs_ms.push(theirs.rest_ms());
        ours_fps.push(ours.frames / ours.product.wall_s);
        theirs_fps.push(theirs.frames / theirs.wall);
    }
    let ratio = Spread::of(ratios);
    let [ours_ms, theirs_ms, ours_fps, theirs_fps] =
        [ours_ms, theirs_ms, ours_fps, theirs_fps].map(|figures| Spread::of(figures).median);
    Ok(vec![Row {
        what: "CPU a frame beside decoding and model runs, against a Python pipeline (OpenCV, numpy)".to_owned(),
        goal: "<= 0.25".to_owned(),
        measured: ratio.show(3),
        reference: format!(
            "{ours_ms:.2} ms / {theirs_ms:.2} ms; end to end {ours_fps:.0} against {theirs_fps:.0} frames a second"
        ),
        met: Some(ratio.median <= 0.25),
    }])
}
