//! What was dropped, as the records that tell the center.

use std::path::Path;

use edge_protocol::id::Epoch;
use edge_protocol::lane::PerLane;
use edge_protocol::record::{
    Alert, AlertKind, Gap, GapOf, LossCause, LossRecord, MAX_LOSS_RANGES, Record, Sentence, SequenceRange,
};
use edge_protocol::time::{Moment, WallStamp};
use edge_store::outbox::{Loss, Statement};

/// Statements for every lane that lost something and every cause, as many as its ranges take.
pub(super) fn statements(losses: &[Loss], epoch: Epoch, now: WallStamp) -> Vec<Statement> {
    let alike = losses.chunk_by(|one, next| (one.lane, one.cause) == (next.lane, next.cause));
    let told = alike.flat_map(|alike| alike.chunks(MAX_LOSS_RANGES));
    told.filter_map(|alike| statement(alike, epoch, now)).collect()
}

/// The statement of losses of one lane and cause.
fn statement(alike: &[Loss], epoch: Epoch, now: WallStamp) -> Option<Statement> {
    let (Loss { lane, cause, first, .. }, last) = (*alike.first()?, alike.last()?.last);
    let ranges = alike.iter().map(|loss| SequenceRange { first: loss.first, last: loss.last }).collect();
    let payload = record(LossRecord { epoch, lane, ranges, cause }, now).to_payload();
    Some(Statement { lane, cause, first, last, payload })
}

/// One record of those that gave way before the disk took them: they never had a number, so it is a gap in words.
pub(super) fn never_written(counts: &PerLane<u64>, now: WallStamp) -> Option<Record> {
    let counted = counts.iter().filter(|(_, count)| **count > 0);
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

fn record(loss: LossRecord, now: WallStamp) -> Record {
    let (count, lane) = (loss.count(), loss.lane);
    let text = match loss.cause {
        LossCause::Disk => {
            format!("{count} records of the lane {lane} were dropped to stay within the outbox's share of the disk")
        }
        LossCause::Budget => format!("{count} records of the lane {lane} were held back by the day's byte budget"),
        LossCause::Damage => format!("{count} records of the lane {lane} were damaged on the disk"),
    };
    alert(AlertKind::Loss(loss), &text, now)
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
