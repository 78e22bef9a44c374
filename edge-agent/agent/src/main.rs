//! `edge-agent`: the command line of the box.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use edge_agent::app::inspect::{self, InspectArgs};
use edge_agent::app::vision::{WorkerArgs, run_worker};

/// The edge video appliance's agent
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks at pictures and videos with the box's own models
    Inspect(Box<InspectArgs>),
    /// A life as vision worker: started by the agent alone
    #[command(hide = true)]
    VisionWorker(WorkerArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        // Before anything that starts a thread: the worker's confinement needs to be alone.
        Command::VisionWorker(arguments) => Ok(run_worker(&arguments)),
        Command::Inspect(arguments) => Ok(inspect::run(&arguments)?),
    }
}
