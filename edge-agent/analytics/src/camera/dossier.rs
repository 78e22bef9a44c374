//! What is known of one track so far.

use std::time::Duration;

use crate::class::ObjectClass;
use crate::geometry::Rect;
use crate::paint::PaintVotes;
use crate::picture::Picture;
use crate::sighting::{Colour, Heading, PathPoint, TrackSummary};
use crate::time::MediaTime;
use crate::track::{Seen, TrackId};
use crate::zone::{Watch, Whereabouts};

/// Points of a path that are told.
const PATH_TOLD: usize = 8;
/// Points that are kept while the track lasts; when there are more, every other one goes.
const PATH_KEPT: usize = 64;
/// A track has a heading when its foot moved by this share of its box's height.
const MOVED: f32 = 0.3;

/// The running account of a track.
#[derive(Clone, Debug)]
pub(super) struct Dossier {
    track: TrackId,
    class: ObjectClass,
    scores: f32,
    sights: f32,
    first: MediaTime,
    last: MediaTime,
    rect: Rect,
    frame: (u32, u32),
    path: Vec<PathPoint>,
    told: Option<MediaTime>,
    paint: PaintVotes,
    pub(super) whereabouts: Whereabouts,
}

impl Dossier {
    pub(super) fn new(seen: &Seen, media: MediaTime) -> Self {
        Self {
            track: seen.track,
            class: seen.class,
            scores: 0.0,
            sights: 0.0,
            first: media,
            last: media,
            rect: seen.rect,
            frame: (0, 0),
            path: Vec::new(),
            told: None,
            paint: PaintVotes::default(),
            whereabouts: Whereabouts::default(),
        }
    }

    pub(super) fn follow(&mut self, seen: &Seen, media: MediaTime, frame: (u32, u32)) {
        self.frame = frame;
        self.class = seen.class;
        self.scores += seen.score;
        self.sights += 1.0;
        self.last = self.last.max(media);
        self.rect = seen.rect;
        self.path.push(PathPoint { media: self.last, foot: seen.rect.foot() });
        if self.path.len() > PATH_KEPT {
            let last = self.path.len() - 1;
            let mut index = 0;
            self.path.retain(|_| {
                index += 1;
                (index - 1) % 2 == 0 || index - 1 == last
            });
        }
    }

    /// Whether an account is due; says so once per interval, the first time at once.
    pub(super) fn is_due(&mut self, media: MediaTime, every: Duration) -> bool {
        let due = self.told.is_none_or(|told| media.saturating_since(told) >= every);
        if due {
            self.told = Some(media);
        }
        due
    }

    pub(super) fn last(&self) -> MediaTime {
        self.last
    }

    /// Looks at a vehicle's colour, unless it has been seen often enough.
    pub(super) fn look_at_paint(&mut self, picture: &Picture<'_>, seen: &Seen) {
        if seen.class.carries_plate() && seen.class != ObjectClass::Motorcycle {
            self.paint.look(picture, seen.measured);
        }
    }

    pub(super) fn colour(&self) -> Option<Colour> {
        self.paint.verdict()
    }

    /// Where it moved to in the picture over the whole track.
    pub(super) fn heading(&self) -> Option<Heading> {
        let (first, last) = (self.path.first()?, self.path.last()?);
        let (dx, dy) = (last.foot.x - first.foot.x, last.foot.y - first.foot.y);
        (dx.hypot(dy) > self.rect.h * MOVED).then(|| Heading::of(dx, dy)).flatten()
    }

    pub(super) fn summary(&self, watch: &Watch) -> TrackSummary {
        TrackSummary {
            track: self.track,
            class: self.class,
            confidence: if self.sights > 0.0 { self.scores / self.sights } else { 0.0 },
            first: self.first,
            last: self.last,
            path: evenly(&self.path, PATH_TOLD),
            heading: self.heading(),
            colour: self.colour(),
            zones: watch.stays(&self.whereabouts, self.last),
            lines: self.whereabouts.crossings().to_vec(),
            rect: self.rect,
            frame_width: self.frame.0,
            frame_height: self.frame.1,
        }
    }
}

/// At most `most` of the points, first and last among them.
fn evenly(points: &[PathPoint], most: usize) -> Vec<PathPoint> {
    if points.len() <= most {
        return points.to_vec();
    }
    let last = points.len() - 1;
    (0..most).filter_map(|i| points.get((i * last + (most - 1) / 2) / (most - 1)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_keeps_its_ends_and_eight_points() {
        let mut dossier = None;
        for i in 0..1000_u16 {
            let rect = Rect { x: f32::from(i), y: 0.0, w: 10.0, h: 20.0 };
            let seen =
                Seen { track: TrackId(1), class: ObjectClass::Car, score: 0.5, rect, measured: rect, is_new: i == 0 };
            let media = MediaTime::from_nanos(i64::from(i));
            dossier.get_or_insert_with(|| Dossier::new(&seen, media)).follow(&seen, media, (64, 64));
        }
        let summary = dossier.unwrap().summary(&Watch::default());
        assert_eq!(summary.path.len(), 8);
        assert_eq!(summary.path[0].media, MediaTime::from_nanos(0));
        assert_eq!(summary.path[7].media, MediaTime::from_nanos(999));
        assert_eq!(summary.heading, Some(Heading::Right));
        assert!((summary.confidence - 0.5).abs() < 1e-3);
    }

    #[test]
    fn an_account_is_due_at_once_and_then_at_its_interval() {
        let rect = Rect::default();
        let seen = Seen { track: TrackId(1), class: ObjectClass::Car, score: 0.5, rect, measured: rect, is_new: true };
        let mut dossier = Dossier::new(&seen, MediaTime::ZERO);
        let every = Duration::from_secs(10);
        let due = (0..25).filter(|s| dossier.is_due(MediaTime::from_nanos(s * 1_000_000_000), every));
        assert_eq!(due.collect::<Vec<_>>(), [0, 10, 20]);
    }
}
