//! Whether one that is here can be used: it is still what was signed, and suits the agent.
//!
//! Judged anew before each use, since a disk rots, and a bootloader may have fallen back to an older image.

use std::io;
use std::path::Path;

use aws_lc_rs::digest;
use edge_protocol::hash::Hash256;
use edge_store::disk::Disk;

use super::unpack::PIECE;
use super::{Artefact, ArtefactFault, MANIFEST, Version, keep};

/// A file of an artefact, as the manifest has it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'m> {
    /// Where it goes.
    pub path: &'m str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub hash: Hash256,
}

/// The signed manifest of the one in a folder.
pub(super) fn sealed(disk: &dyn Disk, folder: &Path) -> Result<Vec<u8>, ArtefactFault> {
    keep::whole(disk, &folder.join(MANIFEST)).map_err(|_| ArtefactFault::Damaged(MANIFEST.to_owned()))
}

/// What the one in a folder says of itself. Who signed it was judged when it came.
pub(super) fn manifest<A: Artefact>(disk: &dyn Disk, folder: &Path) -> Result<A, ArtefactFault> {
    A::peek(&sealed(disk, folder)?).map_err(|_| ArtefactFault::Damaged(MANIFEST.to_owned()))
}

/// Checks every file, and whether it is of use to an agent of this version.
pub(super) fn check<A: Artefact>(disk: &dyn Disk, folder: &Path, software: &Version) -> Result<(), ArtefactFault> {
    let manifest = manifest::<A>(disk, folder)?;
    manifest.suits(software)?;
    let sound = |part: &Part<'_>| hash_of(disk, &folder.join(part.path), part.bytes).is_ok_and(|it| it == part.hash);
    match manifest.parts().iter().find(|part| !sound(part)) {
        Some(part) => Err(ArtefactFault::Damaged(part.path.to_owned())),
        None => Ok(()),
    }
}

/// The hash of a file that must be so long.
fn hash_of(disk: &dyn Disk, path: &Path, bytes: u64) -> io::Result<Hash256> {
    let file = disk.open(path)?;
    if file.length()? != bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut offset, mut piece) = (0, vec![0; PIECE]);
    while offset < bytes {
        let left = usize::try_from(bytes - offset).unwrap_or(PIECE).min(PIECE);
        let Some(piece) = piece.get_mut(..left) else { break };
        file.read_exact_at(piece, offset)?;
        context.update(piece);
        offset += left as u64;
    }
    Ok(Hash256::from_digest(&context.finish()))
}
