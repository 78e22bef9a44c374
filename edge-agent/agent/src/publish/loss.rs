//! What was dropped, as the records that tell the center.

use std::path::Path;

use edge_protocol::id::Epoch;
use edge_protocol::lane::Lane;
use edge_protocol::record::{
    Alert, AlertKind, Gap, GapOf, LossRecord, MAX_LOSS_RANGES, Record, Sentence, SequenceRange,
};
use edge_protocol::time::{Moment, WallStamp};
use edge_store::outbox::Loss;

/// One record per lane that lost something, each with as many ranges as fit.
pub(super) fn records(losses: &[Loss], epoch: Epoch, now: WallStamp) -> Vec<Record> {
    let of_lane = |lane| losses.iter().filter(move |loss| loss.lane == lane).take(MAX_LOSS_RANGES);
    let lanes = Lane::ALL.into_iter().filter(|lane| of_lane(*lane).next().is_some());
    lanes.map(|lane| record(of_lane(lane), lane, epoch, now)).collect()
}

/// One record of those that gave way before the disk took them: they never had a number, so it is a gap in words.
pub(super) fn never_written(counts: &[u64; Lane::ALL.len()], now: WallStamp) -> Option<Record> {
    let counted = Lane::ALL.into_iter().zip(counts).filter(|(_, count)| **count > 0);
    let told: Vec<String> = counted.map(|(lane, count)| format!("{count} {lane}")).collect();
    let text = format!("the disk refused records for so long that some were given up: {}", told.join(", "));
    (!told.is_empty()).then(|| gap(&text, now))
}

/// The record that waiting records are gone together with their file.
pub(super) fn set_aside(file: &Path, now: WallStamp) -> Record {
    let kept = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    gap(&format!("the outbox was damaged; what it held is kept as {kept} and was not sent"), now)
}

fn gap(text: &str, now: WallStamp) -> Record {
    let at = Moment::from(now.time);
    alert(AlertKind::Gap(Gap { of: GapOf::Outbox, from: at, to: Some(at) }), text, now)
}

fn record<'l>(losses: impl Iterator<Item = &'l Loss>, lane: Lane, epoch: Epoch, now: WallStamp) -> Record {
    let ranges: Vec<SequenceRange> = losses.map(|loss| SequenceRange { first: loss.first, last: loss.last }).collect();
    let count: u64 = ranges.iter().map(SequenceRange::count).sum();
    let text =
        format!("{count} records of the lane {lane} were dropped: the disk's share or the day's bytes were used up");
    alert(AlertKind::Loss(LossRecord { epoch, lane, ranges }), &text, now)
}

fn alert(kind: AlertKind, text: &str, now: WallStamp) -> Record {
    Record::Alert(Box::new(Alert {
        at: Moment::from(now.time),
        clock: now.quality,
        camera: None,
        kind,
        over: false,
        text: Sentence::cut(text),
    }))
}
