//! All of the box's work on a minute of video, against nothing but decoding and the same runs of the same models.
//!
//! Recording and uplink are off; every frame is analysed. The reference is `avdec_h264` into nothing, then each model
//! run as often, on tensors of the same shape, by the same runtime with the same threads.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use edge_agent::app::vision::{Runner, model_bytes};
use edge_agent::inference::library::{self, Surroundings as Around};
use edge_agent::vision::decode::VideoFile;
use edge_agent::vision::engine::Engine as _;
use edge_analytics::camera::CameraAnalytics;
use edge_analytics::infer::{Infer, InferFault, ModelRole, Output, TensorView};
use edge_analytics::manifest::ModelSpec;
use edge_analytics::settings::{CameraSettings, PlateSearch};
use gstreamer as gst;
use gstreamer::prelude::*;

use super::Surroundings;
use crate::cost::{self, Cost, Spread};
use crate::table::Row;

/// Runs by model and shape of the input.
type Runs = BTreeMap<(ModelRole, [usize; 4]), u64>;

/// Counts what is run.
struct Counting<'r> {
    runner: &'r mut Runner,
    runs: Runs,
}

impl Infer for Counting<'_> {
    fn run(&mut self, model: ModelRole, input: TensorView<'_>) -> std::result::Result<Vec<Output>, InferFault> {
        let (TensorView::F32 { shape, .. } | TensorView::U8 { shape, .. }) = input;
        *self.runs.entry((model, shape)).or_default() += 1;
        self.runner.run(model, input)
    }
}

/// The project's models, opened as the box opens them.
fn models(root: &Path) -> Result<(Runner, Vec<ModelSpec>)> {
    let library = library::find(None, &Around::of_this_process())?;
    let mut runner = Runner::load(&library)?;
    let open = |folder: &str| {
        let bytes = model_bytes(&root.join("models").join(folder), None).map_err(|words| anyhow!(words))?;
        runner.open(&bytes, &["cpu".to_owned()]).map(|(_, spec)| spec).map_err(|words| anyhow!(words))
    };
    let specs = ["road-objects", "plates", "plate-text"].into_iter().map(open).collect::<Result<_>>()?;
    Ok((runner, specs))
}

/// Everything between file and sightings; the frames, and what was run.
fn whole(video: &Path, runner: &mut Runner, specs: &[ModelSpec]) -> Result<(u32, Runs)> {
    let settings = CameraSettings { plates: PlateSearch::WholeFrame, motion_gate: false, ..CameraSettings::default() };
    let mut analytics = CameraAnalytics::new(settings, specs).map_err(|error| anyhow!(error.to_string()))?;
    let mut counting = Counting { runner, runs: Runs::new() };
    let mut frames = 0;
    for frame in VideoFile::open(video)? {
        let frame = frame?;
        let picture = frame.picture().map_err(|words| anyhow!(words))?;
        analytics.frame(&picture, frame.media(), &mut counting);
        frames += 1;
    }
    analytics.finish();
    Ok((frames, counting.runs))
}

/// Decodes into nothing.
fn decode(video: &Path) -> Result<()> {
    gst::init()?;
    let path = video.to_str().context("a path in UTF-8")?;
    let elements = "qtdemux ! h264parse ! avdec_h264 max-threads=1 ! fakesink sync=false";
    let pipeline = gst::parse::launch(&format!("filesrc location=\"{path}\" ! {elements}"))?;
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("a pipeline without a bus")?;
    let ended = bus.timed_pop_filtered(None, &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null)?;
    match ended.as_deref().map(gst::MessageRef::view) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        other => Err(anyhow!("decoding did not come to its end: {other:?}")),
    }
}

/// Runs each model as often as it was run, on a grey input.
fn run_bare(runs: &Runs, runner: &mut Runner) -> Result<()> {
    for ((model, shape), count) in runs {
        let values = vec![0.5_f32; shape.iter().product()];
        for _ in 0..*count {
            runner.run(*model, TensorView::F32 { shape: *shape, values: &values })?;
        }
    }
    Ok(())
}

/// One minute of video, measured once.
#[derive(Debug)]
pub(super) struct Once {
    pub(super) frames: f64,
    runs: u64,
    pub(super) product: Cost,
    decoding: Cost,
    models: Cost,
}

impl Once {
    fn ratio(&self) -> f64 {
        self.product.cpu_s / (self.decoding.cpu_s + self.models.cpu_s)
    }

    /// Milliseconds of CPU a frame beside decoding and model runs.
    pub(super) fn rest_ms(&self) -> f64 {
        (self.product.cpu_s - self.decoding.cpu_s - self.models.cpu_s) * 1000.0 / self.frames
    }
}

/// The product, then its references.
pub(super) fn once(around: &Surroundings, video: &Path) -> Result<Once> {
    let (mut runner, specs) = models(&around.root)?;
    let ((frames, runs), product) = cost::of(|| whole(video, &mut runner, &specs))?;
    let ((), decoding) = cost::of(|| decode(video))?;
    let ((), models) = cost::of(|| run_bare(&runs, &mut runner))?;
    Ok(Once { frames: f64::from(frames), runs: runs.values().sum(), product, decoding, models })
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let video = around.gate()?;
    let rounds: Vec<Once> = (0..around.extent.rounds).map(|_| once(around, &video)).collect::<Result<_>>()?;
    let middle = |of: fn(&Once) -> f64| Spread::of(rounds.iter().map(of).collect());
    let ratio = middle(Once::ratio);
    let seconds = |of: fn(&Once) -> f64| middle(of).median;
    let (product, decoding) = (seconds(|once| once.product.cpu_s), seconds(|once| once.decoding.cpu_s));
    let models = seconds(|once| once.models.cpu_s);
    let last = rounds.last().context("no round")?;
    Ok(vec![Row {
        what: format!("CPU of all work on {} frames of 1280x720, all analysed, {} model runs", last.frames, last.runs),
        goal: "<= 1.10".to_owned(),
        measured: ratio.show(3),
        reference: format!("{product:.2} s / (avdec_h264 {decoding:.2} s + model runs {models:.2} s)"),
        met: Some(ratio.median <= 1.10),
    }])
}
