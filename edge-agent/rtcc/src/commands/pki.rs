//! `rtcc pki`: keys and certificates for development, demo and tests.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use edge_protocol::command::Role;
use rtcc::clock;
use rtcc::pki::{Authority, Issued, Name, Subject};

/// Make a development PKI: one root per agency, and certificates for broker, units, receivers and people.
///
/// Keys are P-256, readable by their owner alone. Real units make their own keys and enrol.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc pki dev --dir pki --agency metro --unit gate-1        everything for one unit, with the broker's configuration
  rtcc pki init --agency metro --dir pki                     the root alone
  rtcc pki unit --dir pki --unit gate-2                      one more unit
  rtcc pki person --dir pki --name ada --role investigator   somebody who may ask for clips")]
pub(crate) struct Pki {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the agency's root.
    #[command(after_help = "Example:\n  rtcc pki init --agency metro --dir pki")]
    Init {
        /// The agency's name: a-z, 0-9 and '-'.
        #[arg(long)]
        agency: Name,
        /// The folder for keys and certificates.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Make the broker's certificate and its configuration.
    #[command(after_help = "Example:\n  rtcc pki broker --dir pki --name broker.example.org --port 8883")]
    Broker {
        /// The folder with the root.
        #[arg(long)]
        dir: PathBuf,
        /// A name or address under which the broker is reached; repeatable; localhost and 127.0.0.1 are always in.
        #[arg(long = "name")]
        names: Vec<String>,
        /// The port to listen on.
        #[arg(long, default_value_t = 8883)]
        port: u16,
        /// A receiver that may connect; repeatable.
        #[arg(long = "center", default_values = ["center-1", "center-2"])]
        centers: Vec<Name>,
    },
    /// Make the certificate of the center's interface, for addresses that other machines reach.
    #[command(after_help = "Example:\n  rtcc pki interface --dir pki --name center.example.org")]
    Interface {
        /// The folder with the root.
        #[arg(long)]
        dir: PathBuf,
        /// A name or address under which the interface is reached; repeatable; localhost and 127.0.0.1 are always in.
        #[arg(long = "name")]
        names: Vec<String>,
    },
    /// Make a unit's certificate, named {agency}/{unit}.
    #[command(after_help = "Example:\n  rtcc pki unit --dir pki --unit gate-1")]
    Unit {
        /// The folder with the root.
        #[arg(long)]
        dir: PathBuf,
        /// The unit's name.
        #[arg(long)]
        unit: Name,
    },
    /// Make a receiver's certificate, named {agency}/{name}; two receivers need two.
    #[command(after_help = "Example:\n  rtcc pki center --dir pki --name center-2")]
    Center {
        /// The folder with the root.
        #[arg(long)]
        dir: PathBuf,
        /// The receiver's name.
        #[arg(long)]
        name: Name,
    },
    /// Make the certificate with which a person signs commands.
    #[command(after_help = "Example:\n  rtcc pki person --dir pki --name ada --role investigator")]
    Person {
        /// The folder with the root.
        #[arg(long)]
        dir: PathBuf,
        /// The person's name.
        #[arg(long)]
        name: Name,
        /// viewer, investigator, supervisor, auditor, technician or policy-admin.
        #[arg(long, value_parser = role)]
        role: Role,
    },
    /// Make everything a development set-up needs; what is there already stays.
    #[command(
        after_help = "Example:\n  rtcc pki dev --dir pki --agency metro --unit gate-1 --unit gate-2 --port 18883"
    )]
    Dev {
        /// The folder for keys and certificates.
        #[arg(long)]
        dir: PathBuf,
        /// The agency's name.
        #[arg(long)]
        agency: Name,
        /// A unit's name; repeatable.
        #[arg(long = "unit", required = true)]
        units: Vec<Name>,
        /// The broker's port.
        #[arg(long, default_value_t = 8883)]
        port: u16,
    },
}

impl Pki {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let now = clock::wall_us();
        match self.what {
            What::Init { agency, dir } => {
                let authority = Authority::create(&dir, &agency, now)?;
                say(&format!("root of {agency} in {}", authority.folder().display()))
            }
            What::Broker { dir, names, port, centers } => {
                let authority = Authority::open(&dir)?;
                tell(&authority.issue(&Subject::Broker(with_local(names)), now)?)?;
                let path = authority.write_broker_files(port, &centers, now)?;
                say(&format!("configuration {}", path.display()))
            }
            What::Interface { dir, names } => issue(&dir, &Subject::Interface(with_local(names)), now),
            What::Unit { dir, unit } => issue(&dir, &Subject::Unit(unit), now),
            What::Center { dir, name } => issue(&dir, &Subject::Center(name), now),
            What::Person { dir, name, role } => issue(&dir, &Subject::Person(name, role), now),
            What::Dev { dir, agency, units, port } => everything(&dir, &agency, units, port),
        }
    }
}

fn issue(dir: &std::path::Path, subject: &Subject, now: i64) -> anyhow::Result<()> {
    tell(&Authority::open(dir)?.issue(subject, now)?)
}

fn everything(dir: &std::path::Path, agency: &Name, units: Vec<Name>, port: u16) -> anyhow::Result<()> {
    let now = clock::wall_us();
    let authority = if dir.join("root.pem").exists() {
        let found = Authority::open(dir)?;
        anyhow::ensure!(found.agency() == agency, "{} belongs to {}, not to {agency}", dir.display(), found.agency());
        found
    } else {
        let made = Authority::create(dir, agency, now)?;
        say(&format!("{} of {agency}", dir.join("root.pem").display()))?;
        made
    };
    let centers: Vec<Name> = ["center-1", "center-2"].into_iter().map(str::parse).collect::<Result<_, _>>()?;
    let mut subjects = vec![Subject::Broker(with_local(Vec::new())), Subject::Interface(with_local(Vec::new()))];
    subjects.extend(units.into_iter().map(Subject::Unit));
    subjects.extend(centers.iter().cloned().map(Subject::Center));
    for role in Role::ALL.iter().copied() {
        // One person per role, called like it: examples and tests read well that way.
        subjects.push(Subject::Person(role.as_str().parse()?, role));
    }
    for subject in subjects {
        if !dir.join(format!("{}.pem", subject.file_stem())).exists() {
            tell(&authority.issue(&subject, now)?)?;
        }
    }
    let path = authority.write_broker_files(port, &centers, now)?;
    say(&format!("broker configuration {}", path.display()))
}

fn role(word: &str) -> Result<Role, String> {
    Role::parse(word).ok_or_else(|| {
        let words: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("roles are {}", words.join(", "))
    })
}

fn with_local(mut names: Vec<String>) -> Vec<String> {
    for always in ["localhost", "127.0.0.1"] {
        if !names.iter().any(|name| name == always) {
            names.push(always.to_owned());
        }
    }
    names
}

fn tell(issued: &Issued) -> anyhow::Result<()> {
    say(&format!("{} with {}", issued.certificate.display(), issued.key.display()))
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
