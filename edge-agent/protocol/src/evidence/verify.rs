//! Checks a clip against what the unit stated when it recorded and made it.

use std::io::{self, Read, Seek, SeekFrom};

use aws_lc_rs::digest;

use super::leaf::LeafHasher;
use super::manifest::{ClipManifest, ManifestGroup};
use crate::batch::Unreadable;
use crate::hash::Hash256;
use crate::sign::{Kind, Root, SignatureError, Signed, Subject};

/// How much is read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A clip that is what its unit recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClip {
    /// What the unit stated; all of it was signed by the unit's key.
    pub manifest: ClipManifest,
}

/// Why a clip is not what a unit recorded, or nobody can tell.
#[derive(Debug, thiserror::Error)]
pub enum ClipFault {
    /// The manifest's signature is no good.
    #[error("the manifest's signature is no good")]
    Signature(#[from] SignatureError),
    /// The manifest is signed but cannot be read.
    #[error("the manifest is signed and cannot be read")]
    Manifest(#[from] Unreadable),
    /// The manifest was not signed by the unit that it names.
    #[error("the manifest was not signed by the unit that it names")]
    Signer,
    /// The manifest contradicts itself.
    #[error("the manifest contradicts itself at group {0}")]
    Groups(usize),
    /// The file is of another length.
    #[error("the file has {found} bytes and the unit made {stated}")]
    Length {
        /// Bytes of the file.
        found: u64,
        /// Bytes that the manifest states.
        stated: u64,
    },
    /// A group of pictures is not what was recorded.
    #[error("group {index} of {count} (bytes {} to {}) is not what was recorded", .group.offset, .group.offset.saturating_add(.group.length))]
    Group {
        /// Its place in the clip, from 0: the first that is bad.
        index: usize,
        /// How many there are.
        count: usize,
        /// What the manifest says of it.
        group: Box<ManifestGroup>,
    },
    /// Every group is what was recorded, but something around them was changed.
    #[error("the pictures are what was recorded, but the file around them was changed")]
    Container,
    /// The file cannot be read.
    #[error("cannot read the clip")]
    Io(#[from] io::Error),
}

/// Checks a clip: that the manifest was signed by the unit it names, under the agency's root; that every group of
/// pictures in the file has the leaf that was stored when it was recorded; and that nothing else in the file was
/// changed. The certificates are judged at the time the unit says it made the clip.
///
/// # Errors
/// Names the first fault.
pub fn verify_clip<R: Read + Seek>(media: &mut R, manifest: &[u8], root: &Root) -> Result<VerifiedClip, ClipFault> {
    let manifest = open_manifest(manifest, root)?;
    check_groups(&manifest)?;
    let found = media.seek(SeekFrom::End(0))?;
    if found != manifest.media_bytes {
        return Err(ClipFault::Length { found, stated: manifest.media_bytes });
    }
    for (index, group) in manifest.groups.iter().enumerate() {
        let mut hasher = LeafHasher::new();
        media.seek(SeekFrom::Start(group.offset))?;
        pass(&mut media.take(group.length), |bytes| hasher.update(bytes))?;
        if hasher.finish(&manifest.head(group)) != group.leaf {
            return Err(ClipFault::Group { index, count: manifest.groups.len(), group: Box::new(group.clone()) });
        }
    }
    let mut whole = digest::Context::new(&digest::SHA256);
    media.seek(SeekFrom::Start(0))?;
    pass(media, |bytes| whole.update(bytes))?;
    if Hash256::from_digest(&whole.finish()) != manifest.media_hash {
        return Err(ClipFault::Container);
    }
    Ok(VerifiedClip { manifest })
}

fn open_manifest(sealed: &[u8], root: &Root) -> Result<ClipManifest, ClipFault> {
    let signed = Signed::open(Kind::ClipManifest, sealed)?;
    let manifest = ClipManifest::from_payload(&signed.payload)?;
    // The unit may not have known the time when it made the clip; then its certificate is judged without one.
    let made = match manifest.made.quality {
        crate::time::ClockQuality::Synchronised { .. } => Some(manifest.made.time),
        crate::time::ClockQuality::Free | crate::time::ClockQuality::Unknown => None,
    };
    match root.check(&signed.chain, made)? {
        Subject::Unit(agency, unit) if (&agency, &unit) == (&manifest.agency, &manifest.unit) => Ok(manifest),
        Subject::Unit(..) | Subject::Claim(_) | Subject::Person(..) | Subject::Center(..) => Err(ClipFault::Signer),
    }
}

/// Groups follow each other in the file, do not overlap, and lie within it.
fn check_groups(manifest: &ClipManifest) -> Result<(), ClipFault> {
    let mut end = 0;
    for (index, group) in manifest.groups.iter().enumerate() {
        let next = group.offset.checked_add(group.length).filter(|next| *next <= manifest.media_bytes);
        match next {
            Some(next) if group.offset >= end && group.length > 0 => end = next,
            _ => return Err(ClipFault::Groups(index)),
        }
    }
    Ok(())
}

fn pass(from: &mut impl Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
