//! Where a camera's pictures come from, which a technician may change while the agent runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::settings::Source;

/// The source of one camera; clones are the same. A change ends the connection to the former one.
#[derive(Debug, Clone)]
pub struct SourceSwitch {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    number: u64,
    source: Source,
}

impl SourceSwitch {
    /// A switch that stands on this source.
    pub fn new(source: Source) -> Self {
        Self { shared: Arc::new(Mutex::new(Shared { number: 0, source })) }
    }

    /// Takes another source from now on.
    pub fn change(&self, source: Source) {
        let mut shared = self.lock();
        *shared = Shared { number: shared.number + 1, source };
    }

    /// The source, and which one it is.
    pub fn now(&self) -> (u64, Source) {
        let shared = self.lock();
        (shared.number, shared.source.clone())
    }

    /// Whether another one is in force than that of this number.
    pub(super) fn has_left(&self, number: u64) -> bool {
        self.lock().number != number
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
