//! All passes before one camera: which plate is which, which vehicle it belongs to, when to read, what to tell.

use std::collections::BTreeMap;
use std::time::Duration;

use super::align::distance;
use super::finder::PlateFinder;
use super::pass::Pass;
use super::vote::Verdict;
use crate::class::ObjectClass;
use crate::detect::Detection;
use crate::geometry::Rect;
use crate::infer::{Infer, InferFault};
use crate::mask;
use crate::picture::Picture;
use crate::settings::{PlateSearch, Polygon};
use crate::sighting::{Colour, Heading, PassId, PlateRead, Revision};
use crate::time::MediaTime;
use crate::track::{TrackId, Tracker, TrackerSettings};

/// Vehicles whose crops are searched, and plates that are read, per frame at most: the models are shared.
const SEARCHES: usize = 2;
const READS: usize = 4;
/// Smallest vehicle whose crop is searched, and smallest plate that is read, in pixels.
const LEAST_VEHICLE: f32 = 48.0;
const LEAST_PLATE: f32 = 7.0;
/// A plate belongs to a vehicle when this share of it lies inside.
const INSIDE: f32 = 0.9;
/// A pass is over when its plate has not been seen for so long: without a vehicle, and with one that is still there.
const GONE: Duration = Duration::from_millis(1500);
const HIDDEN: Duration = Duration::from_secs(8);
/// Two parts of one pass lie at most so far apart, and the same text is not told again for so long.
const TORN: Duration = Duration::from_secs(4);
const REPEATED: Duration = Duration::from_secs(10);
/// A text that one read alone supports must be at least this sure, and so long, to be told.
const LONE_CONFIDENCE: f32 = 0.5;
const LONE_LENGTH: usize = 4;
/// Reads that must say the same for the text to count as agreed.
const AGREED: u32 = 2;
/// Least sureness per character: of what is told at all (grilles and signs read like plates, but never surely), and
/// of what is told while the pass still goes on and the plate comes closer.
const SURE_ENOUGH: f32 = 0.6;
const SURE_EARLY: f32 = 0.82;

/// A vehicle in the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vehicle {
    /// Its track.
    pub track: TrackId,
    /// What it is.
    pub class: ObjectClass,
    /// Where it is.
    pub rect: Rect,
    /// Where it moves to in the picture.
    pub heading: Option<Heading>,
    /// Its colour.
    pub colour: Option<Colour>,
}

/// A frame with what is known of it already.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The frame.
    pub picture: &'a Picture<'a>,
    /// When it was taken.
    pub media: MediaTime,
    /// Vehicles seen in it that may carry a plate.
    pub vehicles: &'a [Vehicle],
    /// Areas that are not looked at.
    pub masks: &'a [Polygon],
}

/// The passes before one camera.
#[derive(Debug)]
pub struct Passes {
    finder: PlateFinder,
    search: PlateSearch,
    tracker: Tracker,
    open: Vec<Pass>,
    /// The pass of each plate that is followed.
    of_plate: BTreeMap<TrackId, PassId>,
    next: u64,
    /// Texts told last, with when their plates were last seen.
    told: Vec<(String, MediaTime)>,
    finals: u32,
}

/// A plate found in a frame.
#[derive(Clone, Copy, Debug)]
struct Found {
    rect: Rect,
    /// What the tracker follows: a plate moves by several times its height between two frames, a box of about a
    /// vehicle's size around it does not.
    around: Rect,
    score: f32,
    vehicle: Option<Vehicle>,
}

impl Passes {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(finder: PlateFinder, search: PlateSearch) -> Self {
        let settings = TrackerSettings { confirm_hits: 1, lost_for: GONE, ..TrackerSettings::default() };
        let tracker = Tracker::new(settings, TrackId(1));
        Self {
            finder,
            search,
            tracker,
            open: Vec::new(),
            of_plate: BTreeMap::new(),
            next: 1,
            told: Vec::new(),
            finals: 0,
        }
    }

    /// Numbers passes from here on instead of from 1; before the first frame.
    #[must_use]
    pub(crate) fn numbered_from(self, first: u64) -> Self {
        Self { next: first, ..self }
    }

    /// Whether no pass goes on.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Final reads told since this was last asked.
    pub fn take_finals(&mut self) -> u32 {
        std::mem::take(&mut self.finals)
    }

    /// Looks for plates in a frame, reads them, and tells what is ready to be told.
    ///
    /// # Errors
    /// When a model cannot be run.
    pub fn look(&mut self, look: &Look<'_>, infer: &mut dyn Infer) -> Result<Vec<PlateRead>, InferFault> {
        let found = match self.search {
            PlateSearch::Off => Vec::new(),
            PlateSearch::WholeFrame => self.in_frame(look, infer)?,
            PlateSearch::Vehicles => self.in_vehicles(look, infer)?,
        };
        let due = self.follow(look, &found);
        self.read(look, due, infer)?;
        self.join();
        let mut told = self.previews();
        told.extend(self.close(look));
        Ok(told)
    }

    /// Ends every pass.
    pub fn finish(&mut self) -> Vec<PlateRead> {
        self.tracker.finish();
        self.of_plate.clear();
        let open = std::mem::take(&mut self.open);
        open.into_iter().filter_map(|pass| self.tell_final(&pass)).collect()
    }

    fn in_frame(&mut self, look: &Look<'_>, infer: &mut dyn Infer) -> Result<Vec<Found>, InferFault> {
        let plates = self.finder.find(look.picture, 1.0, infer)?;
        Ok(plates.into_iter().filter_map(|(rect, score)| Found::new(rect, score, look)).collect())
    }

    fn in_vehicles(&mut self, look: &Look<'_>, infer: &mut dyn Infer) -> Result<Vec<Found>, InferFault> {
        let mut wanted: Vec<(usize, &Vehicle)> = look
            .vehicles
            .iter()
            .filter(|vehicle| vehicle.rect.w >= LEAST_VEHICLE && vehicle.rect.h >= LEAST_VEHICLE)
            .filter_map(|vehicle| {
                let pass = self.open.iter().find(|pass| pass.vehicle() == Some(vehicle.track));
                // Unknown yet, the plate's height is taken as a tenth of the vehicle's.
                let wants = pass.is_none_or(|pass| pass.wants(vehicle.rect.h * 0.1));
                wants.then(|| (pass.map_or(0, Pass::reads), vehicle))
            })
            .collect();
        wanted.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.rect.area().total_cmp(&a.1.rect.area())));
        let mut found = Vec::new();
        for (_, vehicle) in wanted.into_iter().take(SEARCHES) {
            let plates = self.finder.find_in(look.picture, vehicle.rect.widened(0.05, 0.05), infer)?;
            let own = plates.into_iter().filter(|(rect, _)| rect.share_in(&vehicle.rect) >= INSIDE);
            // Surest first: a vehicle has one plate on the side that shows.
            found.extend(own.take(1).filter_map(|(rect, score)| Found::new(rect, score, look)));
        }
        Ok(found)
    }

    /// Gives each plate to its pass; returns which passes are to be read where.
    fn follow(&mut self, look: &Look<'_>, found: &[Found]) -> Vec<(PassId, Found)> {
        let detections: Vec<Detection> = found
            .iter()
            .map(|plate| Detection { class: ObjectClass::Car, score: plate.score, rect: plate.around })
            .collect();
        let step = self.tracker.step(look.media, &detections, &[]);
        for ended in step.ended {
            self.of_plate.remove(&ended);
        }
        let mut due = Vec::new();
        for seen in step.seen {
            let Some(plate) = found.iter().find(|plate| plate.around == seen.measured) else { continue };
            let id = self.pass_of(seen.track, plate, look.media);
            let Some(pass) = self.open.iter_mut().find(|pass| pass.id == id) else { continue };
            pass.see(plate.rect, plate.vehicle.as_ref(), look.media);
            if plate.rect.h >= LEAST_PLATE && pass.wants(plate.rect.h) {
                due.push((pass.reads(), (id, *plate)));
            }
        }
        due.sort_by_key(|(reads, _)| *reads);
        due.into_iter().take(READS).map(|(_, plate)| plate).collect()
    }

    /// The pass of a plate that is followed: its own, that of its vehicle, or a new one.
    fn pass_of(&mut self, plate_track: TrackId, plate: &Found, media: MediaTime) -> PassId {
        let own = self.of_plate.get(&plate_track).copied().filter(|id| self.open.iter().any(|pass| pass.id == *id));
        if let Some(id) = own {
            return id;
        }
        let of_vehicle = plate.vehicle.and_then(|vehicle| {
            let same = |pass: &&Pass| pass.vehicle() == Some(vehicle.track) && pass.last < media;
            self.open.iter().find(same).map(|pass| pass.id)
        });
        let id = of_vehicle.unwrap_or_else(|| {
            let id = PassId(self.next);
            self.next += 1;
            self.open.push(Pass::new(id, plate.rect, media));
            id
        });
        self.of_plate.insert(plate_track, id);
        id
    }

    fn read(&mut self, look: &Look<'_>, due: Vec<(PassId, Found)>, infer: &mut dyn Infer) -> Result<(), InferFault> {
        for (id, plate) in due {
            let Some(read) = self.finder.read(look.picture, plate.rect, infer)? else { continue };
            let vehicle = plate.vehicle.map(|vehicle| vehicle.rect);
            if let Some(pass) = self.open.iter_mut().find(|pass| pass.id == id) {
                pass.add(read, (plate.rect, vehicle), look);
            }
        }
        Ok(())
    }

    fn previews(&mut self) -> Vec<PlateRead> {
        let told = &self.told;
        let mut previews = Vec::new();
        for pass in self.open.iter_mut().filter(|pass| !pass.previewed) {
            let ready = pass.verdict().is_some_and(is_sure_early);
            let repeats = pass.verdict().is_some_and(|verdict| is_told(told, &verdict.text, pass.first));
            if ready && !repeats {
                pass.previewed = true;
                previews.extend(pass.tell(Revision::Preview));
            }
        }
        previews
    }

    /// Ends passes whose plate is gone.
    fn close(&mut self, look: &Look<'_>) -> Vec<PlateRead> {
        let is_there = |track: TrackId| look.vehicles.iter().any(|vehicle| vehicle.track == track);
        let is_over = |pass: &Pass| {
            let patience = if pass.vehicle().is_some_and(is_there) { HIDDEN } else { GONE };
            look.media.saturating_since(pass.last) > patience
        };
        let (over, open): (Vec<Pass>, Vec<Pass>) = self.open.drain(..).partition(is_over);
        self.open = open;
        over.iter().filter_map(|pass| self.tell_final(pass)).collect()
    }

    /// Joins passes that are one: a plate that was lost and found again began a second one.
    fn join(&mut self) {
        let is_torn = |earlier: &Pass| self.open.iter().any(|later| continues(earlier, later));
        let Some(index) = self.open.iter().position(is_torn) else { return };
        let earlier = self.open.remove(index);
        let Some(later) = self.open.iter_mut().find(|later| continues(&earlier, later)) else { return };
        for id in self.of_plate.values_mut().filter(|id| **id == later.id) {
            *id = earlier.id;
        }
        later.absorb(earlier);
    }

    fn tell_final(&mut self, pass: &Pass) -> Option<PlateRead> {
        let verdict = pass.verdict().filter(|verdict| pass.previewed || is_worth_telling(verdict))?;
        let text = verdict.text.clone();
        let repeats = !pass.previewed && is_told(&self.told, &text, pass.first);
        self.told.retain(|(other, last)| *other != text && pass.last.saturating_since(*last) < REPEATED);
        self.told.push((text, pass.last));
        if repeats {
            return None;
        }
        self.finals += 1;
        pass.tell(Revision::Final)
    }
}

impl Found {
    /// A plate outside the masks, with the smallest vehicle that it lies in: the one in front hides those behind.
    fn new(rect: Rect, score: f32, look: &Look<'_>) -> Option<Self> {
        if mask::hides(look.masks, rect.centre(), (look.picture.width(), look.picture.height())) {
            return None;
        }
        let holds = |vehicle: &&Vehicle| rect.share_in(&vehicle.rect) >= INSIDE && rect.w < vehicle.rect.w * 0.8;
        let vehicle = look.vehicles.iter().filter(holds).min_by(|a, b| a.rect.area().total_cmp(&b.rect.area()));
        Some(Self { rect, around: rect.widened(0.5, 1.5), score, vehicle: vehicle.copied() })
    }
}

/// Whether `later` goes on with what `earlier` began: the same text soon after. One edit apart will do as long as one
/// of them is not sure yet; two that are sure are two vehicles of one fleet.
fn continues(earlier: &Pass, later: &Pass) -> bool {
    let Some((a, b)) = earlier.verdict().zip(later.verdict()) else { return false };
    let both_sure = a.agreeing.min(b.agreeing) >= AGREED && a.sureness().min(b.sureness()) >= SURE_EARLY;
    let alike = a.text.len() >= LONE_LENGTH && distance(&a.text, &b.text) <= usize::from(!both_sure);
    let gap = later.first.saturating_since(earlier.last);
    alike && earlier.id != later.id && later.first >= earlier.last && gap < TORN
}

fn is_told(told: &[(String, MediaTime)], text: &str, first: MediaTime) -> bool {
    told.iter().any(|(other, last)| other == text && first.saturating_since(*last) < REPEATED)
}

/// Whether the text may be told while the pass still goes on.
fn is_sure_early(verdict: &Verdict) -> bool {
    verdict.agreeing >= AGREED && verdict.sureness() >= SURE_EARLY
}

fn is_worth_telling(verdict: &Verdict) -> bool {
    let long = verdict.text.len() >= LONE_LENGTH;
    let agreed = verdict.agreeing >= AGREED && verdict.sureness() >= SURE_ENOUGH;
    agreed || long && verdict.confidence >= LONE_CONFIDENCE
}

#[cfg(test)]
mod drawn;
#[cfg(test)]
mod tests;
