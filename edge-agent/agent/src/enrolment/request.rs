//! The question, and what becomes of its answer.
//!
//! The key and the name of the question are on the disk before anything is sent. Whoever is interrupted, by a cut line
//! or a cut of power, asks the same again, and the center gives the same answer.

use std::io::ErrorKind;
use std::path::PathBuf;

use edge_protocol::enrolment::{Answer, Grant, Outcome, ProofKey, Request, SetupCode};
use edge_protocol::sign::{Chain, Root, Subject};
use edge_store::disk::Disk;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::identity::{Place, key_file};
use super::spent::ClaimKey;
use super::{Claim, EnrolError, key};
use crate::keys::{KeyError, Keys};

/// What was asked and is not answered.
const PENDING: &str = "pending.toml";

/// `pending.toml`.
#[derive(Debug, Serialize, Deserialize)]
struct Pending {
    nonce: String,
    key: String,
    request: String,
}

/// What is asked: for which key, and by which number.
struct Question {
    nonce: [u8; 16],
    /// What the key's file is called.
    key: String,
    /// The certificate request, PKCS#10 in DER.
    request: Vec<u8>,
}

/// A question that can be sent.
pub struct Asking {
    nonce: [u8; 16],
    proof_key: ProofKey,
    keys: Keys,
    key: String,
    claim_key: ClaimKey,
    sealed: Vec<u8>,
    is_again: bool,
}

/// What an answer says.
#[derive(Debug)]
pub enum Answered {
    /// The unit is one of the agency's.
    Granted(Box<Grant>),
    /// It answers another question, or cannot be believed: wait for the next.
    NotOurs(String),
}

impl std::fmt::Debug for Asking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asking").field("key", &self.key).field("is_again", &self.is_again).finish_non_exhaustive()
    }
}

impl Asking {
    /// Makes the key and the question, or takes up those that were interrupted.
    ///
    /// # Errors
    /// Where the disk or the key store fails.
    pub fn begin(
        place: &Place,
        claim: &Claim,
        code: &SetupCode,
        keys: Keys,
        disk: &dyn Disk,
    ) -> Result<Self, EnrolError> {
        let interrupted = interrupted(place, &keys, disk)?;
        let is_again = interrupted.is_some();
        let Question { nonce, key, request } = match interrupted {
            Some(found) => found,
            None => fresh(place, &keys, disk)?,
        };
        let proof_key = code.proof_key(&claim.serial);
        let asked = Request::new(claim.serial.clone(), nonce, request, &proof_key);
        let sealed = asked.seal(&claim.key, &claim.chain).map_err(|error| EnrolError::Question(error.to_string()))?;
        let claim_key = claim.key_file.clone();
        Ok(Self { nonce, proof_key, keys, key, claim_key, sealed, is_again })
    }

    /// The message.
    pub fn message(&self) -> &[u8] {
        &self.sealed
    }

    /// Whether it was asked before.
    pub const fn is_again(&self) -> bool {
        self.is_again
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Where the center refuses.
    pub fn read(&self, message: &[u8]) -> Result<Answered, EnrolError> {
        match Answer::read(message, self.nonce, &self.proof_key) {
            Ok(Outcome::Granted(grant)) => Ok(Answered::Granted(grant)),
            Ok(Outcome::Refused(refused)) => Err(EnrolError::Refused(refused)),
            Err(error) => Ok(Answered::NotOurs(error.to_string())),
        }
    }

    /// Checks a grant: under the root that the factory put here, for this key, and for the unit that it names.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn check(&self, grant: &Grant, claim: &Claim, place: &Place, disk: &dyn Disk) -> Result<(), EnrolError> {
        let misfit = |why: String| Err(EnrolError::Grant(why));
        let known = CertificateDer::from_pem_slice(&claim.root).ok();
        if known.as_deref() != Some(&*grant.root) {
            return misfit(
                "it names another root than the factory did: was the unit made for another agency?".to_owned(),
            );
        }
        let root = Root::from_pem(&claim.root).map_err(|error| EnrolError::Grant(error.to_string()))?;
        let chain = Chain::from_der(grant.certificate.clone());
        match root.check(&chain, None) {
            Ok(Subject::Unit(agency, unit)) if agency == grant.agency && unit == grant.unit => {}
            Ok(_) => return misfit("the certificate is for somebody else".to_owned()),
            Err(error) => return misfit(error.to_string()),
        }
        let file = place.read(&key_file(&self.key), disk)?;
        self.keys.try_out(&file)?;
        let key = self.keys.open(&file)?;
        if chain.public_key().ok().as_deref() != Some(key.public()) {
            return misfit("the certificate is for another key".to_owned());
        }
        Ok(())
    }

    /// Writes what was granted. Once `identity.toml` is written the unit is enrolled.
    ///
    /// # Errors
    /// The system's.
    pub fn keep(&self, grant: &Grant, place: &Place, disk: &dyn Disk) -> Result<(), EnrolError> {
        self.claim_key.note(&place.file(&key_file(&self.key)), place, disk)?;
        place.keep(grant, &self.key, disk)?;
        place.remove(PENDING, disk)
    }

    /// Forgets the question: the center has refused it, and the next one is another.
    ///
    /// # Errors
    /// The system's.
    pub fn forget(&self, place: &Place, disk: &dyn Disk) -> Result<(), EnrolError> {
        place.remove(PENDING, disk)?;
        place.remove(&key_file(&self.key), disk)?;
        key::tidy(&self.keys, place, disk)
    }
}

/// The question that was interrupted, if everything of it is there. A token that is away now has not lost its key.
fn interrupted(place: &Place, keys: &Keys, disk: &dyn Disk) -> Result<Option<Question>, EnrolError> {
    let Some(pending) = pending(place, disk) else { return Ok(None) };
    let file = match place.read(&key_file(&pending.key), disk) {
        Ok(file) => file,
        Err(EnrolError::File { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match keys.try_out(&file) {
        Ok(()) => {}
        Err(KeyError::File(_) | KeyError::Missing(_)) => return Ok(None),
        // Who says where the new key shall be made says that this one shall not be used.
        Err(KeyError::Elsewhere(_)) if keys.token().is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let key = keys.open(&file)?;
    let mut nonce = [0; 16];
    let is_whole = key::name(key.public()) == pending.key && hex::decode_to_slice(&pending.nonce, &mut nonce).is_ok();
    let request = hex::decode(&pending.request).ok().filter(|_| is_whole);
    Ok(request.map(|request| Question { nonce, key: pending.key, request }))
}

fn pending(place: &Place, disk: &dyn Disk) -> Option<Pending> {
    let text = String::from_utf8(place.read(PENDING, disk).ok()?).ok()?;
    toml::from_str(&text).ok()
}

/// The file of the key that was asked about and waits for an answer.
pub(super) fn pending_key(place: &Place, disk: &dyn Disk) -> Option<PathBuf> {
    pending(place, disk).map(|pending| place.file(&key_file(&pending.key)))
}

fn fresh(place: &Place, keys: &Keys, disk: &dyn Disk) -> Result<Question, EnrolError> {
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce)
        .map_err(|_| EnrolError::Question("the system gives no random bytes".to_owned()))?;
    let made = key::make(keys, place, disk)?;
    if !place.is_enrolled(disk)? {
        // Of a key that was made before its question was written down.
        place.remove_unnamed(&[], disk)?;
    }
    let key = key::name(made.key.public());
    place.write(&key_file(&key), &made.file, disk)?;
    let pending = Pending { nonce: hex::encode(nonce), key: key.clone(), request: hex::encode(&made.request) };
    let text = toml::to_string(&pending).map_err(|error| EnrolError::Question(error.to_string()))?;
    place.write(PENDING, text.as_bytes(), disk)?;
    key::tidy(keys, place, disk)?;
    Ok(Question { nonce, key, request: made.request })
}
