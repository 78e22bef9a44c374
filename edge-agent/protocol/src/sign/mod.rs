//! Signatures: who signed, with which key, under which root.
//!
//! Everything signed is a `COSE_Sign1` (RFC 9052) with the signer's certificate chain in its protected header
//! (`x5chain`, RFC 9360), over deterministic CBOR, with a word of its own kind as external data, so that what was
//! signed as one thing can never pass for another. ES256 where a TPM or OP-TEE holds the key, Ed25519 in software.

mod certificate;
mod envelope;
mod key;
#[cfg(test)]
pub(crate) mod testing;

pub use certificate::{Chain, Root, Subject};
pub use envelope::{Kind, Signed};
pub use key::{Algorithm, RemoteSigner, SigningKey};

/// Why a signature is not accepted, or cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not a `COSE_Sign1` as the contract has it.
    #[error("not a signed message: {0}")]
    Malformed(String),
    /// A certificate that cannot be read, or does not say what it must.
    #[error("bad certificate: {0}")]
    Certificate(String),
    /// The certificate is not under the agency's root, or its time is over.
    #[error("the certificate is not a valid one of this agency: {0}")]
    Untrusted(String),
    /// The signature is not the certificate's.
    #[error("the signature is not the certificate's")]
    Forged,
    /// A key that cannot be used.
    #[error("the key cannot be used: {0}")]
    Key(String),
}
