//! `edge-agent replay`: the events that a camera's video makes, by the code that runs on the box, in virtual time.
//!
//! Every frame is looked at, in order, and dated by its place in the file: the same file gives the same events, byte
//! for byte. What differs from a running box is only what depends on its load: frames that it would have to replace.

mod words;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use edge_analytics::camera::CameraAnalytics;
use edge_analytics::event::{EventMaker, EventPolicy, Publish};
use edge_analytics::hotlist::normalise;
use edge_analytics::infer::ModelRole;
use edge_analytics::settings::{CameraSettings, PlateSearch};
use edge_analytics::sighting::Sighting;
use edge_protocol::id::CameraId;
use edge_protocol::lane::Lane;
use edge_protocol::record::Record;
use edge_protocol::time::{ClockQuality, MediaTime, WallStamp, WallTime};
use serde_json::json;

use super::models::{ModelArgs, ModelsError};
use super::run::cameras::analytics_settings;
use super::run::telling;
use super::video::is_whole;
use super::vision::Runner;
use crate::config::{Config, ConfigError};
use crate::vision::decode::VideoFile;
use crate::vision::{compress, decode};

/// No camera makes more.
const MOST_FPS: f32 = 1000.0;

/// Arguments of `replay`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  edge-agent replay street.mp4                      a line for each event
  edge-agent replay gate.mp4 --plates frame --publish all --json
  edge-agent replay gate.mp4 --plates frame --test-plate ABC123 --json
  edge-agent replay street.mp4 --config edge-agent.toml --camera street
  edge-agent replay street.mp4 --start 2026-11-21T14:05:00Z --json

Ends with 0, and with 1 where the video could not be replayed to its end.")]
pub struct ReplayArgs {
    /// A video file
    video: PathBuf,
    /// One line of JSON for each event
    #[arg(long)]
    json: bool,
    /// The camera that the events name; with --config, the camera whose settings hold
    #[arg(long, default_value = "replay")]
    camera: CameraId,
    /// A unit's configuration: its camera's zones, lines and rates, and what it publishes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plates", "publish", "test_plates", "fps"])]
    config: Option<PathBuf>,
    /// When the first frame was taken, RFC 3339
    #[arg(long, value_name = "TIME", default_value = "1970-01-01T00:00:00Z")]
    start: jiff::Timestamp,
    /// Where plates are looked for
    #[arg(long, value_enum, default_value_t = Plates::Vehicles)]
    plates: Plates,
    /// What of plate reads would leave the unit
    #[arg(long, value_enum, default_value_t = Published::Counts)]
    publish: Published,
    /// A plate that makes a hit; may be repeated
    #[arg(long = "test-plate", value_name = "TEXT")]
    test_plates: Vec<String>,
    /// Most frames analysed per second of video
    #[arg(long, value_name = "FPS", value_parser = frames_per_second)]
    fps: Option<f32>,
    #[command(flatten)]
    models: ModelArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Plates {
    Off,
    Vehicles,
    Frame,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Published {
    Counts,
    All,
}

/// Why a video could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The models could not be opened or do not fit together.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The video cannot be read to its end.
    #[error("{}", path.display())]
    Video {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: decode::DecodeError,
    },
    /// A test plate is no plate.
    #[error("--test-plate {0}: is no plate: letters and digits are needed")]
    Plate(String),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration has no such camera.
    #[error("the configuration has no camera {0}")]
    Camera(CameraId),
    /// The events cannot be written.
    #[error("cannot write the events")]
    Output(#[from] io::Error),
}

/// A rate of frames, above 0.
pub(super) fn frames_per_second(text: &str) -> Result<f32, String> {
    let rate = text.parse().ok().filter(|rate: &f32| *rate > 0.0 && *rate <= MOST_FPS);
    rate.ok_or_else(|| format!("give a number above 0, at most {MOST_FPS}"))
}

/// Runs the command; events go to standard output as they come. Failure if the video ends early.
///
/// # Errors
/// When the video or the models cannot be used.
pub fn run(arguments: &ReplayArgs) -> Result<ExitCode, ReplayError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let frames = replay(arguments, &mut out)?;
    out.flush()?;
    Ok(if is_whole(&arguments.video, frames) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many frames there were.
fn replay(arguments: &ReplayArgs, out: &mut impl Write) -> Result<u64, ReplayError> {
    let (settings, policy) = told(arguments)?;
    let mut roles = vec![ModelRole::Objects];
    if settings.plates != PlateSearch::Off {
        roles.extend([ModelRole::Plates, ModelRole::PlateText]);
    }
    let (mut runner, specs) = arguments.models.open(&roles)?;
    let analytics = CameraAnalytics::new(settings, &specs);
    let mut analytics = analytics.map_err(|error| ModelsError::Model(error.to_string()))?;
    let mut maker = EventMaker::new(arguments.camera.clone(), policy);
    maker.look_with(telling::models_version(runner.labels()));
    let mut teller = Teller {
        maker,
        start: WallTime::from_micros(arguments.start.as_microsecond()),
        json: arguments.json,
        counted: BTreeMap::new(),
    };
    let frames = look(&arguments.video, &mut analytics, &mut runner, |sighting| teller.tell(sighting, out))?;
    for sighting in analytics.finish() {
        teller.tell(sighting, out)?;
    }
    if !arguments.json {
        let counted = teller.counted.iter().map(|(lane, count)| format!("{count} {}", lane.as_str()));
        writeln!(out, "{frames} frames: {}", counted.collect::<Vec<_>>().join(", "))?;
    }
    Ok(frames)
}

/// Every frame of the file through analytics; how many there were.
fn look(
    path: &Path,
    analytics: &mut CameraAnalytics,
    runner: &mut Runner,
    mut tell: impl FnMut(Sighting) -> Result<(), ReplayError>,
) -> Result<u64, ReplayError> {
    let video = |source| ReplayError::Video { path: path.to_path_buf(), source };
    let mut frames = 0;
    for frame in VideoFile::open(path).map_err(video)? {
        let frame = frame.map_err(video)?;
        let picture = frame.picture();
        let picture =
            picture.map_err(|what| video(decode::DecodeError::Failed { decoder: "picture".to_owned(), what }))?;
        analytics.frame(&picture, frame.media(), runner).into_iter().try_for_each(&mut tell)?;
        frames += 1;
    }
    Ok(frames)
}

/// Settings and policy: those of a unit, or those of the command line.
fn told(arguments: &ReplayArgs) -> Result<(CameraSettings, EventPolicy), ReplayError> {
    let Some(path) = &arguments.config else { return Ok((settings(arguments), policy(arguments)?)) };
    let config = Config::read(path)?;
    let camera = config.cameras.iter().find(|camera| camera.id == arguments.camera);
    let camera = camera.ok_or_else(|| ReplayError::Camera(arguments.camera.clone()))?;
    Ok((analytics_settings(camera), telling::policy(&config, camera)))
}

fn settings(arguments: &ReplayArgs) -> CameraSettings {
    let plates = match arguments.plates {
        Plates::Off => PlateSearch::Off,
        Plates::Vehicles => PlateSearch::Vehicles,
        Plates::Frame => PlateSearch::WholeFrame,
    };
    CameraSettings { plates, max_fps: arguments.fps, ..CameraSettings::default() }
}

fn policy(arguments: &ReplayArgs) -> Result<EventPolicy, ReplayError> {
    let plate = |text: &String| normalise(text).map_err(|_| ReplayError::Plate(text.clone()));
    let plates = arguments.test_plates.iter().map(plate).collect::<Result<Vec<_>, _>>()?;
    let publish = match arguments.publish {
        Published::Counts => Publish::Counts,
        Published::All => Publish::All,
    };
    Ok(EventPolicy { publish, hotlist: telling::test_list(&plates), ..EventPolicy::default() })
}

/// Writes what the unit would send.
struct Teller {
    maker: EventMaker,
    start: WallTime,
    json: bool,
    counted: BTreeMap<Lane, u64>,
}

impl Teller {
    fn tell(&mut self, mut sighting: Sighting, out: &mut impl Write) -> Result<(), ReplayError> {
        compress(&mut sighting);
        let start = self.start;
        let wall = |media: MediaTime| WallStamp {
            time: start.saturating_add(Duration::from_nanos(u64::try_from(media.as_nanos()).unwrap_or(0))),
            quality: ClockQuality::Free,
        };
        for record in self.maker.take(&sighting, &wall) {
            self.write(&record, out)?;
        }
        Ok(())
    }

    fn write(&mut self, record: &Record, out: &mut impl Write) -> Result<(), ReplayError> {
        let lane = record.lane();
        *self.counted.entry(lane).or_default() += 1;
        if self.json {
            writeln!(out, "{}", json!({ "lane": lane.as_str(), "record": record }))?;
        } else {
            writeln!(out, "{}", words::line(record, self.start))?;
        }
        Ok(())
    }
}
