//! Whether a set that is here can be used: it is still what was signed, and the agent is new enough for it.
//!
//! Judged anew before each worker is started with it, since a disk rots, and a bootloader may have fallen back to an
//! agent that is older than the set.

use std::io;
use std::path::Path;

use aws_lc_rs::digest;
use edge_protocol::hash::Hash256;
use edge_protocol::model_set::{ModelFile, ModelSet};
use edge_store::disk::Disk;

use super::unpack::PIECE;
use super::{MANIFEST, ModelsFault, Version, keep};

/// What the set in a folder says of itself. Who signed it was judged when it came.
pub(super) fn manifest(disk: &dyn Disk, folder: &Path) -> Result<ModelSet, ModelsFault> {
    let damaged = || ModelsFault::Damaged(MANIFEST.to_owned());
    let sealed = keep::whole(disk, &folder.join(MANIFEST)).map_err(|_| damaged())?;
    ModelSet::peek(&sealed).map_err(|_| damaged())
}

/// Checks every file of a set, and whether an agent of this version can run it.
pub(super) fn check(disk: &dyn Disk, folder: &Path, software: &Version) -> Result<(), ModelsFault> {
    let manifest = manifest(disk, folder)?;
    is_new_enough(software, &manifest)?;
    let sound = |file: &ModelFile| hash_of(disk, &folder.join(&file.path), file.bytes).is_ok_and(|it| it == file.hash);
    match manifest.files.iter().find(|file| !sound(file)) {
        Some(file) => Err(ModelsFault::Damaged(file.path.clone())),
        None => Ok(()),
    }
}

/// Whether an agent of this version can run it.
pub(super) fn is_new_enough(software: &Version, manifest: &ModelSet) -> Result<(), ModelsFault> {
    let needs: Option<Version> = manifest.least_software.as_str().parse().ok();
    if needs.is_some_and(|needs| needs <= *software) {
        return Ok(());
    }
    Err(ModelsFault::NeedsAgent { needs: manifest.least_software.to_string(), is: software.clone() })
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
