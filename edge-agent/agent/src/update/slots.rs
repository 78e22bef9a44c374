//! The seam to RAUC: slots, their boot state, and what a bundle says of itself. RAUC's own words.

use std::fmt::Debug;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Refusal, Version};

/// One of the two slots that a root image is written to, by RAUC's `bootname`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotName {
    /// `rootfs.0`.
    A,
    /// `rootfs.1`.
    B,
}

impl SlotName {
    /// The slot that this one is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As RAUC writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// What RAUC's backend says of a slot: whether the bootloader may try it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootState {
    /// It has attempts left.
    Good,
    /// The bootloader passes it over.
    Bad,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Whether the bootloader may try it.
    pub state: BootState,
    /// The version that was installed there; none where RAUC installed nothing.
    pub version: Option<Version>,
}

/// What `rauc status` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What a bundle must be compatible with.
    pub compatible: String,
    /// The slot that runs now.
    pub booted: SlotName,
    /// The slot that boots next; none where no bootloader chooses one.
    pub primary: Option<SlotName>,
    /// Slot A.
    pub a: Slot,
    /// Slot B.
    pub b: Slot,
}

impl Standing {
    /// A slot by its name.
    pub const fn slot(&self, name: SlotName) -> &Slot {
        match name {
            SlotName::A => &self.a,
            SlotName::B => &self.b,
        }
    }

    /// Whether boot after boot ends in the other slot once this one has no attempts left.
    pub fn has_way_back(&self) -> bool {
        self.primary.is_some() && self.slot(self.booted.other()).state == BootState::Good
    }
}

/// What a bundle whose signature RAUC found good says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleInfo {
    /// Which units it is for.
    pub compatible: String,
    /// Its version, as its manifest has it.
    pub version: String,
    /// When it was built, as its manifest has it.
    pub build: String,
}

/// RAUC cannot be asked, or did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rauc: {0}")]
pub struct SlotsFault(pub String);

/// What RAUC does for the agent. A trait so that a power cut can fall into the middle of it in a test.
pub trait Slots: Debug + Send {
    /// Slots, primary and booted.
    ///
    /// # Errors
    /// When RAUC does not answer.
    fn status(&mut self) -> Result<Standing, SlotsFault>;

    /// Verifies a bundle's signature and reads its manifest. Changes nothing.
    ///
    /// # Errors
    /// Why it is not to be installed.
    fn inspect(&mut self, bundle: &Path) -> Result<BundleInfo, Refusal>;

    /// Writes the slot that is not booted and makes it primary.
    ///
    /// # Errors
    /// The booted slot is then still primary.
    fn install(&mut self, bundle: &Path) -> Result<(), SlotsFault>;

    /// Marks the booted slot good, or bad and the other primary.
    ///
    /// # Errors
    /// When RAUC does not do it.
    fn mark_booted(&mut self, state: BootState) -> Result<(), SlotsFault>;
}
