//! One file per subcommand: arguments, help with examples, and what it does.

mod agent;
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
  rtcc pki dev --dir pki --agency metro     certificates to try it with, and a
                                            broker's configuration
  rtcc serve --agency metro --data center --root pki/root.pem \\
             --cert pki/center-1.pem --key pki/center-1.key
  rtcc watch --lane hit                     what the units send
  rtcc ring --unit gate-1                   what video can be asked for
  rtcc COMMAND --help                       every command has examples")]
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
    Agent(agent::Agent),
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
            Command::Agent(command) => command.run(),
            Command::Enroll(command) => command.run(),
            Command::Report(command) => command.run(),
            Command::Update(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::Arguments;

    fn check(command: &Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(command.has_subcommands() || command.is_hide_set() || after.contains("Example"), "{path}");
        let mut before = "";
        for line in after.lines() {
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with("  ") && !line.ends_with(':');
            // What is longer is broken again by whoever shows it, in the middle of a command.
            assert!(is_prose(line) || line.chars().count() <= 80, "{path}: {line}");
            assert!(!(is_prose(before) && is_prose(line)), "{path}: a paragraph is one line, and wraps: {line}");
            before = line;
        }
        for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            let name = argument.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
            let opaque =
                ["DIR", "OUTPUT", "ROOT", "CERT", "KEY", "PKI", "DATA", "CONFIG", "TLS_ROOT", "TLS_CERT", "TLS_KEY"];
            assert!(!opaque.contains(&name.as_str()), "{path}: {name} does not say what it is: FILE, FOLDER, NAME");
        }
        for sub in command.get_subcommands() {
            check(sub, &path);
        }
    }

    #[test]
    fn every_help_has_examples_that_fit_a_terminal_and_says_what_its_values_are() {
        check(&Arguments::command(), "");
    }
}
