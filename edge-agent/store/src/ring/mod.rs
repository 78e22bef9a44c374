//! A camera's coded video, byte for byte as it came.
//!
//! Belongs here: groups of pictures in segment files, their index, what is evicted, what is held. Does not belong here:
//! cameras, containers (MP4), requests.
//!
//! One folder a camera: segment files of at most [`LONGEST_SEGMENT`] and `index.sqlite`. The order of writing is what
//! makes it survive a power cut:
//!
//! - storing: the segment's bytes, fsync, fsync of the folder where the file is new, then the index row. A row without
//!   its bytes cannot be; bytes without a row can, and are found when the ring is opened.
//! - removing: the row is marked, the file removed, the folder synced, then the row goes.
//!
//! What is opened is repaired: the newest segment's tail is read and cut at the first group that is not whole; files
//! without rows and rows without files are reconciled. That takes no longer the more is stored. A damaged index is set
//! aside and rebuilt from the files ([`format`](self) of the files: `format.rs`).

mod evict;
mod format;
mod gap;
mod index;
mod reader;
mod repair;
mod segment;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::evidence::{GroupHead, LeafHasher};
use edge_protocol::hash::Hash256;
use edge_protocol::id::{CameraId, UnitId};
use edge_protocol::media::Codec;
use edge_protocol::time::{MediaTime, WallStamp};

pub use evict::RESERVE_BYTES;
pub use format::{Group, Picture};
pub use gap::{Gap, GapReason, TOLERANCE};
pub use index::Coding;
pub use reader::{Contents, RingReader, Selection};
pub use repair::Repair;

use crate::database::{self, DatabaseError};
use crate::disk::Disk;
use format::{MOST_PICTURES, SegmentHead};
use index::Index;
use segment::OpenSegment;

/// The longest segment.
pub const LONGEST_SEGMENT: Duration = Duration::from_mins(1);
/// Holds under names that begin so outlive the process: video marked by a trigger, for somebody who asks days later. A
/// damaged index loses them, as it loses every hold.
pub const LASTING: &str = "lasting/";
const INDEX_FILE: &str = "index.sqlite";

/// Why the ring could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The index could not be used.
    #[error(transparent)]
    Index(#[from] DatabaseError),
    /// A segment file could not be used.
    #[error("cannot use segment {segment} of {camera}")]
    Segment {
        /// Whose.
        camera: CameraId,
        /// Which.
        segment: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The folder could not be used.
    #[error("cannot use {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A group that cannot be stored: it has no pictures, or too many or too large ones.
    #[error("not a group that can be stored")]
    NotAGroup,
}

impl RingError {
    /// Whether [`Ring::open_anew`] is the way on.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Index(error) => error.is_damage(),
            Self::Segment { .. } | Self::Folder { .. } | Self::NotAGroup => false,
        }
    }
}

/// Where a ring is and how large it may be.
#[derive(Debug, Clone)]
pub struct RingPlace {
    /// The camera's own folder.
    pub folder: PathBuf,
    /// Where the index is; beside the segments where `None`.
    pub index: Option<PathBuf>,
    /// Whose unit records.
    pub unit: UnitId,
    /// Which camera.
    pub camera: CameraId,
    /// Most bytes of segment files.
    pub quota_bytes: u64,
}

impl RingPlace {
    /// The file with the index.
    pub fn index_path(&self) -> PathBuf {
        self.index.clone().unwrap_or_else(|| self.folder.join(INDEX_FILE))
    }
}

/// A picture to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewPicture<'a> {
    /// Its bytes as the camera sent them.
    pub bytes: &'a [u8],
    /// Whether decoding can start here.
    pub key: bool,
    /// When it must be decoded.
    pub decode: MediaTime,
    /// When it is shown.
    pub media: MediaTime,
}

/// A group to be stored.
#[derive(Debug, Clone)]
pub struct NewGroup<'a> {
    /// How it is coded.
    pub codec: Codec,
    /// Hash of codec and parameter sets; another one begins a new segment.
    pub parameters: Hash256,
    /// Width and height in pixels, where known.
    pub size: Option<(u16, u16)>,
    /// Whether nothing connects it with the group before.
    pub discontinuity: bool,
    /// Wall clock for its first picture.
    pub wall: WallStamp,
    /// How long it lasts, its last picture included.
    pub duration: Duration,
    /// The pictures in decoding order.
    pub pictures: &'a [NewPicture<'a>],
}

/// What the ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of segment files.
    pub bytes: u64,
    /// Segment files.
    pub segments: u64,
    /// The share that it should keep to; more where holds keep it from evicting.
    pub quota_bytes: u64,
}

/// The writing end of one camera's ring.
#[derive(Debug)]
pub struct Ring {
    disk: Arc<dyn Disk>,
    place: RingPlace,
    index: Index,
    open: Option<OpenSegment>,
    next_segment: u64,
    usage: Usage,
    /// Duration of the open segment so far.
    open_for: Duration,
}

impl Ring {
    /// Opens or makes a ring and repairs what a power cut left; a damaged index is set aside and rebuilt. What was
    /// pinned is let go, because whoever pinned it is gone with the process, except under names that begin with
    /// [`LASTING`].
    ///
    /// # Errors
    /// When the disk cannot be used.
    pub fn open(disk: Arc<dyn Disk>, place: RingPlace) -> Result<(Self, Repair), RingError> {
        let folder_error = |source| RingError::Folder { path: place.folder.clone(), source };
        disk.make_folder(&place.folder).map_err(folder_error)?;
        let path = place.index_path();
        let opened = database::open(&path, index::SCHEMA)?;
        let index = Index::new(&path, opened.connection);
        index.release_all_but(LASTING)?;
        let mut repair = Repair { set_aside: opened.set_aside, ..Repair::default() };
        let (usage, next_segment) = repair::reconcile(&*disk, &place, &index, &mut repair)?;
        let ring = Self { disk, place, index, open: None, next_segment, usage, open_for: Duration::ZERO };
        Ok((ring, repair))
    }

    /// Sets the index aside and builds it anew from the files: for damage that showed only in use.
    ///
    /// # Errors
    /// When the disk cannot be used.
    pub fn open_anew(disk: Arc<dyn Disk>, place: RingPlace) -> Result<(Self, Repair), RingError> {
        let set_aside = database::set_aside(&place.index_path())?;
        let (ring, repair) = Self::open(disk, place)?;
        Ok((ring, Repair { set_aside: Some(set_aside), ..repair }))
    }

    /// Stores a group; it is durable when this returns. Evicts what no longer fits; after a failure of the disk tries
    /// once more in a new file, because nothing is known of the old one.
    ///
    /// # Errors
    /// When the group could not be stored; the ring goes on with the next one.
    pub fn append(&mut self, group: &NewGroup<'_>) -> Result<Group, RingError> {
        let video_bytes: u64 = group.pictures.iter().map(|picture| picture.bytes.len() as u64).sum();
        self.make_room(video_bytes)?;
        let stored = match self.try_append(group) {
            Err(error) if is_full(&error) => {
                self.retire();
                self.evict_oldest()?;
                self.try_append(group)
            }
            Err(RingError::Segment { segment, source, .. }) => {
                tracing::warn!(camera = %self.place.camera, segment, error = %source, "segment given up");
                self.retire();
                self.try_append(group)
            }
            stored => stored,
        };
        if stored.is_err() {
            self.retire();
        }
        stored
    }

    /// Notes that there is no video for a time, and why.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn note_gap(&mut self, gap: &Gap) -> Result<(), RingError> {
        Ok(self.index.add_gap(gap)?)
    }

    /// What the ring holds.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Ends the open segment; the next group begins a new one.
    pub fn retire(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        // What was written behind the last group takes room for nothing. Should this fail, opening finds it.
        let cleared = if open.groups > 0 {
            open.cut()
        } else {
            self.disk.remove(&self.place.folder.join(segment::file_name(open.head.number)))
        };
        if let Err(error) = cleared {
            tracing::debug!(camera = %self.place.camera, %error, "tail of a segment left in place");
        }
    }

    fn try_append(&mut self, new: &NewGroup<'_>) -> Result<Group, RingError> {
        if self.open.as_ref().is_some_and(|open| self.must_rotate(open, new)) {
            self.open = None;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin_segment(new)?,
        };
        let stored = self.store(&mut open, new);
        // Kept also after a failure, so that `retire` can cut the tail.
        self.open = Some(open);
        stored
    }

    fn store(&mut self, open: &mut OpenSegment, new: &NewGroup<'_>) -> Result<Group, RingError> {
        let (group, pictures, video) = self.describe(open, new)?;
        let written = open.write(&group, &pictures, &video);
        if cfg!(feature = "sabotage-index-before-data") {
            self.index.add(&open.head, std::slice::from_ref(&group))?;
        }
        let segment = open.head.number;
        written.and_then(|()| open.sync(&*self.disk, &self.place.folder)).map_err(|source| RingError::Segment {
            camera: self.place.camera.clone(),
            segment,
            source,
        })?;
        self.index.add(&open.head, std::slice::from_ref(&group))?;
        let is_new_file = open.groups == 0;
        self.usage.bytes += group.end_offset() - if is_new_file { 0 } else { open.end };
        self.usage.segments += u64::from(is_new_file);
        self.open_for += group.duration;
        open.keep(&group);
        Ok(group)
    }

    fn must_rotate(&self, open: &OpenSegment, new: &NewGroup<'_>) -> bool {
        let other_coding = open.head.codec != new.codec || open.head.parameters != new.parameters;
        // An open file without groups is one whose first group failed.
        let begun = open.groups > 0;
        other_coding || (begun && (new.discontinuity || self.open_for + new.duration > LONGEST_SEGMENT))
    }

    fn begin_segment(&mut self, new: &NewGroup<'_>) -> Result<OpenSegment, RingError> {
        let number = self.next_segment;
        // Given once, even if the file cannot be made: a number names one segment for ever.
        self.next_segment += 1;
        self.open_for = Duration::ZERO;
        let head = SegmentHead {
            number,
            codec: new.codec,
            parameters: new.parameters,
            camera: self.place.camera.clone(),
            unit: self.place.unit.clone(),
        };
        let failed = |source| RingError::Segment { camera: self.place.camera.clone(), segment: number, source };
        OpenSegment::create(&*self.disk, &self.place.folder, head).map_err(failed)
    }

    /// What is stored of a group: its description with the leaf, the table, and all pictures' bytes.
    fn describe(&self, open: &OpenSegment, new: &NewGroup<'_>) -> Result<(Group, Vec<Picture>, Vec<u8>), RingError> {
        let (Some(first), Some(last)) = (new.pictures.first(), new.pictures.last()) else {
            return Err(RingError::NotAGroup);
        };
        let frames = u32::try_from(new.pictures.len()).ok().filter(|frames| *frames <= MOST_PICTURES);
        let frames = frames.ok_or(RingError::NotAGroup)?;
        let mut video = Vec::with_capacity(new.pictures.iter().map(|picture| picture.bytes.len()).sum());
        let mut pictures = Vec::with_capacity(new.pictures.len());
        for picture in new.pictures {
            let bytes = u32::try_from(picture.bytes.len()).map_err(|_| RingError::NotAGroup)?;
            pictures.push(Picture { bytes, key: picture.key, decode: picture.decode, media: picture.media });
            video.extend_from_slice(picture.bytes);
        }
        let head = GroupHead {
            unit: self.place.unit.clone(),
            camera: self.place.camera.clone(),
            codec: new.codec,
            segment: open.head.number,
            group: open.groups,
            first: first.media,
            last: last.media,
            wall: new.wall,
            frames,
            length: video.len() as u64,
        };
        let group = Group {
            segment: head.segment,
            number: head.group,
            offset: open.end,
            frames,
            starts_with_key: first.key,
            discontinuity: new.discontinuity,
            size: new.size,
            bytes: head.length,
            first: head.first,
            last: head.last,
            wall: head.wall,
            duration: new.duration,
            leaf: LeafHasher::leaf(&video, &head),
            crc: crc32fast::hash(&video),
        };
        Ok((group, pictures, video))
    }
}

fn is_full(error: &RingError) -> bool {
    match error {
        RingError::Index(DatabaseError::Full { .. }) => true,
        RingError::Segment { source, .. } => source.kind() == io::ErrorKind::StorageFull,
        RingError::Index(_) | RingError::Folder { .. } | RingError::NotAGroup => false,
    }
}

/// The folder of a camera below a data folder.
pub fn camera_folder(data_dir: &Path, camera: &CameraId) -> PathBuf {
    data_dir.join("ring").join(camera.as_str())
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
