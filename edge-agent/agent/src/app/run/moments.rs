//! When a picture was taken: from the stream's own time line to the wall clock.
//!
//! The worker knows only media time. The main process sees every access unit with both, and remembers the newest pair
//! of each camera; a sighting follows its picture within seconds, so one pair is enough.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::time::{MediaTime, WallStamp};

use crate::media::AccessUnit;

/// Shared by those who see access units and those who date sightings.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    newest: Arc<Mutex<BTreeMap<CameraId, (MediaTime, WallStamp)>>>,
}

impl Moments {
    /// Remembers a picture's two times.
    pub(super) fn note(&self, unit: &AccessUnit) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.insert(unit.camera.clone(), (unit.media, unit.wall));
    }

    /// The wall clock of a moment of a camera; `now` where nothing was ever seen of it.
    pub(super) fn wall(&self, camera: &CameraId, media: MediaTime, now: WallStamp) -> WallStamp {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((known, stamp)) = newest.get(camera) else { return now };
        let nanos = media.as_nanos().saturating_sub(known.as_nanos());
        let distance = Duration::from_nanos(nanos.unsigned_abs());
        let time = if nanos < 0 { stamp.time.saturating_sub(distance) } else { stamp.time.saturating_add(distance) };
        WallStamp { time, quality: stamp.quality }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use edge_protocol::media::Codec;
    use edge_protocol::time::{ClockQuality, MonoTime, WallTime};

    use super::*;

    #[test]
    fn a_moment_is_dated_by_its_distance_from_the_newest_picture() {
        let moments = Moments::default();
        let camera: CameraId = "gate".parse().unwrap();
        let now = WallStamp { time: WallTime::from_micros(9), quality: ClockQuality::Free };
        let at = |seconds: i64| MediaTime::from_nanos(seconds * 1_000_000_000);
        assert_eq!(moments.wall(&camera, at(1), now), now);
        moments.note(&AccessUnit {
            camera: camera.clone(),
            codec: Codec::H264,
            media: at(100),
            decode: at(100),
            arrival: MonoTime::ZERO,
            wall: WallStamp { time: WallTime::from_micros(500_000_000), quality: ClockQuality::Free },
            key: true,
            size: None,
            bytes: Bytes::new(),
        });
        assert_eq!(moments.wall(&camera, at(97), now).time, WallTime::from_micros(497_000_000));
        assert_eq!(moments.wall(&camera, at(101), now).time, WallTime::from_micros(501_000_000));
    }
}
