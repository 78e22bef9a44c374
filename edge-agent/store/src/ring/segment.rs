//! One segment file: written group by group, read and scanned.

use std::io;
use std::path::{Path, PathBuf};

use super::format::{
    GROUP_HEAD_BYTES, Group, Picture, SEGMENT_HEAD_BYTES, SegmentHead, decode_group, encode_group, pictures_of_head,
};
use crate::disk::{Disk, DiskFile};

/// How much is read at a time where only a checksum is wanted.
const CHUNK_BYTES: usize = 256 << 10;
const ENDING: &str = ".seg";

/// The name of a segment's file.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:016}{ENDING}")
}

/// The number of the segment in a file of this name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(ENDING)?.parse().ok()
}

/// The file that is being written.
#[derive(Debug)]
pub(super) struct OpenSegment {
    pub(super) head: SegmentHead,
    file: Box<dyn DiskFile>,
    /// Where the next group goes.
    pub(super) end: u64,
    pub(super) groups: u32,
    /// Whether the folder is known to hold the file.
    folder_synced: bool,
}

impl OpenSegment {
    pub(super) fn create(disk: &dyn Disk, folder: &Path, head: SegmentHead) -> io::Result<Self> {
        let mut file = disk.create(&folder.join(file_name(head.number)))?;
        file.write_all_at(&head.encode(), 0)?;
        Ok(Self { head, file, end: SEGMENT_HEAD_BYTES as u64, groups: 0, folder_synced: false })
    }

    /// Writes a group behind the others; it is not durable yet.
    pub(super) fn write(&mut self, group: &Group, pictures: &[Picture], video: &[u8]) -> io::Result<()> {
        let mut bytes = encode_group(group, pictures);
        bytes.extend_from_slice(video);
        self.file.write_all_at(&bytes, self.end)
    }

    /// Makes everything written durable, and the file's name with it.
    pub(super) fn sync(&mut self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        self.file.sync()?;
        if !self.folder_synced {
            disk.sync_folder(folder)?;
            self.folder_synced = true;
        }
        Ok(())
    }

    /// Counts a group that is stored for good.
    pub(super) fn keep(&mut self, group: &Group) {
        self.end = group.end_offset();
        self.groups = group.number.saturating_add(1);
    }

    /// Forgets what was written behind the last group kept.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        self.file.truncate(self.end)
    }
}

/// What a scan found in a file.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) head: SegmentHead,
    pub(super) groups: Vec<Group>,
    /// Where the last good group ends.
    pub(super) end: u64,
}

/// How far a scan looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Heads and tables, and the last group's video: all before it was synced before it was written.
    LastVideo,
    /// Every group's video.
    Video,
}

/// Reads the groups of a file from `from` on (its beginning where `None`), up to the first that is not whole. Nothing
/// where the file's own head is not.
pub(super) fn scan(disk: &dyn Disk, path: &Path, from: Option<u64>, depth: Depth) -> io::Result<Option<Scan>> {
    let file = disk.open(path)?;
    let length = file.length()?;
    let mut head = [0; SEGMENT_HEAD_BYTES];
    if length < SEGMENT_HEAD_BYTES as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, 0)?;
    let Some(head) = SegmentHead::decode(&head) else { return Ok(None) };
    let mut found = Scan { head, groups: Vec::new(), end: from.unwrap_or(SEGMENT_HEAD_BYTES as u64) };
    while let Some((group, _)) = read_head(&*file, found.head.number, found.end, length)? {
        if depth == Depth::Video && video_checksum(&*file, &group)? != group.crc {
            break;
        }
        found.end = group.end_offset();
        found.groups.push(group);
    }
    if let (Depth::LastVideo, Some(last)) = (depth, found.groups.last())
        && video_checksum(&*file, last)? != last.crc
    {
        found.end = last.offset;
        found.groups.pop();
    }
    Ok(Some(found))
}

/// The group whose head is at `offset`; nothing where there is none, or not all of it.
fn read_head(file: &dyn DiskFile, segment: u64, offset: u64, length: u64) -> io::Result<Option<(Group, Vec<Picture>)>> {
    let mut head = [0; GROUP_HEAD_BYTES];
    if offset.saturating_add(GROUP_HEAD_BYTES as u64) > length {
        return Ok(None);
    }
    file.read_exact_at(&mut head, offset)?;
    let Some(frames) = pictures_of_head(&head) else { return Ok(None) };
    let mut table = vec![0; frames as usize * super::format::ROW_BYTES];
    let table_offset = offset + GROUP_HEAD_BYTES as u64;
    if table_offset.saturating_add(table.len() as u64) > length {
        return Ok(None);
    }
    file.read_exact_at(&mut table, table_offset)?;
    let group = decode_group(&head, &table, segment, offset);
    Ok(group.filter(|(group, _)| group.end_offset() <= length))
}

fn video_checksum(file: &dyn DiskFile, group: &Group) -> io::Result<u32> {
    let mut crc = crc32fast::Hasher::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut at, mut left) = (group.video_offset(), group.bytes);
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let chunk = buffer.get_mut(..now).unwrap_or_default();
        file.read_exact_at(chunk, at)?;
        crc.update(chunk);
        (at, left) = (at + now as u64, left - now as u64);
    }
    Ok(crc.finalize())
}

/// A group's pictures and video, if they are what was written.
pub(super) fn read(disk: &dyn Disk, folder: &Path, group: &Group) -> io::Result<Option<(Vec<Picture>, Vec<u8>)>> {
    let path: PathBuf = folder.join(file_name(group.segment));
    let file = disk.open(&path)?;
    let Some((stored, pictures)) = read_head(&*file, group.segment, group.offset, file.length()?)? else {
        return Ok(None);
    };
    if stored != *group {
        return Ok(None);
    }
    let mut video = vec![0; usize::try_from(group.bytes).map_err(io::Error::other)?];
    file.read_exact_at(&mut video, group.video_offset())?;
    Ok((crc32fast::hash(&video) == group.crc).then_some((pictures, video)))
}
