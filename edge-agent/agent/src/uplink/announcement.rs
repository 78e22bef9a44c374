//! What the unit says of itself under `state`.

use std::sync::{Arc, Mutex, PoisonError};

use edge_protocol::id::Epoch;
use edge_protocol::state::{Birth, Death};

use super::Bell;

/// The unit's birth as it stands now; whoever changes it has it published again. Clones are the same announcement.
#[derive(Debug, Clone)]
pub struct Announcement {
    shared: Arc<Mutex<Held>>,
    bell: Bell,
}

#[derive(Debug)]
struct Held {
    birth: Birth,
    edition: u64,
}

impl Announcement {
    /// An announcement whose changes ring `bell`.
    pub fn new(birth: Birth, bell: &Bell) -> Self {
        Self { shared: Arc::new(Mutex::new(Held { birth, edition: 1 })), bell: bell.clone() }
    }

    /// Changes what is said.
    pub fn update(&self, change: impl FnOnce(&mut Birth)) {
        let mut held = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut held.birth);
        held.edition += 1;
        drop(held);
        self.bell.wake();
    }

    /// Says which life of the outbox's file records are of.
    pub(super) fn set_epoch(&self, epoch: Epoch) {
        if self.current().0.epoch != epoch {
            self.update(|birth| birth.epoch = epoch);
        }
    }

    /// What is said now, and the number of this edition.
    pub(super) fn current(&self) -> (Birth, u64) {
        let held = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        (held.birth.clone(), held.edition)
    }

    /// What is said when the unit is gone.
    pub(super) fn death(&self, stopped: bool) -> Death {
        let held = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        Death { version: held.birth.version, epoch: held.birth.epoch, stopped }
    }
}
