//! One key for those who want its signatures in another shape: TLS and certificate requests take DER.

use std::sync::{Arc, Mutex, PoisonError};

use edge_protocol::sign::{SignatureError, SigningKey};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::sign::{Signer, public_key_to_spki};
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{SubjectPublicKeyInfoDer, alg_id};

use super::KeyError;

/// A P-256 key as TLS takes it.
#[derive(Debug)]
pub(super) struct TlsKey {
    key: Arc<SigningKey>,
}

impl TlsKey {
    pub(super) fn new(key: SigningKey) -> Self {
        Self { key: Arc::new(key) }
    }
}

impl rustls::sign::SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let key = Arc::clone(&self.key);
        offered.contains(&TlsSigner::SCHEME).then(|| Box::new(TlsSigner { key }) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(public_key_to_spki(&alg_id::ECDSA_P256, self.key.public()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

#[derive(Debug)]
struct TlsSigner {
    key: Arc<SigningKey>,
}

impl TlsSigner {
    const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
}

impl Signer for TlsSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signature = self.key.sign(message).map_err(|error| rustls::Error::General(words(error)))?;
        Ok(der(&signature))
    }

    fn scheme(&self) -> SignatureScheme {
        Self::SCHEME
    }
}

/// A P-256 key as a certificate request takes it.
pub(super) struct Requesting<'k> {
    key: &'k SigningKey,
    refused: Mutex<Option<SignatureError>>,
}

impl<'k> Requesting<'k> {
    pub(super) const fn new(key: &'k SigningKey) -> Self {
        Self { key, refused: Mutex::new(None) }
    }

    /// What the key said when it did not sign.
    pub(super) fn refused(&self) -> Option<KeyError> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.map(|error| KeyError::Token { doing: "sign the request", why: words(error) })
    }
}

impl PublicKeyData for Requesting<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.key.public()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Requesting<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key.sign(message).map(|signature| der(&signature)).map_err(|error| {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            rcgen::Error::RemoteKeyError
        })
    }
}

/// What a key said, without the words that put it under a heading.
fn words(error: SignatureError) -> String {
    match error {
        SignatureError::Key(why) => why,
        SignatureError::Malformed(_)
        | SignatureError::Certificate(_)
        | SignatureError::Untrusted(_)
        | SignatureError::Forged => error.to_string(),
    }
}

/// `ECDSA-Sig-Value` (RFC 3279, section 2.2.3) of r and s, which follow each other in equal halves.
fn der(signature: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    let (r, s) = signature.split_at(signature.len() / 2);
    let numbers = [integer(r), integer(s)].concat();
    // Two numbers of 32 bytes stay below the 128 bytes from which on a length takes more than one.
    [vec![SEQUENCE, u8::try_from(numbers.len()).unwrap_or(u8::MAX)], numbers].concat()
}

/// A number that is not negative, in its shortest form.
fn integer(bytes: &[u8]) -> Vec<u8> {
    const INTEGER: u8 = 0x02;
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let mut digits = bytes.get(first..).unwrap_or_default().to_vec();
    if digits.first().is_none_or(|byte| byte & 0x80 != 0) {
        digits.insert(0, 0);
    }
    [vec![INTEGER, u8::try_from(digits.len()).unwrap_or(u8::MAX)], digits].concat()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    use rustls::sign::SigningKey as _;

    use super::*;
    use crate::keys::Keys;

    #[test]
    fn numbers_are_as_short_as_der_wants_them_and_never_negative() {
        for (bytes, written) in [
            (&[0, 0][..], &[2, 1, 0][..]),
            (&[0, 1], &[2, 1, 1]),
            (&[0, 0x80], &[2, 2, 0, 0x80]),
            (&[0x7f, 0xff], &[2, 2, 0x7f, 0xff]),
            (&[0xff, 0], &[2, 3, 0, 0xff, 0]),
        ] {
            assert_eq!(integer(bytes), written);
        }
    }

    #[test]
    fn tls_and_requests_get_signatures_that_others_accept() {
        let made = Keys::default().make("").unwrap();
        let public = made.key.public().to_vec();
        let tls = TlsKey::new(made.key);
        assert!(tls.choose_scheme(&[SignatureScheme::ED25519]).is_none());
        let signer = tls.choose_scheme(&[SignatureScheme::ED25519, TlsSigner::SCHEME]).unwrap();
        // Shorter numbers come up by chance: 64 signatures have about one with a leading zero byte in r or s each.
        for number in 0..64_u8 {
            let signature = signer.sign(&[number]).unwrap();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &public).verify(&[number], &signature).unwrap();
        }
        let spki = tls.public_key().unwrap();
        assert!(spki.ends_with(&public) && spki.len() == 91, "{spki:?}");
    }
}
