//! What is known of an update, as it lies on the disk.

use edge_protocol::time::WallTime;
use serde::{Deserialize, Serialize};

use super::evidence::{Before, Patience, Watch};
use super::slots::SlotName;
use super::{Bundle, Version, Wanted};

/// What is known of the update, on the disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The highest version that was ever confirmed; nothing below it is installed.
    pub floor: Option<Version>,
    /// The latest moment that is known to have been.
    pub latest: WallTime,
    /// The slot that works, and its version.
    pub confirmed: Option<Confirmed>,
    /// How far an update is.
    pub phase: Phase,
    /// What nobody has been told yet.
    pub untold: Vec<Told>,
    /// Whether the booted slot was marked good in this run.
    #[serde(skip)]
    pub marked: bool,
    /// How long this run takes to be sure of a new slot.
    #[serde(skip)]
    pub patience: Patience,
}

/// A slot that was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Which.
    pub slot: SlotName,
    /// What is in it; none where RAUC did not put it there.
    pub version: Option<Version>,
}

/// From one slot to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The slot that was booted when the update was asked for.
    pub from: SlotName,
    /// What is in it.
    pub old: Option<Version>,
    /// What is in the other.
    pub new: Version,
    /// What the former image could do.
    pub before: Before,
    /// The boot in which it was installed; another one means that the bootloader has chosen since.
    pub boot: String,
}

/// How far an update is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is under way.
    #[default]
    Idle,
    /// The bundle is being read.
    Checking {
        /// Which.
        wanted: Wanted,
        /// What the running image can do.
        before: Before,
    },
    /// The bundle is good and is being written to the other slot.
    Verified {
        /// The bundle.
        bundle: Bundle,
        /// From slot to slot.
        change: Change,
        /// Which attempt.
        tries: u8,
    },
    /// The other slot is written and primary; the unit has to boot.
    Installed {
        /// From slot to slot.
        change: Change,
    },
    /// A reboot was asked for.
    Rebooting {
        /// From slot to slot.
        change: Change,
    },
    /// The new slot runs and is watched.
    Confirming {
        /// From slot to slot.
        change: Change,
        /// What was seen of it.
        #[serde(skip)]
        watch: Watch,
    },
    /// The new slot does everything but reach the center, which the former one reached. It is marked good for the
    /// bootloader, so that power cuts do not undo it, and not yet confirmed.
    AwaitingLine {
        /// From slot to slot.
        change: Change,
        /// What was seen of it.
        #[serde(skip)]
        watch: Watch,
    },
    /// The new slot does not work: the other one is to boot.
    RollingBack {
        /// From slot to slot.
        change: Change,
        /// What does not work.
        why: String,
    },
    /// The new slot was confirmed.
    Good {
        /// From slot to slot.
        change: Change,
    },
    /// The former slot is back.
    RolledBack {
        /// From slot to slot.
        change: Change,
        /// What did not work.
        why: String,
    },
}

impl Phase {
    /// Whether an update can begin.
    pub const fn is_open(&self) -> bool {
        match self {
            Self::Idle | Self::Good { .. } | Self::RolledBack { .. } => true,
            Self::Checking { .. }
            | Self::Verified { .. }
            | Self::Installed { .. }
            | Self::Rebooting { .. }
            | Self::Confirming { .. }
            | Self::AwaitingLine { .. }
            | Self::RollingBack { .. } => false,
        }
    }

    /// In a word or two.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Checking { .. } => "checking",
            Self::Verified { .. } => "verified, being written",
            Self::Installed { .. } => "installed, other slot primary",
            Self::Rebooting { .. } => "rebooting",
            Self::Confirming { .. } => "confirming",
            Self::AwaitingLine { .. } => "awaiting the line to the center",
            Self::RollingBack { .. } => "rolling back",
            Self::Good { .. } => "good",
            Self::RolledBack { .. } => "rolled back",
        }
    }
}

/// What people are told, in the audit log and at the center.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// A bundle was refused; nothing was changed.
    Refused(String),
    /// A bundle was written to the other slot.
    Installed(Change),
    /// The new slot is confirmed.
    Good(Change),
    /// The former slot is back, and why.
    RolledBack(Change, String),
}
