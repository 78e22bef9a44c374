//! `edge-agent enroll`: from what the factory put on the unit to a unit of the agency, step by step.

use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_protocol::enrolment::{BrokerAddress, Grant, SetupCode};
use edge_protocol::topic;
use edge_store::disk::{Disk, RealDisk};

mod turns;

use super::locked;
use crate::config::{self, ConfigError};
use crate::enrolment::{Answered, Asking, Claim, EnrolError, Place, check_code, erase_claim};
use crate::keys::{Keys, TokenPlace};
use crate::supervise::Clock;
use crate::uplink::tls::{TlsError, client_config};
use crate::uplink::{ClaimLine, Heard};
use turns::Turns;

/// Makes this unit one of the agency's.
///
/// Needs what the factory put on the unit (`rtcc factory`), the setup code on its label, and somebody at the center who
/// expects it (`rtcc enroll expect`) and approves it (`rtcc enroll approve`). The key is made here and stays here.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  edge-agent enroll --claim /persist/claim            asks for the setup code
  edge-agent enroll --claim /persist/claim --broker broker.example:8883
  edge-agent enroll --claim claim --code XXXX-XXXX-XXXX --wait 5
  edge-agent enroll --claim claim --key pkcs11        in a token or not at all

Ends with 0 once the unit is enrolled, with 78 where the configuration cannot be used, and with 1 for \
everything else: refused, not approved in time, no line. Interrupted at any point it can be started \
again: it goes on where it was.")]
pub struct EnrollArgs {
    /// The configuration; its `enrolment` says where the identity shall be kept
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-agent/edge-agent.toml")]
    pub config: PathBuf,
    /// The folder that the factory made: unit.toml, claim.pem, claim.key, root.pem
    #[arg(long, value_name = "FOLDER")]
    pub claim: PathBuf,
    /// The setup code on the label; asked for where it is not given
    #[arg(long)]
    pub code: Option<SetupCode>,
    /// The broker, HOST:PORT, where the factory did not name it
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<BrokerAddress>,
    /// How many minutes to wait for somebody to approve
    #[arg(long, value_name = "MINUTES", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub wait: u32,
    /// Where the key is made; in the token (TPM, secure element) where the configuration has `[token]`, else in
    /// software
    #[arg(long, value_name = "WHERE")]
    pub key: Option<KeyStore>,
    /// Enrol a unit that is enrolled already
    #[arg(long)]
    pub again: bool,
}

/// Where a key is made and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KeyStore {
    /// In a file that its owner alone may read
    Software,
    /// In the token that the configuration names
    Pkcs11,
}

/// Why the unit is not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollFailure {
    /// The configuration does not say where the identity belongs.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The claim, the code, the key, or the center's answer.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The certificates for the broker cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The identity would lie in memory.
    #[error("{0}")]
    Locked(String),
    /// There is no token to make the key in.
    #[error(
        "--key pkcs11: {} names no token; write [token] with module, label and pin_file into it, see \
         docs/enrolment.md", .0.display()
    )]
    NoToken(PathBuf),
    /// Somebody else than who will use the identity.
    #[error(
        "{} belongs to another user (uid {owner}): run this as that user, with `sudo -u`, so that the service can read what \
         is written",
        .folder.display()
    )]
    OtherUser {
        /// Where the identity goes.
        folder: PathBuf,
        /// Whose that is.
        owner: u32,
    },
    /// Nobody says where the broker is.
    #[error("where is the broker? give --broker HOST:PORT: the factory did not name it")]
    NoBroker,
    /// That is no setup code.
    #[error(transparent)]
    Code(#[from] edge_protocol::enrolment::BadCode),
    /// Nobody has approved in time.
    #[error(
        "not enrolled within {0} minute(s): is the unit expected and approved at the center (`rtcc enroll list`)? \
         start again: it goes on where it was"
    )]
    TooLate(u32),
    /// The system fails.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

fn system(doing: &'static str) -> impl Fn(std::io::Error) -> EnrollFailure {
    move |source| EnrollFailure::System { doing, source }
}

/// Enrols the unit, and tells every step on standard output.
///
/// # Errors
/// See [`EnrollFailure`].
pub fn run(arguments: &EnrollArgs) -> Result<(), EnrollFailure> {
    enrol(arguments, &RealDisk, &mut |step| {
        // Without a standard output there is nobody to tell.
        drop(writeln!(std::io::stdout(), "{step}"));
    })
}

/// Enrols the unit on a disk.
///
/// # Errors
/// See [`EnrollFailure`].
pub fn enrol(arguments: &EnrollArgs, disk: &dyn Disk, tell: &mut dyn FnMut(&str)) -> Result<(), EnrollFailure> {
    let clock = Clock::system();
    let (folder, token) = config::enrolment_place(&arguments.config)?;
    let keys = keys(arguments, token.as_ref())?;
    if let Some(why) = locked::why(&folder) {
        return Err(EnrollFailure::Locked(locked::refusal(&why, "an identity would not outlive this start")));
    }
    check_user(&folder)?;
    let place = Place::open(disk, &folder)?;
    if place.is_enrolled(disk)? && !arguments.again {
        return Err(EnrolError::Enrolled { path: place.identity() }.into());
    }
    let claim = Claim::open(disk, &arguments.claim, clock.wall())?;
    tell(&format!("this unit is {}", claim.serial));
    let line = line(arguments, &claim)?;
    let code = arguments.code.clone().map_or_else(ask_for_code, Ok)?;
    check_code(disk, place.folder(), &claim.code, &code, clock.wall().time)?;
    tell("the setup code is right");
    let asking = Asking::begin(&place, &claim, &code, keys.clone(), disk)?;
    tell(match (asking.is_again(), keys.token()) {
        (true, _) => "going on with the key that was made before",
        (false, None) => "made a key; it stays here",
        (false, Some(_)) => "made a key in the token; it stays there",
    });
    let grant = ask(&line, &asking, arguments, &clock, tell)?;
    let grant = grant.inspect_err(|_| {
        if let Err(error) = asking.forget(&place, disk) {
            tracing::warn!(%error, "what was asked in vain is not removed");
        }
    })?;
    asking.check(&grant, &claim, &place, disk)?;
    tell("the certificate is of the agency's root and of this unit's key");
    asking.keep(&grant, &place, disk)?;
    tell(&format!("enrolled as {}/{}: {}", grant.agency, grant.unit, place.identity().display()));
    let [root, certificate, key] = place.files(disk)?;
    let line = ClaimLine { tls: client_config(&root, &certificate, &key, &keys)?, ..line };
    if greet(line, &grant, tell) {
        match erase_claim(&place, disk) {
            Ok(true) => tell("the claim's key is erased"),
            Ok(false) => tell("the claim's key is gone already"),
            // The unit is enrolled, whatever becomes of the claim.
            Err(error) => tell(&format!("the claim's key is still there, remove it: {error}")),
        }
    }
    Ok(())
}

/// Whether who writes the identity is who will read it. What is root's own the service manager gives to the service.
fn check_user(folder: &Path) -> Result<(), EnrollFailure> {
    let there = folder.ancestors().find_map(|place| std::fs::metadata(place).ok());
    let owner = there.map_or(0, |found| found.uid());
    if owner == 0 || owner == nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    Err(EnrollFailure::OtherUser { folder: folder.to_owned(), owner })
}

fn keys(arguments: &EnrollArgs, token: Option<&TokenPlace>) -> Result<Keys, EnrollFailure> {
    match (arguments.key, token) {
        (Some(KeyStore::Software), _) => Ok(Keys::default()),
        (Some(KeyStore::Pkcs11), None) => Err(EnrollFailure::NoToken(arguments.config.clone())),
        (Some(KeyStore::Pkcs11) | None, token) => Ok(Keys::of(token)),
    }
}

fn line(arguments: &EnrollArgs, claim: &Claim) -> Result<ClaimLine, EnrollFailure> {
    let broker = arguments.broker.as_ref().or(claim.broker.as_ref()).ok_or(EnrollFailure::NoBroker)?;
    let [root, certificate, key] = claim.files();
    Ok(ClaimLine {
        host: broker.host.clone(),
        port: broker.port,
        tls: client_config(&root, &certificate, &key, &Keys::default())?,
        serial: claim.serial.clone(),
    })
}

fn ask_for_code() -> Result<SetupCode, EnrollFailure> {
    if std::io::stdin().is_terminal() {
        write!(std::io::stderr(), "setup code on the label: ").map_err(system("cannot ask for the setup code"))?;
    }
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).map_err(system("cannot read the setup code"))?;
    Ok(text.parse()?)
}

/// Asks until there is an answer that can be believed.
fn ask(
    line: &ClaimLine,
    asking: &Asking,
    arguments: &EnrollArgs,
    clock: &Clock,
    tell: &mut dyn FnMut(&str),
) -> Result<Result<Box<Grant>, EnrolError>, EnrollFailure> {
    let mut outcome = None;
    let (mut turns, mut waits) = (Turns::default(), false);
    let patience = Duration::from_secs(60 * u64::from(arguments.wait));
    line.ask(asking.message(), patience, clock, &mut |heard| {
        match heard {
            Heard::Connected if turns.taken() => {
                tell(&format!("the broker {}:{} takes the claim certificate", line.host, line.port));
            }
            Heard::Sent => {
                turns.asked(clock.mono());
                if std::mem::replace(&mut waits, true) {
                    return false;
                }
                tell(&format!(
                    "asked; waiting for approval at the center: `rtcc enroll approve --serial {}`",
                    line.serial
                ));
            }
            Heard::Lost(reason) => {
                let reason = format!("{}:{}: {reason}", line.host, line.port);
                turns.lost(&reason, clock.mono()).iter().for_each(|news| tell(news));
            }
            Heard::Connected => {}
            Heard::Answer(message) => match asking.read(message) {
                Ok(Answered::Granted(grant)) => outcome = Some(Ok(grant)),
                Ok(Answered::NotOurs(why)) => tell(&format!("not the answer that is waited for: {why}")),
                Err(error) => outcome = Some(Err(error)),
            },
        }
        outcome.is_some()
    })
    .map_err(system("cannot talk to the broker"))?;
    outcome.ok_or(EnrollFailure::TooLate(arguments.wait))
}

/// The first connection under the new name; true if the broker takes it. Only after it the claim is taken away.
fn greet(line: ClaimLine, grant: &Grant, tell: &mut dyn FnMut(&str)) -> bool {
    let line = ClaimLine { host: grant.broker_host.clone(), port: grant.broker_port, ..line };
    let name = topic::client_name(&grant.agency, grant.unit.as_str());
    let place = format!("{}:{}", line.host, line.port);
    match line.greet(&name) {
        Ok(()) => {
            tell(&format!("the broker {place} takes the connection of {name}"));
            true
        }
        Err(why) => {
            tell(&format!(
                "enrolled, but not yet connected as {name} to {place} ({why}); the agent erases the claim's key when it is"
            ));
            false
        }
    }
}
