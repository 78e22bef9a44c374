//! What a technician sees of plates: how high the last one was, and one text where a test read was asked for.
//!
//! A text is shown only where a test read was asked for, and one for each: whoever stands at the unit sees no more of
//! who drives by than the test needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge_analytics::sighting::{PlateRead, Revision, Sighting};
use edge_protocol::id::CameraId;
use edge_protocol::time::MonoTime;

use crate::page::{PlateGlance, Seen, TestRead};
use crate::vision::client::VisionEvent;

/// The height that a plate wants for the models to read it, pixels: see "By height of the plate" in
/// `models/RESULTS.md`.
const WANTS_PX: u32 = 24;
/// How long a test read waits for a plate, and how long it is shown.
const TEST: Duration = Duration::from_mins(2);
/// A plate that was seen so lately is the one that a test read means.
const JUST_NOW: Duration = Duration::from_secs(30);

/// Notes plates for the page; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Plates {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    last: BTreeMap<CameraId, Last>,
    /// The test and the time of what happened to it last.
    test: Option<(TestRead, MonoTime)>,
}

/// The plate that a camera saw last.
#[derive(Debug, Clone)]
struct Last {
    seen: Seen,
    at: MonoTime,
    /// Whether it is there still: its pass is not over.
    stands: bool,
}

impl Plates {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the vision worker says.
    pub(super) fn note(&self, event: &VisionEvent, now: MonoTime) {
        let mut shared = self.lock();
        match event {
            VisionEvent::Sighting(camera, Sighting::Plate(read)) => shared.note(camera, read, now),
            // Nobody knows any more what stands there.
            VisionEvent::Lost { .. } => shared.last.values_mut().for_each(|last| last.stands = false),
            VisionEvent::Sighting(..)
            | VisionEvent::Ready(_)
            | VisionEvent::Progress(_)
            | VisionEvent::NotLooked { .. } => {}
        }
    }

    /// Has one plate's text shown: of the one that stands there, or of the next.
    pub(super) fn ask(&self, camera: CameraId, now: MonoTime) {
        let mut shared = self.lock();
        let here = |last: &&Last| last.stands || now.saturating_since(last.at) < JUST_NOW;
        let read = shared.last.get(&camera).filter(here).map(|last| last.seen.clone());
        shared.test = Some((TestRead { camera, read }, now));
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
        let Last { seen, at, stands } = self.lock().last.get(camera).cloned()?;
        let ago = if stands { Duration::ZERO } else { now.saturating_since(at) };
        Some(PlateGlance { height_px: seen.height_px, wants_px: WANTS_PX, ago_s: ago.as_secs() })
    }
}

impl Shared {
    fn note(&mut self, camera: &CameraId, read: &PlateRead, now: MonoTime) {
        let seen = Seen { text: read.text.clone(), confidence: read.confidence, height_px: height(read) };
        let waits = |(test, since): &&mut (TestRead, MonoTime)| {
            test.camera == *camera && test.read.is_none() && now.saturating_since(*since) < TEST
        };
        if let Some((test, since)) = self.test.as_mut().filter(waits) {
            test.read = Some(seen.clone());
            *since = now;
        }
        self.last.insert(camera.clone(), Last { seen, at: now, stands: read.revision == Revision::Preview });
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of a picture, never negative")]
fn height(read: &PlateRead) -> u32 {
    read.plate_rect.h.round().max(0.0) as u32
}

#[cfg(test)]
mod tests {
    use edge_analytics::geometry::Rect;
    use edge_analytics::sighting::PassId;
    use edge_protocol::time::MediaTime;

    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO.saturating_add(Duration::from_secs(seconds))
    }

    fn gate() -> CameraId {
        "gate".parse().unwrap()
    }

    fn read(text: &str, revision: Revision) -> VisionEvent {
        let read = PlateRead {
            pass: PassId(1),
            track: None,
            revision,
            text: text.to_owned(),
            characters: Vec::new(),
            confidence: 0.9,
            agreeing: 2,
            reads: 2,
            alternates: Vec::new(),
            class: None,
            heading: None,
            colour: None,
            first: MediaTime::ZERO,
            last: MediaTime::ZERO,
            best: MediaTime::ZERO,
            plate_rect: Rect { x: 10.0, y: 20.0, w: 90.0, h: 30.6 },
            vehicle_rect: None,
            plate_crop: None,
            vehicle_crop: None,
        };
        VisionEvent::Sighting(gate(), Sighting::Plate(read))
    }

    fn shown(plates: &Plates, now: MonoTime) -> Option<String> {
        plates.test(now)?.read.map(|seen| seen.text)
    }

    #[test]
    fn heights_are_always_told_and_a_text_only_to_who_asked() {
        let plates = Plates::default();
        assert_eq!(plates.last(&gate(), at(0)), None);
        plates.note(&read("ABC123", Revision::Final), at(1));
        let told = plates.last(&gate(), at(11)).unwrap();
        assert_eq!((told.height_px, told.ago_s), (31, 10));
        assert_eq!(plates.test(at(11)), None);
        plates.ask(gate(), at(100));
        assert_eq!(plates.test(at(101)), Some(TestRead { camera: gate(), read: None }), "that one is long gone");
        plates.note(&read("NEXT1", Revision::Preview), at(110));
        plates.note(&read("OTHER2", Revision::Preview), at(111));
        assert_eq!(shown(&plates, at(112)).as_deref(), Some("NEXT1"), "one text, not those after it");
        assert_eq!(plates.test(at(111 + 120)), None, "and not for ever");
    }

    #[test]
    fn a_car_that_stands_there_is_the_one_that_is_meant() {
        let plates = Plates::default();
        plates.note(&read("STANDS", Revision::Preview), at(1));
        plates.ask(gate(), at(1000));
        assert_eq!(shown(&plates, at(1000)).as_deref(), Some("STANDS"));
        assert_eq!(plates.last(&gate(), at(1000)).unwrap().ago_s, 0);
        plates.note(&VisionEvent::Lost { why: "killed".to_owned(), at: at(1001) }, at(1001));
        plates.ask(gate(), at(1002));
        assert_eq!(shown(&plates, at(1002)), None);
    }
}
