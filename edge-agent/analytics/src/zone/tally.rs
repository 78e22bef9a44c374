//! Who is in which zone, and the counts of a period.

use std::collections::BTreeMap;
use std::time::Duration;

use super::line::{Segment, Side};
use super::polygon::contains;
use crate::class::ObjectClass;
use crate::geometry::{Point, Rect};
use crate::settings::{Line, Zone};
use crate::sighting::{LineCount, LineCrossing, ZoneCount, ZoneStay};
use crate::time::MediaTime;

/// How long a road user must be on the other side of a zone's edge before that counts; it is dated to the moment it
/// went over.
const HOLD: Duration = Duration::from_millis(400);
/// A line is crossed when the foot is this share of the box's height beyond it.
const LINE_MARGIN: f32 = 0.08;

/// One track's standing towards every zone and line.
#[derive(Clone, Debug, Default)]
pub struct Whereabouts {
    zones: Vec<Standing>,
    sides: Vec<Side>,
    crossings: Vec<LineCrossing>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Since when it seems to be on the other side.
    changing: Option<MediaTime>,
    first: Option<MediaTime>,
    /// Start of the stay that lasts, and the class that was counted in: a track's class may change on the way.
    since: Option<(MediaTime, ObjectClass)>,
    dwell: Duration,
}

/// The most crossings of one track that are told; who trembles on would fill the event.
const MOST_CROSSINGS: usize = 16;

#[derive(Clone, Copy, Debug, Default)]
struct ZoneTally {
    entered: u32,
    left: u32,
    present: u32,
    peak: u32,
    dwell: Duration,
}

/// The zones and lines of one camera, and the counts of the period that runs.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    zones: Vec<Zone>,
    lines: Vec<Line>,
    in_zone: BTreeMap<(usize, ObjectClass), ZoneTally>,
    over_line: BTreeMap<(usize, ObjectClass), (u32, u32)>,
}

impl Watch {
    /// Over these zones and lines.
    #[must_use]
    pub fn new(zones: Vec<Zone>, lines: Vec<Line>) -> Self {
        Self { zones, lines, ..Self::default() }
    }

    /// Takes in where a road user is, in a frame of `size`.
    pub fn step(
        &mut self,
        who: &mut Whereabouts,
        class: ObjectClass,
        rect: Rect,
        (media, size): (MediaTime, (u32, u32)),
    ) {
        let foot = rect.foot();
        #[expect(clippy::cast_precision_loss, reason = "frame sides are below 2^24")]
        let (width, height) = (size.0.max(1) as f32, size.1.max(1) as f32);
        let share = Point { x: foot.x / width, y: (foot.y / height).min(1.0 - f32::EPSILON) };
        who.zones.resize(self.zones.len(), Standing::default());
        who.sides.resize(self.lines.len(), Side::default());
        for (index, (zone, standing)) in self.zones.iter().zip(&mut who.zones).enumerate() {
            let now_inside = contains(&zone.outline.0, share);
            let Some(over_since) = standing.went_over(now_inside, media) else { continue };
            if now_inside {
                standing.enter(over_since, class);
                self.in_zone.entry((index, class)).or_default().enter();
            } else if let Some((class, stayed)) = standing.leave(over_since) {
                self.in_zone.entry((index, class)).or_default().leave(stayed);
            }
        }
        for (index, (line, side)) in self.lines.iter().zip(&mut who.sides).enumerate() {
            let scaled = |p: Point| Point { x: p.x * width, y: p.y * height };
            let segment = Segment { from: scaled(line.from), to: scaled(line.to) };
            let Some(forward) = side.step(&segment, foot, rect.h * LINE_MARGIN) else { continue };
            let count = self.over_line.entry((index, class)).or_default();
            if forward {
                count.0 += 1;
            } else {
                count.1 += 1;
            }
            if who.crossings.len() < MOST_CROSSINGS {
                who.crossings.push(LineCrossing { line: line.id.clone(), media, forward });
            }
        }
    }

    /// A track has ended: what it was in, it leaves.
    pub fn leave(&mut self, who: &mut Whereabouts, media: MediaTime) {
        for (index, standing) in who.zones.iter_mut().enumerate() {
            if let Some((class, stayed)) = standing.leave(media) {
                self.in_zone.entry((index, class)).or_default().leave(stayed);
            }
        }
    }

    /// The zones in which a road user stayed, with its dwell until now.
    pub fn stays(&self, who: &Whereabouts, media: MediaTime) -> Vec<ZoneStay> {
        let stays = self.zones.iter().zip(&who.zones).filter_map(|(zone, standing)| {
            let lasting = standing.since.map_or(Duration::ZERO, |(since, _)| media.saturating_since(since));
            let dwell_ms = u64::try_from((standing.dwell + lasting).as_millis()).unwrap_or(u64::MAX);
            Some(ZoneStay { zone: zone.id.clone(), entered: standing.first?, dwell_ms, inside: standing.is_inside() })
        });
        stays.collect()
    }

    /// The counts of the period that ends; whoever is present stays so in the next one.
    pub fn take_counts(&mut self) -> (Vec<ZoneCount>, Vec<LineCount>) {
        let mut zones = Vec::new();
        for (index, zone) in self.zones.iter().enumerate() {
            let rows = self.in_zone.iter().filter(|((i, _), tally)| *i == index && tally.says_something());
            let before = zones.len();
            zones.extend(rows.map(|((_, class), tally)| tally.count(zone, Some(*class))));
            if zones.len() == before {
                zones.push(ZoneTally::default().count(zone, None));
            }
        }
        let lines = self.over_line.iter().filter_map(|((index, class), (forward, backward))| {
            let line = self.lines.get(*index)?.id.clone();
            Some(LineCount { line, class: *class, forward: *forward, backward: *backward })
        });
        let lines = lines.collect();
        self.over_line.clear();
        for tally in self.in_zone.values_mut() {
            *tally = ZoneTally { present: tally.present, peak: tally.present, ..ZoneTally::default() };
        }
        (zones, lines)
    }
}

impl Whereabouts {
    /// Lines crossed, oldest first.
    pub fn crossings(&self) -> &[LineCrossing] {
        &self.crossings
    }
}

impl Standing {
    fn is_inside(&self) -> bool {
        self.since.is_some()
    }

    /// When it went over to the other side, once that has held for long enough.
    fn went_over(&mut self, now_inside: bool, media: MediaTime) -> Option<MediaTime> {
        if now_inside == self.is_inside() {
            self.changing = None;
            return None;
        }
        let since = *self.changing.get_or_insert(media);
        let held = media.saturating_since(since) >= HOLD;
        held.then(|| self.changing = None).map(|()| since)
    }

    fn enter(&mut self, media: MediaTime, class: ObjectClass) {
        self.first.get_or_insert(media);
        self.since = Some((media, class));
    }

    /// Ends the stay; the class that had entered and how long it stayed.
    fn leave(&mut self, media: MediaTime) -> Option<(ObjectClass, Duration)> {
        let (since, class) = self.since.take()?;
        let stayed = media.saturating_since(since);
        self.dwell += stayed;
        Some((class, stayed))
    }
}

impl ZoneTally {
    fn enter(&mut self) {
        self.entered += 1;
        self.present += 1;
        self.peak = self.peak.max(self.present);
    }

    fn leave(&mut self, stayed: Duration) {
        self.left += 1;
        self.present = self.present.saturating_sub(1);
        self.dwell += stayed;
    }

    fn says_something(&self) -> bool {
        self.entered + self.left + self.present + self.peak > 0
    }

    fn count(&self, zone: &Zone, class: Option<ObjectClass>) -> ZoneCount {
        let dwell_s = u32::try_from(self.dwell.as_secs()).unwrap_or(u32::MAX);
        let Self { entered, left, peak, present, .. } = *self;
        ZoneCount { zone: zone.id.clone(), class, entered, left, peak, present, dwell_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Polygon;

    const SIZE: (u32, u32) = (200, 100);

    /// The right half of the picture, and a line down its middle.
    fn watch() -> Watch {
        let corners = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)];
        let outline = Polygon(corners.map(|(x, y)| Point { x, y }).to_vec());
        let line = Line { id: "middle".into(), from: Point { x: 0.5, y: 1.0 }, to: Point { x: 0.5, y: 0.0 } };
        Watch::new(vec![Zone { id: "right".into(), outline }], vec![line])
    }

    fn at(ms: i64) -> MediaTime {
        MediaTime::from_nanos(ms * 1_000_000)
    }

    fn walk(watch: &mut Watch, places: &[(i64, f32)]) -> Whereabouts {
        let mut who = Whereabouts::default();
        for (ms, x) in places {
            let rect = Rect { x: x - 5.0, y: 30.0, w: 10.0, h: 40.0 };
            watch.step(&mut who, ObjectClass::Person, rect, (at(*ms), SIZE));
        }
        who
    }

    #[test]
    fn a_stay_is_dated_to_when_it_began() {
        let mut watch = watch();
        let mut who = walk(&mut watch, &[(0, 50.0), (1000, 120.0), (1500, 150.0), (4000, 150.0)]);
        let stay = &watch.stays(&who, at(4000))[0];
        assert_eq!((stay.entered, stay.dwell_ms, stay.inside), (at(1000), 3000, true));
        watch.leave(&mut who, at(5000));
        let (zones, lines) = watch.take_counts();
        assert_eq!((zones[0].entered, zones[0].left, zones[0].peak, zones[0].dwell_s), (1, 1, 1, 4));
        assert_eq!((lines[0].forward, lines[0].backward), (1, 0));
        assert_eq!(who.crossings().len(), 1);
    }

    #[test]
    fn a_box_that_trembles_on_the_edge_does_not_count() {
        let mut watch = watch();
        let places: Vec<(i64, f32)> = (0..50).map(|i| (i * 100, if i % 2 == 0 { 99.0 } else { 101.0 })).collect();
        let who = walk(&mut watch, &places);
        assert!(watch.stays(&who, at(9000)).is_empty() && who.crossings().is_empty());
        let (zones, lines) = watch.take_counts();
        assert_eq!((zones[0].class, zones[0].entered), (None, 0));
        assert!(lines.is_empty());
    }

    #[test]
    fn whoever_stays_is_present_in_the_next_period_too() {
        let mut watch = watch();
        walk(&mut watch, &[(0, 150.0), (1000, 150.0)]);
        assert_eq!(watch.take_counts().0[0].present, 1);
        let next = &watch.take_counts().0[0];
        assert_eq!((next.entered, next.present, next.peak), (0, 1, 1));
    }

    #[test]
    fn a_foot_on_the_lower_edge_of_the_picture_is_still_in_the_zone() {
        let mut watch = watch();
        let mut who = Whereabouts::default();
        for ms in [0, 1000] {
            let rect = Rect { x: 150.0, y: 50.0, w: 10.0, h: 50.0 };
            watch.step(&mut who, ObjectClass::Car, rect, (at(ms), SIZE));
        }
        assert_eq!(watch.stays(&who, at(1000)).len(), 1);
    }
}
