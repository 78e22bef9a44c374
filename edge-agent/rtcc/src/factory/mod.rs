//! What the factory puts on a unit, and its label.
//!
//! Belongs here: the files of a new unit and the label's content. Does not belong here: enrolment itself.
//!
//! The setup code stands on the label alone; on the unit there is a salted hash of it.

mod label;
mod pdf;

use std::path::{Path, PathBuf};

use edge_protocol::enrolment::{Serial, SetupCode, StoredCode};
use edge_protocol::hash::Hash256;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;

use crate::files::{self, Access};
use crate::pki::{Authority, PkiError, Subject};
use label::Label;

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
    /// The label cannot be drawn.
    #[error("cannot draw the label: {0}")]
    Label(String),
}

/// What was made.
#[derive(Debug)]
pub struct NewUnit {
    /// The folder whose content goes onto the unit.
    pub unit: PathBuf,
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
    broker: Option<&'a str>,
    setup_code: StoredCode,
}

/// What is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The unit's serial number.
    pub serial: &'a Serial,
    /// The broker at which it asks to be enrolled, `host:port`; without one the technician has to name it.
    pub broker: Option<&'a str>,
}

/// Makes a unit's files and label in `folder`.
///
/// # Errors
/// Refuses a folder with a unit in it, and returns what the system says.
pub fn make(authority: &Authority, order: Order<'_>, folder: &Path, now_us: i64) -> Result<NewUnit, FactoryError> {
    let Order { serial, broker } = order;
    let unit = folder.join("unit");
    if unit.exists() {
        return Err(FactoryError::Exists { path: unit });
    }
    let at = |path: &Path, source| FactoryError::File { path: path.to_owned(), source };
    let write = |path: PathBuf, bytes: &[u8], access| {
        files::replace(&path, bytes, access).map_err(|source| at(&path, source)).map(|()| path)
    };
    std::fs::create_dir_all(&unit).map_err(|source| at(&unit, source))?;
    let (mut random, mut salt) = ([0; SetupCode::RANDOM_BYTES], [0; 16]);
    aws_lc_rs::rand::fill(&mut random).map_err(|_| FactoryError::Random)?;
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| FactoryError::Random)?;
    let code = SetupCode::draw(&random);
    let page_host = page_host(serial);
    let page = authority.make(&Subject::Page(page_host.clone()), now_us)?;
    let claim = authority.make(&Subject::Claim(serial.clone()), now_us)?;
    let der = CertificateDer::from_pem_slice(page.certificate.as_bytes());
    let hash = Hash256::of(&der.map_err(|error| FactoryError::Label(error.to_string()))?);
    write(unit.join("root.pem"), authority.certificate().as_bytes(), Access::Everybody)?;
    for (name, made) in [("page", page), ("claim", claim)] {
        write(unit.join(format!("{name}.key")), made.key.as_bytes(), Access::Owner)?;
        write(unit.join(format!("{name}.pem")), made.certificate.as_bytes(), Access::Everybody)?;
    }
    let file = UnitFile { serial, page: &page_host, broker, setup_code: code.stored(salt) };
    let text = toml::to_string(&file).map_err(|error| FactoryError::Label(error.to_string()))?;
    write(unit.join("unit.toml"), text.as_bytes(), Access::Owner)?;
    let label = Label { serial, page_host: &page_host, code: &code, page: &hash };
    let drawn = label.pdf().map_err(|error| FactoryError::Label(error.to_string()))?;
    let label = write(folder.join("label.pdf"), &drawn, Access::Owner)?;
    Ok(NewUnit { unit, label, page: hash })
}

/// The name under which a phone at the unit's service port finds its page.
fn page_host(serial: &Serial) -> String {
    let plain = |sign: char| if sign.is_ascii_alphanumeric() { sign.to_ascii_lowercase() } else { '-' };
    format!("edge-{}.local", serial.as_str().chars().map(plain).collect::<String>().trim_matches('-'))
}

#[cfg(test)]
mod tests;
