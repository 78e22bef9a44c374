//! Sightings to records: what the center is told. Pure: the same sightings, times and policy give the same records.
//!
//! Belongs here: what is published and in which form. Does not belong here: sequence numbers, sending, keeping.

mod object;
mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use edge_protocol::hash::Version;
use edge_protocol::id::CameraId;
use edge_protocol::record::{Alert, AlertKind, Match, ObjectRecord, Record, Sentence, Tamper, Versions, Word};
use edge_protocol::time::{ClockQuality, Moment, WallStamp};

use crate::care::{CareSighting, Finding};
use crate::class::ObjectClass;
use crate::hotlist::Hotlist;
use crate::sighting::{Crop, PassId, PlateRead, Revision, Sighting};
use crate::time::MediaTime;

/// What of plate reads goes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// Counts alone; a plate's text leaves the unit only in a hit.
    #[default]
    Counts,
    /// Every read.
    All,
}

/// What holds for a camera's events.
#[derive(Clone, Debug)]
pub struct EventPolicy {
    /// What of plate reads goes up.
    pub publish: Publish,
    /// The loosest match that makes a hit.
    pub loosest: Match,
    /// What is looked for.
    pub hotlist: Arc<Hotlist>,
    /// What was in force, but for the hotlist.
    pub versions: Versions,
}

impl Default for EventPolicy {
    fn default() -> Self {
        let (hotlist, versions) = (Arc::default(), Versions::default());
        Self { publish: Publish::default(), loosest: Match::Confusable, hotlist, versions }
    }
}

/// Passes whose hit is remembered, so that a final read does not repeat it.
const PASSES_REMEMBERED: usize = 256;

/// Makes the records of one camera.
#[derive(Clone, Debug)]
pub struct EventMaker {
    camera: CameraId,
    policy: EventPolicy,
    hits: BTreeMap<PassId, Match>,
    ended: BTreeMap<ObjectClass, u32>,
}

impl EventMaker {
    /// For a camera under a policy.
    #[must_use]
    pub fn new(camera: CameraId, policy: EventPolicy) -> Self {
        Self { camera, policy, hits: BTreeMap::new(), ended: BTreeMap::new() }
    }

    /// Goes on under another policy: a new hotlist has come, say.
    pub fn adopt(&mut self, policy: EventPolicy) {
        self.policy = policy;
    }

    /// From now on these models look.
    pub fn look_with(&mut self, models: Version) {
        self.policy.versions.model = Some(models);
    }

    /// The worker was started again: it knows nothing of the vehicles before.
    pub fn restart(&mut self) {
        self.hits.clear();
    }

    /// The records that a sighting makes, in the order in which they are to be sent. `wall` dates a media time.
    pub fn take(&mut self, sighting: &Sighting, wall: &dyn Fn(MediaTime) -> WallStamp) -> Vec<Record> {
        let dates = Dates(wall);
        match sighting {
            Sighting::Frame(_) => Vec::new(),
            // The first account of a track has nothing to tell yet.
            Sighting::TrackUpdate(track) if track.first == track.last => Vec::new(),
            Sighting::TrackUpdate(track) => {
                let event = object::event(&self.camera, track, (false, &dates), self.versions());
                vec![Record::Object(Box::new(ObjectRecord::Track(event)))]
            }
            Sighting::TrackEnd(track) => {
                *self.ended.entry(track.class).or_default() += 1;
                let event = object::event(&self.camera, track, (true, &dates), self.versions());
                vec![Record::Object(Box::new(ObjectRecord::Track(event)))]
            }
            Sighting::Counts(counts) => {
                let counts = object::counts(&self.camera, counts, &std::mem::take(&mut self.ended), &dates);
                vec![Record::Object(Box::new(ObjectRecord::Counts(counts)))]
            }
            Sighting::Plate(plate) => self.plate(plate, &dates),
            Sighting::Care(care) => vec![Record::Alert(Box::new(tamper(&self.camera, care, &dates)))],
        }
    }

    /// What of a sighting stays on the unit, to be searched: the last word on a plate, and on a track. Whether the
    /// center is told of it makes no difference.
    pub fn kept(&self, sighting: &Sighting, wall: &dyn Fn(MediaTime) -> WallStamp) -> Option<Record> {
        let dates = Dates(wall);
        match sighting {
            Sighting::Plate(plate) if plate.revision == Revision::Final => {
                read::read(&self.camera, plate, &dates, self.versions()).map(|read| Record::Read(Box::new(read)))
            }
            Sighting::TrackEnd(track) => {
                let event = object::event(&self.camera, track, (true, &dates), self.versions());
                Some(Record::Object(Box::new(ObjectRecord::Track(event))))
            }
            Sighting::Plate(_)
            | Sighting::Frame(_)
            | Sighting::TrackUpdate(_)
            | Sighting::Counts(_)
            | Sighting::Care(_) => None,
        }
    }

    fn plate(&mut self, plate: &PlateRead, dates: &Dates<'_>) -> Vec<Record> {
        let Some(read) = read::read(&self.camera, plate, dates, self.versions()) else { return Vec::new() };
        let mut records = Vec::new();
        let found = self.policy.hotlist.find(&plate.text, self.policy.loosest);
        if let Some((matched, listed)) = found.filter(|(matched, _)| self.is_news(plate, *matched)) {
            let thumbs = read::thumbs(&self.camera, plate, dates);
            let hit = read::hit(&read, (matched, listed), &self.policy.hotlist, &thumbs);
            records.push(Record::Hit(Box::new(hit)));
            records.extend(thumbs.into_iter().map(Record::Thumb));
            self.remember(plate.pass, matched);
        } else if self.is_refuted(plate, found.map(|(matched, _)| matched)) {
            records.push(Record::Alert(Box::new(refuted(&self.camera, plate, dates))));
        }
        if self.policy.publish == Publish::All {
            records.push(Record::Read(Box::new(read)));
        }
        records
    }

    /// Whether a match is told: once per pass, again only if it has become better. One that is not sure waits for the
    /// end of the pass.
    fn is_news(&self, plate: &PlateRead, matched: Match) -> bool {
        let waits = matched == Match::Fuzzy && plate.revision == Revision::Preview;
        !waits && self.hits.get(&plate.pass).is_none_or(|told| matched < *told)
    }

    /// Whether the whole pass says less than the hit that was told of it: somebody may be about to stop a car.
    fn is_refuted(&self, plate: &PlateRead, matched: Option<Match>) -> bool {
        let told = self.hits.get(&plate.pass).filter(|_| plate.revision == Revision::Final);
        told.is_some_and(|told| matched.is_none_or(|matched| matched > *told))
    }

    fn remember(&mut self, pass: PassId, matched: Match) {
        self.hits.insert(pass, matched);
        if self.hits.len() > PASSES_REMEMBERED {
            self.hits.pop_first();
        }
    }

    fn versions(&self) -> Versions {
        Versions { hotlist: self.policy.hotlist.version(), ..self.policy.versions }
    }
}

/// That a hit does not stand; the text of the plate stays on the unit as that of any other.
fn refuted(camera: &CameraId, plate: &PlateRead, dates: &Dates<'_>) -> Alert {
    let words =
        format!("the hit of pass {} does not stand: read to its end, the plate fits the list less", plate.pass.0);
    Alert {
        at: dates.moment(plate.last),
        clock: dates.clock(plate.last),
        camera: Some(camera.clone()),
        kind: AlertKind::Fault(Word::cut("hit-refuted")),
        over: false,
        text: Sentence::cut(&words),
    }
}

/// What the picture says of the camera, with what was measured and the limit for it.
fn tamper(camera: &CameraId, care: &CareSighting, dates: &Dates<'_>) -> Alert {
    let kind = match care.finding {
        Finding::Covered => Tamper::Covered,
        Finding::Defocused => Tamper::Defocused,
        Finding::Moved => Tamper::Moved,
        Finding::Frozen => Tamper::Frozen,
        Finding::TooDark | Finding::OverExposed => Tamper::Blinded,
    };
    let (finding, measure) = (care.finding.as_str(), care.finding.measure());
    let state = if care.over { "no longer " } else { "" };
    let words = format!("{state}{finding}: {measure} {:.2}, limit {:.2}", care.measured, care.limit);
    Alert {
        at: dates.moment(care.media),
        clock: dates.clock(care.media),
        camera: Some(camera.clone()),
        kind: AlertKind::Tamper(kind),
        over: care.over,
        text: Sentence::cut(&words),
    }
}

/// Media time to the wall clock.
struct Dates<'a>(&'a dyn Fn(MediaTime) -> WallStamp);

impl Dates<'_> {
    fn moment(&self, media: MediaTime) -> Moment {
        (self.0)(media).time.into()
    }

    fn clock(&self, media: MediaTime) -> ClockQuality {
        (self.0)(media).quality
    }
}

/// The JPEG file of a crop that the worker has compressed.
fn jpeg(crop: Option<&Crop>) -> Option<&[u8]> {
    match crop {
        Some(Crop::Jpeg(bytes)) => Some(bytes),
        Some(Crop::Pixels(_)) | None => None,
    }
}

#[cfg(test)]
mod tests;
