//! `edge-agent inspect`: the same models and analytics as on the box, on pictures and videos from a disk.

mod care;
mod draw;
mod file;
mod font;
mod images;
mod track;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use edge_analytics::geometry::Rect;
use edge_analytics::infer::InferFault;

use super::models::{ModelArgs, ModelsError};

/// Arguments of `inspect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  edge-agent inspect detect street.jpg              road users, in words
  edge-agent inspect plates *.jpg --json            a line of JSON each
  edge-agent inspect plates car.jpg -o drawn        drawn, in folder drawn
  edge-agent inspect track street.mp4 --mot t.txt   tracks as rows
  edge-agent inspect care street.mp4                what camera care measures

Ends with 0, and with 1 where a file could not be looked at, or not to its end.")]
pub struct InspectArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Road users in pictures
    Detect(PictureArgs),
    /// Licence plates in pictures, with their texts
    Plates(PictureArgs),
    /// Tracks through a video, or the tracker alone on given detections
    Track(track::TrackArgs),
    /// Whether a camera's picture says that it was covered, turned, blinded or put out of focus
    Care(care::CareArgs),
}

/// Arguments of the commands that look at pictures.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  edge-agent inspect detect street.jpg              in words
  edge-agent inspect plates *.jpg --json            a line of JSON each
  edge-agent inspect plates car.jpg -o drawn        drawn, in folder drawn
  edge-agent inspect detect street.jpg --variant int8

Ends with 0, and with 1 where a picture could not be looked at.")]
struct PictureArgs {
    /// Pictures: JPEG, PNG or BMP
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// One line of JSON for each picture
    #[arg(long)]
    json: bool,
    /// Writes each picture with its boxes drawn into this folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    models: ModelArgs,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The models could not be opened.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// A model failed while it ran.
    #[error(transparent)]
    Infer(#[from] InferFault),
    /// A file cannot be read or written.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The results cannot be written.
    #[error("cannot write the results")]
    Output(#[from] io::Error),
}

impl InspectError {
    fn file(path: &Path, what: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_path_buf(), what: what.to_string() }
    }
}

/// Runs the command. Results go to standard output; failure if any picture could not be looked at.
///
/// # Errors
/// When nothing could be looked at at all.
pub fn run(arguments: &InspectArgs) -> Result<ExitCode, InspectError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let all = match &arguments.command {
        Command::Detect(arguments) => images::detect(arguments, &mut out)?,
        Command::Plates(arguments) => images::plates(arguments, &mut out)?,
        Command::Track(arguments) => track::run(arguments, &mut out)?,
        Command::Care(arguments) => care::run(arguments, &mut out)?,
    };
    out.flush()?;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A box as the output gives it: left, top, width, height, tenths of a pixel.
fn box_of(rect: &Rect) -> [f64; 4] {
    [rect.x, rect.y, rect.w, rect.h].map(|value| rounded(value, 10.0))
}

/// A number short enough to read: `steps` per unit.
fn rounded(value: f32, steps: f64) -> f64 {
    (f64::from(value) * steps).round() / steps
}
