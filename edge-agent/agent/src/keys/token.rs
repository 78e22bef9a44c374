//! PKCS#11: keys that are made in a token, sign in it, and never leave it.
//!
//! What a library knows of its tokens it learns when it is initialised. So everything is done in a session of its own,
//! and where the token or a key in it is not found, or something else fails, the library is initialised anew and asked
//! once more: a token that was away, or a key that another process has made, is found without a restart.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use edge_protocol::hash::Hash256;

use super::library::{self, Known};
use super::{KeyError, TokenPlace};

/// The object identifier of P-256 (1.2.840.10045.3.1.7), in DER.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// What precedes a point of P-256 in `CKA_EC_POINT`: an octet string of 65 bytes, in DER.
const OCTETS: [u8; 2] = [0x04, 65];
/// What an uncompressed point begins with.
const UNCOMPRESSED: u8 = 0x04;

/// The name of a key in its token, `CKA_ID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyId(Vec<u8>);

impl KeyId {
    pub(super) const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn to_hex(&self) -> String {
        hex::encode(&self.0)
    }

    fn attribute(&self) -> Attribute {
        Attribute::Id(self.0.clone())
    }
}

/// A token by its label.
#[derive(Debug, Clone)]
pub(super) struct Token {
    place: Arc<TokenPlace>,
}

impl Token {
    pub(super) fn new(place: TokenPlace) -> Self {
        Self { place: Arc::new(place) }
    }

    pub(super) fn label(&self) -> &str {
        &self.place.label
    }

    /// Makes a key that signs, and its public half. A token that would let it out keeps nothing.
    pub(super) fn make(&self, mark: &str) -> Result<(KeyId, [u8; 65]), KeyError> {
        let mut name = vec![0; 16];
        aws_lc_rs::rand::fill(&mut name)
            .map_err(|_| KeyError::Software("the system gives no random bytes".to_owned()))?;
        let id = KeyId(name);
        let common = [Attribute::Token(true), id.attribute(), Attribute::Label(mark.as_bytes().to_vec())];
        let public = [&common[..], &[Attribute::EcParams(P256.to_vec()), Attribute::Verify(true)]].concat();
        let private = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false)];
        let private = [&common[..], &private, &[Attribute::Sign(true)]].concat();
        let point = self.within("make a key", move |token, session| {
            let said = |error| token.said("make a key", &error);
            let (public, private) =
                session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).map_err(said)?;
            let kinds = [AttributeType::Sensitive, AttributeType::Extractable];
            if !stays(&session.get_attributes(private, &kinds).map_err(said)?) {
                session.destroy_object(private).and_then(|()| session.destroy_object(public)).map_err(said)?;
                return Err(KeyError::Extractable);
            }
            let attributes = session.get_attributes(public, &[AttributeType::EcPoint]).map_err(said)?;
            point(&attributes).ok_or_else(|| said(Error::InvalidValue))
        })?;
        Ok((id, point))
    }

    /// The signature of a message, ECDSA with SHA-256: r and s.
    pub(super) fn sign(&self, id: &KeyId, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true), id.attribute()];
        let (id, hash) = (id.clone(), digest(&SHA256, message));
        self.within("sign", move |token, session| {
            let said = |error| token.said("sign", &error);
            let found = session.find_objects(&wanted).map_err(said)?;
            let key = found.first().ok_or_else(|| KeyError::Missing(id.to_hex()))?;
            let signature = session.sign(&Mechanism::Ecdsa, *key, hash.as_ref()).map_err(said)?;
            <[u8; 64]>::try_from(signature).map_err(|_| said(Error::InvalidValue))
        })
    }

    /// Destroys the keys with this mark that are not among those named.
    pub(super) fn keep_only(&self, mark: &str, kept: Vec<KeyId>) -> Result<(), KeyError> {
        let marked = [Attribute::Token(true), Attribute::Label(mark.as_bytes().to_vec())];
        self.within("forget a key", move |token, session| {
            let said = |error| token.said("forget a key", &error);
            for object in session.find_objects(&marked).map_err(said)? {
                let attributes = session.get_attributes(object, &[AttributeType::Id]).map_err(said)?;
                if !kept.iter().any(|id| attributes.contains(&id.attribute())) {
                    session.destroy_object(object).map_err(said)?;
                }
            }
            Ok(())
        })
    }

    /// Does something in a session of its own, logged in.
    fn within<T: Send + 'static>(
        &self,
        doing: &'static str,
        act: impl Fn(&Self, &Session) -> Result<T, KeyError> + Send + 'static,
    ) -> Result<T, KeyError> {
        let token = self.clone();
        let done = library::ask(move |known| {
            let once = |known: &mut Known| token.open(known).and_then(|session| act(&token, &session));
            let is_doubtful = |error: &KeyError| {
                matches!(error, KeyError::Away { .. } | KeyError::Missing(_) | KeyError::Token { .. })
            };
            match once(known) {
                Err(error) if is_doubtful(&error) && known.forget() => once(known),
                done => done,
            }
        });
        done.unwrap_or_else(|| Err(KeyError::Token { doing, why: "it does not answer".to_owned() }))
    }

    fn open(&self, known: &mut Known) -> Result<Session, KeyError> {
        let library = known.library(&self.place.module)?;
        let slot = self.slot(&library)?;
        let session = library.open_rw_session(slot).map_err(|error| self.said("open a session", &error))?;
        self.log_in(&session, &mut known.refused)?;
        Ok(session)
    }

    fn slot(&self, library: &Pkcs11) -> Result<Slot, KeyError> {
        let said = |error| self.said("say which tokens there are", &error);
        let mut present = Vec::new();
        for slot in library.get_slots_with_initialized_token().map_err(said)? {
            let token = library.get_token_info(slot).map_err(said)?;
            if token.label() == self.place.label {
                return Ok(slot);
            }
            present.push(token.label().to_owned());
        }
        Err(KeyError::Away { label: self.place.label.clone(), present })
    }

    fn log_in(&self, session: &Session, refused: &mut Option<Hash256>) -> Result<(), KeyError> {
        let path = &self.place.pin_file;
        let mut pin = std::fs::read_to_string(path)
            .map_err(|error| KeyError::PinFile { path: path.clone(), why: error.to_string() })?;
        pin.truncate(pin.trim_end_matches(['\r', '\n']).len());
        let mark = Hash256::of(pin.as_bytes());
        if *refused == Some(mark) {
            return Err(KeyError::Pin(path.clone()));
        }
        let error = match session.login(UserType::User, Some(&AuthPin::from(pin))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                *refused = None;
                return Ok(());
            }
            Err(error) => self.said("log in", &error),
        };
        if matches!(error, KeyError::Pin(_)) {
            *refused = Some(mark);
        }
        Err(error)
    }

    /// What a token says, in the words of whoever can do something about it.
    fn said(&self, doing: &'static str, error: &Error) -> KeyError {
        if let Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) = error {
            KeyError::Pin(self.place.pin_file.clone())
        } else if let Error::Pkcs11(RvError::PinLocked, _) = error {
            KeyError::PinLocked
        } else if let Error::Pkcs11(RvError::DeviceMemory, _) = error {
            KeyError::Full
        } else {
            KeyError::Token { doing, why: library::words(error) }
        }
    }
}

/// Whether a private key cannot be taken out, by what the token says of it.
fn stays(attributes: &[Attribute]) -> bool {
    attributes.contains(&Attribute::Sensitive(true)) && attributes.contains(&Attribute::Extractable(false))
}

/// The public half; none where the token gives something else than an uncompressed point.
fn point(attributes: &[Attribute]) -> Option<[u8; 65]> {
    let point = attributes
        .iter()
        .find_map(|attribute| if let Attribute::EcPoint(point) = attribute { Some(point.as_slice()) } else { None })?;
    // Some tokens leave the octet string's head out.
    let bare = point.strip_prefix(&OCTETS).filter(|rest| rest.len() == 65).unwrap_or(point);
    bare.try_into().ok().filter(|point: &[u8; 65]| point.starts_with(&[UNCOMPRESSED]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_that_cannot_be_taken_out_is_kept() {
        let (hidden, fixed) = (Attribute::Sensitive(true), Attribute::Extractable(false));
        assert!(stays(&[hidden.clone(), fixed.clone()]));
        for lax in [
            vec![hidden.clone(), Attribute::Extractable(true)],
            vec![Attribute::Sensitive(false), fixed.clone()],
            vec![hidden],
            vec![fixed],
            vec![],
        ] {
            assert!(!stays(&lax), "{lax:?}");
        }
    }

    #[test]
    fn the_public_half_is_read_with_and_without_its_head_and_never_guessed() {
        // The second byte is a length, or the first of the point.
        let bare: Vec<u8> = std::iter::once(UNCOMPRESSED).chain(65..129).collect();
        for given in [bare.clone(), [&OCTETS[..], &bare].concat()] {
            assert_eq!(point(&[Attribute::EcPoint(given)]).unwrap().as_slice(), bare);
        }
        let compressed = [&[2][..], &bare[1..33]].concat();
        for other in [compressed, bare[..64].to_vec(), vec![5; 65], vec![]] {
            assert_eq!(point(&[Attribute::EcPoint(other)]), None);
        }
        assert_eq!(point(&[]), None);
    }

    #[test]
    fn what_a_token_says_becomes_words_for_whoever_can_mend_it() {
        use cryptoki::context::Function;
        let place =
            TokenPlace { module: "/lib/p11.so".into(), label: "gate-1".into(), pin_file: "/persist/pin".into() };
        let token = Token::new(place);
        let said = |value| token.said("sign", &Error::Pkcs11(value, Function::Sign));
        assert_eq!(said(RvError::PinIncorrect), KeyError::Pin("/persist/pin".into()));
        assert_eq!(said(RvError::PinLenRange), KeyError::Pin("/persist/pin".into()));
        assert_eq!(said(RvError::PinLocked), KeyError::PinLocked);
        assert_eq!(said(RvError::DeviceMemory), KeyError::Full);
        assert_eq!(said(RvError::DeviceError).to_string(), "the token does not sign: C_Sign: CKR_DEVICE_ERROR");
    }
}
