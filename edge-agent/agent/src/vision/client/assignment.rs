//! What to look for on each camera, which a technician may change while the agent runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edge_analytics::settings::CameraSettings;
use edge_protocol::id::CameraId;

/// Each camera with what to look for; clones are the same. A change ends the worker that knows the former one.
#[derive(Debug, Clone, Default)]
pub struct Assignment {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    number: u64,
    cameras: Vec<(CameraId, CameraSettings)>,
}

impl From<Vec<(CameraId, CameraSettings)>> for Assignment {
    fn from(cameras: Vec<(CameraId, CameraSettings)>) -> Self {
        Self { shared: Arc::new(Mutex::new(Shared { number: 0, cameras })) }
    }
}

impl Assignment {
    /// Changes what is looked for on a camera; one that is not known is left alone.
    pub fn change(&self, camera: &CameraId, change: impl FnOnce(&mut CameraSettings)) {
        let mut shared = self.lock();
        if let Some((_, settings)) = shared.cameras.iter_mut().find(|(known, _)| known == camera) {
            change(settings);
            shared.number += 1;
        }
    }

    /// The cameras in their order, which never changes.
    pub fn all(&self) -> Vec<(CameraId, CameraSettings)> {
        self.lock().cameras.clone()
    }

    /// How often it was changed.
    pub(super) fn number(&self) -> u64 {
        self.lock().number
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
