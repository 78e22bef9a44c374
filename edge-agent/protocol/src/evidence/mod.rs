//! How anybody can check that a clip is what the camera sent.
//!
//! When a group of pictures is recorded, a leaf is computed over the camera's own bytes and what was known of them
//! ([`Leaf`]). A clip carries these very bytes and a [`ClipManifest`] with the leaves, signed by the unit.
//! [`verify_clip`] needs the two files and the agency's root: no server, no network.

mod leaf;
mod manifest;
mod verify;

pub use leaf::{GroupHead, Leaf, LeafHasher};
pub use manifest::{ClipManifest, ManifestGroup, ManifestSpan};
pub use verify::{ClipFault, VerifiedClip, verify_clip};
