//! What the factory puts on a unit, and its label.
//!
//! Belongs here: the files of a new unit and the label's content. Does not belong here: enrolment itself.
//!
//! The setup code stands on the label alone; on the unit there is a salted hash of it.

mod label;
mod pdf;
mod settings;

use std::path::{Path, PathBuf};

use edge_protocol::enrolment::{BrokerAddress, Serial, SetupCode, StoredCode};
use edge_protocol::hash::Hash256;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;

use crate::files::{self, Access};
use crate::pki::{Authority, PkiError, Subject};
use label::Label;
pub use settings::{Network, TimeServer};

/// Why there is no new unit.
#[derive(Debug, thiserror::Error)]
pub enum FactoryError {
    /// The folder holds a unit already; its setup code would be lost with its label.
    #[error("{path} exists already: a label that was printed would become worthless; choose another folder")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// What was named as the board file is none.
    #[error("{path} is no board file: {why}")]
    Board {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The label cannot be drawn.
    #[error("cannot draw the label: {0}")]
    Label(String),
}

/// What was made.
#[derive(Debug)]
pub struct NewUnit {
    /// The folder whose content goes onto the unit's partition `persist`.
    pub persist: PathBuf,
    /// The part of it that makes the unit this one: claim, page certificate, hash of the setup code.
    pub claim: PathBuf,
    /// The label to print. It is the only place where the setup code stands.
    pub label: PathBuf,
    /// The SHA-256 of the page's certificate, as on the label.
    pub page: Hash256,
}

/// `unit.toml` on the unit.
#[derive(Serialize)]
struct UnitFile<'a> {
    serial: &'a Serial,
    page: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<&'a BrokerAddress>,
    setup_code: StoredCode,
}

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The unit's serial number.
    pub serial: &'a Serial,
    /// The broker at which it asks to be enrolled; without one the technician has to name it.
    pub broker: Option<&'a BrokerAddress>,
    /// What is fitted to the box; nothing where there is none.
    pub board: Option<&'a Path>,
    /// Whom to ask for the time; without one the unit's clock runs free.
    pub time_servers: &'a [TimeServer],
    /// Where broker and cameras are.
    pub allow: &'a [Network],
}

/// Makes a unit's files and label in `folder`.
///
/// # Errors
/// Refuses a folder with a unit in it, and returns what the system says.
pub fn make(authority: &Authority, order: Order<'_>, folder: &Path, now_us: i64) -> Result<NewUnit, FactoryError> {
    let persist = folder.join("persist");
    if persist.exists() {
        return Err(FactoryError::Exists { path: persist });
    }
    let board = order.board.map(settings::board).transpose()?;
    let claim = persist.join("claim");
    let (mut random, mut salt) = ([0; SetupCode::RANDOM_BYTES], [0; 16]);
    aws_lc_rs::rand::fill(&mut random).map_err(|_| FactoryError::Random)?;
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| FactoryError::Random)?;
    let code = SetupCode::draw(&random);
    let host = host(order.serial);
    let page_host = format!("{host}.local");
    let page = write_claim(authority, order, (&page_host, code.stored(salt)), &claim, now_us)?;
    write(persist.join("hostname"), format!("{host}\n").as_bytes(), Access::Everybody)?;
    write_settings(order, board.as_deref(), &persist)?;
    let label = Label { serial: order.serial, page_host: &page_host, code: &code, page: &page };
    let drawn = label.pdf().map_err(|error| FactoryError::Label(error.to_string()))?;
    let label = write(folder.join("label.pdf"), &drawn, Access::Owner)?;
    Ok(NewUnit { persist, claim, label, page })
}

/// Claim, page certificate and `unit.toml`; the SHA-256 of the page's certificate.
fn write_claim(
    authority: &Authority,
    Order { serial, broker, .. }: Order<'_>,
    (page_host, setup_code): (&str, StoredCode),
    folder: &Path,
    now_us: i64,
) -> Result<Hash256, FactoryError> {
    let page = authority.make(&Subject::Page(page_host.to_owned()), now_us)?;
    let claim = authority.make(&Subject::Claim(serial.clone()), now_us)?;
    let der = CertificateDer::from_pem_slice(page.certificate.as_bytes());
    let hash = Hash256::of(&der.map_err(|error| FactoryError::Label(error.to_string()))?);
    write(folder.join("root.pem"), authority.certificate().as_bytes(), Access::Everybody)?;
    for (name, made) in [("page", page), ("claim", claim)] {
        write(folder.join(format!("{name}.key")), made.key.as_bytes(), Access::Owner)?;
        write(folder.join(format!("{name}.pem")), made.certificate.as_bytes(), Access::Everybody)?;
    }
    let file = UnitFile { serial, page: page_host, broker, setup_code };
    let text = toml::to_string(&file).map_err(|error| FactoryError::Label(error.to_string()))?;
    write(folder.join("unit.toml"), text.as_bytes(), Access::Owner)?;
    Ok(hash)
}

/// What the image reads from `persist` beside the claim.
fn write_settings(order: Order<'_>, board: Option<&str>, persist: &Path) -> Result<(), FactoryError> {
    let config = persist.join("config");
    let text = settings::configuration(order.serial, board.is_some(), order.allow);
    write(config.join("edge-agent.toml"), text.as_bytes(), Access::Everybody)?;
    if let Some(board) = board {
        write(config.join("board.toml"), board.as_bytes(), Access::Everybody)?;
    }
    if !order.time_servers.is_empty() {
        let sources = settings::time_sources(order.time_servers);
        write(persist.join("chrony/agency.sources"), sources.as_bytes(), Access::Everybody)?;
    }
    Ok(())
}

/// Writes a file, in a folder that may have to be made.
fn write(path: PathBuf, bytes: &[u8], access: Access) -> Result<PathBuf, FactoryError> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    match folder.and_then(|()| files::replace(&path, bytes, access)) {
        Ok(()) => Ok(path),
        Err(source) => Err(FactoryError::File { path, source }),
    }
}

/// The unit's name on the network, from which its page's name is made. A claim is its owner's alone from the first boot
/// on, so the name lies in a file of its own, which the image takes as it is (`edge-first-boot`).
fn host(serial: &Serial) -> String {
    let plain = |sign: char| if sign.is_ascii_alphanumeric() { sign.to_ascii_lowercase() } else { '-' };
    format!("edge-{}", serial.as_str().chars().map(plain).collect::<String>().trim_matches('-'))
}

#[cfg(test)]
mod tests;
