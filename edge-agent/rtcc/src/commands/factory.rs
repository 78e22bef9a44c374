//! `rtcc factory`: what goes onto a new unit, and its label.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use edge_protocol::enrolment::{BrokerAddress, Serial};
use rtcc::factory::{Network, Order, TimeServer};
use rtcc::pki::Authority;
use rtcc::{clock, factory};

use super::watch::warn;

/// Make what the factory puts on a unit: claim and page certificates, a hash of the setup code, and the label.
///
/// What is in FOLDER/persist goes onto the unit's partition `persist`: claim, name, configuration, board file, time
/// servers. Set the cameras in its config/edge-agent.toml before. FOLDER/label.pdf is printed, stuck onto the unit, and
/// deleted: the setup code stands nowhere else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc pki init --dir pki --agency metro          once, if there is no root yet
  rtcc factory --serial SN42 --broker 198.51.100.7:8883 -o SN42
                                                  SN42/persist, SN42/label.pdf
  rtcc factory --serial SN42 --broker broker.example.org:8883 \\
               --allow 198.51.100.0/24 --ntp ntp1.example.org \\
               --board carrier-a.toml --pki pki -o SN42")]
pub(crate) struct Factory {
    /// The unit's serial number: 1 to 40 of A-Z, a-z, 0-9, '.', '_' and '-'.
    #[arg(long)]
    serial: Serial,
    /// The folder with the root of the agency for which the unit is made.
    #[arg(long, default_value = "pki", value_name = "FOLDER")]
    pki: PathBuf,
    /// The broker at which the unit asks to be enrolled; without it the technician has to name one on the unit.
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<BrokerAddress>,
    /// What is fitted to the box (see board.example.toml); without it the unit looks for nothing.
    #[arg(long, value_name = "FILE")]
    board: Option<PathBuf>,
    /// A server that tells the time, as often as there are some; without one the unit's clock runs free.
    #[arg(long, value_name = "SERVER")]
    ntp: Vec<TimeServer>,
    /// A network or address in which broker and cameras are, as often as there are some: the unit's service reaches nobody
    /// else but addresses that stand in its configuration. A broker that is given by its name needs one.
    #[arg(long, value_name = "NETWORK")]
    allow: Vec<Network>,
    /// Where to put everything.
    #[arg(short, long = "out", value_name = "FOLDER")]
    out: PathBuf,
}

impl Factory {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let order = Order {
            serial: &self.serial,
            broker: self.broker.as_ref(),
            board: self.board.as_deref(),
            time_servers: &self.ntp,
            allow: &self.allow,
        };
        let authority = Authority::open(&self.pki)?;
        let made = factory::make(&authority, order, &self.out, clock::wall_us())?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "onto persist   {}", made.persist.display())?;
        writeln!(out, "cameras        {}", made.persist.join("config/edge-agent.toml").display())?;
        writeln!(out, "print          {}  (then delete it: it shows the setup code)", made.label.display())?;
        writeln!(out, "page           SHA-256 {}", made.page)?;
        if let Some(name) = self.out_of_reach() {
            let config = made.persist.join("config/edge-agent.toml");
            warn(&format!(
                "{name} is a name, and no --allow says in which network it lies: the unit's service, and so the \
                 technician's page, will not reach it; set [network] allow in {} before it goes out",
                config.display()
            ))?;
        }
        Ok(())
    }

    /// The broker, where the unit's service is let through to it by nothing: an address is let through by itself, a name
    /// by a network alone, since it may stand for another address tomorrow.
    fn out_of_reach(&self) -> Option<&str> {
        let host = self.broker.as_ref()?.host.as_str();
        let is_let_through = host.parse::<IpAddr>().is_ok() || host == "localhost" || !self.allow.is_empty();
        (!is_let_through).then_some(host)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Factory;
    use crate::commands::Arguments;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        factory: Factory,
    }

    #[test]
    fn a_broker_that_the_units_service_could_not_reach_is_said() {
        let warned = |more: &[&str]| {
            let words = ["factory", "--serial", "SN42", "-o", "SN42"].iter().chain(more);
            Typed::parse_from(words).factory.out_of_reach().map(str::to_owned)
        };
        assert_eq!(warned(&["--broker", "b.example.org:8883"]).as_deref(), Some("b.example.org"));
        for reached in [
            &["--broker", "b.example.org:8883", "--allow", "198.51.100.0/24"][..],
            &["--broker", "198.51.100.7:8883"],
            &["--broker", "[2001:db8::7]:8883"],
            &["--broker", "localhost:8883"],
            &[],
        ] {
            assert_eq!(warned(reached), None, "{reached:?}");
        }
    }

    #[test]
    fn without_a_root_it_says_how_to_make_one() {
        let folder = tempfile::tempdir().unwrap();
        let [pki, out] = ["pki", "SN42"].map(|name| folder.path().join(name).display().to_string());
        let words = ["rtcc", "factory", "--serial", "SN42", "--pki", &pki, "-o", &out];
        let error = format!("{:#}", Arguments::parse_from(words).run().unwrap_err());
        assert!(error.contains("rtcc pki init") && error.contains(&pki), "{error}");
    }
}
