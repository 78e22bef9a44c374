//! PKCS#11: keys that are made in a token, sign in it, and never leave it.
//!
//! The library knows one application, not its threads, and what it knows of its tokens it learns when it is
//! initialised. So one thread at a time talks to it, each time in a session of its own, and where something fails the
//! library is initialised anew: a token that was away is found again without a restart.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use edge_protocol::hash::Hash256;

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

/// A library as this process has it.
struct Loaded {
    module: PathBuf,
    library: Pkcs11,
}

/// What the process knows between two sessions.
struct Known {
    loaded: Option<Loaded>,
    /// Of a PIN that was refused. A token counts wrong ones, so the same is never tried twice.
    refused: Option<Hash256>,
}

static KNOWN: Mutex<Known> = Mutex::new(Known { loaded: None, refused: None });

/// A token by its label.
#[derive(Debug)]
pub(super) struct Token {
    place: TokenPlace,
}

impl Token {
    pub(super) const fn new(place: TokenPlace) -> Self {
        Self { place }
    }

    pub(super) fn label(&self) -> &str {
        &self.place.label
    }

    /// Makes a key that signs, and its public half. A token that would let it out keeps nothing.
    pub(super) fn make(&self, owner: &str) -> Result<(KeyId, [u8; 65]), KeyError> {
        let mut name = vec![0; 16];
        aws_lc_rs::rand::fill(&mut name)
            .map_err(|_| KeyError::Software("the system gives no random bytes".to_owned()))?;
        let id = KeyId(name);
        let common = [Attribute::Token(true), id.attribute(), Attribute::Label(owner.as_bytes().to_vec())];
        let public = [&common[..], &[Attribute::EcParams(P256.to_vec()), Attribute::Verify(true)]].concat();
        let private = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false)];
        let private = [&common[..], &private, &[Attribute::Sign(true)]].concat();
        self.within(|session| {
            let said = |error| self.said("make a key", &error);
            let (public, private) =
                session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).map_err(said)?;
            let kinds = [AttributeType::Sensitive, AttributeType::Extractable];
            if !stays(&session.get_attributes(private, &kinds).map_err(said)?) {
                session.destroy_object(private).and_then(|()| session.destroy_object(public)).map_err(said)?;
                return Err(KeyError::Extractable);
            }
            let attributes = session.get_attributes(public, &[AttributeType::EcPoint]).map_err(said)?;
            Ok((id, point(&attributes).ok_or_else(|| said(Error::InvalidValue))?))
        })
    }

    /// The signature of a message, ECDSA with SHA-256: r and s.
    pub(super) fn sign(&self, id: &KeyId, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true), id.attribute()];
        let hash = digest(&SHA256, message);
        self.within(|session| {
            let said = |error| self.said("sign", &error);
            let found = session.find_objects(&wanted).map_err(said)?;
            let key = found.first().ok_or_else(|| KeyError::Missing(id.to_hex()))?;
            let signature = session.sign(&Mechanism::Ecdsa, *key, hash.as_ref()).map_err(said)?;
            <[u8; 64]>::try_from(signature).map_err(|_| said(Error::InvalidValue))
        })
    }

    /// Destroys the keys of this owner that are not among those named.
    pub(super) fn keep_only(&self, owner: &str, kept: &[KeyId]) -> Result<(), KeyError> {
        let marked = [Attribute::Token(true), Attribute::Label(owner.as_bytes().to_vec())];
        self.within(|session| {
            let said = |error| self.said("forget a key", &error);
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
    fn within<T>(&self, act: impl FnOnce(&Session) -> Result<T, KeyError>) -> Result<T, KeyError> {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { loaded, refused } = &mut *known;
        let session = if let Ok(session) = self.open(loaded) {
            session
        } else {
            *loaded = None;
            self.open(loaded)?
        };
        let done = self.log_in(&session, refused).and_then(|()| act(&session));
        drop(session);
        if matches!(done, Err(KeyError::Token { .. })) {
            // What the library believes may be of a token that is not there any more.
            *loaded = None;
        }
        done
    }

    fn open(&self, kept: &mut Option<Loaded>) -> Result<Session, KeyError> {
        let module = &self.place.module;
        let loaded = match kept.take().filter(|loaded| loaded.module == *module) {
            Some(loaded) => loaded,
            None => Loaded { module: module.clone(), library: load(module)? },
        };
        let library = &kept.insert(loaded).library;
        library.open_rw_session(self.slot(library)?).map_err(|error| self.said("open a session", &error))
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
        let text = std::fs::read_to_string(path)
            .map_err(|error| KeyError::PinFile { path: path.clone(), why: error.to_string() })?;
        let pin = text.trim_end_matches(['\r', '\n']);
        let mark = Hash256::of(pin.as_bytes());
        if *refused == Some(mark) {
            return Err(KeyError::Pin(path.clone()));
        }
        match session.login(UserType::User, Some(&AuthPin::from(pin))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                *refused = None;
                Ok(())
            }
            Err(error) => {
                let error = self.said("log in", &error);
                if matches!(error, KeyError::Pin(_)) {
                    *refused = Some(mark);
                }
                Err(error)
            }
        }
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
            KeyError::Token { doing, why: error.to_string() }
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // A library that does not let go is initialised again as it is.
        drop(self.library.clone().finalize());
    }
}

fn load(module: &Path) -> Result<Pkcs11, KeyError> {
    let unfit = |error: &Error| KeyError::Library { module: module.to_owned(), why: error.to_string() };
    let library = Pkcs11::new(module).map_err(|error| unfit(&error))?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(library),
        Err(error) => Err(unfit(&error)),
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
        assert!(said(RvError::DeviceError).to_string().starts_with("the token does not sign: "));
    }
}
