//! Who asked what and why, and what was answered.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::health::Span;
use super::object::words;
use super::{Sentence, Word};
use crate::audit::Seal;
use crate::command::{Refusal, Role};
use crate::commissioning::SealedReport;
use crate::hash::Hash256;
use crate::id::{CameraId, CommandId, PersonId, RequestId};
use crate::time::{ClockQuality, Moment};
use crate::wire::{self, Context};

words!(
    /// What an audit entry is about.
    AuditKind {
        /// A command was found good and is about to be carried out.
        Intent = 0 "intent",
        /// A command was carried out, or failed.
        Outcome = 1 "outcome",
        /// A command was refused.
        Refusal = 2 "refusal",
        /// Something was deleted because its time was over.
        Purge = 3 "purge",
        /// The log itself: begun, set aside.
        Log = 4 "log",
        /// Something that somebody did at the unit itself, on its page. The name is as given there.
        Local = 5 "local",
        /// Somebody or something tampers with the box or a camera, or has stopped to.
        Alarm = 6 "alarm",
    }
);

/// One entry of the unit's audit log. Entries are chained by hash, so that none can be taken out unseen.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct AuditRecord {
    /// When.
    #[n(0)]
    pub at: Moment,
    /// What this time is worth.
    #[cbor(n(1), with = "wire::clock")]
    pub clock: ClockQuality,
    /// Number of the entry in the unit's log, from 1.
    #[n(2)]
    pub entry: u64,
    /// Hash of the entry before.
    #[n(3)]
    pub previous: Hash256,
    /// What it is about.
    #[n(4)]
    pub kind: AuditKind,
    /// Which request.
    #[n(5)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Which command.
    #[n(6)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// Who asked, as the certificate says; none where nothing was proved.
    #[n(7)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// In which role.
    #[n(8)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Code of the purpose.
    #[n(9)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Word>,
    /// Number of the case.
    #[n(10)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Word>,
    /// Why it was refused.
    #[n(11)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What was asked or done, in words. Never a plate.
    #[n(12)]
    pub text: Sentence,
    /// How a technician left the unit, signed by the unit.
    #[n(13)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<SealedReport>,
    /// That the unit itself wrote this entry and all before it, signed.
    #[n(14)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
}

/// What became of a command. Several follow one command: accepted, then how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct Answer {
    /// When.
    #[n(0)]
    pub at: Moment,
    /// What this time is worth.
    #[cbor(n(1), with = "wire::clock")]
    pub clock: ClockQuality,
    /// Which request; none where the command could not be read that far.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Which command.
    #[n(3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// What became of it.
    #[n(4)]
    pub verdict: Verdict,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(flat, context_bound = "Context")]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is good and is being carried out.
    #[n(0)]
    Accepted,
    /// It will not be carried out.
    #[n(1)]
    Refused(#[n(0)] Refused),
    /// The clip is made; its pieces follow on the `clip` lane.
    #[n(2)]
    Clip(#[n(0)] ClipOffer),
    /// Nothing of what was asked for is there.
    #[n(3)]
    Nothing(#[n(0)] Sentence),
    /// It was begun and could not be finished.
    #[n(4)]
    Failed(#[n(0)] Sentence),
    /// It is done.
    #[n(5)]
    Done(#[n(0)] Sentence),
    /// How far an update is; done or failed follows.
    #[n(6)]
    Update(#[n(0)] UpdateStep),
}

words!(
    /// What a unit does about an update.
    UpdateStage {
        /// The file is arriving.
        Downloading = 0 "downloading",
        /// It is in the other slot, which boots next; the unit waits for its hours, and for a clip that is being sent.
        /// Of a set of models: it passed its self-test, is in use, and is watched.
        Installed = 1 "installed",
        /// The unit boots into it.
        Rebooting = 2 "rebooting",
    }
);

/// How far an update is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct UpdateStep {
    /// What the unit does.
    #[n(0)]
    pub stage: UpdateStage,
    /// How much of the file is here, in percent.
    #[n(1)]
    pub percent: u8,
    /// The same in words.
    #[n(2)]
    pub text: Sentence,
}

/// Why a command will not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Refused {
    /// The reason.
    #[n(0)]
    pub reason: Refusal,
    /// The same in words.
    #[n(1)]
    pub text: Sentence,
}

/// A clip as it was made. Its file and its manifest follow in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct ClipOffer {
    /// Of which camera.
    #[cbor(n(0), with = "wire::word")]
    pub camera: CameraId,
    /// What was asked for.
    #[n(1)]
    pub asked: Span,
    /// What there is: from the key frame at or before the beginning.
    #[n(2)]
    pub actual: Span,
    /// Times within without video.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Span>,
    /// Bytes of the MP4 file.
    #[n(4)]
    pub media_bytes: u64,
    /// SHA-256 of the MP4 file.
    #[n(5)]
    pub media_hash: Hash256,
    /// Bytes of the signed manifest.
    #[n(6)]
    pub manifest_bytes: u64,
    /// SHA-256 of the signed manifest.
    #[n(7)]
    pub manifest_hash: Hash256,
}
