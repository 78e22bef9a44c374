//! A signed set of models: what it holds, and its head in a file. The models' bytes follow; nobody reads them here.
//!
//! The file, byte by byte: `edgemod1`; the length of the signed manifest in 4 bytes, least significant first; the
//! manifest, a `COSE_Sign1` over deterministic CBOR; then the files named in it, one after the other without anything
//! in between. The set is whole or nothing: detector, plate finder and reader that were not tested together never meet.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::batch::{self, CONTRACT_VERSION, Encoding};
use crate::command::Role;
use crate::hash::Hash256;
use crate::head;
use crate::id::AgencyId;
use crate::record::Word;
use crate::sign::{Chain, Kind, Root, SignatureError, Signed, SigningKey, Subject};
use crate::time::WallTime;

/// The first bytes of the file.
pub const MAGIC: [u8; 8] = *b"edgemod1";
/// The most files in a set.
pub const MAX_FILES: usize = 256;
/// The most bytes of a set's files. All are hashed and read at each start of a vision worker, which on a slow card has
/// to end before the agent's watchdog bites.
pub const MAX_SET_BYTES: u64 = 128 << 20;
/// The longest path of a file.
const MAX_PATH_BYTES: usize = 200;

/// What a set holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct ModelSet {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// Whose units it is for.
    #[n(1)]
    pub agency: AgencyId,
    /// Rises with each set; a unit never goes back.
    #[n(2)]
    pub revision: u64,
    /// When it was made.
    #[n(3)]
    pub built: WallTime,
    /// The least version of the agent that can run it.
    #[n(4)]
    pub least_software: Word,
    /// Its files, in the order of their bytes.
    #[n(5)]
    pub files: Vec<ModelFile>,
}

/// A file of a set.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct ModelFile {
    /// Where it goes: one or two folders and a name, `plates/golden/input.f32` say.
    #[n(0)]
    pub path: String,
    /// Its length.
    #[n(1)]
    pub bytes: u64,
    /// Its SHA-256.
    #[n(2)]
    pub hash: Hash256,
}

/// Why a set is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// It is not one, or not whole.
    #[error("it is no set of models: {0}")]
    Malformed(String),
    /// Not signed by whom it must be.
    #[error("it is not signed by a policy administrator of this agency: {0}")]
    Signature(String),
    /// It is another agency's.
    #[error("it is for agency {0}")]
    Agency(AgencyId),
}

impl From<SignatureError> for NotGenuine {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Malformed(why) => Self::Malformed(why),
            SignatureError::Certificate(_)
            | SignatureError::Untrusted(_)
            | SignatureError::Forged
            | SignatureError::Key(_) => Self::Signature(error.to_string()),
        }
    }
}

impl ModelSet {
    /// Signs the manifest and gives the head of the file; the files' bytes follow it.
    ///
    /// # Errors
    /// If the key does not belong to the chain, or the manifest is longer than any reader takes.
    pub fn head(&self, key: &SigningKey, chain: &Chain) -> Result<Vec<u8>, NotGenuine> {
        self.sound()?;
        let sealed = Signed::seal(Kind::ModelSet, batch::encode_message(self, Encoding::Cbor), key, chain)?;
        head::head(MAGIC, &sealed).ok_or_else(|| NotGenuine::Malformed("the manifest is too long".to_owned()))
    }

    /// The length of the signed manifest that follows these first 12 bytes of a file.
    ///
    /// # Errors
    /// If they are not those of a set.
    pub fn manifest_length(first: [u8; 12]) -> Result<usize, NotGenuine> {
        let none = || NotGenuine::Malformed("it does not begin as one".to_owned());
        head::manifest_length(MAGIC, first).ok_or_else(none)
    }

    /// Reads a signed manifest and checks that a policy administrator of the agency has signed it.
    ///
    /// # Errors
    /// Says why it is not to be used.
    pub fn open(sealed: &[u8], agency: &AgencyId, root: &Root, at: Option<WallTime>) -> Result<Self, NotGenuine> {
        let signed = Signed::open(Kind::ModelSet, sealed)?;
        match root.check(&signed.chain, at)? {
            Subject::Person(of, _, Role::PolicyAdmin) if of == *agency => {}
            Subject::Person(_, who, role) => {
                return Err(NotGenuine::Signature(format!("{who} is a {} there", role.as_str())));
            }
            Subject::Unit(..) | Subject::Claim(_) => {
                return Err(NotGenuine::Signature("its signer is a unit".to_owned()));
            }
            Subject::Center(..) => {
                return Err(NotGenuine::Signature("its signer is a receiver".to_owned()));
            }
        }
        let set = Self::decode(&signed)?;
        if set.agency == *agency { Ok(set) } else { Err(NotGenuine::Agency(set.agency)) }
    }

    /// What a signed manifest says, whoever signed it: for naming a set, not for using it.
    ///
    /// # Errors
    /// If it is none, or not as whoever signed it left it.
    pub fn peek(sealed: &[u8]) -> Result<Self, NotGenuine> {
        Self::decode(&Signed::open(Kind::ModelSet, sealed)?)
    }

    fn decode(signed: &Signed) -> Result<Self, NotGenuine> {
        let set: Self =
            batch::decode_message(&signed.payload).map_err(|error| NotGenuine::Malformed(error.to_string()))?;
        set.sound().map(|()| set)
    }

    /// How many bytes its files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    fn sound(&self) -> Result<(), NotGenuine> {
        let wrong = |why: &str| Err(NotGenuine::Malformed(why.to_owned()));
        if self.version != CONTRACT_VERSION {
            return wrong("its version is not known");
        }
        if self.files.is_empty() || self.files.len() > MAX_FILES || self.bytes() > MAX_SET_BYTES {
            return wrong("it has no files, or more than a set may");
        }
        let mut paths: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        if let Some(path) = paths.iter().find(|path| !is_sound_path(path)) {
            return wrong(&format!("{path:?} is no place for a file"));
        }
        paths.sort_unstable();
        if paths.windows(2).any(|two| two.first() == two.last()) {
            return wrong("a file is named twice");
        }
        Ok(())
    }
}

/// Two or three parts of letters, digits, `-`, `_` and `.`, none of which begins with a dot.
fn is_sound_path(path: &str) -> bool {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(plain)
    };
    path.len() <= MAX_PATH_BYTES && (2..=3).contains(&path.split('/').count()) && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::testing::{Authority, Identity, at};

    fn set(paths: &[&str]) -> ModelSet {
        let file = |path: &&str| ModelFile { path: (*path).to_owned(), bytes: 3, hash: Hash256::of(b"abc") };
        ModelSet {
            version: CONTRACT_VERSION,
            agency: "springfield".parse().unwrap(),
            revision: 7,
            built: at(),
            least_software: Word::cut("0.1.0"),
            files: paths.iter().map(file).collect(),
        }
    }

    fn opened(set: &ModelSet, who: &Identity, root: &Root) -> Result<ModelSet, NotGenuine> {
        let head = set.head(&who.key, &who.chain)?;
        let (first, sealed) = head.split_at(12);
        assert_eq!(ModelSet::manifest_length(first.try_into().unwrap()).unwrap(), sealed.len());
        ModelSet::open(sealed, &"springfield".parse().unwrap(), root, Some(at()))
    }

    #[test]
    fn a_policy_administrator_of_the_agency_alone_may_sign() {
        let (ours, theirs) = (Authority::new("springfield"), Authority::new("springfield"));
        let set = set(&["plates/manifest.json", "plates/golden/input.f32"]);
        assert_eq!(opened(&set, &ours.person("pat", "policy-admin"), &ours.root()).unwrap(), set);
        let eve = theirs.person("eve", "policy-admin");
        let head = set.head(&eve.key, &eve.chain).unwrap();
        assert_eq!(ModelSet::peek(&head[12..]).unwrap(), set, "it can be named whoever signed it");
        for signer in [ours.person("ada", "supervisor"), ours.unit("pole-7"), theirs.person("eve", "policy-admin")] {
            assert!(matches!(opened(&set, &signer, &ours.root()), Err(NotGenuine::Signature(_))));
        }
        let other = ModelSet { agency: "shelbyville".parse().unwrap(), ..set };
        let refused = opened(&other, &ours.person("pat", "policy-admin"), &ours.root());
        assert!(matches!(refused, Err(NotGenuine::Agency(_))), "{refused:?}");
    }

    #[test]
    fn paths_that_lead_elsewhere_and_sets_that_are_none_are_refused() {
        let authority = Authority::new("springfield");
        let pat = authority.person("pat", "policy-admin");
        for paths in [
            &[][..],
            &["manifest.json"],
            &["../plates/manifest.json"],
            &["plates/../../etc/passwd"],
            &["/etc/passwd"],
            &["plates/.hidden"],
            &["plates//x"],
            &["a/b/c/d"],
            &["plates/x", "plates/x"],
        ] {
            let refused = set(paths).head(&pat.key, &pat.chain);
            assert!(matches!(refused, Err(NotGenuine::Malformed(_))), "{paths:?}");
        }
        assert!(ModelSet::manifest_length(*b"edgemod2\0\0\0\0").is_err());
        assert!(ModelSet::manifest_length(*b"edgemod1\xff\xff\xff\xff").is_err());
    }
}
