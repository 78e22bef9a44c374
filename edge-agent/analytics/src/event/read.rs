//! Plate reads, hits and their pictures in the words of the contract.

use edge_protocol::hash::Hash128;
use edge_protocol::id::CameraId;
use edge_protocol::record::{
    self as contract, Alternate, Confidence, Hit, MAX_THUMB_BYTES, Match, PlateText, Read, Thumb, ThumbOf, Versions,
};

use super::object::{class, colour, heading};
use super::{Dates, jpeg};
use crate::hotlist::{Hotlist, Listed};
use crate::sighting::{PlateRead, Revision};

/// Alternates told with a read: with more, a read would outgrow its 120 bytes without telling much.
const ALTERNATES: usize = 6;
/// Least probability of one.
const LEAST: f32 = 0.02;

/// The record of a read; none where its text is no plate.
pub(super) fn read(camera: &CameraId, plate: &PlateRead, dates: &Dates<'_>, versions: Versions) -> Option<Read> {
    let narrow = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    Some(Read {
        camera: camera.clone(),
        pass: plate.pass,
        revision: match plate.revision {
            Revision::Preview => contract::Revision::Preview,
            Revision::Final => contract::Revision::Final,
        },
        text: PlateText::new(&plate.text).ok()?,
        characters: plate.characters.iter().map(|c| Confidence::from_ratio(c.probability)).collect(),
        confidence: Confidence::from_ratio(plate.confidence),
        alternates: alternates(plate),
        agreeing: narrow(plate.agreeing),
        reads: narrow(plate.reads),
        track: plate.track,
        class: plate.class.map(class),
        heading: plate.heading.map(heading),
        colour: plate.colour.map(colour),
        first: dates.moment(plate.first),
        last: dates.moment(plate.last),
        clock: dates.clock(plate.last),
        crop: jpeg(plate.plate_crop.as_ref()).map(Hash128::of),
        versions,
    })
}

fn alternates(plate: &PlateRead) -> Vec<Alternate> {
    let mut all: Vec<(f32, u8, char)> = plate
        .characters
        .iter()
        .zip(0_u8..)
        .flat_map(|(c, position)| c.others.iter().map(move |(other, p)| (*p, position, *other)))
        .filter(|(p, ..)| *p >= LEAST)
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let kept = all.into_iter().take(ALTERNATES);
    kept.map(|(p, position, character)| Alternate { position, character, probability: Confidence::from_ratio(p) })
        .collect()
}

/// The pictures of a pass, within the contract's bytes together; the plate's goes first.
pub(super) fn thumbs(camera: &CameraId, plate: &PlateRead, dates: &Dates<'_>) -> Vec<Thumb> {
    let mut left = MAX_THUMB_BYTES;
    let crops = [(ThumbOf::Plate, &plate.plate_crop), (ThumbOf::Vehicle, &plate.vehicle_crop)];
    let mut thumbs = Vec::new();
    for (of, crop) in crops {
        let Some(bytes) = jpeg(crop.as_ref()).filter(|bytes| bytes.len() <= left) else { continue };
        left -= bytes.len();
        thumbs.push(Thumb {
            camera: camera.clone(),
            pass: plate.pass,
            of,
            at: dates.moment(plate.best),
            clock: dates.clock(plate.best),
            jpeg: bytes.to_vec(),
        });
    }
    thumbs
}

pub(super) fn hit(read: &Read, (matched, listed): (Match, &Listed), list: &Hotlist, thumbs: &[Thumb]) -> Hit {
    Hit {
        read: read.clone(),
        matched,
        listed: listed.plate.clone(),
        list: list.name().clone(),
        reason: listed.reason.clone(),
        pictures: thumbs.iter().map(Thumb::hash).collect(),
    }
}
