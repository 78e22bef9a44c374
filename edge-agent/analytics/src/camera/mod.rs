//! One camera's analytics from end to end: frames in, sightings out. The worker, `inspect` and `replay` all come in
//! here, so that they see the same things.
//!
//! Belongs here: the order of the steps. Does not belong here: any step itself.

mod dossier;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::care::{Care, Stillness};
use crate::detect::{Detection, Detector};
use crate::gate::{Coverage, MotionGate, RateGate};
use crate::infer::{Infer, InferFault, ModelRole};
use crate::manifest::{ModelSpec, Task};
use crate::mask;
use crate::picture::Picture;
use crate::plate::{Look, Passes, PlateFinder, Vehicle};
use crate::settings::{CameraSettings, PlateSearch, Polygon};
use crate::sighting::{Counts, FrameSighting, Outcome, Sighting, TrackBox};
use crate::time::MediaTime;
use crate::track::{Seen, TrackId, Tracker, TrackerSettings};
use crate::zone::Watch;
use dossier::Dossier;

/// Detections down to this share of the shipped threshold may continue a track.
const DOUBTFUL: f32 = 0.4;

/// What a camera without a limit counts as when its rate is thinned.
const UNLIMITED_FPS: f32 = 15.0;

/// Why a camera's analytics cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// Two models of one task.
    #[error("models `{0}` and `{1}` have the same task, one camera uses one of each")]
    TwoModels(String, String),
}

/// The analytics of one camera.
#[derive(Debug)]
pub struct CameraAnalytics {
    settings: CameraSettings,
    objects: Option<Detector>,
    rate: RateGate,
    /// Share of the configured rate that the box can afford.
    share: f32,
    motion: MotionGate,
    still: Stillness,
    care: Option<Care>,
    tracker: Tracker,
    dossiers: BTreeMap<TrackId, Dossier>,
    watch: Watch,
    passes: Option<Passes>,
    coverage: Coverage,
    period_start: Option<MediaTime>,
    latest: Option<MediaTime>,
    fault: Option<InferFault>,
}

impl CameraAnalytics {
    /// For a camera and the models that have been opened: at most one per task; what has no model is not done.
    ///
    /// # Errors
    /// When two models have the same task.
    pub fn new(settings: CameraSettings, models: &[ModelSpec]) -> Result<Self, CameraError> {
        let objects = one(models, Task::Objects)?.map(|spec| Detector::new(spec, ModelRole::Objects));
        let text = one(models, Task::PlateText)?;
        let passes = one(models, Task::Plates)?
            .filter(|_| settings.plates != PlateSearch::Off)
            .map(|plates| Passes::new(PlateFinder::new(plates, text), settings.plates));
        Ok(Self {
            objects,
            passes,
            rate: RateGate::new(settings.max_fps),
            share: 1.0,
            motion: MotionGate::default(),
            still: Stillness::default(),
            care: settings.care.map(Care::new),
            tracker: Tracker::new(TrackerSettings::default(), TrackId(1)),
            dossiers: BTreeMap::new(),
            watch: Watch::new(settings.zones.clone(), settings.lines.clone()),
            coverage: Coverage::default(),
            period_start: None,
            latest: None,
            fault: None,
            settings,
        })
    }

    /// Areas that are not looked at.
    pub fn masks(&self) -> &[Polygon] {
        &self.settings.masks
    }

    /// Numbers tracks and passes from here on instead of from 1; before the first frame.
    #[must_use]
    pub fn numbered_from(mut self, first: u64) -> Self {
        self.tracker = Tracker::new(TrackerSettings::default(), TrackId(first));
        self.passes = self.passes.map(|passes| passes.numbered_from(first));
        self
    }

    /// Looks at a frame, or passes it over for a reason.
    pub fn frame(&mut self, picture: &Picture<'_>, media: MediaTime, infer: &mut dyn Infer) -> Vec<Sighting> {
        let mut sightings = self.begin(media);
        sightings.extend(self.still.see(picture, media).map(Sighting::Care));
        if let Some(care) = self.care.as_mut() {
            sightings.extend(care.see(picture, media).into_iter().map(Sighting::Care));
        }
        if !self.rate.admits(media) {
            sightings.push(self.passed_over(media, Outcome::Rate));
            return sightings;
        }
        let moves = !self.settings.motion_gate || self.motion.admits(picture, media);
        let idle = self.tracker.is_idle() && self.passes.as_ref().is_none_or(Passes::is_idle);
        if !moves && idle {
            sightings.push(self.passed_over(media, Outcome::Still));
            return sightings;
        }
        match self.analyse(picture, media, infer, &mut sightings) {
            Ok(tracks) => {
                self.fault = None;
                self.coverage.note(media, Outcome::Analysed);
                sightings.push(Sighting::Frame(FrameSighting { media, outcome: Outcome::Analysed, tracks }));
            }
            Err(fault) => {
                self.fault = Some(fault);
                sightings.push(self.passed_over(media, Outcome::Failed));
            }
        }
        sightings
    }

    /// A frame was decoded, but a newer one took its place.
    pub fn replaced(&mut self, media: MediaTime) -> Vec<Sighting> {
        let mut sightings = self.begin(media);
        sightings.push(self.passed_over(media, Outcome::Replaced));
        sightings
    }

    /// Ends every track and pass: the stream is over or was torn. A new stream may begin with any time.
    pub fn finish(&mut self) -> Vec<Sighting> {
        let reads = self.passes.as_mut().map(Passes::finish).unwrap_or_default();
        let mut sightings: Vec<Sighting> = reads.into_iter().map(Sighting::Plate).collect();
        for track in self.tracker.finish() {
            self.end(track, &mut sightings);
        }
        sightings.extend(self.latest.and_then(|latest| self.still.end(latest)).map(Sighting::Care));
        if let (Some(from), Some(to)) = (self.period_start.take(), self.latest.take()) {
            sightings.push(self.counts(from, to));
        }
        self.rate = self.rate_gate();
        self.motion = MotionGate::default();
        sightings
    }

    /// Looks at a share of the configured rate from now on: heat and a weak supply take from analysis first. What is
    /// passed over shows in the coverage.
    pub fn thin_to(&mut self, share: f32) {
        self.share = share.clamp(0.01, 1.0);
        self.rate = self.rate_gate();
    }

    fn rate_gate(&self) -> RateGate {
        let whole = self.share >= 1.0;
        let configured = self.settings.max_fps.or((!whole).then_some(UNLIMITED_FPS));
        RateGate::new(configured.map(|fps| fps * self.share))
    }

    /// What went wrong with the models in the last frame that was tried; none after one that went well.
    pub fn fault(&self) -> Option<&InferFault> {
        self.fault.as_ref()
    }

    /// Of the period whose counts come next, milliseconds that were looked at so far, and that have passed.
    pub fn looked(&self) -> (u32, u32) {
        let passed = self.period_start.zip(self.latest).map(|(from, to)| to.saturating_since(from));
        (millis(self.coverage.looked), millis(passed.unwrap_or_default()))
    }

    /// Keeps the periods of the counts: says the counts of one that is over.
    fn begin(&mut self, media: MediaTime) -> Vec<Sighting> {
        let latest = self.latest.map_or(media, |latest| latest.max(media));
        self.latest = Some(latest);
        let Some(from) = self.period_start else {
            self.period_start = Some(media);
            return Vec::new();
        };
        let period = Duration::from_secs(u64::from(self.settings.counts_every_s.max(1)));
        if latest.saturating_since(from) < period {
            return Vec::new();
        }
        self.period_start = Some(latest);
        vec![self.counts(from, latest)]
    }

    fn counts(&mut self, from: MediaTime, to: MediaTime) -> Sighting {
        let (zones, lines) = self.watch.take_counts();
        let coverage = self.coverage.take();
        let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Sighting::Counts(Counts {
            from,
            to,
            frames_offered: narrow(coverage.offered),
            frames_analysed: narrow(coverage.analysed),
            looked_ms: millis(coverage.looked),
            plate_reads: self.passes.as_mut().map(Passes::take_finals).unwrap_or_default(),
            zones,
            lines,
        })
    }

    fn passed_over(&mut self, media: MediaTime, outcome: Outcome) -> Sighting {
        self.coverage.note(media, outcome);
        Sighting::Frame(FrameSighting { media, outcome, tracks: Vec::new() })
    }

    fn analyse(
        &mut self,
        picture: &Picture<'_>,
        media: MediaTime,
        infer: &mut dyn Infer,
        sightings: &mut Vec<Sighting>,
    ) -> Result<Vec<TrackBox>, InferFault> {
        let size = (picture.width(), picture.height());
        let (sure, doubtful) = self.detections(picture, infer)?;
        let step = self.tracker.step(media, &sure, &doubtful);
        for seen in &step.seen {
            self.follow(seen, picture, media, sightings);
        }
        let vehicles: Vec<Vehicle> = step.seen.iter().filter_map(|seen| self.vehicle(seen, size)).collect();
        if let Some(passes) = self.passes.as_mut() {
            let look = Look { picture, media, vehicles: &vehicles, masks: &self.settings.masks };
            sightings.extend(passes.look(&look, infer)?.into_iter().map(Sighting::Plate));
        }
        for track in step.ended {
            self.end(track, sightings);
        }
        let boxes = step.seen.iter().map(|seen| TrackBox {
            track: seen.track,
            class: seen.class,
            rect: seen.rect.clamped(size.0, size.1),
            confidence: seen.score,
        });
        Ok(boxes.collect())
    }

    /// Road users in the frame outside the masks, parted by the shipped thresholds.
    fn detections(
        &mut self,
        picture: &Picture<'_>,
        infer: &mut dyn Infer,
    ) -> Result<(Vec<Detection>, Vec<Detection>), InferFault> {
        let Some(detector) = self.objects.as_mut() else { return Ok((Vec::new(), Vec::new())) };
        let found = detector.road_users(picture, DOUBTFUL, infer)?;
        let detector = &*detector;
        let (width, height) = (picture.width(), picture.height());
        let masks = &self.settings.masks;
        let seen = |d: &Detection| !mask::hides(masks, d.rect.foot(), (width, height));
        let sure = |d: &Detection| d.score >= detector.threshold(d.class);
        Ok(found.into_iter().filter(seen).partition(sure))
    }

    /// A vehicle that may carry a plate, with what is known of it.
    fn vehicle(&self, seen: &Seen, (width, height): (u32, u32)) -> Option<Vehicle> {
        let dossier = self.dossiers.get(&seen.track).filter(|_| seen.class.carries_plate())?;
        // The detection as it came: the smoothed box lags behind a near vehicle, and its plate would lie outside.
        let (track, class, rect) = (seen.track, seen.class, seen.measured.clamped(width, height));
        Some(Vehicle { track, class, rect, heading: dossier.heading(), colour: dossier.colour() })
    }

    fn follow(&mut self, seen: &Seen, picture: &Picture<'_>, media: MediaTime, sightings: &mut Vec<Sighting>) {
        let size = (picture.width(), picture.height());
        let dossier = self.dossiers.entry(seen.track).or_insert_with(|| Dossier::new(seen, media));
        dossier.follow(seen, media, size);
        dossier.look_at_paint(picture, seen);
        self.watch.step(&mut dossier.whereabouts, seen.class, seen.rect, (media, size));
        let every = Duration::from_secs(u64::from(self.settings.report_every_s.max(1)));
        if dossier.is_due(media, every) {
            sightings.push(Sighting::TrackUpdate(dossier.summary(&self.watch)));
        }
    }

    fn end(&mut self, track: TrackId, sightings: &mut Vec<Sighting>) {
        let Some(mut dossier) = self.dossiers.remove(&track) else { return };
        let last = dossier.last();
        self.watch.leave(&mut dossier.whereabouts, last);
        sightings.push(Sighting::TrackEnd(dossier.summary(&self.watch)));
    }
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

/// The model of a task, if there is one.
fn one(models: &[ModelSpec], task: Task) -> Result<Option<ModelSpec>, CameraError> {
    let mut of_task = models.iter().filter(|spec| spec.task == task);
    let first = of_task.next();
    match (first, of_task.next()) {
        (Some(a), Some(b)) => Err(CameraError::TwoModels(a.name.clone(), b.name.clone())),
        _ => Ok(first.cloned()),
    }
}

#[cfg(test)]
mod tests;
