//! What the outbox had to drop, as the records that tell the center.

use edge_protocol::id::Epoch;
use edge_protocol::lane::Lane;
use edge_protocol::record::{Alert, AlertKind, LossRecord, MAX_LOSS_RANGES, Record, Sentence, SequenceRange};
use edge_protocol::time::{Moment, WallStamp};
use edge_store::outbox::Loss;

/// One record per lane that lost something, each with as many ranges as fit.
pub(super) fn records(losses: &[Loss], epoch: Epoch, now: WallStamp) -> Vec<Record> {
    let of_lane = |lane| losses.iter().filter(move |loss| loss.lane == lane).take(MAX_LOSS_RANGES);
    let lanes = Lane::ALL.into_iter().filter(|lane| of_lane(*lane).next().is_some());
    lanes.map(|lane| record(of_lane(lane), lane, epoch, now)).collect()
}

fn record<'l>(losses: impl Iterator<Item = &'l Loss>, lane: Lane, epoch: Epoch, now: WallStamp) -> Record {
    let ranges: Vec<SequenceRange> = losses.map(|loss| SequenceRange { first: loss.first, last: loss.last }).collect();
    let count: u64 = ranges.iter().map(SequenceRange::count).sum();
    Record::Alert(Box::new(Alert {
        at: Moment::from(now.time),
        clock: now.quality,
        camera: None,
        kind: AlertKind::Loss(LossRecord { epoch, lane, ranges }),
        over: false,
        text: Sentence::cut(&format!(
            "{count} records of the lane {lane} were dropped to stay within the disk's share"
        )),
    }))
}
