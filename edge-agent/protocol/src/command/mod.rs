//! What a person asks of a unit, and why it may be refused.
//!
//! A command is signed by the person who asks (see [`crate::sign`]); the unit trusts its agency's root and never the
//! broker. It carries the challenge that the unit published with its state, fresh per boot and hour, so that an old
//! command is worth nothing even to a unit that does not know the time.

mod challenge;
mod role;
mod update;

pub use challenge::Challenge;
pub use role::{Refusal, Role};
pub use update::{Artefact, MAX_URL_BYTES, QuietHours, UpdateScope};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::batch::{self, CONTRACT_VERSION, Encoding, Unreadable};
use crate::hash::Hash256;
use crate::id::{AgencyId, CameraId, CommandId, PersonId, RequestId, UnitId};
use crate::record::Word;
use crate::sign::{Chain, Kind, Root, SignatureError, Signed, SigningKey, Subject};
use crate::time::WallTime;

/// The largest signed command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 16 * 1024;
/// The longest time from `issued` to `expires`.
pub const MAX_COMMAND_LIFE: std::time::Duration = std::time::Duration::from_mins(5);

/// What a person asks of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Command {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// This very command; can be carried out once.
    #[n(1)]
    pub id: CommandId,
    /// The request it serves; a repeated request has the same.
    #[n(2)]
    pub request: RequestId,
    /// The agency of unit and person.
    #[n(3)]
    pub agency: AgencyId,
    /// Who is asked.
    #[n(4)]
    pub unit: UnitId,
    /// Who asks.
    #[n(5)]
    pub issuer: PersonId,
    /// In which role.
    #[n(6)]
    pub role: Role,
    /// What is asked.
    #[n(7)]
    pub operation: Operation,
    /// Code of the purpose.
    #[n(8)]
    pub purpose: Word,
    /// Number of the case.
    #[n(9)]
    pub case: Word,
    /// Hash of the policy that the person's tool knew.
    #[n(10)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Hash256>,
    /// When it was signed.
    #[n(11)]
    pub issued: WallTime,
    /// Until when it may be carried out, at most five minutes later.
    #[n(12)]
    pub expires: WallTime,
    /// The unit's challenge that it answers.
    #[n(13)]
    pub challenge: Challenge,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(flat)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Video of a camera.
    #[n(0)]
    Clip(#[n(0)] ClipScope),
    /// A health record now instead of within the minute.
    #[n(1)]
    Health,
    /// Another version of the software, or another set of models.
    #[n(2)]
    Update(#[n(0)] UpdateScope),
    /// The end of an update that was asked for under this request, where nothing was changed for it yet.
    #[n(3)]
    Recall(#[n(0)] RequestId),
}

/// Which video.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct ClipScope {
    /// Of which camera.
    #[n(0)]
    pub camera: CameraId,
    /// From when.
    #[n(1)]
    pub from: WallTime,
    /// Until when.
    #[n(2)]
    pub to: WallTime,
}

impl Operation {
    /// Whether it shows what a camera saw.
    pub const fn shows_video(&self) -> bool {
        match self {
            Self::Clip(_) => true,
            Self::Health | Self::Update(_) | Self::Recall(_) => false,
        }
    }

    /// Whether a role includes it. Video is for investigators and supervisors alone.
    pub const fn allowed_to(&self, role: Role) -> bool {
        match (self, role) {
            (Self::Clip(_), Role::Investigator | Role::Supervisor)
            | (Self::Health, Role::Technician | Role::Supervisor)
            | (Self::Update(_) | Self::Recall(_), Role::Supervisor | Role::PolicyAdmin) => true,
            (Self::Clip(_), Role::Viewer | Role::Auditor | Role::Technician | Role::PolicyAdmin)
            | (Self::Health, Role::Viewer | Role::Investigator | Role::Auditor | Role::PolicyAdmin)
            | (
                Self::Update(_) | Self::Recall(_),
                Role::Viewer | Role::Investigator | Role::Auditor | Role::Technician,
            ) => false,
        }
    }
}

/// A command whose signature, chain and issuer were found good. Whether it may be carried out is the unit's to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentic {
    command: Command,
}

impl Authentic {
    /// What is asked.
    pub const fn command(&self) -> &Command {
        &self.command
    }
}

/// A command that is refused before anything in it can be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", .reason.as_str())]
pub struct NotAuthentic {
    /// Why.
    pub reason: Refusal,
    /// What exactly, for the log.
    pub detail: String,
}

impl NotAuthentic {
    fn new(reason: Refusal, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl From<SignatureError> for NotAuthentic {
    fn from(error: SignatureError) -> Self {
        let reason = match &error {
            SignatureError::Malformed(_) => Refusal::Malformed,
            SignatureError::Certificate(_) | SignatureError::Untrusted(_) => Refusal::Untrusted,
            SignatureError::Forged | SignatureError::Key(_) => Refusal::Forged,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<Unreadable> for NotAuthentic {
    fn from(error: Unreadable) -> Self {
        Self::new(Refusal::Malformed, error.to_string())
    }
}

impl Command {
    /// Signs the command.
    ///
    /// # Errors
    /// If the key does not belong to the chain, or does not sign.
    pub fn seal(&self, key: &SigningKey, chain: &Chain) -> Result<Vec<u8>, SignatureError> {
        Signed::seal(Kind::Command, batch::encode_message(self, Encoding::Cbor), key, chain)
    }

    /// Opens a signed command: its size, signature and chain are checked, and that it was signed by whom it names, in
    /// the role that the certificate gives. A unit that does not know the time gives none.
    ///
    /// # Errors
    /// With the reason to answer.
    pub fn open(sealed: &[u8], root: &Root, at: Option<WallTime>) -> Result<Authentic, NotAuthentic> {
        if sealed.len() > MAX_COMMAND_BYTES {
            return Err(NotAuthentic::new(Refusal::Oversized, format!("{} bytes", sealed.len())));
        }
        let signed = Signed::open(Kind::Command, sealed)?;
        let subject = root.check(&signed.chain, at)?;
        let VersionFirst { version } = minicbor::decode(&signed.payload).map_err(Unreadable::from)?;
        if version != CONTRACT_VERSION {
            return Err(NotAuthentic::new(Refusal::UnknownVersion, format!("version {version}")));
        }
        let command: Self = batch::decode_message(&signed.payload)?;
        let Subject::Person(agency, name, role) = subject else {
            return Err(NotAuthentic::new(Refusal::Untrusted, "units and receivers sign no commands"));
        };
        if (&agency, &name, role) != (&command.agency, &command.issuer, command.role) {
            return Err(NotAuthentic::new(Refusal::Forged, "the certificate names another person, agency or role"));
        }
        Ok(Authentic { command })
    }

    /// Reads which unit a signed command is meant for, without believing it: for a center that hands it on.
    ///
    /// # Errors
    /// If it is not a command.
    pub fn peek(sealed: &[u8]) -> Result<Self, NotAuthentic> {
        if sealed.len() > MAX_COMMAND_BYTES {
            return Err(NotAuthentic::new(Refusal::Oversized, format!("{} bytes", sealed.len())));
        }
        Ok(batch::decode_message(&Signed::open(Kind::Command, sealed)?.payload)?)
    }
}

/// The version alone, so that a command of another version is told from one that is malformed.
#[derive(Decode)]
#[cbor(map)]
struct VersionFirst {
    #[n(0)]
    version: u32,
}

#[cfg(test)]
mod tests;
