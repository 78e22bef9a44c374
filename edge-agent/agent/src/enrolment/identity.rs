//! Who the unit is, on the disk.

use std::path::{Path, PathBuf};

use edge_protocol::enrolment::Grant;
use edge_protocol::record::Word;
use edge_store::disk::{Disk, read, replace};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::{EnrolError, at};

/// The file that makes a unit an enrolled one. It is a piece of the configuration: see `enrolment` there.
pub const IDENTITY: &str = "identity.toml";
/// The agency's root, beside it.
const ROOT: &str = "root.pem";

/// The folder with the unit's identity.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
}

/// `identity.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) unit: Unit,
    pub(super) uplink: Uplink,
    pub(super) control: Control,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unit {
    pub(super) agency: String,
    pub(super) id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Uplink {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) ca: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Control {
    pub(super) agency_root: PathBuf,
    pub(super) purposes: Vec<String>,
}

impl Place {
    /// The folder, which is made if it is missing.
    ///
    /// # Errors
    /// The system's.
    pub fn open(disk: &dyn Disk, folder: &Path) -> Result<Self, EnrolError> {
        disk.make_folder(folder).map_err(at("make", folder))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that says who the unit is.
    pub fn identity(&self) -> PathBuf {
        self.folder.join(IDENTITY)
    }

    /// Whether the unit is enrolled.
    ///
    /// # Errors
    /// The system's.
    pub fn is_enrolled(&self, disk: &dyn Disk) -> Result<bool, EnrolError> {
        let path = self.identity();
        match disk.open(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(at("read", &path)(error)),
        }
    }

    /// The files with which the line to the broker is opened: root, certificate, key.
    ///
    /// # Errors
    /// Where the identity is not there or cannot be read.
    pub fn files(&self, disk: &dyn Disk) -> Result<[PathBuf; 3], EnrolError> {
        let Uplink { ca, certificate, key, .. } = self.identity_of(disk)?.uplink;
        Ok([ca, certificate, key])
    }

    pub(super) fn identity_of(&self, disk: &dyn Disk) -> Result<Identity, EnrolError> {
        let text = self.read(IDENTITY, disk)?;
        let unfit = |why: String| EnrolError::Unfit { path: self.identity(), why };
        let text = std::str::from_utf8(&text).map_err(|error| unfit(error.to_string()))?;
        toml::from_str(text).map_err(|error| unfit(error.to_string()))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn read(&self, name: &str, disk: &dyn Disk) -> Result<Vec<u8>, EnrolError> {
        let path = self.file(name);
        read(disk, &path).map_err(at("read", &path))
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8], disk: &dyn Disk) -> Result<PathBuf, EnrolError> {
        let path = self.file(name);
        replace(disk, &path, bytes).map_err(at("write", &path))?;
        Ok(path)
    }

    /// Removes a file that counts no longer; one that is gone already is as good.
    pub(super) fn remove(&self, name: &str, disk: &dyn Disk) -> Result<(), EnrolError> {
        let path = self.file(name);
        match disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at("remove", &path)(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes keys and certificates that are not among those named.
    pub(super) fn remove_unnamed(&self, named: &[PathBuf], disk: &dyn Disk) -> Result<(), EnrolError> {
        for entry in disk.list(&self.folder).map_err(at("list", &self.folder))? {
            let path = self.folder.join(&entry.name);
            if entry.name.starts_with("unit-") && !named.contains(&path) {
                disk.remove(&path).map_err(at("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Writes what was granted for the key of that name: certificate and root first, `identity.toml` last.
    pub(super) fn keep(&self, grant: &Grant, key: &str, disk: &dyn Disk) -> Result<(), EnrolError> {
        let certificate = self.keep_certificate(&grant.certificate, key, disk)?;
        let root = self.write(ROOT, pem(&grant.root).as_bytes(), disk)?;
        self.keep_identity(
            &Identity {
                unit: Unit { agency: grant.agency.to_string(), id: grant.unit.to_string() },
                uplink: Uplink {
                    host: grant.broker_host.clone(),
                    port: grant.broker_port,
                    ca: root.clone(),
                    certificate,
                    key: self.file(&key_file(key)),
                },
                control: Control { agency_root: root, purposes: grant.purposes.iter().map(Word::to_string).collect() },
            },
            disk,
        )
    }

    pub(super) fn keep_certificate(&self, der: &[u8], key: &str, disk: &dyn Disk) -> Result<PathBuf, EnrolError> {
        self.write(&format!("unit-{key}.pem"), pem(der).as_bytes(), disk)
    }

    pub(super) fn keep_identity(&self, identity: &Identity, disk: &dyn Disk) -> Result<(), EnrolError> {
        let text = toml::to_string(identity).map_err(|error| EnrolError::Grant(error.to_string()))?;
        let text = format!("# Written by `edge-agent enroll`: who this unit is. Do not change it by hand.\n{text}");
        self.write(IDENTITY, text.as_bytes(), disk).map(drop)
    }
}

/// What the file of a key is called.
pub(super) fn key_file(name: &str) -> String {
    format!("unit-{name}.key")
}

/// A certificate as PEM.
fn pem(der: &[u8]) -> String {
    const LINE: usize = 64;
    let text = base64(der);
    let lines: Vec<String> = text.chars().collect::<Vec<_>>().chunks(LINE).map(|line| line.iter().collect()).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    debug_assert!(CertificateDer::from_pem_slice(pem.as_bytes()).is_ok_and(|read| &*read == der));
    pem
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sign = |bits: u32| SIGNS.get(usize::try_from(bits & 63).unwrap_or(0)).copied().map_or('=', char::from);
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let held = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = held(0) << 16 | held(1) << 8 | held(2);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            text.push(if place <= group.len() { sign(bits >> shift) } else { '=' });
        }
    }
    text
}
