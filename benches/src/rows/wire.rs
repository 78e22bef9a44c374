//! Bytes of a PUBLISH's payload, exactly; no clock has a part in it.

use anyhow::Result;
use edge_protocol::batch::{Batch, Encoding};
use edge_protocol::hash::{Hash128, Version};
use edge_protocol::id::{Epoch, PassId, Sequence, TrackId};
use edge_protocol::record::{
    Alternate, Colour, Confidence, Heading, ObjectClass, ObjectEvent, ObjectRecord, PathPoint, Read, Record, Revision,
    Versions,
};
use edge_protocol::time::{ClockQuality, Moment};

use super::Surroundings;
use crate::table::Row;

const CLOCK: ClockQuality = ClockQuality::Synchronised { bound_ms: 500 };
const EPOCH: Epoch = Epoch::new(0xfeed_beef_cafe_f00d);
const FIRST: Sequence = Sequence::new(1_000_000);
const BATCH: u32 = 20;

fn moment(seconds: u32) -> Moment {
    Moment::from_millis(1_780_000_000_123 + i64::from(seconds) * 1_737)
}

fn versions() -> Versions {
    let version = |name: &str| Some(Version::of(name.as_bytes()));
    Versions { model: version("model"), config: version("config"), mask: version("mask"), hotlist: version("hotlist") }
}

/// A final read of seven characters with an alternate for each of three of them.
fn read(number: u32) -> Result<Record> {
    let alternate =
        |position| Alternate { position, character: '8', probability: Confidence::from_steps(40 + position) };
    Ok(Record::Read(Box::new(Read {
        camera: "gate".parse()?,
        pass: PassId(4_000 + u64::from(number)),
        revision: Revision::Final,
        text: format!("AB{}CDE", 10 + number).parse()?,
        characters: (0..7).map(|place| Confidence::from_steps(240 + place)).collect(),
        confidence: Confidence::from_steps(230),
        alternates: (1..4).map(alternate).collect(),
        agreeing: 9,
        reads: 12,
        track: Some(TrackId(70_000 + u64::from(number))),
        class: Some(ObjectClass::Car),
        heading: Some(Heading::Down),
        colour: Some(Colour::Blue),
        first: moment(number),
        last: moment(number + 1),
        clock: CLOCK,
        crop: Some(Hash128::of(&number.to_le_bytes())),
        versions: versions(),
    })))
}

/// The end of a track with a path of four points.
pub(super) fn object(number: u32) -> Result<Record> {
    let point = |step: u16| PathPoint { after_ds: u32::from(step) * 23, x: 20 + step * 110, y: 400 - step * 90 };
    let (camera, first, last) = ("gate".parse()?, moment(number), moment(number + 4));
    Ok(Record::Object(Box::new(ObjectRecord::Track(ObjectEvent {
        camera,
        track: TrackId(70_000 + u64::from(number)),
        class: ObjectClass::Truck,
        confidence: Confidence::from_steps(200),
        first,
        last,
        clock: CLOCK,
        ended: true,
        heading: Some(Heading::Left),
        colour: Some(Colour::White),
        path: (0..4).map(point).collect(),
        zones: Vec::new(),
        lines: Vec::new(),
        versions: versions(),
    }))))
}

/// Payload bytes a record.
fn bytes(count: u32, record: fn(u32) -> Result<Record>) -> Result<f64> {
    let records = (0..count).map(record).collect::<Result<_>>()?;
    Ok(Batch::new(EPOCH, FIRST, records)?.encode(Encoding::Cbor).len() as f64 / f64::from(count))
}

pub(super) fn measure(_: &Surroundings) -> Result<Vec<Row>> {
    let row = |what: &str, most: f64, measured: f64| Row {
        what: format!("wire: payload bytes of {what}"),
        goal: format!("<= {most:.0}"),
        measured: format!("{measured:.1}"),
        reference: "exact; deterministic CBOR".to_owned(),
        met: Some(measured <= most),
    };
    Ok(vec![
        row("a final read of 7 characters, in a batch of 20", 120.0, bytes(BATCH, read)?),
        row("a read that travels alone", 200.0, bytes(1, read)?),
        row("an object event with 4 path points, in a batch of 20", 60.0, bytes(BATCH, object)?),
    ])
}
