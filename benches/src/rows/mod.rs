//! The rows of the table, one file each.

mod center;
mod clip;
mod first;
mod latency;
mod letterbox;
mod memory;
mod outage;
mod outbox;
mod pipeline;
mod python;
pub mod reconnects;
mod recording;
mod tracker;
mod unit;
mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cost;
use crate::table::Row;

/// Measures one row.
type Measure = fn(&Surroundings) -> Result<Vec<Row>>;

/// Name, what it measures, and how.
pub const ALL: [(&str, &str, Measure); 13] = [
    ("wire", "payload bytes a record", wire::measure),
    ("outbox", "durable records a second", outbox::measure),
    ("pipeline", "CPU beside bare decoding and bare model runs", pipeline::measure),
    ("python", "CPU beside a Python pipeline with the same models", python::measure),
    ("letterbox", "a picture made into a network's input", letterbox::measure),
    ("recording", "CPU and bytes beside ffmpeg -c copy -f segment", recording::measure),
    ("clip", "a minute out of the ring", clip::measure),
    ("outage", "72 hours offline in the outbox, then drained through a real broker", outage::measure),
    ("first", "the first event of a unit that has just become ready", first::measure),
    ("latency", "hits and other events at the center", latency::measure),
    ("tracker", "MOTA and IDF1 on given detections", tracker::measure),
    ("memory", "resident memory and start of the real agent", memory::measure),
    ("reconnects", "memory over 10,000 reconnects of a camera; long, --reconnects says how many", reconnects::measure),
];

/// How much is measured.
#[derive(Debug, Clone, Copy, Args)]
pub struct Extent {
    /// How often product and reference are measured in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// How often the camera of `reconnects` comes back
    #[arg(long, default_value_t = 10_000)]
    pub reconnects: u32,
    /// Try whether the rows work, with a hundredth of the large counts: no figure of it counts
    #[arg(long)]
    pub short: bool,
}

/// Where things are, and how often to measure.
#[derive(Debug)]
pub struct Surroundings {
    /// The repository.
    pub root: PathBuf,
    /// The folder with the programs.
    pub programs: PathBuf,
    /// Where videos and folders are made.
    pub folder: PathBuf,
    /// How much is measured.
    pub extent: Extent,
}

impl Surroundings {
    /// From the place of this program.
    ///
    /// # Errors
    /// When it does not run in the repository's root.
    pub fn find(folder: &Path, extent: Extent) -> Result<Self> {
        let root = std::env::current_dir()?;
        ensure!(root.join("models/training").is_dir(), "run this in the repository's root");
        std::fs::create_dir_all(folder)?;
        let programs = std::env::current_exe()?.parent().map(Path::to_owned).context("where is this program?")?;
        Ok(Self { root, programs, folder: folder.canonicalize()?, extent })
    }

    /// A count, or little of it.
    fn part_of(&self, count: u32) -> u32 {
        if self.extent.short { count / 100 } else { count }
    }

    /// A minute of the drawn gate, 1280x720, 15 frames a second, H.264 at 4 Mbit/s; drawn once.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn gate(&self) -> Result<PathBuf> {
        let video = self.folder.join("gate/gate.mp4");
        if !video.exists() {
            eprintln!("bench: drawing a minute of the gate");
            let mut draw = Command::new("/usr/bin/python3");
            draw.current_dir(self.root.join("models")).args([
                "-m",
                "training",
                "gate",
                "--seed",
                "61",
                "--seconds",
                "60",
            ]);
            cost::of_program(draw.arg("--out").arg(self.folder.join("gate")))?;
        }
        Ok(video)
    }

    /// Forty seconds of 1080p at 30 frames a second, H.264 at 4 Mbit/s with a key frame every two seconds; made once.
    ///
    /// # Errors
    /// When ffmpeg fails.
    pub fn full_hd(&self) -> Result<PathBuf> {
        let video = self.folder.join("1080p30.mp4");
        if !video.exists() {
            eprintln!("bench: making a 1080p video");
            let filter = "testsrc2=size=1920x1080:rate=30,noise=alls=12:allf=t";
            let mut make = Command::new("ffmpeg");
            make.args(["-v", "error", "-y", "-f", "lavfi", "-i", filter, "-t", "40", "-c:v", "libx264", "-bf", "0"]);
            make.args(["-preset", "ultrafast", "-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M", "-g", "60"]);
            cost::of_program(make.args(["-pix_fmt", "yuv420p"]).arg(&video))?;
        }
        Ok(video)
    }
}

/// Measures the named rows, or all.
///
/// # Errors
/// When a name is unknown or a row cannot be measured.
pub fn measure(names: &[String], around: &Surroundings) -> Result<Vec<Row>> {
    for name in names {
        let known: Vec<&str> = ALL.iter().map(|(known, ..)| *known).collect();
        ensure!(known.contains(&name.as_str()), "there is no row {name}; there are {}", known.join(", "));
    }
    let mut rows = Vec::new();
    for (name, about, measure) in ALL {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            eprintln!("bench: {name}: {about}");
            rows.extend(measure(around).with_context(|| format!("row {name}"))?);
        }
    }
    Ok(rows)
}
