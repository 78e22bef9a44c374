//! The demo: the main job end to end, on this machine, with real programs.
//!
//! Cameras are played over RTSP, the agent looks at them, the center receives through a real broker; the link is cut
//! and healed; a clip of a moment that has passed is pulled and verified. What was promised is checked at the end:
//! the exit status is 0 only if it happened.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "the demo talks to a person at a terminal, and runs outside the product's supervision"
)]

mod cameras;
mod center;
mod diagnosis;
mod errand;
mod interruption;
mod ledger;
mod report;
mod scene;
mod score;
mod steps;
mod story;
mod summary;
mod visit;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use interruption::Interruption;

/// Shows the main job end to end: cameras, vision, broker, center, a cut link, a verified clip.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  demo --seconds 60                      ends by itself
  demo --source rtsp://192.0.2.10/main   your own camera
  demo --source /dev/video0              a camera on this machine")]
struct Arguments {
    /// End after this many seconds; 0 runs until ^C, which ends with 130.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
    /// A camera or file of your own instead of the demo's two cameras.
    #[arg(long, default_value = "")]
    source: String,
    /// Where everything of the demo lives.
    #[arg(long, default_value = "target/demo")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let interruption = match Interruption::noted() {
        Ok(interruption) => interruption,
        Err(error) => return failed(&error),
    };
    let ended = match story::play(&arguments, &interruption) {
        Ok(summary) if summary.broken.is_empty() => {
            println!("\nEverything that was promised happened.");
            ExitCode::SUCCESS
        }
        Ok(summary) => {
            println!("\nNot everything that was promised happened:");
            for promise in &summary.broken {
                println!("  - {promise}");
            }
            ExitCode::FAILURE
        }
        Err(error) => failed(&error),
    };
    interruption.status().map_or(ended, ExitCode::from)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("demo: {error:#}");
    ExitCode::FAILURE
}
