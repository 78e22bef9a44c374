//! The unit's key: made on the unit, never handed out.

use edge_protocol::hash::Hash256;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::EnrolError;

/// Where a key is made and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStore {
    /// In a file that its owner alone may read.
    Software,
    /// In a TPM or secure element, over PKCS#11. Not there yet.
    Pkcs11,
}

/// A key that was just made.
pub(super) struct NewKey {
    /// PKCS#8, PEM.
    pub(super) pem: String,
    /// A certificate request for it, PKCS#10 in DER.
    pub(super) request: Vec<u8>,
    /// The first hexadecimal digits of its public half's hash.
    pub(super) name: String,
}

impl KeyStore {
    /// Makes a P-256 key and a request that is signed by it. The request names nobody: what the unit will be called is
    /// the center's decision.
    pub(super) fn make(self) -> Result<NewKey, EnrolError> {
        match self {
            Self::Software => software().map_err(|error| EnrolError::Key(error.to_string())),
            Self::Pkcs11 => Err(EnrolError::NoPkcs11),
        }
    }
}

fn software() -> Result<NewKey, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    let request = parameters.serialize_request(&key)?.der().to_vec();
    Ok(NewKey { pem: key.serialize_pem(), request, name: name(key.public_key_raw()) })
}

/// What files of a key are called.
pub(super) fn name(public: &[u8]) -> String {
    Hash256::of(public).to_string().chars().take(12).collect()
}
