//! What the factory put on the unit, see `rtcc factory`.

use std::io;
use std::path::{Path, PathBuf};

use edge_protocol::enrolment::{BrokerAddress, Serial, StoredCode};
use edge_protocol::sign::{Chain, Root, SignatureError, SigningKey, Subject};
use edge_protocol::time::{ClockQuality, WallStamp};
use edge_store::disk::{Disk, read};
use serde::Deserialize;

use super::spent::ClaimKey;
use super::{EnrolError, at};

const NO_CLAIM: &str = "is not there: --claim, or [page] claim, names the folder `claim` that `rtcc factory` has made";

/// The claim of a unit that is nobody's yet.
#[derive(Debug)]
pub struct Claim {
    /// The unit's serial number.
    pub serial: Serial,
    /// The broker that the factory named.
    pub broker: Option<BrokerAddress>,
    folder: PathBuf,
    /// What is kept of the setup code.
    pub code: StoredCode,
    pub(super) chain: Chain,
    pub(super) key: SigningKey,
    pub(super) key_file: ClaimKey,
    /// The agency's root, PEM.
    pub(super) root: Vec<u8>,
}

/// `unit.toml`: what stands on the unit's label, and stays when the claim is gone.
#[derive(Debug, Clone, Deserialize)]
pub struct Label {
    /// The unit's serial number.
    pub serial: Serial,
    /// The broker that the factory named.
    pub broker: Option<BrokerAddress>,
    /// What is kept of the setup code.
    pub setup_code: StoredCode,
}

impl Label {
    /// Reads it from the factory's folder.
    ///
    /// # Errors
    /// Where it is missing or not what it should be.
    pub fn read(disk: &dyn Disk, folder: &Path) -> Result<Self, EnrolError> {
        let path = folder.join("unit.toml");
        let text = read(disk, &path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                EnrolError::Unfit { path: path.clone(), why: NO_CLAIM.to_owned() }
            } else {
                at("read", &path)(error)
            }
        })?;
        let text = String::from_utf8_lossy(&text);
        toml::from_str(&text).map_err(|error| EnrolError::Unfit { path, why: error.to_string() })
    }
}

impl Claim {
    /// Reads and checks the folder.
    ///
    /// # Errors
    /// Names the file that is missing or not what it should be.
    pub fn open(disk: &dyn Disk, folder: &Path, now: WallStamp) -> Result<Self, EnrolError> {
        // Whoever erases its key later may stand in another folder.
        let folder = &std::path::absolute(folder).map_err(at("find", folder))?;
        let file = |name: &str| {
            let path = folder.join(name);
            read(disk, &path).map_err(at("read", &path))
        };
        let unfit = |name: &str, why: String| EnrolError::Unfit { path: folder.join(name), why };
        let unusable = |name: &'static str| move |error: SignatureError| unfit(name, error.to_string());
        let Label { serial, broker, setup_code } = Label::read(disk, folder)?;
        let chain = Chain::from_pem(&file("claim.pem")?).map_err(unusable("claim.pem"))?;
        let key_text = file("claim.key")?;
        let key = SigningKey::from_pem(&key_text).map_err(unusable("claim.key"))?;
        let key_file = ClaimKey::new(folder.join("claim.key"), &key_text);
        let root = file("root.pem")?;
        if chain.subject().ok() != Some(Subject::Claim(serial.clone())) {
            return Err(unfit("claim.pem", format!("is not the claim of {serial}: was a disk exchanged?")));
        }
        if chain.public_key().ok().as_deref() != Some(key.public()) {
            return Err(unfit("claim.key", "does not belong to claim.pem".to_owned()));
        }
        let claim = Self { serial, broker, folder: folder.to_owned(), code: setup_code, chain, key, key_file, root };
        claim.check_root(now)?;
        Ok(claim)
    }

    /// Whether the claim is the agency's, and still good where the time is known.
    fn check_root(&self, now: WallStamp) -> Result<(), EnrolError> {
        let unfit = |name: &str, error: SignatureError| EnrolError::Unfit {
            path: self.folder.join(name),
            why: error.to_string(),
        };
        let root = Root::from_pem(&self.root).map_err(|error| unfit("root.pem", error))?;
        root.check(&self.chain, None).map_err(|error| unfit("claim.pem", error))?;
        match self.chain.validity() {
            // A box that boots in 1970 leaves it to the broker and the center.
            Ok((_, until)) if now.quality != ClockQuality::Unknown && until < now.time => {
                Err(EnrolError::ExpiredClaim { until })
            }
            Ok(_) => Ok(()),
            Err(error) => Err(unfit("claim.pem", error)),
        }
    }

    /// The files with which the line to the broker is opened: root, certificate, key.
    pub fn files(&self) -> [PathBuf; 3] {
        ["root.pem", "claim.pem", "claim.key"].map(|name| self.folder.join(name))
    }
}
