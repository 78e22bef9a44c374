//! The reading end: what there is for a time, held while it is read.

use std::sync::Arc;

use edge_protocol::time::WallTime;

use super::format::{Group, Picture};
use super::gap::{Gap, TOLERANCE, gaps};
use super::index::{Coding, Index};
use super::{RingError, RingPlace, segment};
use crate::database;
use crate::disk::Disk;

/// What there is for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The groups in the order of recording, from the key frame at or before the beginning.
    pub groups: Vec<Group>,
    /// Times within what was asked for that have no video.
    pub gaps: Vec<Gap>,
    /// Whether there were more groups than asked for at most.
    pub cut_short: bool,
}

/// A group's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The pictures in decoding order.
    pub pictures: Vec<Picture>,
    /// Their bytes, one after the other, as the camera sent them.
    pub video: Vec<u8>,
}

/// A reading end of one camera's ring; there may be several, on any thread. It reads the index that was there when it
/// was opened: after [`super::Ring::open_anew`] open it again.
#[derive(Debug)]
pub struct RingReader {
    disk: Arc<dyn Disk>,
    place: RingPlace,
    pub(super) index: Index,
}

impl RingReader {
    /// Opens a ring that a [`super::Ring`] has open.
    ///
    /// # Errors
    /// When the index cannot be used.
    pub fn open(disk: Arc<dyn Disk>, place: RingPlace) -> Result<Self, RingError> {
        let path = place.index_path();
        let index = Index::new(&path, database::open_second(&path)?);
        Ok(Self { disk, place, index })
    }

    /// From when to when there is video, gaps aside.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn span(&self) -> Result<Option<(WallTime, WallTime)>, RingError> {
        Ok(self.index.span()?)
    }

    /// Gaps within [`RingReader::span`], the newest `most` of them, oldest first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn gaps(&self, most: usize) -> Result<Vec<Gap>, RingError> {
        let Some((from, to)) = self.span()? else { return Ok(Vec::new()) };
        let noted = self.index.gaps_between(from, to)?;
        // A new beginning always begins a segment, so that there is no gap within one.
        let mut found = Vec::new();
        let mut covered_to = from;
        for (begin, end) in self.index.segment_times()? {
            if begin.saturating_since(covered_to) > TOLERANCE {
                found.extend(gaps(&[], covered_to, begin, &noted));
            }
            covered_to = covered_to.max(end);
        }
        Ok(found.split_off(found.len().saturating_sub(most)))
    }

    /// What there is between two times: at most `most` groups.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn select(&self, from: WallTime, to: WallTime, most: u32) -> Result<Selection, RingError> {
        let mut groups = self.index.groups_between(from, to, most)?;
        let cut_short = groups.len() as u64 >= u64::from(most);
        let lead_in = match groups.first() {
            Some(first) => self.index.lead_in(first)?,
            None => Vec::new(),
        };
        if lead_in.is_empty() {
            // Without its key frame a group cannot be shown: what there is begins at the first key frame.
            let playable = groups.iter().position(|group| group.starts_with_key).unwrap_or(groups.len());
            groups.drain(..playable);
        }
        groups.splice(0..0, lead_in);
        let to = if cut_short { groups.last().map_or(to, Group::end).min(to) } else { to };
        let noted = self.index.gaps_between(from, to)?;
        Ok(Selection { gaps: gaps(&groups, from, to, &noted), groups, cut_short })
    }

    /// Selects, and keeps what was selected from being evicted until [`RingReader::release`] or until the
    /// ring is opened anew.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn pin(&self, name: &str, from: WallTime, to: WallTime, most: u32) -> Result<Selection, RingError> {
        // In one transaction: nothing is evicted between looking and holding.
        self.index.begin()?;
        let pinned = self.select(from, to, most).and_then(|selection| {
            if let (Some(first), Some(last)) = (selection.groups.first(), selection.groups.last()) {
                self.index.hold(name, first.segment, last.segment)?;
            }
            Ok(selection)
        });
        self.index.end(pinned.is_ok())?;
        pinned
    }

    /// Lets go of what was pinned under a name; whether there was something.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn release(&self, name: &str) -> Result<bool, RingError> {
        Ok(self.index.release(name)?)
    }

    /// The names under which something is pinned.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn pins(&self) -> Result<Vec<String>, RingError> {
        Ok(self.index.holds()?)
    }

    /// How a group's segment is coded; nothing where it is gone.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn coding(&self, group: &Group) -> Result<Option<Coding>, RingError> {
        Ok(self.index.coding(group.segment)?)
    }

    /// A group's contents; nothing where they are not what was stored.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self, group: &Group) -> Result<Option<Contents>, RingError> {
        let failed = |source| RingError::Segment { camera: self.place.camera.clone(), segment: group.segment, source };
        let contents = segment::read(&*self.disk, &self.place.folder, group).map_err(failed)?;
        Ok(contents.map(|(pictures, video)| Contents { pictures, video }))
    }
}
