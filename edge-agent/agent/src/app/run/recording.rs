//! What the recorders have to tell, as alerts: a time without video is never silent.

use edge_protocol::id::CameraId;
use edge_protocol::record::{Alert, AlertKind, Gap, GapOf, Record, Word};
use edge_store::ring::GapReason;

use super::alert::alert;
use crate::publish::Entry;
use crate::record::{Tell, Told};
use crate::supervise::Clock;
use crate::supervise::queue::Sender;

/// Makes alerts of what a recorder tells.
pub(super) fn tell(entries: Sender<Entry>, clock: Clock) -> Tell {
    Box::new(move |told| {
        if entries.send(Entry::Record(record(told, &clock))).is_err() {
            tracing::debug!("the outbox has stopped; the ring itself still states its gaps");
        }
    })
}

fn record(told: Told, clock: &Clock) -> Record {
    let now = clock.wall();
    let (camera, kind, over, text): (CameraId, _, _, _) = match told {
        Told::Missing(camera, gap) => {
            let kind = AlertKind::Gap(Gap { of: GapOf::Recording, from: gap.from.into(), to: Some(gap.to.into()) });
            let text = if gap.reason == GapReason::Clock {
                "the clock was set forward: no time passed here".to_owned()
            } else {
                format!("no video was recorded: {}", gap.reason.as_str())
            };
            (camera, kind, true, text)
        }
        Told::Mended(camera, repair) => {
            (camera, AlertKind::Fault(Word::cut("ring")), true, format!("the ring was damaged and mended: {repair:?}"))
        }
        Told::Failing(camera, why) => {
            (camera, AlertKind::Fault(Word::cut("ring")), false, format!("video cannot be stored: {why}"))
        }
    };
    Record::Alert(Box::new(Alert { camera: Some(camera), ..alert(kind, over, &text, now) }))
}
