//! What a technician sees of plates: how high the last one was, and one text where a test read was asked for.
//!
//! No other text gets here: whoever stands at the unit sees no more of who drives by than the test needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge_analytics::sighting::{PlateRead, Sighting};
use edge_protocol::id::CameraId;
use edge_protocol::time::MonoTime;

use crate::page::{PlateGlance, Seen, TestRead};
use crate::vision::client::VisionEvent;

/// The height that a plate wants for the models to read it, pixels: see "By height of the plate" in `models/RESULTS.md`.
const WANTS_PX: u32 = 24;
/// How long a test read waits for a plate, and how long it is shown.
const TEST: Duration = Duration::from_mins(2);

/// Notes plates for the page; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Plates {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    last: BTreeMap<CameraId, (u32, MonoTime)>,
    /// The test and the time of what happened to it last.
    test: Option<(TestRead, MonoTime)>,
}

impl Plates {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the vision worker says.
    pub(super) fn note(&self, event: &VisionEvent, now: MonoTime) {
        let VisionEvent::Sighting(camera, Sighting::Plate(read)) = event else { return };
        let height_px = height(read);
        let mut shared = self.lock();
        shared.last.insert(camera.clone(), (height_px, now));
        let waits = |(test, since): &&mut (TestRead, MonoTime)| {
            test.camera == *camera && test.read.is_none() && now.saturating_since(*since) < TEST
        };
        if let Some((test, since)) = shared.test.as_mut().filter(waits) {
            test.read = Some(Seen { text: read.text.clone(), confidence: read.confidence, height_px });
            *since = now;
        }
    }

    /// Has the next plate's text shown.
    pub(super) fn ask(&self, camera: CameraId, now: MonoTime) {
        self.lock().test = Some((TestRead { camera, read: None }, now));
    }

    /// The test read that was asked for last, as long as it is worth showing.
    pub(super) fn test(&self, now: MonoTime) -> Option<TestRead> {
        let mut shared = self.lock();
        if shared.test.as_ref().is_some_and(|(_, since)| now.saturating_since(*since) >= TEST) {
            shared.test = None;
        }
        shared.test.as_ref().map(|(test, _)| test.clone())
    }

    /// How high the last plate was.
    pub(super) fn last(&self, camera: &CameraId, now: MonoTime) -> Option<PlateGlance> {
        let (height_px, at) = self.lock().last.get(camera).copied()?;
        Some(PlateGlance { height_px, wants_px: WANTS_PX, ago_s: now.saturating_since(at).as_secs() })
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of a picture, never negative")]
fn height(read: &PlateRead) -> u32 {
    read.plate_rect.h.round().max(0.0) as u32
}
