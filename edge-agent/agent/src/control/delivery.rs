//! Clips on their way to the outbox, piece by piece between other work: on a thin line one takes hours, and the unit
//! answers meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use edge_protocol::command::{Command, Refusal};
use edge_protocol::record::{ClipPart, Record};

use super::authorise::Refused;
use super::seams::{ActionFault, MadeClip, Outlet};

/// Clips whose video is held in the ring at once: one on its way, the others behind it.
const MOST: usize = 4;
/// Pieces of clips in the outbox at most: 4 MiB that a newer clip or a full disk need not fear.
const MOST_PIECES_WAITING: u64 = 64;
/// How long to wait for the line to take a piece before looking again, and where it took none meanwhile: a look reads
/// the outbox's file, and a line can be away for days.
const PIECE_WAIT: Duration = Duration::from_millis(50);
const IDLE_WAIT: Duration = Duration::from_millis(500);

/// One clip.
struct Delivery {
    command: Command,
    made: MadeClip,
    media_bytes: u64,
}

/// All of them, first come first served.
#[derive(Default)]
pub(super) struct Deliveries {
    queue: VecDeque<Delivery>,
    /// Pieces that waited at the last look.
    waiting: u64,
}

/// How it goes on.
pub(super) enum Step {
    /// Look again after this time.
    Wait(Duration),
    /// A clip has come to its end.
    Ended(Box<Command>, Result<String, ActionFault>),
}

impl Deliveries {
    /// Whether one more clip can be taken.
    pub(super) fn admit(&self, command: &Command) -> Result<(), Refused> {
        if self.queue.iter().any(|delivery| delivery.command.request == command.request) {
            let detail = "the clip of this request is on its way".to_owned();
            return Err(Refused { reason: Refusal::Replayed, detail });
        }
        if self.queue.len() >= MOST {
            return Err(Refused { reason: Refusal::Busy, detail: format!("{MOST} clips are on their way") });
        }
        Ok(())
    }

    pub(super) fn push(&mut self, command: Command, made: MadeClip) {
        self.queue.push_back(Delivery { command, made, media_bytes: 0 });
    }

    /// Hands the next piece over, if the line has taken enough of those before it; none where there is no clip.
    pub(super) fn step(&mut self, outlet: &mut dyn Outlet) -> Option<Step> {
        let delivery = self.queue.front_mut()?;
        let waited = std::mem::replace(&mut self.waiting, outlet.pieces_waiting());
        if self.waiting >= MOST_PIECES_WAITING {
            return Some(Step::Wait(if self.waiting == waited { IDLE_WAIT } else { PIECE_WAIT }));
        }
        let outcome = match delivery.made.chunks.next() {
            Some(Ok(chunk)) => {
                if chunk.part == ClipPart::Media {
                    delivery.media_bytes += chunk.bytes.len() as u64;
                }
                if !outlet.append(Record::Clip(chunk)) {
                    self.leave();
                    return None;
                }
                return Some(Step::Wait(Duration::ZERO));
            }
            Some(Err(fault)) => Err(fault),
            None => Ok(format!("a clip of {} bytes was handed over", delivery.media_bytes)),
        };
        let ended = self.queue.pop_front()?;
        Some(Step::Ended(Box::new(ended.command), outcome))
    }

    /// Leaves all clips as they are: the unit is stopping, and nobody takes in any more how they end. The next start
    /// finds them begun and not ended, says so, and is heard.
    pub(super) fn leave(&mut self) {
        self.queue.clear();
    }
}
