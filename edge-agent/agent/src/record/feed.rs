//! The recorder's queue as capture sees it: it never makes the camera wait.
//!
//! When the disk cannot keep up and the queue is full, units are dropped up to the next key frame and the recorder
//! is told that something is missing.

use crate::media::AccessUnit;
use crate::supervise::queue::{Bounds, Gauge, Overflow, Receiver, SendError, Sender, bounded};

/// About four seconds of a busy camera.
const BOUNDS: Bounds = Bounds { name: "packets.recorder", items: 256, bytes: 16 << 20, overflow: Overflow::Refuse };

/// What comes out of the queue.
#[derive(Debug, Clone, PartialEq)]
pub enum Fed {
    /// The next unit.
    Unit(AccessUnit),
    /// The next unit after some that were dropped before it.
    AfterGap(AccessUnit),
}

/// The sending end of one camera's recorder.
#[derive(Debug)]
pub struct Feed {
    queue: Sender<Fed>,
    state: State,
    dropped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    WaitingForKey,
}

/// Makes one camera's queue.
pub fn feed() -> (Feed, Receiver<Fed>) {
    let (queue, receiver) = bounded(BOUNDS);
    (Feed { queue, state: State::Flowing, dropped: 0 }, receiver)
}

impl Feed {
    /// Hands a unit over, or drops it; never waits.
    pub fn offer(&mut self, unit: AccessUnit) {
        let size = unit.bytes.len();
        let fed = match self.state {
            State::Flowing => Fed::Unit(unit),
            State::WaitingForKey if unit.key => Fed::AfterGap(unit),
            State::WaitingForKey => {
                self.dropped += 1;
                return;
            }
        };
        match self.queue.send_sized(fed, size) {
            Ok(()) => self.state = State::Flowing,
            Err(SendError::Full(_) | SendError::Closed(_)) => {
                self.state = State::WaitingForKey;
                self.dropped += 1;
            }
        }
    }

    /// The queue's counters; units dropped while waiting for a key frame never came to it.
    pub fn gauge(&self) -> Gauge {
        self.queue.gauge()
    }

    /// Units dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use edge_protocol::media::Codec;
    use edge_protocol::time::{MediaTime, MonoTime, WallStamp};

    use super::*;

    fn unit(number: i64, key: bool) -> AccessUnit {
        AccessUnit {
            camera: "street".parse().unwrap(),
            codec: Codec::H264,
            media: MediaTime::from_nanos(number),
            decode: MediaTime::from_nanos(number),
            arrival: MonoTime::ZERO,
            wall: WallStamp::default(),
            key,
            size: None,
            bytes: Bytes::from_static(&[0; 8]),
        }
    }

    #[test]
    fn a_full_queue_drops_up_to_the_next_key_frame_and_says_so() {
        let (mut feed, queue) = feed();
        let most = i64::try_from(BOUNDS.items).unwrap();
        for number in 0..most + 2 {
            feed.offer(unit(number, number == 0));
        }
        for number in 0..most {
            assert_eq!(queue.try_receive(), Ok(Fed::Unit(unit(number, number == 0))));
        }
        feed.offer(unit(most + 2, false));
        feed.offer(unit(most + 3, true));
        feed.offer(unit(most + 4, false));
        assert_eq!(queue.try_receive(), Ok(Fed::AfterGap(unit(most + 3, true))));
        assert_eq!(queue.try_receive(), Ok(Fed::Unit(unit(most + 4, false))));
        assert_eq!(feed.dropped(), 3);
    }
}
