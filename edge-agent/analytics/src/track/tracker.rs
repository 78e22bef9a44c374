//! The tracker: state, association and the life of a track.

use std::time::Duration;

use super::TrackId;
use super::assign::assign;
use super::kalman::{Motion, RIDER, WALKER};
use crate::class::ObjectClass;
use crate::detect::Detection;
use crate::geometry::Rect;
use crate::time::MediaTime;

/// What the tracker goes by. The defaults are what ships.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackerSettings {
    /// Frames in which a track must be seen before it counts.
    pub confirm_hits: u32,
    /// How long a confirmed track is waited for while it is out of sight.
    pub lost_for: Duration,
    /// Least overlap of a sure detection with where a track is expected.
    pub sure_iou: f32,
    /// Least overlap of a doubtful detection with where a track is expected.
    pub doubtful_iou: f32,
    /// Least overlap with a track that is not confirmed yet.
    pub tentative_iou: f32,
}

impl Default for TrackerSettings {
    fn default() -> Self {
        Self { confirm_hits: 2, lost_for: Duration::from_secs(2), sure_iou: 0.1, doubtful_iou: 0.5, tentative_iou: 0.3 }
    }
}

/// The score that parts sure detections from doubtful ones where no model's manifest says it.
pub const SURE_SCORE: f32 = 0.7;

/// A confirmed track in the frame just seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Which one.
    pub track: TrackId,
    /// What most of its detections said it is.
    pub class: ObjectClass,
    /// Confidence of the detection in this frame.
    pub score: f32,
    /// Where it is in this frame: the detection, smoothed by how the track moves.
    pub rect: Rect,
    /// The detection as it came.
    pub measured: Rect,
    /// Whether it counts from this frame on.
    pub is_new: bool,
}

/// What one frame changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Confirmed tracks that were seen.
    pub seen: Vec<Seen>,
    /// Confirmed tracks that have ended.
    pub ended: Vec<TrackId>,
}

#[derive(Clone, Debug)]
struct Track {
    id: TrackId,
    motion: Motion,
    /// Summed scores per class.
    votes: [f32; 6],
    hits: u32,
    last_seen: MediaTime,
    confirmed: bool,
    /// Seen in the last frame that was analysed.
    visible: bool,
}

/// Follows the road users of one camera.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    settings: TrackerSettings,
    tracks: Vec<Track>,
    next: u64,
    last: Option<MediaTime>,
}

impl Tracker {
    /// A tracker that has seen nothing; its first track is `first`.
    #[must_use]
    pub fn new(settings: TrackerSettings, first: TrackId) -> Self {
        Self { settings, tracks: Vec::new(), next: first.0, last: None }
    }

    /// Whether any track lives, confirmed or not, in sight or not.
    pub fn is_idle(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Takes in the detections of the frame at `media`: `sure` ones may begin tracks, `doubtful` ones only continue
    /// them. A time before the last one counts as the same moment.
    pub fn step(&mut self, media: MediaTime, sure: &[Detection], doubtful: &[Detection]) -> Step {
        let elapsed = self.last.map_or(Duration::ZERO, |last| media.saturating_since(last));
        let media = self.last.map_or(media, |last| last.max(media));
        self.last = Some(media);
        let mut step = Step { ended: self.retire(media), ..Step::default() };
        for track in &mut self.tracks {
            let agility = if Kind::of(track.class()) == Kind::Walker { WALKER } else { RIDER };
            track.motion.predict(elapsed.as_secs_f32(), agility, !track.visible);
        }
        let sure = without_doubles(sure);
        let doubtful = without_doubles(doubtful);
        let mut free_tracks: Vec<usize> = (0..self.tracks.len()).collect();
        let mut matches: Vec<(usize, Detection)> = Vec::new();
        let TrackerSettings { sure_iou, doubtful_iou, tentative_iou, .. } = self.settings;

        let confirmed = take_if(&mut free_tracks, |i| self.tracks.get(i).is_some_and(|t| t.confirmed));
        let (mut paired, left, rest) = self.pair(&confirmed, &sure, sure_iou);
        matches.append(&mut paired);
        let visible: Vec<usize> = left.into_iter().filter(|i| self.tracks.get(*i).is_some_and(|t| t.visible)).collect();
        let (mut paired, ..) = self.pair(&visible, &doubtful, doubtful_iou);
        matches.append(&mut paired);
        let (mut paired, unconfirmed, rest) = self.pair(&free_tracks, &rest, tentative_iou);
        matches.append(&mut paired);

        self.tracks.iter_mut().for_each(|track| track.visible = false);
        for (index, detection) in matches {
            step.seen.extend(self.take_in(index, detection, media));
        }
        for index in unconfirmed {
            // A first sight that the next frame does not repeat was a mistake of the detector.
            if let Some(track) = self.tracks.get_mut(index) {
                track.hits = 0;
            }
        }
        self.tracks.retain(|track| track.hits > 0);
        step.seen.extend(rest.iter().filter_map(|detection| self.begin(*detection, media)));
        step.seen.sort_unstable_by_key(|seen| seen.track);
        step
    }

    /// Ends every track: the stream is over or was torn.
    pub fn finish(&mut self) -> Vec<TrackId> {
        let ended = self.tracks.drain(..).filter(|track| track.confirmed).map(|track| track.id).collect();
        self.last = None;
        ended
    }

    /// Removes tracks that have been out of sight for too long.
    fn retire(&mut self, media: MediaTime) -> Vec<TrackId> {
        let lost_for = self.settings.lost_for;
        let is_over = |track: &Track| media.saturating_since(track.last_seen) > lost_for;
        let ended = self.tracks.iter().filter(|t| t.confirmed && is_over(t)).map(|t| t.id).collect();
        self.tracks.retain(|track| !is_over(track));
        ended
    }

    /// Pairs tracks with detections; returns the pairs, the tracks and the detections left over.
    fn pair(
        &self,
        tracks: &[usize],
        detections: &[Detection],
        least_iou: f32,
    ) -> (Vec<(usize, Detection)>, Vec<usize>, Vec<Detection>) {
        let expected: Vec<Option<(Rect, ObjectClass)>> = tracks
            .iter()
            .map(|index| self.tracks.get(*index).map(|track| (track.motion.rect(), track.class())))
            .collect();
        let cost = |row: usize, column: usize| {
            let (rect, class) = (*expected.get(row)?)?;
            let detection = detections.get(column)?;
            let iou = rect.iou(&detection.rect);
            let may = iou >= least_iou && Kind::of(class) == Kind::of(detection.class);
            // A sure detection is preferred to a doubtful one at the same place.
            may.then_some(1.0 - iou * (0.5 + 0.5 * detection.score))
        };
        let pairs = assign(tracks.len(), detections.len(), cost);
        let of_row = |row: usize| pairs.iter().any(|pair| pair.0 == row);
        let of_column = |column: usize| pairs.iter().any(|pair| pair.1 == column);
        let left = tracks.iter().enumerate().filter(|(row, _)| !of_row(*row)).map(|(_, index)| *index).collect();
        let rest = detections.iter().enumerate().filter(|(c, _)| !of_column(*c)).map(|(_, d)| *d).collect();
        let made = pairs.iter().filter_map(|(row, column)| Some((*tracks.get(*row)?, *detections.get(*column)?)));
        (made.collect(), left, rest)
    }

    fn take_in(&mut self, index: usize, detection: Detection, media: MediaTime) -> Option<Seen> {
        let confirm_hits = self.settings.confirm_hits;
        let track = self.tracks.get_mut(index)?;
        track.motion.correct(detection.rect);
        track.vote(detection);
        track.hits = track.hits.saturating_add(1);
        track.last_seen = media;
        track.visible = true;
        let is_new = !track.confirmed && track.hits >= confirm_hits;
        track.confirmed |= is_new;
        track.confirmed.then(|| track.seen(detection, is_new))
    }

    fn begin(&mut self, detection: Detection, media: MediaTime) -> Option<Seen> {
        let id = TrackId(self.next);
        self.next += 1;
        let confirmed = self.settings.confirm_hits <= 1;
        let motion = Motion::new(detection.rect);
        let mut track = Track { id, motion, votes: [0.0; 6], hits: 1, last_seen: media, confirmed, visible: true };
        track.vote(detection);
        let seen = confirmed.then(|| track.seen(detection, true));
        self.tracks.push(track);
        seen
    }
}

impl Track {
    fn vote(&mut self, detection: Detection) {
        if let Some(votes) = self.votes.get_mut(detection.class.index()) {
            *votes += detection.score;
        }
    }

    fn class(&self) -> ObjectClass {
        let votes = ObjectClass::ALL.into_iter().zip(self.votes);
        votes.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(ObjectClass::Person, |(class, _)| class)
    }

    fn seen(&self, detection: Detection, is_new: bool) -> Seen {
        Seen {
            track: self.id,
            class: self.class(),
            score: detection.score,
            rect: self.motion.rect(),
            measured: detection.rect,
            is_new,
        }
    }
}

/// Classes that a detector confuses with each other, and that one track may therefore mix.
#[derive(PartialEq, Eq)]
enum Kind {
    Walker,
    TwoWheeler,
    Vehicle,
}

impl Kind {
    fn of(class: ObjectClass) -> Self {
        match class {
            ObjectClass::Person => Self::Walker,
            ObjectClass::Bicycle | ObjectClass::Motorcycle => Self::TwoWheeler,
            ObjectClass::Car | ObjectClass::Bus | ObjectClass::Truck => Self::Vehicle,
        }
    }
}

/// Moves the elements that are `wanted` out of `from`.
fn take_if(from: &mut Vec<usize>, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    let (taken, left) = from.iter().partition(|index| wanted(**index));
    *from = left;
    taken
}

/// One vehicle found both as a car and as a truck is one: suppression is per class, so it kept both.
fn without_doubles(detections: &[Detection]) -> Vec<Detection> {
    let mut kept: Vec<Detection> = Vec::with_capacity(detections.len());
    for detection in detections {
        let double = |other: &Detection| {
            other.class != detection.class
                && Kind::of(other.class) == Kind::of(detection.class)
                && other.rect.iou(&detection.rect) > 0.6
        };
        match kept.iter_mut().find(|other| double(other)) {
            Some(other) if other.score < detection.score => *other = *detection,
            Some(_) => {}
            None => kept.push(*detection),
        }
    }
    kept
}

#[cfg(test)]
mod tests;
