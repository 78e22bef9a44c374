//! Video that a trigger marked: kept from eviction until its time is over, across restarts.

use std::sync::Arc;
use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::time::{MonoTime, WallTime};
use edge_store::disk::RealDisk;
use edge_store::ring::{LASTING, RingError, RingPlace, RingReader};

use crate::config::Trigger;

/// Most marks held per camera; the one that ends first gives way. A contact gone mad must not eat the ring.
const MOST_HELD: usize = 16;
/// Most groups of pictures under one mark.
const MOST_GROUPS: u32 = 4096;
/// The recorder stores a group once it is whole.
const LAST_GROUP: Duration = Duration::from_secs(10);
/// Marks made while the clock stood before 2024 end by number alone: their times mean nothing.
const CLOCK_WAS_SET: WallTime = WallTime::from_millis(1_704_067_200_000);

/// What is held, and what is still to come.
pub(super) struct Holding {
    rings: Vec<RingPlace>,
    /// Ends of marks whose video is not recorded yet.
    coming: Vec<Coming>,
}

struct Coming {
    due: MonoTime,
    camera: CameraId,
    name: String,
    from: WallTime,
    to: WallTime,
}

impl Holding {
    pub(super) fn new(rings: Vec<RingPlace>) -> Self {
        Self { rings, coming: Vec::new() }
    }

    /// Holds what was recorded before `at` now, and what is recorded after it once it is there; on how many cameras.
    pub(super) fn hold(&mut self, trigger: &Trigger, at: WallTime, now: MonoTime) -> usize {
        let name = format!("{LASTING}{:020}/{}", at.saturating_add(trigger.hold).as_millis(), trigger.name);
        let wanted = |ring: &&RingPlace| trigger.cameras.is_empty() || trigger.cameras.contains(&ring.camera);
        let rings: Vec<RingPlace> = self.rings.iter().filter(wanted).cloned().collect();
        for ring in &rings {
            let to = at.saturating_add(trigger.after);
            pin(ring, &name, at.saturating_sub(trigger.before), at);
            self.coming.push(Coming {
                due: now.saturating_add(trigger.after).saturating_add(LAST_GROUP),
                camera: ring.camera.clone(),
                name: name.clone(),
                from: at,
                to,
            });
        }
        rings.len()
    }

    /// Holds what has been recorded meanwhile, and lets go of what is over.
    pub(super) fn tend(&mut self, now: MonoTime, wall: WallTime) {
        let (due, coming) = std::mem::take(&mut self.coming).into_iter().partition(|coming| coming.due <= now);
        self.coming = coming;
        let due: Vec<Coming> = due;
        for mark in due {
            if let Some(ring) = self.rings.iter().find(|ring| ring.camera == mark.camera) {
                pin(ring, &mark.name, mark.from, mark.to);
            }
        }
        for ring in &self.rings {
            if let Err(error) = let_go(ring, wall) {
                tracing::warn!(camera = %ring.camera, %error, "cannot look after held video");
            }
        }
    }
}

fn pin(ring: &RingPlace, name: &str, from: WallTime, to: WallTime) {
    let pinned = reader(ring).and_then(|reader| reader.pin(name, from, to, MOST_GROUPS));
    if let Err(error) = pinned {
        tracing::error!(camera = %ring.camera, %error, "video of a trigger cannot be held; it may be evicted");
    }
}

fn reader(ring: &RingPlace) -> Result<RingReader, RingError> {
    RingReader::open(Arc::new(RealDisk), ring.clone())
}

fn let_go(ring: &RingPlace, wall: WallTime) -> Result<(), RingError> {
    let reader = reader(ring)?;
    let mut lasting: Vec<String> = reader.pins()?.into_iter().filter(|name| name.starts_with(LASTING)).collect();
    // Names begin with their end, so that sorted ones end in order.
    lasting.sort_unstable();
    let surplus = lasting.len().saturating_sub(MOST_HELD);
    for (place, name) in lasting.iter().enumerate() {
        if place < surplus || ends(name).is_some_and(|end| end > CLOCK_WAS_SET && end <= wall) {
            reader.release(name)?;
        }
    }
    Ok(())
}

fn ends(name: &str) -> Option<WallTime> {
    let (millis, _) = name.strip_prefix(LASTING)?.split_once('/')?;
    millis.parse().ok().map(WallTime::from_millis)
}

#[cfg(test)]
mod tests {
    use edge_protocol::hash::Hash256;
    use edge_protocol::media::Codec;
    use edge_protocol::time::{ClockQuality, MediaTime, WallStamp};
    use edge_store::ring::{NewGroup, NewPicture, Ring};

    use super::*;

    const START_S: u64 = 1_800_000_000;

    fn wall(seconds: u64) -> WallTime {
        WallTime::from_millis(i64::try_from((START_S + seconds) * 1000).unwrap())
    }

    fn record(ring: &mut Ring, second: u64) {
        let media = MediaTime::from_nanos(i64::try_from(second).unwrap() * 1_000_000_000);
        let picture = NewPicture { bytes: &[7; 5000], key: true, decode: media, media };
        ring.append(&NewGroup {
            codec: Codec::H264,
            parameters: Hash256::of(b"sps"),
            size: None,
            discontinuity: second.is_multiple_of(10),
            wall: WallStamp { time: wall(second), quality: ClockQuality::Free },
            duration: Duration::from_secs(1),
            pictures: &[picture],
        })
        .unwrap();
    }

    fn trigger() -> Trigger {
        Trigger {
            name: "gunshot".to_owned(),
            line: crate::config::BoardLine { chip: "/dev/gpiochip0".into(), line: 1, active_low: false },
            settle: Duration::ZERO,
            before: Duration::from_secs(10),
            after: Duration::from_secs(20),
            hold: Duration::from_hours(1),
            cameras: Vec::new(),
        }
    }

    fn place(folder: &std::path::Path) -> RingPlace {
        RingPlace {
            folder: folder.join("gate"),
            index: None,
            unit: "u".parse().unwrap(),
            camera: "gate".parse().unwrap(),
            quota_bytes: 400_000,
        }
    }

    fn seconds_held(place: &RingPlace, from: u64, to: u64) -> usize {
        reader(place).unwrap().select(wall(from), wall(to), 4096).unwrap().groups.len()
    }

    #[test]
    fn a_triggers_video_outlives_the_quota_and_a_restart_and_goes_when_its_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let (mut ring, _) = Ring::open(Arc::new(RealDisk), place.clone()).unwrap();
        (0..30).for_each(|second| record(&mut ring, second));
        let mut holding = Holding::new(vec![place.clone()]);
        let mono = |seconds| MonoTime::from_duration(Duration::from_secs(seconds));
        assert_eq!(holding.hold(&trigger(), wall(25), mono(25)), 1);
        (30..60).for_each(|second| record(&mut ring, second));
        holding.tend(mono(56), wall(56));
        drop(ring);
        let (mut ring, _) = Ring::open(Arc::new(RealDisk), place.clone()).unwrap();
        (60..400).for_each(|second| record(&mut ring, second));
        assert_eq!(seconds_held(&place, 15, 45), 30, "ten seconds before and twenty after");
        assert_eq!(seconds_held(&place, 60, 120), 0, "what nobody holds is evicted");
        Holding::new(vec![place.clone()]).tend(mono(1), wall(25 + 3600));
        (400..480).for_each(|second| record(&mut ring, second));
        assert_eq!(seconds_held(&place, 15, 45), 0, "its time is over");
    }

    #[test]
    fn a_contact_gone_mad_holds_no_more_than_sixteen_marks() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let (mut ring, _) = Ring::open(Arc::new(RealDisk), place.clone()).unwrap();
        (0..30).for_each(|second| record(&mut ring, second));
        let mut holding = Holding::new(vec![place.clone()]);
        for second in 0..25 {
            holding.hold(&trigger(), wall(second + 1), MonoTime::ZERO);
        }
        holding.tend(MonoTime::ZERO, wall(30));
        assert_eq!(reader(&place).unwrap().pins().unwrap().len(), MOST_HELD);
    }
}
