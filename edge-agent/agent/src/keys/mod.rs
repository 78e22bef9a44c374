//! The unit's private keys, in a file or in a token (TPM, secure element) that signs without showing them.
//!
//! Belongs here: what a key's file says, making keys, signing for COSE, TLS and certificate requests, and PKCS#11. Does
//! not belong here: whose a key is and when the next one is made (`enrolment`).
//!
//! A key's file holds the key itself, PKCS#8 in PEM, or the name that it has in the token with its public half. So a
//! key is opened without its token, and a box whose token is away starts, looks and records; only what has to be signed
//! fails, each time in words, until the token is there again.

mod file;
mod library;
mod signing;
mod token;

use std::path::PathBuf;
use std::sync::Arc;

use edge_protocol::sign::{RemoteSigner, SignatureError, SigningKey};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use file::{InToken, KeyFile};
use signing::{Requesting, TlsKey};
use token::{KeyId, Token};

/// Where the token is: `[token]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    /// The token's own library, which speaks PKCS#11.
    pub module: PathBuf,
    /// The token's label.
    pub label: String,
    /// The file with the user's PIN.
    pub pin_file: PathBuf,
}

/// Why a key does not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A key's file holds neither a key nor the name of one.
    #[error("neither a private key in PEM nor the name of one in a token: {0}")]
    File(String),
    /// The key lies in a token that the configuration does not name.
    #[error("the key lies in the token \"{0}\": name it in [token] of the configuration")]
    Elsewhere(String),
    /// The token's library cannot be used.
    #[error("cannot use {module} ([token] module), which should speak PKCS#11: {why}")]
    Library {
        /// The library.
        module: PathBuf,
        /// What the system, or the library, said.
        why: String,
    },
    /// The token is not there.
    #[error("no token \"{label}\" ([token] label) is there; {}", listed(.present))]
    Away {
        /// Its label.
        label: String,
        /// The labels of those that are.
        present: Vec<String>,
    },
    /// The file with the PIN cannot be read.
    #[error("cannot read the token's PIN from {path} ([token] pin_file): {why}")]
    PinFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The token does not take the PIN.
    #[error("the token refuses the PIN in {0}; this program does not try it again before the file holds another one")]
    Pin(PathBuf),
    /// The token takes no PIN any more.
    #[error("the token's PIN is locked after wrong ones: its security officer has to set a new one")]
    PinLocked,
    /// The token does not hold the key.
    #[error("the token holds no key {0}: was it made anew? Then the unit has to be enrolled anew")]
    Missing(String),
    /// The token would hand the key out.
    #[error("the token makes keys that can be taken out of it; nothing is kept there")]
    Extractable,
    /// There is no room for another key.
    #[error("the token is full: it has no room for another key")]
    Full,
    /// The token refuses something else.
    #[error("the token does not {doing}: {why}")]
    Token {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        why: String,
    },
    /// A key or a request in software cannot be made.
    #[error("{0}")]
    Software(String),
}

fn listed(labels: &[String]) -> String {
    if labels.is_empty() { "there is none at all".to_owned() } else { format!("those there: {}", labels.join(", ")) }
}

/// A key that was just made.
pub struct NewKey {
    /// What its file shall hold.
    pub file: Vec<u8>,
    /// A certificate request for it, PKCS#10 in DER. It names nobody: what the unit will be called is the center's
    /// decision.
    pub request: Vec<u8>,
    /// The key.
    pub key: SigningKey,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Makes keys, and opens them by what their files say.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    token: Option<Token>,
}

impl Keys {
    /// Keys are made in the token where one is named, else in software.
    pub fn of(token: Option<&TokenPlace>) -> Self {
        Self { token: token.map(|place| Token::new(place.clone())) }
    }

    /// The label of the token that keys are made in; none where they are made in software.
    pub fn token(&self) -> Option<&str> {
        self.token.as_ref().map(Token::label)
    }

    /// Makes a P-256 key; in a token it gets this mark.
    ///
    /// # Errors
    /// Where the token, or the system, makes none.
    pub fn make(&self, mark: &str) -> Result<NewKey, KeyError> {
        match &self.token {
            Some(token) => in_token(token, mark),
            None => in_software(),
        }
    }

    /// The key of such a file. One in a token is not looked for before it signs.
    ///
    /// # Errors
    /// Where the file is none of a key, or the token is not configured.
    pub fn open(&self, file: &[u8]) -> Result<SigningKey, KeyError> {
        match KeyFile::read(file)? {
            KeyFile::Pem => SigningKey::from_pem(file).map_err(|error| KeyError::File(error.to_string())),
            KeyFile::InToken(key) => self.in_token(key),
        }
    }

    /// The same for TLS, which takes more kinds of keys from files.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_for_tls(&self, file: &[u8]) -> Result<Arc<dyn rustls::sign::SigningKey>, KeyError> {
        let unfit = |error: &dyn std::error::Error| KeyError::File(error.to_string());
        match KeyFile::read(file)? {
            KeyFile::Pem => {
                let key = PrivateKeyDer::from_pem_slice(file).map_err(|error| unfit(&error))?;
                let provider = rustls::crypto::aws_lc_rs::default_provider().key_provider;
                provider.load_private_key(key).map_err(|error| unfit(&error))
            }
            KeyFile::InToken(key) => Ok(Arc::new(TlsKey::new(self.in_token(key)?))),
        }
    }

    /// Has the key of such a file sign something, for nobody.
    ///
    /// # Errors
    /// Why it does not, in the token's own case.
    pub fn try_out(&self, file: &[u8]) -> Result<(), KeyError> {
        let KeyFile::InToken(key) = KeyFile::read(file)? else { return self.open(file).map(drop) };
        self.token_of(&key)?.sign(&key.id, &[]).map(drop)
    }

    /// The label of the token that the key of such a file lies in; none where the file holds the key itself.
    pub fn token_of_file(file: &[u8]) -> Option<String> {
        match KeyFile::read(file) {
            Ok(KeyFile::InToken(key)) => Some(key.token),
            Ok(KeyFile::Pem) | Err(_) => None,
        }
    }

    /// Destroys the keys with this mark in the token, other than those of these files. Nothing is done without a token.
    ///
    /// # Errors
    /// The token's.
    pub fn keep_only(&self, mark: &str, files: &[Vec<u8>]) -> Result<(), KeyError> {
        let Some(token) = &self.token else { return Ok(()) };
        let mut kept = Vec::new();
        for file in files {
            if let KeyFile::InToken(key) = KeyFile::read(file)? {
                kept.push(key.id);
            }
        }
        token.keep_only(mark, kept)
    }

    fn in_token(&self, key: InToken) -> Result<SigningKey, KeyError> {
        let token = self.token_of(&key)?.clone();
        Ok(SigningKey::remote(key.public, Box::new(Held { token, id: key.id })))
    }

    fn token_of(&self, key: &InToken) -> Result<&Token, KeyError> {
        let token = self.token.as_ref().filter(|token| token.label() == key.token);
        token.ok_or_else(|| KeyError::Elsewhere(key.token.clone()))
    }
}

/// A key in a token.
struct Held {
    token: Token,
    id: KeyId,
}

impl RemoteSigner for Held {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        self.token.sign(&self.id, message).map_err(|error| error.to_string())
    }
}

fn in_token(token: &Token, mark: &str) -> Result<NewKey, KeyError> {
    let (id, public) = token.make(mark)?;
    let key = SigningKey::remote(public, Box::new(Held { token: token.clone(), id: id.clone() }));
    let requesting = Requesting::new(&key);
    let request = unnamed().serialize_request(&requesting).map_err(|error| {
        // The generic error of the one who writes the request hides what the token said.
        requesting.refused().unwrap_or_else(|| KeyError::Software(error.to_string()))
    })?;
    let file = InToken { token: token.label().to_owned(), id, public }.written();
    Ok(NewKey { file, request: request.der().to_vec(), key })
}

fn in_software() -> Result<NewKey, KeyError> {
    let words = |error: rcgen::Error| KeyError::Software(error.to_string());
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(words)?;
    let request = unnamed().serialize_request(&pair).map_err(words)?.der().to_vec();
    let file = pair.serialize_pem().into_bytes();
    let key = SigningKey::from_pem(&file).map_err(|error: SignatureError| KeyError::Software(error.to_string()))?;
    Ok(NewKey { file, request, key })
}

fn unnamed() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters
}
