//! What is done when a ring is opened: files and index are made to agree.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::index::Index;
use super::segment::{self, Depth, Scan};
use super::{RingError, RingPlace, Usage};
use crate::disk::Disk;

/// What opening a ring found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repair {
    /// Where a damaged index went; the ring was then indexed anew from its files.
    pub set_aside: Option<PathBuf>,
    /// Groups that were stored but not indexed, and now are.
    pub adopted: u64,
    /// Bytes that a power cut left half-written, and that were cut.
    pub cut_bytes: u64,
    /// Files that held no whole group, and were removed.
    pub removed_files: u64,
    /// Segments whose files were gone or shorter than indexed.
    pub lost_segments: u64,
}

/// Removes a doomed segment's file and then its rows.
pub(super) fn remove(disk: &dyn Disk, place: &RingPlace, index: &Index, number: u64) -> Result<(), RingError> {
    let failed = |source| RingError::Segment { camera: place.camera.clone(), segment: number, source };
    match disk.remove(&place.folder.join(segment::file_name(number))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    disk.sync_folder(&place.folder).map_err(failed)?;
    Ok(index.forget(number)?)
}

/// Makes files and index agree; gives what the ring holds and the next segment's number.
pub(super) fn reconcile(
    disk: &dyn Disk,
    place: &RingPlace,
    index: &Index,
    repair: &mut Repair,
) -> Result<(Usage, u64), RingError> {
    let listed = disk.list(&place.folder).map_err(|source| RingError::Folder { path: place.folder.clone(), source })?;
    let mut files: BTreeMap<u64, u64> =
        listed.iter().filter_map(|entry| Some((segment::number_of(&entry.name)?, entry.bytes))).collect();
    let rows = index.segments()?;
    let newest = rows.iter().map(|row| row.number).chain(files.keys().copied()).max();
    for row in &rows {
        let file_bytes = files.remove(&row.number);
        match file_bytes {
            _ if row.doomed => remove(disk, place, index, row.number)?,
            Some(bytes) if bytes == row.bytes => {}
            // Only the newest segment can have grown since its last row; one that was given up may have a tail too.
            Some(bytes) if bytes > row.bytes => mend_tail(disk, place, index, (row.number, bytes), repair)?,
            Some(_) => {
                repair.lost_segments += 1;
                index.forget(row.number)?;
                adopt(disk, place, index, row.number, repair)?;
            }
            None => {
                repair.lost_segments += 1;
                index.forget(row.number)?;
            }
        }
    }
    for number in files.into_keys() {
        adopt(disk, place, index, number, repair)?;
    }
    let rows = index.segments()?;
    let bytes = rows.iter().map(|row| row.bytes).sum();
    let usage = Usage { bytes, segments: rows.len() as u64, quota_bytes: place.quota_bytes };
    Ok((usage, newest.map_or(1, |newest| newest + 1)))
}

/// Indexes whole groups behind the last indexed one and cuts what follows.
fn mend_tail(
    disk: &dyn Disk,
    place: &RingPlace,
    index: &Index,
    (number, bytes): (u64, u64),
    repair: &mut Repair,
) -> Result<(), RingError> {
    let failed = |source| RingError::Segment { camera: place.camera.clone(), segment: number, source };
    let path = place.folder.join(segment::file_name(number));
    let from = index.last_group(number)?.map(|group| group.end_offset());
    let Some(found) = segment::scan(disk, &path, from, Depth::Video).map_err(failed)? else { return Ok(()) };
    index.add(&found.head, &found.groups)?;
    repair.adopted += found.groups.len() as u64;
    repair.cut_bytes += bytes.saturating_sub(found.end);
    if bytes > found.end {
        let mut file = disk.open(&path).map_err(failed)?;
        file.truncate(found.end).and_then(|()| file.sync()).map_err(failed)?;
    }
    Ok(())
}

/// Indexes a file that has no rows, or removes it where it holds nothing.
fn adopt(disk: &dyn Disk, place: &RingPlace, index: &Index, number: u64, repair: &mut Repair) -> Result<(), RingError> {
    let failed = |source| RingError::Segment { camera: place.camera.clone(), segment: number, source };
    let path = place.folder.join(segment::file_name(number));
    let found = segment::scan(disk, &path, None, Depth::LastVideo).map_err(failed)?;
    let ours =
        |found: &Scan| !found.groups.is_empty() && found.head.number == number && found.head.camera == place.camera;
    let Some(found) = found.filter(ours) else { return discard(disk, place, number, repair) };
    index.add(&found.head, &found.groups)?;
    repair.adopted += found.groups.len() as u64;
    let mut file = disk.open(&path).map_err(failed)?;
    let bytes = file.length().map_err(failed)?;
    if bytes > found.end {
        repair.cut_bytes += bytes - found.end;
        file.truncate(found.end).and_then(|()| file.sync()).map_err(failed)?;
    }
    Ok(())
}

fn discard(disk: &dyn Disk, place: &RingPlace, number: u64, repair: &mut Repair) -> Result<(), RingError> {
    let failed = |source| RingError::Segment { camera: place.camera.clone(), segment: number, source };
    disk.remove(&place.folder.join(segment::file_name(number))).map_err(failed)?;
    disk.sync_folder(&place.folder).map_err(failed)?;
    repair.removed_files += 1;
    Ok(())
}
