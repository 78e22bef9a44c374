//! `edge-agent`: the command line of the box.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use edge_agent::app::inspect::{self, InspectArgs};

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
    Inspect(InspectArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Inspect(arguments) => Ok(inspect::run(&arguments)?),
    }
}
