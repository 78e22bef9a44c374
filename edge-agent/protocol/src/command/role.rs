//! Roles and reasons.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::record::words;

words!(
    /// What a person may do; the certificate says it.
    Role {
        /// Sees what is published.
        Viewer = 0 "viewer",
        /// Asks for clips.
        Investigator = 1 "investigator",
        /// Asks for clips and approves what needs two persons.
        Supervisor = 2 "supervisor",
        /// Reads the logs, never video.
        Auditor = 3 "auditor",
        /// Health and commissioning, never video.
        Technician = 4 "technician",
        /// Signs policy.
        PolicyAdmin = 5 "policy-admin",
    }
);

impl Role {
    /// The role of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.as_str() == word)
    }
}

words!(
    /// Why a command is refused.
    Refusal {
        /// Larger than any command.
        Oversized = 0 "oversized",
        /// Not a command at all.
        Malformed = 1 "malformed",
        /// Of a version this unit does not know.
        UnknownVersion = 2 "unknown-version",
        /// The signature is not the certificate's.
        Forged = 3 "forged",
        /// The certificate is not of this unit's agency, or is not valid.
        Untrusted = 4 "untrusted",
        /// Meant for another unit.
        WrongUnit = 5 "wrong-unit",
        /// The challenge is not one of the last hour, or the command's own time is over.
        Expired = 6 "expired",
        /// This command was carried out before.
        Replayed = 7 "replayed",
        /// The person's role does not include it.
        Role = 8 "role",
        /// No purpose, or one that the policy does not list.
        Purpose = 9 "purpose",
        /// No case number, or one that does not look like one.
        Case = 10 "case",
        /// No such camera, or a range, size or hours that make no sense.
        Scope = 11 "scope",
        /// Too many commands.
        RateLimited = 12 "rate-limited",
        /// The unit is busy with earlier commands.
        Busy = 13 "busy",
        /// The audit log cannot be written, so nothing may be done.
        AuditUnavailable = 14 "audit-unavailable",
        /// The unit cannot do that.
        Unsupported = 15 "unsupported",
        /// It was begun, and the unit was restarted before its end.
        Interrupted = 16 "interrupted",
        /// The bundle lies where this unit downloads nothing from.
        Address = 17 "address",
    }
);

impl Refusal {
    /// The reason as a sentence to show.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Oversized => "the command is larger than any command may be",
            Self::Malformed => "this is not a command",
            Self::UnknownVersion => "the command is of a version that this unit does not know",
            Self::Forged => "the signature does not belong to the certificate",
            Self::Untrusted => "the certificate is not a valid one of this unit's agency",
            Self::WrongUnit => "the command is meant for another unit",
            Self::Expired => "the command's time is over; ask again",
            Self::Replayed => "this command was carried out before",
            Self::Role => "your role does not include this",
            Self::Purpose => "a purpose that the policy lists is needed",
            Self::Case => "a case number is needed",
            Self::Scope => "there is no such camera, or range, size or hours make no sense",
            Self::RateLimited => "too many commands; wait a little",
            Self::Busy => "the unit is busy with earlier commands; try again",
            Self::AuditUnavailable => "the unit cannot write its audit log, so it does nothing that must be in it",
            Self::Unsupported => "this unit cannot do that",
            Self::Interrupted => "the unit was restarted while it did this; ask again",
            Self::Address => "the unit downloads bundles over https from the hosts of its configuration alone",
        }
    }
}
