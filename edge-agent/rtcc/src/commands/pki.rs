//! `rtcc pki`: keys and certificates for development, demo and tests.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use edge_protocol::command::Role;
use edge_protocol::id::{AgencyId, CenterId, PersonId, UnitId};
use rtcc::clock;
use rtcc::pki::{Authority, Issued, LetIn, Subject};

/// Make a development PKI: one root per agency, and certificates for broker, units, receivers and people.
///
/// Keys are P-256, readable by their owner alone. Real units make their own keys and enrol.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc pki dev --dir pki --agency metro       root, broker, receivers, persons
  rtcc pki init --agency metro --dir pki      the root alone
  rtcc pki unit --dir pki --unit gate-2       a unit that does not enrol
  rtcc pki center --dir pki --name center-3   one more receiver
  rtcc pki person --dir pki --name ada --role investigator
                                              somebody who may ask for clips")]
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
        #[arg(long, value_name = "NAME")]
        agency: AgencyId,
        /// The folder for keys and certificates.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
    },
    /// Make the broker's certificate and its configuration.
    #[command(after_help = "Example:\n  rtcc pki broker --dir pki --name broker.example.org --port 8883")]
    Broker {
        /// The folder with the root.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// A name or address under which the broker is reached; repeatable; localhost and 127.0.0.1 are always in.
        #[arg(long = "name", value_name = "HOST")]
        names: Vec<String>,
        /// The port to listen on.
        #[arg(long, default_value_t = 8883)]
        port: u16,
        /// A receiver that may connect; repeatable [default: center-1, center-2 and whom its access list has].
        #[arg(long = "center", value_name = "NAME")]
        centers: Vec<CenterId>,
    },
    /// Make the certificate of the center's interface, for addresses that other machines reach.
    #[command(after_help = "Example:\n  rtcc pki interface --dir pki --name center.example.org")]
    Interface {
        /// The folder with the root.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// A name or address under which the interface is reached; repeatable; localhost and 127.0.0.1 are always in.
        #[arg(long = "name", value_name = "HOST")]
        names: Vec<String>,
    },
    /// Make a unit's certificate, named {agency}/{unit}.
    #[command(after_help = "Example:\n  rtcc pki unit --dir pki --unit gate-1")]
    Unit {
        /// The folder with the root.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// The unit's name.
        #[arg(long, value_name = "NAME")]
        unit: UnitId,
    },
    /// Make a receiver's certificate, named {agency}/{name}, and let it in at the broker; two receivers need two.
    ///
    /// It is put into the access list that lies beside the root; where there is none, what the broker's has to say is
    /// shown.
    #[command(after_help = "Example:\n  rtcc pki center --dir pki --name center-2")]
    Center {
        /// The folder with the root.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// The receiver's name.
        #[arg(long, value_name = "NAME")]
        name: CenterId,
    },
    /// Make the certificate with which a person signs commands.
    #[command(after_help = "Example:\n  rtcc pki person --dir pki --name ada --role investigator")]
    Person {
        /// The folder with the root.
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// The person's name.
        #[arg(long, value_name = "NAME")]
        name: PersonId,
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
        #[arg(long, value_name = "FOLDER")]
        dir: PathBuf,
        /// The agency's name.
        #[arg(long, value_name = "NAME")]
        agency: AgencyId,
        /// A unit's name; repeatable. Units that enrol need none.
        #[arg(long = "unit", value_name = "NAME")]
        units: Vec<UnitId>,
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
                let centers = if centers.is_empty() { usual_centers(&authority)? } else { centers };
                let path = authority.write_broker_files(port, &centers, now)?;
                say(&format!("configuration {}", path.display()))
            }
            What::Interface { dir, names } => issue(&dir, &Subject::Interface(with_local(names)), now),
            What::Unit { dir, unit } => issue(&dir, &Subject::Unit(unit), now),
            What::Center { dir, name } => {
                let authority = Authority::open(&dir)?;
                tell(&authority.issue(&Subject::Center(name.clone()), now)?)?;
                say(&at_the_broker(&authority, &name)?)
            }
            What::Person { dir, name, role } => issue(&dir, &Subject::Person(name, role), now),
            What::Dev { dir, agency, units, port } => everything(&dir, &agency, units, port),
        }
    }
}

fn issue(dir: &std::path::Path, subject: &Subject, now: i64) -> anyhow::Result<()> {
    tell(&Authority::open(dir)?.issue(subject, now)?)
}

fn everything(dir: &std::path::Path, agency: &AgencyId, units: Vec<UnitId>, port: u16) -> anyhow::Result<()> {
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
    let mut subjects = vec![Subject::Broker(with_local(Vec::new())), Subject::Interface(with_local(Vec::new()))];
    subjects.extend(units.into_iter().map(Subject::Unit));
    subjects.extend(two_centers()?.into_iter().map(Subject::Center));
    for role in Role::ALL.iter().copied() {
        // One person per role, called like it: examples and tests read well that way.
        subjects.push(Subject::Person(role.as_str().parse()?, role));
    }
    for subject in subjects {
        if !dir.join(format!("{}.pem", subject.file_stem())).exists() {
            tell(&authority.issue(&subject, now)?)?;
        }
    }
    let path = authority.write_broker_files(port, &usual_centers(&authority)?, now)?;
    say(&format!("broker configuration {}", path.display()))
}

fn two_centers() -> anyhow::Result<Vec<CenterId>> {
    ["center-1", "center-2"].into_iter().map(|name| Ok(name.parse()?)).collect()
}

/// The receivers of a development set-up, and whom the broker lets in already.
fn usual_centers(authority: &Authority) -> anyhow::Result<Vec<CenterId>> {
    let mut centers = two_centers()?;
    for center in authority.let_in()? {
        if !centers.contains(&center) {
            centers.push(center);
        }
    }
    Ok(centers)
}

/// Lets a receiver in at the broker, and says what is left to do there: one that may not read hears nothing, and
/// Mosquitto does not tell it so.
fn at_the_broker(authority: &Authority, center: &CenterId) -> anyhow::Result<String> {
    Ok(match authority.let_in_also(center)? {
        LetIn::Now(list) => {
            format!(
                "{} lets it in; the broker has to read it again (SIGHUP, or a restart), a copy of it after it was copied anew",
                list.display()
            )
        }
        LetIn::Before(list) => format!("{} let it in before", list.display()),
        LetIn::Nowhere(lines) => format!(
            "there is no access list in {}: put this into the broker's, and have the broker read it again\n{}",
            authority.folder().display(),
            lines.trim_end()
        ),
    })
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
