//! `edge-agent`: the command line of the box.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use edge_agent::app::check;
use edge_agent::app::doctor::{self, DoctorArgs};
use edge_agent::app::enroll::{self, EnrollArgs, EnrollFailure};
use edge_agent::app::inspect::{self, InspectArgs};
use edge_agent::app::networks::{NetworksArgs, networks};
use edge_agent::app::onvif::{self, OnvifArgs};
use edge_agent::app::replay::{self, ReplayArgs};
use edge_agent::app::run::{self, RunArgs, RunError};
use edge_agent::app::update::{self, UpdateArgs};
use edge_agent::app::vision::{WorkerArgs, run_worker};
use edge_agent::config::ConfigError;
use edge_agent::supervise::Fault;

/// `EX_CONFIG` of sysexits.h. The service unit takes it for "to start again does not help", and does not.
const CONFIGURATION: u8 = 78;

/// The edge video appliance's agent
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120)]
#[command(after_help = "Examples:
  edge-agent check-config FILE          what is wrong with a configuration
  edge-agent enroll --claim FOLDER      make the unit one of the agency's
  edge-agent run --config FILE          what the service unit starts
  edge-agent doctor                     what works here, what does not
  edge-agent inspect plates car.jpg     the models on a picture of your own

`edge-agent COMMAND --help` has examples for each, and says with which status it ends; a command line \
that cannot be ends with 2.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the agent: cameras, vision, recording, uplink
    Run(RunArgs),
    /// Says everything that is wrong with a configuration, all at once
    #[command(after_help = "Examples:
  edge-agent check-config                   the one that the service reads
  edge-agent check-config new.toml && sudo systemctl restart edge-agent

Ends with 0 if nothing is wrong, with 78 if something is or there is no configuration, with 1 if it \
cannot be read. What a good one names and is not on this machine (certificates, models, the token's \
library) is told, and is no mistake. Nothing is changed, and no camera is asked.")]
    CheckConfig {
        /// The configuration
        #[arg(value_name = "FILE", default_value = "/etc/edge-agent/edge-agent.toml")]
        config: PathBuf,
    },
    /// What works on this unit, what does not, and what to do about it
    Doctor(DoctorArgs),
    /// Makes this unit one of the agency's: its key, its certificate, its name
    Enroll(EnrollArgs),
    /// Looks at pictures and videos with the box's own models
    Inspect(Box<InspectArgs>),
    /// The events that a video makes, in virtual time
    Replay(Box<ReplayArgs>),
    /// Finds cameras and their streams by ONVIF
    Onvif(OnvifArgs),
    /// Installs signed bundles into the other slot, and watches over what boots
    Update(UpdateArgs),
    /// Whom the service may talk to: what `edge-site.service` tells systemd
    Networks(NetworksArgs),
    /// A life as vision worker: started by the agent alone
    #[command(hide = true)]
    VisionWorker(WorkerArgs),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // What the service units start, and what tells a person whether they will. Others have statuses of their own.
    let tells_configuration =
        matches!(command, Command::Run(_) | Command::CheckConfig { .. } | Command::Networks(_) | Command::Enroll(_));
    run(command).unwrap_or_else(|error| {
        // Without a standard error there is nobody to tell.
        drop(writeln!(std::io::stderr(), "edge-agent: {}", Fault::from_error(error.as_ref())));
        if tells_configuration { status_of(&error) } else { ExitCode::FAILURE }
    })
}

fn status_of(error: &anyhow::Error) -> ExitCode {
    let error = if let Some(RunError::Config(error)) = error.downcast_ref() {
        Some(error)
    } else if let Some(EnrollFailure::Config(error)) = error.downcast_ref() {
        Some(error)
    } else {
        error.downcast_ref::<ConfigError>()
    };
    let helps = error.is_none_or(ConfigError::may_pass);
    if helps { ExitCode::FAILURE } else { ExitCode::from(CONFIGURATION) }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        // Before anything that starts a thread: the worker's confinement needs to be alone.
        Command::VisionWorker(arguments) => Ok(run_worker(&arguments)),
        Command::Run(arguments) => {
            start_log("info");
            run::run(&arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::CheckConfig { config } => {
            writeln!(std::io::stdout(), "{}", check::check_config(&config)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Networks(arguments) => {
            for network in networks(&arguments)? {
                writeln!(std::io::stdout(), "{network}")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor(arguments) => Ok(doctor::run(&arguments)?),
        Command::Enroll(arguments) => {
            enroll::run(&arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Onvif(arguments) => {
            onvif::run(&arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Update(arguments) => {
            start_log("info");
            update::run(&arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay(arguments) => {
            start_log("warn");
            Ok(replay::run(&arguments)?)
        }
        Command::Inspect(arguments) => {
            start_log("warn");
            Ok(inspect::run(&arguments)?)
        }
    }
}

/// Log lines go to the journal where there is one to take them, else to the terminal. `RUST_LOG` says how much, and
/// `level` does where it is silent.
fn start_log(level: &str) {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into());
    let registry = tracing_subscriber::registry().with(filter);
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    if let Some(journal) = journal {
        registry.with(journal).init();
    } else {
        let colour = std::io::stderr().is_terminal();
        registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour)).init();
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// The narrowest terminal that is thought of.
    const COLUMNS: usize = 80;

    fn each(command: &clap::Command, name: &str, look: &mut dyn FnMut(&str, &str)) {
        look(name, &command.get_after_help().map(ToString::to_string).unwrap_or_default());
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            each(below, &format!("{name} {}", below.get_name()), look);
        }
    }

    #[test]
    fn no_example_is_broken_in_the_middle_and_no_paragraph_is_wrapped_twice() {
        each(&Cli::command(), "edge-agent", &mut |name, text| {
            for (line, next) in text.lines().zip(text.lines().skip(1).chain([""])) {
                let is_example = line.starts_with(' ');
                assert!(!is_example || line.chars().count() <= COLUMNS, "{name}: {line}");
                let goes_on = !line.is_empty() && !next.is_empty() && !next.starts_with(' ');
                assert!(!goes_on, "{name} breaks a paragraph by hand: {line}");
            }
        });
    }

    #[test]
    fn each_command_that_is_used_by_itself_has_an_example() {
        let mut without = Vec::new();
        each(&Cli::command(), "edge-agent", &mut |name, text| {
            if !text.contains(&format!("\n  {name}")) && !text.contains(&format!("\n  sudo {name}")) {
                without.push(name.to_owned());
            }
        });
        // Those two are for the service manager.
        assert_eq!(without, ["edge-agent update confirm", "edge-agent update carry-out"]);
    }
}
