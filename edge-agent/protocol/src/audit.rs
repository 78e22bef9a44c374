//! The audit log's chain, and a unit's seal on an entry of it.
//!
//! A chain alone shows that nothing was taken out of it; whoever writes it anew from some entry on makes another chain
//! that fits as well. A seal ([`crate::record::AuditRecord::seal`]) says under the unit's own key that an entry is the
//! one of that number, that it says this, and that all before it was so.

use aws_lc_rs::digest;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::batch::{CONTRACT_VERSION, encode_cbor};
use crate::hash::Hash256;
use crate::id::{AgencyId, CommandId, UnitId};
use crate::record::{AuditKind, AuditRecord, Record};
use crate::sign::{Chain, Kind, Root, SignatureError, Signed, SigningKey, Subject};
use crate::wire::blob;

/// The largest seal that is read: a chain of three certificates and what they sign.
pub const MAX_SEAL_BYTES: usize = 8 * 1024;
/// What stands before the first entry.
pub const BEFORE_THE_FIRST: Hash256 = Hash256::from_bytes([0; 32]);
const DOMAIN: &[u8] = b"edge audit v1\0";

/// What an entry is to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Something that happened without a command: a purge, a refusal, a start.
    Note,
    /// What is about to be done for a command.
    Intent,
    /// What became of it.
    Outcome,
}

impl EntryKind {
    /// As it goes into the chain.
    pub const fn number(self) -> u8 {
        match self {
            Self::Note => 0,
            Self::Intent => 1,
            Self::Outcome => 2,
        }
    }

    /// The kind of a number.
    pub fn of(number: u8) -> Option<Self> {
        [Self::Note, Self::Intent, Self::Outcome].into_iter().find(|kind| kind.number() == number)
    }
}

/// The chain's hash at an entry: SHA-256("edge audit v1\0" || hash before || number || kind || command || length of
/// body || body), numbers in 8 bytes, most significant first; 32 zeros stand before the first.
pub fn link(before: Hash256, number: u64, kind: EntryKind, command: Option<CommandId>, body: &[u8]) -> Hash256 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(DOMAIN);
    context.update(before.as_bytes());
    context.update(&number.to_be_bytes());
    context.update(&[kind.number(), u8::from(command.is_some())]);
    context.update(command.as_ref().map_or(&[0; 16], CommandId::as_bytes).as_slice());
    context.update(&(body.len() as u64).to_be_bytes());
    context.update(body);
    Hash256::from_digest(&context.finish())
}

/// What a seal signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct AuditHead {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// Whose unit.
    #[n(1)]
    pub agency: AgencyId,
    /// Which unit.
    #[n(2)]
    pub unit: UnitId,
    /// Number of the entry.
    #[n(3)]
    pub entry: u64,
    /// The chain's hash at this entry.
    #[n(4)]
    pub hash: Hash256,
}

/// An [`AuditHead`] as its unit signed it: a `COSE_Sign1`. Nothing is checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Seal(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    #[serde(with = "blob")]
    Vec<u8>,
);

impl Seal {
    /// From where it was kept.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn open(&self, root: &Root, agency: &AgencyId, unit: &UnitId) -> Result<AuditHead, BadSeal> {
        if self.0.len() > MAX_SEAL_BYTES {
            return Err(BadSeal::Malformed(format!("{} bytes", self.0.len())));
        }
        let signed = Signed::open(Kind::AuditHead, &self.0)?;
        if root.check(&signed.chain, None)? != Subject::Unit(agency.clone(), unit.clone()) {
            return Err(BadSeal::Stranger(unit.clone()));
        }
        minicbor::decode(&signed.payload).map_err(|error| BadSeal::Malformed(error.to_string()))
    }
}

/// Why a seal is not believed.
#[derive(Debug, thiserror::Error)]
pub enum BadSeal {
    /// It cannot be read.
    #[error("no seal of this contract: {0}")]
    Malformed(String),
    /// Its signature is not good.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It was signed by somebody other than the unit whose log this is.
    #[error("signed by another than {0}")]
    Stranger(UnitId),
    /// It is the seal of another entry, or of this one saying something else.
    #[error("it seals another entry than this")]
    Other,
}

impl AuditRecord {
    /// The chain's hash at this entry. What the log fills in after it has chained the entry, and the seal, are no part
    /// of the body.
    pub fn hash(&self) -> Hash256 {
        let kind = match self.kind {
            AuditKind::Intent if self.command.is_some() => EntryKind::Intent,
            AuditKind::Outcome if self.command.is_some() => EntryKind::Outcome,
            AuditKind::Intent
            | AuditKind::Outcome
            | AuditKind::Refusal
            | AuditKind::Purge
            | AuditKind::Log
            | AuditKind::Local
            | AuditKind::Alarm => EntryKind::Note,
        };
        let body = Self { entry: 0, previous: BEFORE_THE_FIRST, seal: None, ..self.clone() };
        link(self.previous, self.entry, kind, self.command, &Record::Audit(Box::new(body)).to_payload())
    }

    fn head(&self, agency: &AgencyId, unit: &UnitId) -> AuditHead {
        let (agency, unit, entry, hash) = (agency.clone(), unit.clone(), self.entry, self.hash());
        AuditHead { version: CONTRACT_VERSION, agency, unit, entry, hash }
    }

    /// The same with its unit's seal.
    ///
    /// # Errors
    /// If the key does not belong to the chain, or does not sign.
    pub fn sealed(
        self,
        (agency, unit): (&AgencyId, &UnitId),
        key: &SigningKey,
        chain: &Chain,
    ) -> Result<Self, SignatureError> {
        let seal = Signed::seal(Kind::AuditHead, encode_cbor(&self.head(agency, unit)), key, chain)?;
        Ok(Self { seal: Some(Seal(seal)), ..self })
    }

    /// Whether a unit seals entries of this kind: alarms, and what became of an update, which is an end that no command
    /// has. Nobody can make another kind of one on its way here, since later seals name its hash.
    pub fn ought_to_be_sealed(&self) -> bool {
        match self.kind {
            AuditKind::Alarm => true,
            AuditKind::Outcome | AuditKind::Refusal => self.command.is_none() && self.refusal.is_none(),
            AuditKind::Intent | AuditKind::Purge | AuditKind::Log | AuditKind::Local => false,
        }
    }

    /// Whether its seal is that of this unit on exactly this entry; none where it has no seal. The certificate may have
    /// expired since.
    pub fn check_seal(&self, agency: &AgencyId, unit: &UnitId, root: &Root) -> Option<Result<(), BadSeal>> {
        let seal = self.seal.as_ref()?;
        Some(
            seal.open(root, agency, unit)
                .and_then(|head| if head == self.head(agency, unit) { Ok(()) } else { Err(BadSeal::Other) }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Sentence;
    use crate::sign::testing::{Authority, Identity};
    use crate::time::{ClockQuality, Moment};

    #[test]
    fn alarms_and_what_became_of_updates_ought_to_be_sealed_and_what_commands_did_need_not() {
        let of = |kind| AuditRecord { kind, ..entry() };
        for kind in [AuditKind::Alarm, AuditKind::Outcome, AuditKind::Refusal] {
            assert!(of(kind).ought_to_be_sealed(), "{kind:?}");
        }
        for kind in [AuditKind::Intent, AuditKind::Purge, AuditKind::Log, AuditKind::Local] {
            assert!(!of(kind).ought_to_be_sealed(), "{kind:?}");
        }
        let command = Some(crate::id::CommandId::from_bytes([1; 16]));
        assert!(!AuditRecord { command, ..entry() }.ought_to_be_sealed(), "the end of a command");
        let refusal = Some(crate::command::Refusal::Malformed);
        assert!(!AuditRecord { refusal, ..of(AuditKind::Refusal) }.ought_to_be_sealed(), "what was no command");
    }

    fn entry() -> AuditRecord {
        AuditRecord {
            at: Moment::from_millis(1),
            clock: ClockQuality::Free,
            entry: 7,
            previous: Hash256::of(b"before"),
            kind: AuditKind::Outcome,
            request: None,
            command: None,
            person: None,
            role: None,
            purpose: None,
            case: None,
            refusal: None,
            text: Sentence::cut("slot A with 1.0.0 is back, 2.0.0 was given up"),
            report: None,
            seal: None,
        }
    }

    fn names(unit: &str) -> (AgencyId, UnitId) {
        ("springfield".parse().unwrap(), unit.parse().unwrap())
    }

    fn sealed(by: &Identity, unit: &str) -> AuditRecord {
        let (agency, unit) = names(unit);
        entry().sealed((&agency, &unit), &by.key, &by.chain).unwrap()
    }

    fn check(entry: &AuditRecord, root: &Root) -> Result<(), BadSeal> {
        let (agency, unit) = names("gate-1");
        entry.check_seal(&agency, &unit, root).unwrap()
    }

    #[test]
    fn a_seal_is_its_units_and_one_changed_bit_anywhere_is_found() {
        let authority = Authority::new("springfield");
        let sealed = sealed(&authority.unit("gate-1"), "gate-1");
        assert!(check(&sealed, &authority.root()).is_ok());
        let seal = sealed.seal.as_ref().unwrap().as_bytes();
        for place in 0..seal.len() {
            let mut changed = seal.to_vec();
            changed[place] ^= 1;
            let forged = AuditRecord { seal: Some(Seal(changed)), ..sealed.clone() };
            assert!(check(&forged, &authority.root()).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_seal_holds_for_one_entry_alone_with_all_that_it_says() {
        let authority = Authority::new("springfield");
        let sealed = sealed(&authority.unit("gate-1"), "gate-1");
        for other in [
            AuditRecord { entry: 8, ..sealed.clone() },
            AuditRecord { previous: Hash256::of(b"another"), ..sealed.clone() },
            AuditRecord { text: Sentence::cut("slot B with 2.0.0 is marked good"), ..sealed.clone() },
            AuditRecord { at: Moment::from_millis(2), ..sealed.clone() },
            AuditRecord { kind: AuditKind::Refusal, ..sealed.clone() },
        ] {
            assert!(matches!(check(&other, &authority.root()), Err(BadSeal::Other)), "{other:?}");
        }
    }

    #[test]
    fn a_stranger_or_another_unit_seals_nothing_here() {
        let authority = Authority::new("springfield");
        let root = authority.root();
        let stranger = sealed(&Authority::new("springfield").unit("gate-1"), "gate-1");
        assert!(matches!(check(&stranger, &root), Err(BadSeal::Signature(SignatureError::Untrusted(_)))));
        let lent = sealed(&authority.unit("gate-2"), "gate-1");
        assert!(matches!(check(&lent, &root), Err(BadSeal::Stranger(_))));
        let (ada, named) = (authority.person("ada", "supervisor"), sealed(&authority.unit("gate-1"), "gate-2"));
        assert!(matches!(check(&sealed(&ada, "gate-1"), &root), Err(BadSeal::Stranger(_))));
        assert!(matches!(check(&named, &root), Err(BadSeal::Other)), "another unit's name in the head");
    }

    #[test]
    fn what_has_no_seal_is_neither_good_nor_bad() {
        let (agency, unit) = names("gate-1");
        assert!(entry().check_seal(&agency, &unit, &Authority::new("springfield").root()).is_none());
    }
}
