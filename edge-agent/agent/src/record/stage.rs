//! One camera's recorder: its thread takes units from the feed, gathers groups, and stores each before the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::time::{MonoTime, WallTime};
use edge_store::disk::Disk;
use edge_store::ring::{
    Gap, GapReason, Group as Stored, NewGroup, NewPicture, Repair, Ring, RingError, RingPlace, TOLERANCE,
};

use super::feed::Fed;
use super::groups::{Group, Grouping, LONGEST, LONGEST_PAUSE};
use crate::media::AccessUnit;
use crate::supervise::queue::{ReceiveError, Receiver};
use crate::supervise::{Clock, Fault, Pulse, Stop};

/// The longest the stage goes without looking at its clock.
const TICK: Duration = Duration::from_millis(500);
/// Between two tries to open a ring that does not open.
const REOPEN: Duration = Duration::from_secs(1);

/// What a recorder has to tell the center.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// There is no video for a time.
    Missing(CameraId, Gap),
    /// The ring was damaged and has been mended.
    Mended(CameraId, Repair),
    /// Groups cannot be stored; in words.
    Failing(CameraId, String),
}

/// What one recorder has done, for health; clones see the same recorder.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    stored: AtomicU64,
    failed: AtomicU64,
    openings: AtomicU64,
}

impl Recorded {
    /// Bytes of segment files now.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }

    /// Groups stored.
    pub fn stored(&self) -> u64 {
        self.counts.stored.load(Ordering::Relaxed)
    }

    /// How often the ring was opened, each time perhaps with another index; zero while it has not been.
    pub fn openings(&self) -> u64 {
        self.counts.openings.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn note_opening(&self) {
        self.counts.openings.fetch_add(1, Ordering::Relaxed);
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

/// Where the video that was stored ends.
#[derive(Debug, Clone, Copy)]
struct StoredTo {
    wall: WallTime,
    /// When its last picture arrived.
    arrival: MonoTime,
    /// When its last group began, by either clock.
    began: (WallTime, MonoTime),
}

/// Takes what the center should know.
pub type Tell = Box<dyn FnMut(Told) + Send>;

/// One camera's recorder.
pub struct Recorder {
    disk: Arc<dyn Disk>,
    place: RingPlace,
    /// None until the first time that the disk lets it be opened.
    ring: Option<Ring>,
    grouping: Grouping,
    ends: Ends,
    tell: Tell,
    recorded: Recorded,
    stored_to: Option<StoredTo>,
    /// Why the next group does not follow the last.
    missing_because: Option<GapReason>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recorder({})", self.place.camera)
    }
}

impl Recorder {
    /// A recorder that has not touched the disk yet. `tell` hears of gaps and damage.
    pub fn new(disk: Arc<dyn Disk>, place: RingPlace, ends: Ends, tell: Tell) -> Self {
        Self {
            disk,
            place,
            ring: None,
            grouping: Grouping::default(),
            ends,
            tell,
            recorded: Recorded::default(),
            stored_to: None,
            missing_because: None,
        }
    }

    /// What it has done, for health.
    pub fn recorded(&self) -> Recorded {
        self.recorded.clone()
    }

    /// Records until told to stop and the feed is drained, or until nobody feeds it any more.
    ///
    /// # Errors
    /// Never by itself: what the disk refuses is counted and stated, and recording goes on with the next group.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        while let Err(error) = self.open() {
            self.failing(&error);
            self.ends.pulse.beat(self.ends.clock.mono());
            if stop.wait_timeout(REOPEN) {
                return Ok(());
            }
        }
        loop {
            self.ends.pulse.beat(self.ends.clock.mono());
            let stopping = stop.is_set();
            match self.ends.feed.receive_timeout(if stopping { Duration::ZERO } else { TICK }) {
                Ok(fed) => self.take(fed),
                Err(ReceiveError::Timeout) if !stopping => self.flush_if_late(self.ends.clock.mono()),
                Err(ReceiveError::Timeout | ReceiveError::Closed) => {
                    self.flush();
                    return Ok(());
                }
            }
        }
    }

    /// Opens the camera's ring and repairs what a power cut left.
    fn open(&mut self) -> Result<(), RingError> {
        if self.ring.is_none() {
            let (ring, repair) = Ring::open(Arc::clone(&self.disk), self.place.clone())?;
            self.mended(ring, repair);
        }
        Ok(())
    }

    fn mended(&mut self, ring: Ring, repair: Repair) {
        self.recorded.counts.bytes.store(ring.usage().bytes, Ordering::Relaxed);
        self.recorded.counts.openings.fetch_add(1, Ordering::Relaxed);
        self.ring = Some(ring);
        if repair != Repair::default() {
            tracing::warn!(camera = %self.place.camera, ?repair, "video ring mended");
        }
        if repair.set_aside.is_some() || repair.lost_segments > 0 {
            (self.tell)(Told::Mended(self.place.camera.clone(), repair));
        }
    }

    /// Takes what was captured.
    fn take(&mut self, fed: Fed) {
        let (unit, gap) = match fed {
            Fed::Unit(unit) => (unit, None),
            Fed::AfterGap(unit) => (unit, Some(self.grouping.gap())),
        };
        if let Some(before) = gap {
            self.store_some(before);
            self.missing_because = Some(GapReason::Overload);
        }
        let done = self.grouping.push(unit);
        self.store_some(done);
    }

    /// Stores what waits if its camera has fallen silent.
    fn flush_if_late(&mut self, now: MonoTime) {
        let late = |since: MonoTime| now.saturating_since(since) > LONGEST + TICK;
        if self.grouping.oldest().is_some_and(|oldest| late(oldest.arrival)) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let rest = self.grouping.take();
        self.store_some(rest);
    }

    fn store_some(&mut self, group: Option<Group>) {
        let (Some(group), Some(ring)) = (group, &mut self.ring) else { return };
        let appended = append(ring, &group);
        self.recorded.counts.bytes.store(ring.usage().bytes, Ordering::Relaxed);
        match appended {
            Ok(stored) => {
                if let (Some(first), Some(last)) = (group.units.first(), group.units.last()) {
                    let began = (stored.wall.time, first.arrival);
                    self.state_gap(began);
                    self.stored_to = Some(StoredTo { wall: stored.end(), arrival: last.arrival, began });
                }
                self.recorded.counts.stored.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.failed(&error),
        }
    }

    /// States what is missing between what was stored last and what begins at `to`, whose first picture arrived then.
    fn state_gap(&mut self, (to, arrival): (WallTime, MonoTime)) {
        let because = self.missing_because.take();
        let Some(StoredTo { wall: from, arrival: before, began }) = self.stored_to else { return };
        if to <= from || (because.is_none() && to.saturating_since(from) <= TOLERANCE) {
            return;
        }
        // From beginning to beginning, since a camera that falls behind takes longer for a group than the group lasts.
        let ran_ahead = to.saturating_since(began.0) > arrival.saturating_since(began.1) + TOLERANCE;
        // After a pause the clocks of camera and box may differ; the pause is what matters then.
        let clock_was_set = ran_ahead && arrival.saturating_since(before) <= LONGEST_PAUSE;
        let reason = because.unwrap_or(if clock_was_set { GapReason::Clock } else { GapReason::Camera });
        let gap = Gap { from, to, reason };
        if let Some(Err(error)) = self.ring.as_mut().map(|ring| ring.note_gap(&gap)) {
            tracing::warn!(camera = %self.place.camera, %error, "the reason of a gap could not be noted");
        }
        (self.tell)(Told::Missing(self.place.camera.clone(), gap));
    }

    fn failed(&mut self, error: &RingError) {
        self.recorded.counts.failed.fetch_add(1, Ordering::Relaxed);
        self.failing(error);
        if error.is_damage() {
            self.open_anew();
        }
    }

    /// Says that nothing can be stored: once, not for each group or try.
    fn failing(&mut self, error: &RingError) {
        if self.missing_because != Some(GapReason::Disk) {
            let words = Fault::from_error(error).0;
            tracing::error!(camera = %self.place.camera, error = words, "video cannot be stored");
            (self.tell)(Told::Failing(self.place.camera.clone(), words));
        }
        self.missing_because = Some(GapReason::Disk);
    }

    fn open_anew(&mut self) {
        match Ring::open_anew(Arc::clone(&self.disk), self.place.clone()) {
            Ok((ring, repair)) => self.mended(ring, repair),
            Err(error) => tracing::error!(camera = %self.place.camera, %error, "the ring cannot be opened anew"),
        }
    }
}

/// Stores a group.
fn append(ring: &mut Ring, group: &Group) -> Result<Stored, RingError> {
    let first = group.units.first().ok_or(RingError::NotAGroup)?;
    let pictures: Vec<NewPicture<'_>> = group.units.iter().map(picture).collect();
    let side = |side: u32| u16::try_from(side).ok();
    ring.append(&NewGroup {
        codec: first.codec,
        parameters: group.parameters,
        size: first.size.and_then(|(width, height)| Some((side(width)?, side(height)?))),
        discontinuity: group.discontinuity,
        wall: first.wall,
        duration: group.duration,
        pictures: &pictures,
    })
}

fn picture(unit: &AccessUnit) -> NewPicture<'_> {
    NewPicture { bytes: &unit.bytes, key: unit.key, decode: unit.decode, media: unit.media }
}

#[cfg(test)]
mod tests;
