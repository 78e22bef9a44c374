//! One file per subcommand: arguments, help with examples, and what it does.

mod center;
mod clip;
mod enroll;
mod factory;
mod lists;
mod models;
mod pki;
mod report;
mod serve;
mod signer;
#[cfg(test)]
mod stage;
mod update;
mod verify;
mod watch;

use clap::{Parser, Subcommand};

/// The center's side of the edge appliances: receive, watch, ask for video, verify.
#[derive(Debug, Parser)]
#[command(name = "rtcc", version, about, max_term_width = 120)]
#[command(after_help = "Examples:
  rtcc pki dev --dir pki --agency metro --unit gate-1    certificates to try it with, and a broker's configuration
  rtcc serve --agency metro --data center --root pki/root.pem --cert pki/center-1.pem --key pki/center-1.key
  rtcc watch --lane hit                                  what the units send
  rtcc ring --unit gate-1                                what video can be asked for
  rtcc COMMAND --help                                    every command has examples")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Watch(watch::Watch),
    Units(lists::Units),
    Cameras(lists::Cameras),
    Ring(lists::Ring),
    Clip(Box<clip::Clip>),
    Verify(verify::Verify),
    Pki(pki::Pki),
    Factory(factory::Factory),
    Models(models::Models),
    Enroll(enroll::Enroll),
    Report(report::Report),
    Update(Box<update::Update>),
}

impl Arguments {
    /// Runs the chosen subcommand.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve(command) => command.run(),
            Command::Watch(command) => command.run(),
            Command::Units(command) => command.run(),
            Command::Cameras(command) => command.run(),
            Command::Ring(command) => command.run(),
            Command::Clip(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Pki(command) => command.run(),
            Command::Factory(command) => command.run(),
            Command::Models(command) => command.run(),
            Command::Enroll(command) => command.run(),
            Command::Report(command) => command.run(),
            Command::Update(command) => command.run(),
        }
    }
}
