//! Access units on their way to the vision worker: what it cannot take is dropped up to the next key picture.

use crate::media::AccessUnit;
use crate::supervise::queue::{Bounds, Gauge, Overflow, Receiver, Sender, bounded};
use crate::vision::client::Throttle;

/// About two seconds of pictures a camera.
const UNITS_PER_CAMERA: usize = 64;
const BYTES_PER_CAMERA: usize = 8 << 20;

/// The queue of all cameras to the worker.
#[derive(Debug)]
pub(in crate::app) struct Eyes {
    queue: Sender<AccessUnit>,
    throttle: Throttle,
}

/// One camera's end of the queue.
#[derive(Debug)]
pub(in crate::app) struct Eye {
    queue: Sender<AccessUnit>,
    waits_for_key: bool,
    throttle: Throttle,
}

/// Makes the queue for so many cameras.
pub(in crate::app) fn eyes(cameras: usize, throttle: Throttle) -> (Eyes, Receiver<AccessUnit>) {
    let bounds = Bounds {
        name: "packets.vision",
        items: cameras.max(1) * UNITS_PER_CAMERA,
        bytes: cameras.max(1) * BYTES_PER_CAMERA,
        overflow: Overflow::Refuse,
    };
    let (queue, units) = bounded(bounds);
    (Eyes { queue, throttle }, units)
}

impl Eyes {
    pub(super) fn gauge(&self) -> Gauge {
        self.queue.gauge()
    }

    pub(in crate::app) fn of_one_camera(&self) -> Eye {
        Eye { queue: self.queue.clone(), waits_for_key: false, throttle: self.throttle.clone() }
    }
}

impl Eye {
    /// Hands a unit over, or drops it; never waits.
    pub(in crate::app) fn offer(&mut self, unit: AccessUnit) {
        // Nothing is looked at: what would only be decoded for nothing heats the box too.
        let blind = self.throttle.percent() == 0;
        self.waits_for_key |= blind;
        if blind || (self.waits_for_key && !unit.key) {
            return;
        }
        let size = unit.bytes.len();
        self.waits_for_key = self.queue.send_sized(unit, size).is_err();
    }
}
