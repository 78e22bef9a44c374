//! Video ring to MP4 and evidence package.
//!
//! Belongs here: choosing the groups of a time, the file around them, the manifest that the unit signs, the pieces they
//! travel in. Does not belong here: who may ask ([`crate::control`]) and how pieces are sent ([`crate::uplink`]).

pub mod mp4;
mod package;
mod playable;
mod timeline;

pub use package::{ClipError, Package, Pieces, Signer, make};
