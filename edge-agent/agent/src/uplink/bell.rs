//! How the outbox's writer tells the uplink what was committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_protocol::id::Sequence;
use edge_protocol::lane::{Lane, PerLane};
use tokio::sync::Notify;

/// The last committed sequence of every lane, and a bell. Ringing never waits and never loses anything, because only
/// the newest number of a lane counts. Clones are the same bell.
#[derive(Debug, Clone, Default)]
pub struct Bell {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    last: PerLane<AtomicU64>,
    rung: Notify,
}

impl Bell {
    /// A bell that nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that everything of a lane up to here is committed.
    pub fn ring(&self, lane: Lane, last: Sequence) {
        self.shared.last[lane].store(last.get(), Ordering::Release);
        self.shared.rung.notify_one();
    }

    /// Wakes the uplink without news of a lane.
    pub fn wake(&self) {
        self.shared.rung.notify_one();
    }

    /// What was said of a lane last; zero before anything was.
    pub(super) fn last(&self, lane: Lane) -> Sequence {
        Sequence::new(self.shared.last[lane].load(Ordering::Acquire))
    }

    /// Completes when it was rung since the last time.
    pub(super) async fn rung(&self) {
        self.shared.rung.notified().await;
    }
}
