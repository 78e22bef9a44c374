//! The files of an artefact on their way to the disk: each is compared with its signed hash, and all are durable in the
//! end.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use edge_protocol::hash::Hash256;
use edge_store::disk::Disk;

use super::{ArtefactFault, MANIFEST, Part};

/// Files are copied in pieces of this size.
pub(super) const PIECE: usize = 1 << 16;

/// A fiftieth of the disk stays for the others; of a large one this is enough.
const MOST_RESERVED: u64 = 1 << 30;

/// Writes the files and the signed manifest into an empty folder.
pub(super) fn unpack(
    disk: &dyn Disk,
    from: &mut dyn Read,
    (parts, sealed): (&[Part<'_>], &[u8]),
    folder: &Path,
) -> Result<(), ArtefactFault> {
    let fault = |source| ArtefactFault::Disk { path: folder.to_owned(), source };
    disk.make_folder(folder).map_err(fault)?;
    let room = disk.room(folder).map_err(fault)?;
    // The rest of the unit writes too; it is not for an artefact to fill the disk to the last byte.
    let bytes = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.bytes));
    let needs = bytes.saturating_add((room.total / 50).min(MOST_RESERVED));
    if needs > room.free {
        return Err(ArtefactFault::DiskFull { needs, free: room.free });
    }
    let mut folders: Vec<PathBuf> = folder.parent().into_iter().map(Path::to_path_buf).collect();
    folders.push(folder.to_owned());
    for part in parts {
        let path = folder.join(part.path);
        let inside = path.parent().unwrap_or(folder).to_owned();
        disk.make_folder(&inside).map_err(fault)?;
        copy(disk, from, part, &path)?;
        folders.extend([inside.clone(), inside.parent().unwrap_or(folder).to_owned()]);
    }
    let mut after = [0];
    if from.read(&mut after).map_err(fault)? != 0 {
        return Err(ArtefactFault::Damaged("what follows the last file".to_owned()));
    }
    let mut file = disk.create(&folder.join(MANIFEST)).map_err(fault)?;
    file.write_all_at(sealed, 0).and_then(|()| file.sync()).map_err(fault)?;
    folders.sort();
    folders.dedup();
    folders.iter().try_for_each(|folder| disk.sync_folder(folder)).map_err(fault)
}

fn copy(disk: &dyn Disk, from: &mut dyn Read, named: &Part<'_>, path: &Path) -> Result<(), ArtefactFault> {
    let fault = |source: io::Error| ArtefactFault::Disk { path: path.to_owned(), source };
    let mut file = disk.create(path).map_err(fault)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut offset, mut piece) = (0, vec![0; PIECE]);
    while offset < named.bytes {
        let left = usize::try_from(named.bytes - offset).unwrap_or(PIECE).min(PIECE);
        let Some(piece) = piece.get_mut(..left) else { break };
        from.read_exact(piece).map_err(|_| ArtefactFault::Damaged(named.path.to_owned()))?;
        file.write_all_at(piece, offset).map_err(fault)?;
        context.update(piece);
        offset += left as u64;
    }
    file.sync().map_err(fault)?;
    if Hash256::from_digest(&context.finish()) == named.hash {
        Ok(())
    } else {
        Err(ArtefactFault::Damaged(named.path.to_owned()))
    }
}
