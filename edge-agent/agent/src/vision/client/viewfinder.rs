//! Pictures for a person's eye: asked for by whoever shows them, left here by the worker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edge_protocol::id::CameraId;

use super::super::wire::Snapshot;

/// Asks the worker for pictures and keeps the newest of each camera; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Viewfinder {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    wanted: BTreeSet<CameraId>,
    newest: BTreeMap<CameraId, Arc<Snapshot>>,
}

impl Viewfinder {
    /// Wants a picture of the camera; it comes with the next frame that is decoded.
    pub fn ask(&self, camera: &CameraId) {
        self.lock().wanted.insert(camera.clone());
    }

    /// The newest picture that was asked for; none before the first.
    pub fn newest(&self, camera: &CameraId) -> Option<Arc<Snapshot>> {
        self.lock().newest.get(camera).cloned()
    }

    pub(super) fn take_wanted(&self) -> BTreeSet<CameraId> {
        std::mem::take(&mut self.lock().wanted)
    }

    pub(super) fn put(&self, camera: CameraId, snapshot: Snapshot) {
        self.lock().newest.insert(camera, Arc::new(snapshot));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use edge_analytics::care::Appearance;
    use edge_protocol::time::MediaTime;

    use super::*;

    #[test]
    fn a_picture_is_asked_for_once_and_the_newest_stays() {
        let viewfinder = Viewfinder::default();
        let camera: CameraId = "gate".parse().unwrap();
        viewfinder.ask(&camera);
        viewfinder.clone().ask(&camera);
        assert_eq!(viewfinder.take_wanted().len(), 1);
        assert!(viewfinder.take_wanted().is_empty());
        assert_eq!(viewfinder.newest(&camera), None);
        for number in [1, 2] {
            let media = MediaTime::from_nanos(number);
            let appearance = Appearance::default();
            viewfinder
                .put(camera.clone(), Snapshot { media, size: (4, 2), appearance, jpeg: Vec::new(), small: Vec::new() });
        }
        assert_eq!(viewfinder.newest(&camera).unwrap().media, MediaTime::from_nanos(2));
    }
}
