//! Why an artefact is not taken, in words for whoever asked for it.

use std::io;
use std::path::PathBuf;

use edge_protocol::{agent_release, model_set};

use super::{KeepFault, Version};

/// Why one does not become the one in use; the one in use stays.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactFault {
    /// It is no set of models of this agency.
    #[error(transparent)]
    NoSet(#[from] model_set::NotGenuine),
    /// It is no release of whoever makes the images.
    #[error(transparent)]
    NoRelease(#[from] agent_release::NotGenuine),
    /// It ends too early, or a file is not what the manifest says.
    #[error("{0} is not what was signed; copy or download it again")]
    Damaged(String),
    /// It is older than what was in use.
    #[error("revision {revision} is below {floor}, which this unit has already used; it never goes back")]
    BelowFloor {
        /// Its own.
        revision: String,
        /// The unit's.
        floor: String,
    },
    /// Two claim the same place.
    #[error("revision {0} is in use already, with other contents; the next one needs a higher one")]
    SameRevision(String),
    /// Its time is over.
    #[error("it was made {0}, more than half a year ago; take a newer one")]
    Expired(String),
    /// The agent is too old for it.
    #[error("it needs version {needs} of the agent, and this is {is}; update that first")]
    NeedsAgent {
        /// What it needs.
        needs: String,
        /// What runs.
        is: Version,
    },
    /// It is not for this image.
    #[error("it is for images {images}, and this is {is}; take the release that is for this image")]
    OtherImage {
        /// What it is for.
        images: String,
        /// What runs.
        is: Version,
    },
    /// The image brings an agent with it that is as new.
    #[error("its version {found} is not above {own}, which the image brings with it")]
    NotNewer {
        /// Its own.
        found: Version,
        /// The image's.
        own: Version,
    },
    /// There is no room for it.
    #[error("{needs} bytes are needed and {free} are free")]
    DiskFull {
        /// What it takes.
        needs: u64,
        /// What there is.
        free: u64,
    },
    /// What is known of them cannot be kept.
    #[error(transparent)]
    Keep(#[from] KeepFault),
    /// Another one than was ordered.
    #[error("it is revision {found}, and {wanted} was wanted; nothing of it is used")]
    OtherRevision {
        /// Its own.
        found: String,
        /// The one wanted.
        wanted: String,
    },
    /// It does not do here what it did where it was made.
    #[error("it fails its self-test here: {0}")]
    SelfTest(String),
    /// Each attempt took its process with it, or the power failed in it.
    #[error(
        "it was begun {0} times, and no attempt came to an end; the unit may have too little memory for its self-test"
    )]
    NeverEnds(u8),
    /// The disk does not do it.
    #[error("{path}: {source}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
