//! How a stage is told to end.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// A one-way switch shared by whoever stops a stage and the stage itself.
///
/// Clones are the same switch. Once set it stays set, so a stage cannot miss it by looking late.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    set: Mutex<bool>,
    changed: Condvar,
    notify: Notify,
}

impl Stop {
    /// A switch that nobody has set yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every holder to end. Setting twice is setting once.
    pub fn set(&self) {
        *self.shared.set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.changed.notify_all();
        self.shared.notify.notify_waiters();
    }

    /// Whether the stage should end.
    pub fn is_set(&self) -> bool {
        *self.shared.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks the calling thread for `at_most`, or less if the switch is set; returns whether it is.
    pub fn wait_timeout(&self, at_most: Duration) -> bool {
        let set = self.shared.set.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, _) =
            self.shared.changed.wait_timeout_while(set, at_most, |set| !*set).unwrap_or_else(PoisonError::into_inner);
        *set
    }

    /// Completes once the switch is set.
    pub async fn wait(&self) {
        loop {
            // Registered before the look, so that a set in between still wakes it.
            let notified = self.shared.notify.notified();
            if self.is_set() {
                return;
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_sees_the_switch_and_a_late_look_does_not_miss_it() {
        let stop = Stop::new();
        let held_by_stage = stop.clone();
        assert!(!held_by_stage.is_set());
        stop.set();
        assert!(held_by_stage.is_set());
        assert!(held_by_stage.wait_timeout(Duration::from_hours(1)));
    }

    #[test]
    fn waiting_ends_without_the_switch_when_time_is_up() {
        assert!(!Stop::new().wait_timeout(Duration::from_millis(1)));
    }

    #[tokio::test]
    async fn an_async_wait_completes_whether_set_before_or_after() {
        let stop = Stop::new();
        let (other, waiting) = (stop.clone(), stop.wait());
        tokio::join!(waiting, async move { other.set() });
        stop.wait().await;
    }
}
