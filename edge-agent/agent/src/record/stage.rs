//! One camera's recorder: its thread takes units from the feed, gathers groups, and stores each before the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge_protocol::hash::Hash256;
use edge_protocol::media::{Codec, parameter_hash};
use edge_protocol::time::{MonoTime, WallTime};
use edge_store::disk::Disk;
use edge_store::ring::{Gap, GapReason, NewGroup, NewPicture, Repair, Ring, RingError, RingPlace};

use super::feed::Fed;
use super::groups::{Group, Grouping, LONGEST};
use crate::media::nal::parameter_sets;
use crate::supervise::queue::{ReceiveError, Receiver};
use crate::supervise::{Clock, Fault, Pulse, Stop};

/// The longest the stage goes without looking at its stop and its clock.
const TICK: Duration = Duration::from_millis(500);
/// How long a picture lasts where there is no next one to tell.
const USUAL_PICTURE: Duration = Duration::from_millis(40);

/// What one recorder has done; clones see the same recorder.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    failed: AtomicU64,
}

impl Recorded {
    /// Bytes of segment files now.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }

    /// Groups that could not be stored.
    pub fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::Relaxed)
    }
}

/// What a recorder is connected to.
#[derive(Debug)]
pub struct Ends {
    /// The camera's units.
    pub feed: Receiver<Fed>,
    /// Reads time.
    pub clock: Clock,
    /// Shows progress to the watchdog.
    pub pulse: Pulse,
}

/// One camera's recorder.
#[derive(Debug)]
pub struct Recorder {
    disk: Arc<dyn Disk>,
    place: RingPlace,
    ring: Ring,
    grouping: Grouping,
    began: Option<MonoTime>,
    parameters: Option<(Codec, Hash256)>,
    recorded: Recorded,
    missing_since: Option<(WallTime, GapReason)>,
    ends: Ends,
}

impl Recorder {
    /// Opens the camera's ring and repairs what a power cut left.
    ///
    /// # Errors
    /// When the disk cannot be used at all.
    pub fn open(disk: Arc<dyn Disk>, place: RingPlace, ends: Ends) -> Result<Self, RingError> {
        let (ring, repair) = Ring::open(Arc::clone(&disk), place.clone())?;
        if repair != Repair::default() {
            tracing::warn!(camera = %place.camera, ?repair, "ring repaired");
        }
        let recorded = Recorded::default();
        recorded.counts.bytes.store(ring.usage().bytes, Ordering::Relaxed);
        let grouping = Grouping::default();
        Ok(Self { disk, place, ring, grouping, began: None, parameters: None, recorded, missing_since: None, ends })
    }

    /// What it has done, for health.
    pub fn recorded(&self) -> Recorded {
        self.recorded.clone()
    }

    /// Records until told to stop and the feed is drained, or until nobody feeds it any more.
    ///
    /// # Errors
    /// Never by itself: what the disk refuses is counted, stated as a gap, and recording goes on with the next group.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        loop {
            let now = self.ends.clock.mono();
            self.ends.pulse.beat(now);
            match self.ends.feed.receive_timeout(if stop.is_set() { Duration::ZERO } else { TICK }) {
                Ok(fed) => self.take(fed),
                Err(ReceiveError::Timeout) if !stop.is_set() => self.store_if_old(),
                Err(ReceiveError::Timeout | ReceiveError::Closed) => {
                    let last = self.grouping.take();
                    self.store(last);
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, fed: Fed) {
        let unit = match fed {
            Fed::Unit(unit) => unit,
            Fed::AfterGap(unit) => {
                let before = self.grouping.gap();
                self.store(before);
                self.miss(GapReason::Overload);
                unit
            }
        };
        let now = self.ends.clock.mono();
        let done = self.grouping.push(unit);
        if done.is_some() {
            self.began = Some(now);
        }
        self.began = self.began.or(Some(now));
        self.store(done);
    }

    /// A camera that falls silent must not keep its last pictures in memory.
    fn store_if_old(&mut self) {
        let now = self.ends.clock.mono();
        if self.began.is_some_and(|began| now.saturating_since(began) > LONGEST) {
            let silent = self.grouping.gap();
            self.store(silent);
            self.began = None;
        }
    }

    fn store(&mut self, group: Option<Group>) {
        let Some(group) = group else { return };
        let parameters = self.parameters_of(&group);
        let Some(new) = describe(&group, parameters) else { return };
        let pictures: Vec<NewPicture<'_>> = pictures(&group);
        let stored = self.ring.append(&NewGroup { pictures: &pictures, ..new.clone() });
        match stored {
            Ok(_) => self.tell_gap(new.wall.time),
            Err(error) => {
                self.recorded.counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(camera = %self.place.camera, error = %Fault::from_error(&error), "a group could not be stored");
                self.missing_since = self.missing_since.or(Some((new.wall.time, GapReason::Disk)));
                if error.is_damage() {
                    self.open_anew();
                }
            }
        }
        self.recorded.counts.bytes.store(self.ring.usage().bytes, Ordering::Relaxed);
    }

    /// The parameter sets come with key pictures; what follows shares them.
    fn parameters_of(&mut self, group: &Group) -> Hash256 {
        let codec = group.units.first().map_or(Codec::Mjpeg, |unit| unit.codec);
        let sets = group.units.iter().map(|unit| parameter_sets(codec, &unit.bytes)).find(|sets| !sets.is_empty());
        let hash = match (sets, self.parameters) {
            (Some(sets), _) => parameter_hash(codec, &sets),
            (None, Some((known, hash))) if known == codec => hash,
            (None, _) => parameter_hash(codec, &[]),
        };
        self.parameters = Some((codec, hash));
        hash
    }

    fn miss(&mut self, reason: GapReason) {
        let now = self.ends.clock.wall().time;
        self.missing_since = self.missing_since.or(Some((now, reason)));
    }

    /// Says why there was nothing until `to`, once there is something again.
    fn tell_gap(&mut self, to: WallTime) {
        let Some((from, reason)) = self.missing_since.take() else { return };
        if let Err(error) = self.ring.note_gap(&Gap { from: from.min(to), to, reason }) {
            tracing::warn!(camera = %self.place.camera, %error, "the reason of a gap could not be noted");
        }
    }

    fn open_anew(&mut self) {
        match Ring::open_anew(Arc::clone(&self.disk), self.place.clone()) {
            Ok((ring, repair)) => {
                tracing::warn!(camera = %self.place.camera, ?repair, "the ring's index was damaged and is built anew");
                self.ring = ring;
            }
            Err(error) => tracing::error!(camera = %self.place.camera, %error, "the ring cannot be opened anew"),
        }
    }
}

fn pictures(group: &Group) -> Vec<NewPicture<'_>> {
    group
        .units
        .iter()
        .map(|unit| NewPicture { bytes: &unit.bytes, key: unit.key, decode: unit.decode, media: unit.media })
        .collect()
}

/// The group without its pictures.
fn describe(group: &Group, parameters: Hash256) -> Option<NewGroup<'static>> {
    let (first, last) = (group.units.first()?, group.units.last()?);
    let span = last.decode.saturating_since(first.decode);
    let steps = u32::try_from(group.units.len() - 1).unwrap_or(u32::MAX);
    // The last picture lasts as long as those before it on average.
    let picture = if steps == 0 { USUAL_PICTURE } else { span / steps };
    let side = |length: u32| u16::try_from(length).ok();
    Some(NewGroup {
        codec: first.codec,
        parameters,
        size: first.size.and_then(|(width, height)| side(width).zip(side(height))),
        discontinuity: group.discontinuity,
        wall: first.wall,
        duration: span + picture,
        pictures: &[],
    })
}

#[cfg(test)]
mod tests;
