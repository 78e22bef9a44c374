//! Road users and counts in the words of the contract.

use std::collections::BTreeMap;

use edge_protocol::id::CameraId;
use edge_protocol::record::{
    self as contract, ClassCount, Confidence, LineCount, LineCrossing, ObjectEvent, PATH_STEPS, PathPoint, Versions,
    ZoneCount, ZoneStay,
};

use super::Dates;
use crate::class::ObjectClass;
use crate::sighting::{Colour, Counts, Heading, TrackSummary};
use crate::time::MediaTime;

pub(super) fn class(class: ObjectClass) -> contract::ObjectClass {
    match class {
        ObjectClass::Person => contract::ObjectClass::Person,
        ObjectClass::Bicycle => contract::ObjectClass::Bicycle,
        ObjectClass::Motorcycle => contract::ObjectClass::Motorcycle,
        ObjectClass::Car => contract::ObjectClass::Car,
        ObjectClass::Bus => contract::ObjectClass::Bus,
        ObjectClass::Truck => contract::ObjectClass::Truck,
    }
}

pub(super) fn heading(heading: Heading) -> contract::Heading {
    match heading {
        Heading::Up => contract::Heading::Up,
        Heading::UpRight => contract::Heading::UpRight,
        Heading::Right => contract::Heading::Right,
        Heading::DownRight => contract::Heading::DownRight,
        Heading::Down => contract::Heading::Down,
        Heading::DownLeft => contract::Heading::DownLeft,
        Heading::Left => contract::Heading::Left,
        Heading::UpLeft => contract::Heading::UpLeft,
    }
}

pub(super) fn colour(colour: Colour) -> contract::Colour {
    match colour {
        Colour::Black => contract::Colour::Black,
        Colour::Grey => contract::Colour::Grey,
        Colour::Silver => contract::Colour::Silver,
        Colour::White => contract::Colour::White,
        Colour::Red => contract::Colour::Red,
        Colour::Orange => contract::Colour::Orange,
        Colour::Brown => contract::Colour::Brown,
        Colour::Yellow => contract::Colour::Yellow,
        Colour::Green => contract::Colour::Green,
        Colour::Blue => contract::Colour::Blue,
        Colour::Violet => contract::Colour::Violet,
    }
}

pub(super) fn event(
    camera: &CameraId,
    track: &TrackSummary,
    (ended, dates): (bool, &Dates<'_>),
    versions: Versions,
) -> ObjectEvent {
    ObjectEvent {
        camera: camera.clone(),
        track: track.track,
        class: class(track.class),
        confidence: Confidence::from_ratio(track.confidence),
        first: dates.moment(track.first),
        last: dates.moment(track.last),
        clock: dates.clock(track.last),
        ended,
        heading: track.heading.map(heading),
        colour: track.colour.map(colour),
        path: path(track),
        zones: track
            .zones
            .iter()
            .filter_map(|stay| {
                let dwell_ms = u32::try_from(stay.dwell_ms).unwrap_or(u32::MAX);
                let (zone, entered) = (stay.zone.parse().ok()?, dates.moment(stay.entered));
                Some(ZoneStay { zone, entered, dwell_ms, inside: stay.inside })
            })
            .collect(),
        lines: track
            .lines
            .iter()
            .filter_map(|crossing| {
                let (line, at) = (crossing.line.parse().ok()?, dates.moment(crossing.media));
                Some(LineCrossing { line, at, forward: crossing.forward })
            })
            .collect(),
        versions,
    }
}

fn path(track: &TrackSummary) -> Vec<PathPoint> {
    let point = |media: MediaTime, x: f32, y: f32| {
        let after = media.saturating_since(track.first).as_millis() / 100;
        let (x, y) = (steps(x, track.frame_width), steps(y, track.frame_height));
        PathPoint { after_ds: u32::try_from(after).unwrap_or(u32::MAX), x, y }
    };
    track.path.iter().map(|p| point(p.media, p.foot.x, p.foot.y)).collect()
}

/// A place along a side of the frame in the contract's steps.
fn steps(place: f32, side: u32) -> u16 {
    #[expect(clippy::cast_precision_loss, reason = "frame sides are below 2^24")]
    let share = place / side.max(1) as f32;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; NaN gives 0")]
    let steps = (share.clamp(0.0, 1.0) * f32::from(PATH_STEPS)).round() as u16;
    steps
}

pub(super) fn counts(
    camera: &CameraId,
    counts: &Counts,
    ended: &BTreeMap<ObjectClass, u32>,
    dates: &Dates<'_>,
) -> contract::Counts {
    contract::Counts {
        camera: camera.clone(),
        from: dates.moment(counts.from),
        to: dates.moment(counts.to),
        clock: dates.clock(counts.to),
        frames_offered: counts.frames_offered,
        frames_analysed: counts.frames_analysed,
        looked_ms: counts.looked_ms,
        plate_reads: counts.plate_reads,
        tracks: ended.iter().map(|(kind, count)| ClassCount { class: class(*kind), count: *count }).collect(),
        zones: counts
            .zones
            .iter()
            .filter_map(|row| {
                Some(ZoneCount {
                    zone: row.zone.parse().ok()?,
                    class: row.class.map(class),
                    entered: row.entered,
                    left: row.left,
                    peak: row.peak,
                    present: row.present,
                    dwell_s: row.dwell_s,
                })
            })
            .collect(),
        lines: counts
            .lines
            .iter()
            .filter_map(|row| {
                let line = row.line.parse().ok()?;
                Some(LineCount { line, class: class(row.class), forward: row.forward, backward: row.backward })
            })
            .collect(),
    }
}
