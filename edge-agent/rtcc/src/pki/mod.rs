//! A development PKI: one agency root, and certificates for its broker, units, receivers and people.
//!
//! Belongs here: making keys and certificates for development, demo and tests, with the names the contract wants.
//! Does not belong here: enrolment of real units, whose keys never leave them.

mod broker;
mod subject;

use std::io;
use std::path::{Path, PathBuf};

use edge_protocol::hash::Hash256;
use edge_protocol::id::{AgencyId, CenterId, IdError, UnitId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertificateSigningRequestParams,
    CertifiedIssuer, DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKey, PublicKeyData as _, RevokedCertParams, SerialNumber,
};

pub use broker::{BrokerPlan, LetIn};
pub use subject::Subject;

use crate::files::{self, Access};

/// How long a development root is good, in days.
const ROOT_DAYS: i32 = 3650;
/// How long a development certificate is good, in days.
const LEAF_DAYS: i32 = 397;

/// What can go wrong while making keys and certificates.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// There is a root in the folder, and making another would orphan what it signed.
    #[error("{path} exists already: an agency has one root; choose another folder or remove it")]
    Exists {
        /// The root certificate that is there.
        path: PathBuf,
    },
    /// There is no root in the folder.
    #[error(
        "there is no agency's root in {}: `rtcc pki init --agency AGENCY --dir {}` makes one",
        .folder.display(), .folder.display()
    )]
    Absent {
        /// The folder.
        folder: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The agency's name in the folder is not one.
    #[error("{path} does not hold an agency's name")]
    Agency {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IdError,
    },
    /// A receiver called that would get the files of another.
    #[error("a receiver cannot be called {name}: that is what files of the root are called")]
    Taken {
        /// The refused name.
        name: CenterId,
    },
    /// A unit called like a receiver would read what all units say.
    #[error("{name} is a receiver's name at the broker: give the unit another one")]
    Receiver {
        /// The refused name.
        name: UnitId,
    },
    /// Key or certificate could not be made or read.
    #[error("cannot make or read a certificate: {reason}")]
    Certificate {
        /// What the library said.
        reason: String,
    },
}

/// The paths of one issued certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM, followed by nothing: the root is its issuer.
    pub certificate: PathBuf,
    /// The private key, PKCS#8 PEM, readable by its owner alone.
    pub key: PathBuf,
}

/// A certificate and its key as PEM, not yet written anywhere.
pub struct Made {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The agency's root, able to issue.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    agency: AgencyId,
    certificate_pem: String,
    key_pem: String,
}

impl Authority {
    /// Makes the root of `agency` in `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// Refuses a folder that has a root, and returns what the file system says.
    pub fn create(folder: &Path, agency: &AgencyId, now_us: i64) -> Result<Self, PkiError> {
        std::fs::create_dir_all(folder).map_err(|source| at(folder, source))?;
        let path = folder.join("root.pem");
        if path.exists() {
            return Err(PkiError::Exists { path });
        }
        let key = new_key()?;
        let key_pem = key.serialize_pem();
        let root = CertifiedIssuer::self_signed(root_parameters(agency, now_us), key).map_err(certificate)?;
        let authority =
            Self { folder: folder.to_owned(), agency: agency.clone(), certificate_pem: root.pem(), key_pem };
        authority.write("root.key", &authority.key_pem, Access::Owner)?;
        authority.write("agency", agency.as_str(), Access::Everybody)?;
        // The certificate comes last: a folder with it is complete.
        authority.write("root.pem", &authority.certificate_pem, Access::Everybody)?;
        Ok(authority)
    }

    /// Opens the root that [`Authority::create`] made in `folder`.
    ///
    /// # Errors
    /// Says that there is none, or which file is missing or not what it should be.
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let path = folder.join("agency");
        if !path.exists() {
            return Err(PkiError::Absent { folder: folder.to_owned() });
        }
        let agency = read(&path)?.trim().parse().map_err(|source| PkiError::Agency { path, source })?;
        Ok(Self {
            folder: folder.to_owned(),
            agency,
            certificate_pem: read(&folder.join("root.pem"))?,
            key_pem: read(&folder.join("root.key"))?,
        })
    }

    /// The agency whose root this is.
    pub fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// The folder with everything this root issued.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a fresh key and a certificate for `subject`, and writes both into the folder.
    ///
    /// # Errors
    /// Refuses names that belong to somebody else, and returns what the file system says.
    pub fn issue(&self, subject: &Subject, now_us: i64) -> Result<Issued, PkiError> {
        self.check(subject)?;
        let made = self.make(subject, now_us)?;
        let stem = subject.file_stem();
        Ok(Issued {
            key: self.write(&format!("{stem}.key"), &made.key, Access::Owner)?,
            certificate: self.write(&format!("{stem}.pem"), &made.certificate, Access::Everybody)?,
        })
    }

    /// The agency's root certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate_pem
    }

    /// Makes a fresh key and a certificate for `subject`, and writes nothing.
    ///
    /// # Errors
    /// Returns what the library says.
    pub fn make(&self, subject: &Subject, now_us: i64) -> Result<Made, PkiError> {
        let issuer = self.issuer()?;
        let key = new_key()?;
        let mut parameters = subject.parameters(&self.agency).map_err(certificate)?;
        set_validity(&mut parameters, now_us, LEAF_DAYS);
        let leaf = parameters.signed_by(&key, &issuer).map_err(certificate)?;
        Ok(Made { certificate: leaf.pem(), key: key.serialize_pem() })
    }

    /// Makes a certificate for the public key of a certificate request. The names that the request asks for are not
    /// looked at: whom the certificate is for is the center's decision.
    ///
    /// # Errors
    /// Refuses a request that is none, is not signed by its own key or is for a key of another kind than P-256 or
    /// Ed25519.
    pub fn certify(&self, subject: &Subject, request: &[u8], now_us: i64) -> Result<Vec<u8>, PkiError> {
        let key = read_request(request)?;
        let mut parameters = subject.parameters(&self.agency).map_err(certificate)?;
        set_validity(&mut parameters, now_us, LEAF_DAYS);
        let made = parameters.signed_by(&key, &self.issuer()?).map_err(certificate)?;
        Ok(made.der().to_vec())
    }

    /// The list of revoked certificates, PEM, by serial number and time of revocation.
    ///
    /// # Errors
    /// Returns what the library says.
    pub fn revocation_list(&self, revoked: &[(Vec<u8>, i64)], now_us: i64) -> Result<String, PkiError> {
        let edge = |at_us, shift| {
            let (year, month, day) = date(at_us, shift);
            rcgen::date_time_ymd(year, month, day)
        };
        let revoked_certs = revoked.iter().map(|(number, at_us)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(number),
            revocation_time: edge(*at_us, 0),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: edge(now_us, -1),
            // A list whose time is over lets nobody in at all; whoever revokes makes a new one at once.
            next_update: edge(now_us, ROOT_DAYS),
            crl_number: SerialNumber::from(now_us.unsigned_abs()),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer()?).and_then(|list| list.pem()).map_err(certificate)
    }

    fn check(&self, subject: &Subject) -> Result<(), PkiError> {
        match subject {
            Subject::Center(name) if subject::has_files_called(name) => Err(PkiError::Taken { name: name.clone() }),
            Subject::Unit(name) if self.is_receiver(name.as_str())? => Err(PkiError::Receiver { name: name.clone() }),
            Subject::Broker(_)
            | Subject::Interface(_)
            | Subject::Page(_)
            | Subject::Claim(_)
            | Subject::Unit(_)
            | Subject::Center(_)
            | Subject::Person(..) => Ok(()),
        }
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, PkiError> {
        let key = KeyPair::from_pem(&self.key_pem).map_err(certificate)?;
        Issuer::from_ca_cert_pem(&self.certificate_pem, key).map_err(certificate)
    }

    fn write(&self, name: &str, text: &str, access: Access) -> Result<PathBuf, PkiError> {
        let path = self.folder.join(name);
        files::replace(&path, text.as_bytes(), access).map_err(|source| at(&path, source))?;
        Ok(path)
    }
}

/// The SHA-256 of the public key of a certificate request that is signed by its own key.
///
/// # Errors
/// If it is none, or its key is of another kind than P-256 or Ed25519.
pub fn public_key(request: &[u8]) -> Result<Hash256, PkiError> {
    Ok(Hash256::of(read_request(request)?.der_bytes()))
}

fn read_request(request: &[u8]) -> Result<PublicKey, PkiError> {
    let request = CertificateSigningRequestParams::from_der(&request.into()).map_err(certificate)?;
    let kind = request.public_key.algorithm();
    if *kind == PKCS_ECDSA_P256_SHA256 || *kind == PKCS_ED25519 {
        Ok(request.public_key)
    } else {
        Err(PkiError::Certificate { reason: "the key is neither P-256 nor Ed25519".to_owned() })
    }
}

fn root_parameters(agency: &AgencyId, now_us: i64) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    set_validity(&mut parameters, now_us, ROOT_DAYS);
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, format!("{agency} development root"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

/// Certificates begin a day early, so that a unit whose clock is a little behind takes them.
fn set_validity(parameters: &mut CertificateParams, now_us: i64, days: i32) {
    let edge = |shift| {
        let (year, month, day) = date(now_us, shift);
        rcgen::date_time_ymd(year, month, day)
    };
    parameters.not_before = edge(-1);
    parameters.not_after = edge(days);
}

/// Year, month and day so many days after a moment. A clock beyond the calendar gets the calendar's end.
fn date(now_us: i64, shift: i32) -> (i32, u8, u8) {
    let date = jiff::Timestamp::from_microsecond(now_us)
        .unwrap_or(jiff::Timestamp::MAX)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
        .saturating_add(jiff::Span::new().days(shift));
    (i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
}

fn new_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(certificate)
}

fn read(path: &Path) -> Result<String, PkiError> {
    std::fs::read_to_string(path).map_err(|source| at(path, source))
}

fn at(path: &Path, source: io::Error) -> PkiError {
    PkiError::File { path: path.to_owned(), source }
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err, which gives the error away")]
fn certificate(error: rcgen::Error) -> PkiError {
    PkiError::Certificate { reason: error.to_string() }
}

#[cfg(test)]
mod tests;
