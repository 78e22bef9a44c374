//! `rtcc factory`: what goes onto a new unit, and its label.

use std::io::Write;
use std::path::PathBuf;

use super::serve::address;
use clap::Args;
use edge_protocol::enrolment::Serial;
use rtcc::factory::Order;
use rtcc::pki::Authority;
use rtcc::{clock, factory};

/// Make what the factory puts on a unit: claim and page certificates, a hash of the setup code, and the label.
///
/// FOLDER/unit goes onto the unit. FOLDER/label.pdf is printed, stuck onto it, and deleted: the setup code stands
/// nowhere else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc pki init --dir pki --agency metro          once, if there is no root yet
  rtcc factory --serial SN42 --broker broker.example.org:8883 --pki pki -o SN42    SN42/unit and SN42/label.pdf")]
pub(crate) struct Factory {
    /// The unit's serial number: 1 to 40 of A-Z, a-z, 0-9, '.', '_' and '-'.
    #[arg(long)]
    serial: Serial,
    /// The folder with the root of the agency for which the unit is made.
    #[arg(long, default_value = "pki")]
    pki: PathBuf,
    /// The broker at which the unit asks to be enrolled; without it the technician has to name one on the unit.
    #[arg(long, value_name = "HOST:PORT", value_parser = broker)]
    broker: Option<String>,
    /// Where to put everything.
    #[arg(short, long = "out", value_name = "FOLDER")]
    out: PathBuf,
}

fn broker(text: &str) -> anyhow::Result<String> {
    address(text).map(|_| text.to_owned())
}

impl Factory {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let order = Order { serial: &self.serial, broker: self.broker.as_deref() };
        let made = factory::make(&Authority::open(&self.pki)?, order, &self.out, clock::wall_us())?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "onto the unit  {}", made.unit.display())?;
        writeln!(out, "print          {}  (then delete it: it shows the setup code)", made.label.display())?;
        writeln!(out, "page           SHA-256 {}", made.page)?;
        Ok(())
    }
}
