//! The configuration file: parse, check, report every mistake.
//!
//! One TOML file says everything. [`Config::parse`] either gives a [`Config`] that cannot be wrong in itself, or all
//! mistakes at once with key, allowed range and a hint. Whether files and devices exist is found out by who opens them.

mod board;
mod camera;
mod drawn;
mod fields;
mod identity;
mod network;
mod sections;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use edge_protocol::hash::Version;
use edge_protocol::id::{AgencyId, UnitId};
use toml::Table;

pub use board::{
    Accelerometer, Board, BoardChoice, Climate, Heat, I2cPlace, Illuminator, Lighting, Line as BoardLine, PowerMonitor,
    TemperaturePart, TemperatureSensor, Trigger,
};
pub use camera::{Camera, Line, Place, PlateSearch, Source, Transport, Zone};
pub use drawn::{PassedOver, Redrawn};
pub use fields::Mistake;
pub use network::{Network, NetworkError};
pub(crate) use network::{host_and_port, literal};
pub use sections::{Acknowledgement, Control, Encoding, Health, Hotlist, Models, Page, Publish, Reads, Update, Uplink};

use crate::keys::TokenPlace;
use fields::Fields;

/// Everything the agent is told before it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Names all that follows: it is another as soon as anything in it, the identity or the drawn zones is.
    pub version: Version,
    /// Whether this is a unit in the field or a developer's.
    pub profile: Profile,
    /// Where outbox, ring, index and audit live.
    pub data_dir: PathBuf,
    /// The folder with the identity that `edge-agent enroll` wrote; none where files are named one by one.
    pub enrolment: Option<PathBuf>,
    /// The token that holds the unit's key; none where a file does.
    pub token: Option<TokenPlace>,
    /// The agency the unit belongs to.
    pub agency: AgencyId,
    /// The unit's own name; its certificate must carry the same.
    pub unit: UnitId,
    /// Where and how to tell.
    pub uplink: Uplink,
    /// Who may ask.
    pub control: Control,
    /// What the center may have downloaded.
    pub update: Update,
    /// Networks that the service may talk to, beside what is named by address elsewhere; see [`Config::networks`].
    pub allow: Vec<Network>,
    /// What becomes of plate reads.
    pub reads: Reads,
    /// Lists of plates to look for.
    pub hotlist: Hotlist,
    /// What to see with.
    pub models: Models,
    /// Health records and metrics.
    pub health: Health,
    /// What is fitted to the box.
    pub board: BoardChoice,
    /// The technician's page; none where the unit has none.
    pub page: Option<Page>,
    /// The cameras, at least one, ids all different.
    pub cameras: Vec<Camera>,
    /// What was put on the page and is not in force, because it cannot be used.
    pub passed_over: Option<PassedOver>,
}

/// Where data lies unless told otherwise.
pub const DATA_DIR: &str = "/var/lib/edge-agent";

/// Where the unit works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// On a pole: nothing that only serves tests is accepted.
    Field,
    /// On a desk: test plates are accepted.
    Dev,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML. The line itself is not repeated: it may hold a password or a plate.
    #[error("the configuration is not valid TOML, line {line}: {what}")]
    Syntax {
        /// Where, counted from 1.
        line: usize,
        /// What was expected there.
        what: String,
    },
    /// A file that the configuration names, and that is read like it, cannot be used.
    #[error("{}", in_file(.what, .path, .why))]
    Named {
        /// Which, as `the board file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, as if it were the configuration.
        why: Box<ConfigError>,
    },
    /// The unit is nobody's yet.
    #[error(
        "this unit is not enrolled: there is no identity in {folder} (`enrolment`); run `edge-agent enroll`, or name \
         certificates and keys in the configuration"
    )]
    NotEnrolled {
        /// Where the identity would be.
        folder: PathBuf,
    },
    /// The file says nothing of enrolment.
    #[error(
        "{path} does not say where the identity shall be kept: write `enrolment = \"/var/lib/edge-agent/identity\"` \
         into it, and take out what the enrolment brings ([unit], [uplink] host, port, ca, certificate, key, \
         [control] agency_root)"
    )]
    NoPlace {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be used, and neither can the last good one that would stand in for it.
    #[error(
        "{}\nthe last good configuration cannot stand in for it: {}\n\
         nothing is seen, recorded or told until one can be used: correct the file (edge-agent check-config FILE), then \
         systemctl restart edge-agent",
        in_full(.file),
        in_full(.last)
    )]
    NoStandIn {
        /// What is wrong with the file.
        file: Box<ConfigError>,
        /// What is wrong with the last good one.
        last: Box<ConfigError>,
    },
    /// The file says things that cannot be.
    #[error("the configuration has {} mistake(s):\n{}", .0.len(), list(.0))]
    Mistakes(Vec<Mistake>),
}

impl ConfigError {
    /// Whether the same files may do another time, as where the disk or the number of open files was at fault. A copy
    /// that cannot be read says nothing of it: whoever waits for its disk beside a file that is wrong boots for ever.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Read { source, .. } => !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::InvalidData),
            Self::Named { why: file, .. } | Self::NoStandIn { file, last: _ } => file.may_pass(),
            Self::Syntax { .. } | Self::NotEnrolled { .. } | Self::NoPlace { .. } | Self::Mistakes(_) => false,
        }
    }
}

impl Config {
    /// Reads and checks a file, with the identity that its `enrolment` names and what was drawn on the page.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::with_identity(&read_text(path)?)
    }

    /// Checks a text, with the identity that its `enrolment` names and what was drawn on the page.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn with_identity(text: &str) -> Result<Self, ConfigError> {
        let table = parse(text)?;
        let identity = identity_of(&table)?;
        drawn::check(&table, &identity)
    }

    /// Checks the text of a unit that is nobody's yet. What the enrolment will bring is filled with words that mean
    /// nothing: for its page, and for what can be checked before there is a broker.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn before_enrolment(text: &str) -> Result<Self, ConfigError> {
        drawn::check(&parse(text)?, &identity::nobody())
    }

    /// Checks a text that says everything itself.
    ///
    /// # Errors
    /// See [`ConfigError`]; all mistakes come together.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::check(&parse(text)?, &Table::new())
    }

    fn check(file: &Table, identity: &Table) -> Result<Self, ConfigError> {
        let (table, said_twice) = identity::lay_under(file, identity);
        let root = Fields::root(&table);
        let config = read(&root, Version::of(table.to_string().as_bytes()));
        let mistakes = [said_twice, root.mistakes()].concat();
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(ConfigError::Mistakes(mistakes)),
        }
    }
}

/// Where a unit that may not be enrolled yet shall keep its identity, and the token for its key.
///
/// # Errors
/// Where the file cannot be read, does not say it, or names a token by halves.
pub fn enrolment_place(path: &Path) -> Result<(PathBuf, Option<TokenPlace>), ConfigError> {
    let table = parse(&read_text(path)?)?;
    let folder = place(&table).ok_or_else(|| ConfigError::NoPlace { path: path.to_owned() })?;
    let root = Fields::root(&table);
    let token = sections::token(&root.table("token"));
    let mistakes = root.mistakes();
    if mistakes.is_empty() { Ok((folder, token)) } else { Err(ConfigError::Mistakes(mistakes)) }
}

fn parse(text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(before).filter(|byte| *byte == b'\n').count();
        ConfigError::Syntax { line, what: error.message().to_owned() }
    })
}

/// The text of a configuration.
///
/// # Errors
/// Where the file cannot be read.
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn identity_of(table: &Table) -> Result<Table, ConfigError> {
    place(table).map_or_else(|| Ok(Table::new()), |folder| identity::read(&folder))
}

/// Where data lies by the word of a file, whatever else in it may be wrong; none where that cannot be read.
pub fn data_place(path: &Path) -> Option<PathBuf> {
    let table = parse(&read_text(path).ok()?).ok()?;
    table.get("data_dir").is_none_or(toml::Value::is_str).then(|| data_dir(&table))
}

fn data_dir(table: &Table) -> PathBuf {
    table.get("data_dir").and_then(toml::Value::as_str).unwrap_or(DATA_DIR).into()
}

fn place(table: &Table) -> Option<PathBuf> {
    table.get(identity::KEY)?.as_str().filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn read(root: &Fields<'_>, version: Version) -> Option<Config> {
    let profile = root.choice("profile", &[("field", Profile::Field), ("dev", Profile::Dev)], Profile::Field);
    let data_dir = root.optional_text("data_dir", "a folder").unwrap_or_else(|| DATA_DIR.to_owned());
    let enrolment = root.optional_text(identity::KEY, "the folder for the identity").map(PathBuf::from);
    let token = sections::token(&root.table("token"));
    let unit = root.table("unit");
    let agency = unit.parsed("agency", "the agency's id: a-z, 0-9 and -, at most 32");
    let id = unit.parsed("id", "the unit's id: a-z, 0-9 and -, at most 32");
    unit.finish();
    let uplink = Uplink::read(&root.table("uplink"));
    let control = Control::read(&root.table("control"));
    let fields = root.table("update");
    let update = uplink.as_ref().map(|uplink| Update::read(&fields, uplink));
    let allow = network::read(&root.table("network"));
    let reads = Reads::read(&root.table("reads"));
    let hotlist = Hotlist::read(&root.table("hotlist"), profile);
    let models = Models::read(&root.table("models"));
    let health = Health::read(&root.table("health"));
    let board = board::choice(root, profile);
    let page = Page::read(&root.table("page"));
    let cameras = camera::read_all(root);
    root.finish();
    Some(Config {
        version,
        profile,
        data_dir: PathBuf::from(data_dir),
        enrolment,
        token,
        agency: agency?,
        unit: id?,
        uplink: uplink?,
        control: control?,
        update: update?,
        allow,
        reads,
        hotlist,
        models: models?,
        health,
        board,
        page,
        cameras: cameras?,
        passed_over: None,
    })
}

/// What is wrong with a file, said of that file.
fn in_file(what: &str, path: &Path, why: &ConfigError) -> String {
    let path = path.display();
    match why {
        ConfigError::Read { source, .. } => format!("cannot read {what} {path}: {source}"),
        ConfigError::Syntax { line, what: expected } => {
            format!("{what} {path} is not valid TOML, line {line}: {expected}")
        }
        ConfigError::Mistakes(mistakes) => {
            format!("{what} {path} has {} mistake(s):\n{}", mistakes.len(), list(mistakes))
        }
        ConfigError::Named { .. }
        | ConfigError::NotEnrolled { .. }
        | ConfigError::NoPlace { .. }
        | ConfigError::NoStandIn { .. } => format!("{what} {path}: {why}"),
    }
}

/// An error with what the system said.
fn in_full(error: &ConfigError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn list(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n")
}

/// The loopback address that metrics listen on unless told otherwise.
fn default_metrics() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9464))
}

#[cfg(test)]
mod tests;
