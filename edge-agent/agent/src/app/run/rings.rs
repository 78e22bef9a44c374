//! What health says of a camera's ring: read over a connection that stays open as long as the index is the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edge_protocol::id::CameraId;
use edge_protocol::record::{RingHealth, Span};
use edge_store::disk::RealDisk;
use edge_store::ring::{Gap, RingError, RingPlace, RingReader};

use crate::record::Recorded;

/// Gaps told with a ring; older ones are asked for.
const NEWEST_GAPS: usize = 16;

/// The rings of all cameras; clones are the same. They have a lock of their own, since to look at them takes the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Rings {
    watches: Arc<Mutex<BTreeMap<CameraId, RingWatch>>>,
}

/// What a look at the rings has found.
#[derive(Debug, Default)]
pub(super) struct RingsSeen {
    /// Those that can be read.
    pub(super) health: BTreeMap<CameraId, RingHealth>,
    /// Groups of video that could not be stored, of all.
    pub(super) failed: u64,
    /// Where they lie.
    pub(super) folders: Vec<PathBuf>,
}

impl Rings {
    /// A camera's ring, and what its recorder has done.
    pub(super) fn watch(&self, camera: CameraId, place: RingPlace, recorded: Recorded) {
        self.lock().insert(camera, RingWatch::new(place, recorded));
    }

    pub(super) fn look(&self) -> RingsSeen {
        let mut seen = RingsSeen::default();
        for (camera, watch) in self.lock().iter_mut() {
            seen.health.extend(watch.health().map(|health| (camera.clone(), health)));
            seen.failed += watch.failed();
            seen.folders.push(watch.folder().to_owned());
        }
        seen
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, RingWatch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A camera's ring as health looks at it.
#[derive(Debug)]
pub(super) struct RingWatch {
    place: RingPlace,
    recorded: Recorded,
    /// The reader, and at which of the recorder's openings it was made.
    reader: Option<(u64, RingReader)>,
}

impl RingWatch {
    fn new(place: RingPlace, recorded: Recorded) -> Self {
        Self { place, recorded, reader: None }
    }

    /// Groups of video that could not be stored.
    fn failed(&self) -> u64 {
        self.recorded.failed()
    }

    fn folder(&self) -> &Path {
        &self.place.folder
    }

    /// How the ring is; none where it cannot be read, which the next look tries again.
    fn health(&mut self) -> Option<RingHealth> {
        match self.read() {
            Ok(health) => health,
            Err(error) => {
                tracing::debug!(camera = %self.place.camera, %error, "health cannot read the ring");
                self.reader = None;
                None
            }
        }
    }

    fn read(&mut self) -> Result<Option<RingHealth>, RingError> {
        let opening = self.recorded.openings();
        if opening == 0 {
            return Ok(None);
        }
        let reader = match self.reader.take().filter(|(made_at, _)| *made_at == opening) {
            Some((_, reader)) => reader,
            None => RingReader::open(Arc::new(RealDisk), self.place.clone())?,
        };
        let (_, reader) = self.reader.insert((opening, reader));
        let span = reader.span()?;
        let gap = |gap: Gap| Span { from: gap.from.into(), to: gap.to.into() };
        Ok(Some(RingHealth {
            oldest: span.map(|(from, _)| from.into()),
            newest: span.map(|(_, to)| to.into()),
            used_bytes: self.recorded.bytes(),
            quota_bytes: self.place.quota_bytes,
            gaps: reader.gaps(NEWEST_GAPS)?.into_iter().map(gap).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use edge_protocol::hash::Hash256;
    use edge_protocol::media::Codec;
    use edge_protocol::time::{MediaTime, WallStamp};
    use edge_store::ring::{NewGroup, NewPicture, Ring};

    use super::*;

    fn group<'p>(pictures: &'p [NewPicture<'p>]) -> NewGroup<'p> {
        NewGroup {
            codec: Codec::H264,
            parameters: Hash256::from_bytes([1; 32]),
            size: None,
            discontinuity: true,
            wall: WallStamp::default(),
            duration: Duration::from_secs(1),
            pictures,
        }
    }

    #[test]
    fn a_ring_is_read_by_its_present_index_and_not_before_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let place = RingPlace {
            folder: folder.path().to_owned(),
            index: None,
            unit: "pole-1".parse().unwrap(),
            camera: "gate".parse().unwrap(),
            quota_bytes: 1 << 30,
        };
        let recorded = Recorded::default();
        let mut watch = RingWatch::new(place.clone(), recorded.clone());
        let (ring, _) = Ring::open(Arc::new(RealDisk), place.clone()).unwrap();
        assert_eq!(watch.health(), None);
        recorded.note_opening();
        assert_eq!(watch.health().unwrap().newest, None);
        drop(ring);
        // The index that was read goes aside, and another takes its place.
        let (mut ring, _) = Ring::open_anew(Arc::new(RealDisk), place).unwrap();
        recorded.note_opening();
        let time = MediaTime::from_nanos(0);
        ring.append(&group(&[NewPicture { bytes: &[7; 9], key: true, decode: time, media: time }])).unwrap();
        assert!(watch.health().unwrap().newest.is_some());
    }
}
