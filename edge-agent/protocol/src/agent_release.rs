//! A signed release of the agent: what its file begins with. The program's bytes follow; nobody reads them here.
//!
//! The file, byte by byte: `edgeagt1`; the length of the signed manifest in 4 bytes, least significant first; the
//! manifest, a `COSE_Sign1` over deterministic CBOR; then the program, an ELF file for the unit's processor.
//!
//! It is signed by whoever signs images, under the root that the image brings with it for its bundles, and not by a
//! person of the agency: whose policy may say what a unit does must not be able to say what a unit is.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::batch::{self, CONTRACT_VERSION, Encoding};
use crate::hash::Hash256;
use crate::head;
use crate::sign::{Chain, Kind, Root, SignatureError, Signed, SigningKey};
use crate::time::WallTime;
use crate::version::Version;

/// The first bytes of the file.
pub const MAGIC: [u8; 8] = *b"edgeagt1";
/// The most bytes of a program. It runs from memory, which it takes from the rest of the box.
pub const MAX_PROGRAM_BYTES: u64 = 128 << 20;
/// The most images that one release is for.
pub const MAX_IMAGES: usize = 32;

/// What a release is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct AgentRelease {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// The program's own version; a unit never goes back.
    #[n(1)]
    pub software: Version,
    /// When it was made.
    #[n(2)]
    pub built: WallTime,
    /// The versions of the images that it was tested with. It runs on no other: its libraries and its sandbox are
    /// theirs.
    #[n(3)]
    pub images: Vec<Version>,
    /// The program's length.
    #[n(4)]
    pub bytes: u64,
    /// The program's SHA-256.
    #[n(5)]
    pub hash: Hash256,
}

/// Why a release is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// It is not one, or not whole.
    #[error("it is no release of the agent: {0}")]
    Malformed(String),
    /// Not signed by whom it must be.
    #[error("it is not signed by a key that this unit takes images from: {0}")]
    Signature(String),
}

impl From<SignatureError> for NotGenuine {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Malformed(why) => Self::Malformed(why),
            SignatureError::Untrusted(why) => Self::Signature(format!(
                "its signer's certificate is not under the keyring, or for something else: {why}"
            )),
            SignatureError::Certificate(_) | SignatureError::Forged | SignatureError::Key(_) => {
                Self::Signature(error.to_string())
            }
        }
    }
}

impl AgentRelease {
    /// Signs the manifest and gives the head of the file; the program's bytes follow it.
    ///
    /// # Errors
    /// If the key does not belong to the chain, or the release cannot be meant.
    pub fn head(&self, key: &SigningKey, chain: &Chain) -> Result<Vec<u8>, NotGenuine> {
        self.sound()?;
        let sealed = Signed::seal(Kind::AgentRelease, batch::encode_message(self, Encoding::Cbor), key, chain)?;
        head::head(MAGIC, &sealed).ok_or_else(|| NotGenuine::Malformed("the manifest is too long".to_owned()))
    }

    /// The length of the signed manifest that follows these first 12 bytes of a file.
    ///
    /// # Errors
    /// If they are not those of a release.
    pub fn manifest_length(first: [u8; 12]) -> Result<usize, NotGenuine> {
        let none = || NotGenuine::Malformed("it does not begin as one".to_owned());
        head::manifest_length(MAGIC, first).ok_or_else(none)
    }

    /// Reads a signed manifest and checks that the root of the image's bundles vouches for its signer. Where no time
    /// is given the signer's certificate is judged at the moment it became valid.
    ///
    /// # Errors
    /// Says why it is not to be used.
    pub fn open(sealed: &[u8], root: &Root, at: Option<WallTime>) -> Result<Self, NotGenuine> {
        let signed = Signed::open(Kind::AgentRelease, sealed)?;
        root.vouches_for_bundles_of(&signed.chain, at)?;
        Self::decode(&signed)
    }

    /// What a signed manifest says, whoever signed it: for naming a release, not for using it.
    ///
    /// # Errors
    /// If it is none, or not as whoever signed it left it.
    pub fn peek(sealed: &[u8]) -> Result<Self, NotGenuine> {
        Self::decode(&Signed::open(Kind::AgentRelease, sealed)?)
    }

    fn decode(signed: &Signed) -> Result<Self, NotGenuine> {
        let release: Self =
            batch::decode_message(&signed.payload).map_err(|error| NotGenuine::Malformed(error.to_string()))?;
        release.sound().map(|()| release)
    }

    fn sound(&self) -> Result<(), NotGenuine> {
        let wrong = |why: &str| Err(NotGenuine::Malformed(why.to_owned()));
        if self.version != CONTRACT_VERSION {
            return wrong("its version is not known");
        }
        if self.bytes == 0 || self.bytes > MAX_PROGRAM_BYTES {
            return wrong("its program is empty, or larger than one may be");
        }
        if self.images.is_empty() || self.images.len() > MAX_IMAGES {
            return wrong("it names no image that it is for, or too many");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::testing::{Authority, Identity, at};

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn release() -> AgentRelease {
        AgentRelease {
            version: CONTRACT_VERSION,
            software: version("1.4.1"),
            built: at(),
            images: vec![version("1.4.0")],
            bytes: 3,
            hash: Hash256::of(b"abc"),
        }
    }

    fn opened(release: &AgentRelease, who: &Identity, root: &Root) -> Result<AgentRelease, NotGenuine> {
        let head = release.head(&who.key, &who.chain)?;
        let (first, sealed) = head.split_at(12);
        assert_eq!(AgentRelease::manifest_length(first.try_into().unwrap()).unwrap(), sealed.len());
        AgentRelease::open(sealed, root, Some(at()))
    }

    #[test]
    fn whoever_may_sign_bundles_may_sign_a_release_and_nobody_else() {
        let (maker, agency) = (Authority::new("maker"), Authority::new("springfield"));
        let release = release();
        assert_eq!(opened(&release, &maker.bundle_signer(), &maker.root()).unwrap(), release);
        for signer in [agency.bundle_signer(), agency.person("pat", "policy-admin")] {
            let refused = opened(&release, &signer, &maker.root());
            assert!(matches!(refused, Err(NotGenuine::Signature(_))), "{refused:?}");
            let head = release.head(&signer.key, &signer.chain).unwrap();
            assert_eq!(AgentRelease::peek(&head[12..]).unwrap(), release, "it can be named whoever signed it");
        }
    }

    #[test]
    fn a_certificate_for_something_else_under_the_same_root_signs_no_release() {
        let maker = Authority::new("maker");
        let refused = opened(&release(), &maker.client(), &maker.root());
        assert!(matches!(refused, Err(NotGenuine::Signature(_))), "{refused:?}");
    }

    #[test]
    fn a_release_that_cannot_be_meant_is_refused() {
        let maker = Authority::new("maker");
        let breaks: [fn(&mut AgentRelease); 5] = [
            |release| release.version = 7,
            |release| release.bytes = 0,
            |release| release.bytes = MAX_PROGRAM_BYTES + 1,
            |release| release.images.clear(),
            |release| release.images = vec![version("1.4.0"); MAX_IMAGES + 1],
        ];
        for break_it in breaks {
            let mut release = release();
            break_it(&mut release);
            let refused = opened(&release, &maker.bundle_signer(), &maker.root());
            assert!(matches!(refused, Err(NotGenuine::Malformed(_))), "{refused:?}");
        }
        assert!(AgentRelease::manifest_length(*b"edgemod1\0\0\0\0").is_err(), "a set of models");
        assert!(AgentRelease::manifest_length(*b"edgeagt1\xff\xff\xff\xff").is_err());
    }
}
