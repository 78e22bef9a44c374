//! One file per subcommand: arguments, help with examples, and what it does.

mod pki;

use clap::{Parser, Subcommand};

/// The center's side of the edge appliances: receive, watch, ask for video, verify.
#[derive(Debug, Parser)]
#[command(name = "rtcc", version, about, max_term_width = 120)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Pki(pki::Pki),
}

impl Arguments {
    /// Runs the chosen subcommand.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Pki(command) => command.run(),
        }
    }
}
