//! `edge-agent inspect care`: what camera care measures in a video, and what it would tell. For setting the limits.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use edge_analytics::care::{Care, CareSettings, CareSighting, Look, Stillness};
use serde_json::json;

use super::super::video::is_whole;
use super::{InspectError, rounded};
use crate::config::Config;
use crate::vision::decode::VideoFile;

/// Arguments of `inspect care`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  edge-agent inspect care street.mp4                    a line a second
  edge-agent inspect care street.mp4 --alerts --json    only what would be told
  edge-agent inspect care street.mp4 --config edge-agent.toml --camera street")]
pub(super) struct CareArgs {
    /// A video file
    video: PathBuf,
    /// Only what would be told
    #[arg(long)]
    alerts: bool,
    /// One line of JSON for each look and alert
    #[arg(long)]
    json: bool,
    /// A unit's configuration, for its camera's limits
    #[arg(long, value_name = "FILE", requires = "camera")]
    config: Option<PathBuf>,
    /// The camera whose limits hold
    #[arg(long, value_name = "ID", requires = "config")]
    camera: Option<String>,
}

pub(super) fn run(arguments: &CareArgs, out: &mut impl Write) -> Result<bool, InspectError> {
    let video = &arguments.video;
    let (mut care, mut still) = (Care::new(settings(arguments)?), Stillness::default());
    let (mut last, mut frames) = (None, 0);
    for frame in VideoFile::open(video).map_err(|error| InspectError::file(video, error))? {
        let frame = frame.map_err(|error| InspectError::file(video, error))?;
        let picture = frame.picture().map_err(|what| InspectError::file(video, what))?;
        let mut told = care.see(&picture, frame.media());
        told.extend(still.see(&picture, frame.media()));
        if let Some(look) = care.last_look().filter(|look| last != Some(look.media) && !arguments.alerts) {
            write_look(look, arguments.json, out)?;
        }
        last = care.last_look().map(|look| look.media);
        told.iter().try_for_each(|sighting| write_alert(sighting, arguments.json, out))?;
        frames += 1;
    }
    Ok(is_whole(video, frames))
}

fn settings(arguments: &CareArgs) -> Result<CareSettings, InspectError> {
    let (Some(path), Some(id)) = (&arguments.config, &arguments.camera) else { return Ok(CareSettings::default()) };
    let config = Config::read(path).map_err(|error| InspectError::file(path, error))?;
    let camera = config.cameras.iter().find(|camera| camera.id.as_str() == id);
    let camera = camera.ok_or_else(|| InspectError::file(path, format!("has no camera {id}")))?;
    camera.care.ok_or_else(|| InspectError::file(Path::new(path), format!("care is off for camera {id}")))
}

#[allow(clippy::cast_precision_loss, reason = "seconds of a file")]
fn seconds(media: edge_protocol::time::MediaTime) -> f64 {
    media.as_nanos() as f64 / 1e9
}

fn write_look(look: &Look, json: bool, out: &mut impl Write) -> Result<(), InspectError> {
    let at = seconds(look.media);
    let short = |value: Option<f32>| value.map(|value| rounded(value, 1000.0));
    if json {
        let line = json!({
            "look": (at * 100.0).round() / 100.0, "brightness": rounded(look.brightness, 10.0),
            "burnt": rounded(look.burnt, 1000.0), "edges": short(look.edges), "sharpness": short(look.sharpness),
            "likeness": short(look.likeness), "shifted": short(look.shifted),
        });
        return Ok(writeln!(out, "{line}")?);
    }
    let word = |value: Option<f32>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let (edges, sharpness) = (word(look.edges), word(look.sharpness));
    let (likeness, shifted) = (word(look.likeness), word(look.shifted));
    let (brightness, burnt) = (look.brightness, look.burnt);
    Ok(writeln!(
        out,
        "{at:8.2} s  brightness {brightness:5.1}  burnt {burnt:.3}  edges {edges}  sharpness {sharpness}  \
         likeness {likeness}  shifted {shifted}"
    )?)
}

fn write_alert(told: &CareSighting, json: bool, out: &mut impl Write) -> Result<(), InspectError> {
    let (at, finding, over) = (seconds(told.media), told.finding.as_str(), told.over);
    if json {
        let (measured, limit) = (rounded(told.measured, 1000.0), rounded(told.limit, 1000.0));
        let at = (at * 100.0).round() / 100.0;
        let line = json!({"alert": at, "finding": finding, "over": over, "measured": measured, "limit": limit});
        return Ok(writeln!(out, "{line}")?);
    }
    let state = if over { "no longer " } else { "" };
    let (measure, measured, limit) = (told.finding.measure(), told.measured, told.limit);
    Ok(writeln!(out, "{at:8.2} s  {state}{finding}: {measure} {measured:.2}, limit {limit:.2}")?)
}
