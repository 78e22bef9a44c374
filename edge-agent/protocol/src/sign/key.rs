//! Keys: Ed25519 and ES256, chosen by what the key is.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use coset::iana;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use super::SignatureError;

/// How something is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA with SHA-256 on P-256.
    Es256,
}

impl Algorithm {
    pub(super) const fn cose(self) -> iana::Algorithm {
        match self {
            Self::Ed25519 => iana::Algorithm::EdDSA,
            Self::Es256 => iana::Algorithm::ES256,
        }
    }

    pub(super) fn verify(self, public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let checked = match self {
            Self::Ed25519 => UnparsedPublicKey::new(&ED25519, public).verify(message, signature),
            Self::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(message, signature),
        };
        checked.map_err(|_| SignatureError::Forged)
    }
}

/// A P-256 key that lies elsewhere, as in a secure element, and signs without being shown.
pub trait RemoteSigner: Send + Sync {
    /// The signature of a message, ECDSA with SHA-256: r and s, 32 bytes each.
    ///
    /// # Errors
    /// In words, why it does not sign now.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String>;
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Remote { public: [u8; 65], key: Box<dyn RemoteSigner> },
}

/// A private key.
pub struct SigningKey {
    pair: Pair,
}

impl SigningKey {
    /// Reads a PKCS#8 key from PEM.
    ///
    /// # Errors
    /// If it is not one, or of another kind than Ed25519 or P-256.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SignatureError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|error| SignatureError::Key(format!("no PKCS#8 key in PEM: {error}")))?;
        Self::from_pkcs8(der.secret_pkcs8_der())
    }

    /// Reads a PKCS#8 key from DER.
    ///
    /// # Errors
    /// If it is of another kind than Ed25519 or P-256.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SignatureError> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Ok(Self { pair: Pair::Es256(pair) });
        }
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .map_err(|_| SignatureError::Key("neither Ed25519 nor P-256".to_owned()))?;
        Ok(Self { pair: Pair::Ed25519(pair) })
    }

    /// A key that lies elsewhere, by its public half as an uncompressed point.
    pub fn remote(public: [u8; 65], key: Box<dyn RemoteSigner>) -> Self {
        Self { pair: Pair::Remote { public, key } }
    }

    /// How it signs.
    pub const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Ed25519(_) => Algorithm::Ed25519,
            Pair::Es256(_) | Pair::Remote { .. } => Algorithm::Es256,
        }
    }

    /// The public half as certificates carry it: 32 bytes, or an uncompressed point.
    pub fn public(&self) -> &[u8] {
        match &self.pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::Es256(pair) => pair.public_key().as_ref(),
            Pair::Remote { public, .. } => public,
        }
    }

    /// The signature of a message, as COSE has it: 64 bytes with either algorithm.
    ///
    /// # Errors
    /// Where the key does not sign, as one that lies elsewhere and is away.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Es256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SignatureError::Key("the key does not sign".to_owned())),
            Pair::Remote { key, .. } => key.sign(message).map(Vec::from).map_err(SignatureError::Key),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.algorithm())
    }
}
