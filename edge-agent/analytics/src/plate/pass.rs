//! One pass of one plate before the camera: its reads, its best picture, and what may be told of it.

use std::collections::BTreeMap;

use super::passes::{Look, Vehicle};
use super::text::RawRead;
use super::vote::{Verdict, tally, trust};
use crate::class::ObjectClass;
use crate::geometry::{Point, Rect};
use crate::mask;
use crate::picture::RgbCrop;
use crate::preprocess::{PixelRect, crop_rgb};
use crate::sighting::{Colour, Crop, Heading, PassId, PlateRead, Revision};
use crate::time::MediaTime;
use crate::track::TrackId;

/// Reads kept for the vote; the lightest goes when there are more.
const MOST_READS: usize = 48;
/// Reads that agree until a plate is read only when it has come closer.
const ENOUGH: u32 = 6;
/// Longest sides of the pictures kept, in pixels.
const PLATE_SIDE: u32 = 200;
const VEHICLE_SIDE: u32 = 320;
/// A plate this high is as good as any for the reader, whose input has 32 rows.
const GOOD_HEIGHT: f32 = 32.0;

/// A pass that goes on.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) id: PassId,
    pub(super) first: MediaTime,
    pub(super) last: MediaTime,
    pub(super) previewed: bool,
    reads: Vec<(RawRead, f32)>,
    verdict: Option<Verdict>,
    /// In how many frames the plate lay in which vehicle.
    vehicles: BTreeMap<TrackId, u32>,
    frames: u32,
    class: Option<ObjectClass>,
    heading: Option<Heading>,
    colour: Option<Colour>,
    from: Point,
    to: Point,
    plate_width: f32,
    highest: f32,
    best: Option<Best>,
}

/// The frame of the best read.
#[derive(Clone, Debug)]
struct Best {
    worth: f32,
    media: MediaTime,
    plate_rect: Rect,
    vehicle_rect: Option<Rect>,
    plate_crop: RgbCrop,
    vehicle_crop: RgbCrop,
}

impl Pass {
    pub(super) fn new(id: PassId, plate: Rect, media: MediaTime) -> Self {
        Self {
            id,
            first: media,
            last: media,
            previewed: false,
            reads: Vec::new(),
            verdict: None,
            vehicles: BTreeMap::new(),
            frames: 0,
            class: None,
            heading: None,
            colour: None,
            from: plate.centre(),
            to: plate.centre(),
            plate_width: plate.w,
            highest: 0.0,
            best: None,
        }
    }

    /// The plate was seen in a frame, in a vehicle or in none.
    pub(super) fn see(&mut self, plate: Rect, vehicle: Option<&Vehicle>, media: MediaTime) {
        self.last = self.last.max(media);
        self.frames = self.frames.saturating_add(1);
        self.to = plate.centre();
        self.plate_width = self.plate_width.max(plate.w);
        let Some(vehicle) = vehicle else { return };
        *self.vehicles.entry(vehicle.track).or_default() += 1;
        if self.vehicle() == Some(vehicle.track) {
            self.class = Some(vehicle.class);
            self.heading = vehicle.heading.or(self.heading);
            self.colour = vehicle.colour.or(self.colour);
        }
    }

    /// The vehicle that the plate lay in more often than not.
    pub(super) fn vehicle(&self) -> Option<TrackId> {
        let most = self.vehicles.iter().max_by_key(|(_, frames)| **frames)?;
        (*most.1 * 2 > self.frames.saturating_sub(1)).then_some(*most.0)
    }

    /// Whether another read of a plate this high would help.
    pub(super) fn wants(&self, height: f32) -> bool {
        let agreed = self.verdict.as_ref().map_or(0, |verdict| verdict.agreeing);
        agreed < ENOUGH || height > self.highest * 1.1 && self.highest < GOOD_HEIGHT
    }

    /// How many reads there are.
    pub(super) fn reads(&self) -> usize {
        self.reads.len()
    }

    /// Takes in a read of the plate in `rect`.
    pub(super) fn add(&mut self, read: RawRead, (rect, vehicle): (Rect, Option<Rect>), look: &Look<'_>) {
        // Steep in the height too: far reads are poor and many.
        let worth = trust(&read) * (rect.h / GOOD_HEIGHT).clamp(0.2, 1.0).powi(3);
        self.highest = self.highest.max(rect.h);
        if self.best.as_ref().is_none_or(|best| worth > best.worth * 1.05) {
            self.best = Best::cut(worth, (rect, vehicle), look);
        }
        self.reads.push((read, worth));
        if self.reads.len() > MOST_READS {
            let lightest = self.reads.iter().enumerate().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(index, _)| index);
            if let Some(index) = lightest {
                self.reads.swap_remove(index);
            }
        }
        self.verdict = tally(&self.reads);
    }

    pub(super) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// An earlier part of the same pass, which lost its plate for a moment.
    pub(super) fn absorb(&mut self, earlier: Self) {
        self.id = earlier.id;
        self.first = self.first.min(earlier.first);
        self.from = earlier.from;
        self.previewed |= earlier.previewed;
        self.frames = self.frames.saturating_add(earlier.frames);
        self.highest = self.highest.max(earlier.highest);
        for (vehicle, frames) in earlier.vehicles {
            *self.vehicles.entry(vehicle).or_default() += frames;
        }
        self.class = self.class.or(earlier.class);
        self.heading = self.heading.or(earlier.heading);
        self.colour = self.colour.or(earlier.colour);
        let worth = |best: &Option<Best>| best.as_ref().map_or(0.0, |best| best.worth);
        if worth(&earlier.best) > worth(&self.best) {
            self.best = earlier.best;
        }
        self.reads.extend(earlier.reads);
        self.reads.sort_by(|a, b| b.1.total_cmp(&a.1));
        self.reads.truncate(MOST_READS);
        self.verdict = tally(&self.reads);
    }

    /// What is told of the pass now; none as long as nothing was read.
    pub(super) fn tell(&self, revision: Revision) -> Option<PlateRead> {
        let (verdict, best) = (self.verdict.clone()?, self.best.as_ref()?);
        let track = self.vehicle();
        Some(PlateRead {
            pass: self.id,
            track,
            revision,
            text: verdict.text,
            characters: verdict.characters,
            confidence: verdict.confidence,
            agreeing: verdict.agreeing,
            reads: verdict.reads,
            alternates: verdict.alternates,
            class: track.and(self.class),
            heading: track.and(self.heading).or_else(|| self.own_heading()),
            colour: track.and(self.colour),
            first: self.first,
            last: self.last,
            best: best.media,
            plate_rect: best.plate_rect,
            vehicle_rect: best.vehicle_rect,
            plate_crop: Some(Crop::Pixels(best.plate_crop.clone())),
            vehicle_crop: Some(Crop::Pixels(best.vehicle_crop.clone())),
        })
    }

    /// Where the plate itself moved to.
    fn own_heading(&self) -> Option<Heading> {
        let (dx, dy) = (self.to.x - self.from.x, self.to.y - self.from.y);
        (dx.hypot(dy) > self.plate_width * 0.5).then(|| Heading::of(dx, dy)).flatten()
    }
}

impl Best {
    fn cut(worth: f32, (rect, vehicle): (Rect, Option<Rect>), look: &Look<'_>) -> Option<Self> {
        let size = (look.picture.width(), look.picture.height());
        let cut = |rect: Rect, side: u32| {
            let pixels = PixelRect::around(rect, size.0, size.1)?;
            let mut crop = crop_rgb(look.picture, pixels).shrunk(side);
            mask::cover(&mut crop, pixels, size, look.masks);
            Some(crop)
        };
        // Where no vehicle is known, about as much around the plate as a vehicle would take.
        let around = vehicle.unwrap_or_else(|| rect.widened(1.2, 4.0));
        Some(Self {
            worth,
            media: look.media,
            plate_rect: rect,
            vehicle_rect: vehicle,
            plate_crop: cut(rect.widened(0.1, 0.15), PLATE_SIDE)?,
            vehicle_crop: cut(around, VEHICLE_SIDE)?,
        })
    }
}
