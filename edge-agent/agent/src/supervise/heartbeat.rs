//! Every stage shows progress, so that the service watchdog can tell a busy agent from a stuck one.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use edge_protocol::time::MonoTime;

/// The register of all stages that must keep beating.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats {
    stages: Arc<Mutex<Vec<Stage>>>,
}

#[derive(Debug)]
struct Stage {
    name: String,
    deadline: Duration,
    last: MonoTime,
    /// Ends with the stage's pulse.
    held: Weak<()>,
}

/// One stage's hold on the register: it beats each time it has made progress, or has looked and found nothing to do.
/// A stage that ends in order lets go of it, and owes no beat any more: a recording that is over, or eyes that safe
/// mode does without, are no reason to kill the agent.
#[derive(Debug, Clone)]
pub struct Pulse {
    heartbeats: Heartbeats,
    index: usize,
    _held: Arc<()>,
}

impl Heartbeats {
    /// Enters a stage that promises a beat at least every `deadline`, counted from `now`.
    pub fn register(&self, name: impl Into<String>, deadline: Duration, now: MonoTime) -> Pulse {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let held = Arc::new(());
        stages.push(Stage { name: name.into(), deadline, last: now, held: Arc::downgrade(&held) });
        Pulse { heartbeats: self.clone(), index: stages.len() - 1, _held: held }
    }

    /// Names of the stages that are past their deadline at `now`. Empty means: feed the watchdog.
    pub fn stale(&self, now: MonoTime) -> Vec<String> {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages
            .iter()
            .filter(|stage| stage.held.strong_count() > 0 && now.saturating_since(stage.last) > stage.deadline)
            .map(|stage| stage.name.clone())
            .collect()
    }
}

impl Pulse {
    /// Says that the stage made progress at `now`.
    pub fn beat(&self, now: MonoTime) {
        let mut stages = self.heartbeats.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stage) = stages.get_mut(self.index) {
            stage.last = stage.last.max(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> MonoTime {
        MonoTime::from_duration(Duration::from_secs(seconds))
    }

    #[test]
    fn only_the_stage_past_its_own_deadline_is_named() {
        let heartbeats = Heartbeats::default();
        let capture = heartbeats.register("capture", Duration::from_secs(10), at(0));
        let _recorder = heartbeats.register("recorder", Duration::from_secs(5), at(0));
        capture.beat(at(8));
        assert_eq!(heartbeats.stale(at(5)), Vec::<String>::new());
        assert_eq!(heartbeats.stale(at(6)), vec!["recorder"]);
        assert_eq!(heartbeats.stale(at(19)), vec!["capture", "recorder"]);
    }

    #[test]
    fn a_stage_that_has_ended_owes_no_beat_and_leaves_the_others_theirs() {
        let heartbeats = Heartbeats::default();
        let ended = heartbeats.register("events", Duration::from_secs(5), at(0));
        let lives = heartbeats.register("uplink", Duration::from_secs(5), at(0));
        let clone = ended.clone();
        drop(ended);
        assert_eq!(heartbeats.stale(at(9)), ["events", "uplink"], "somebody still has it");
        drop(clone);
        assert_eq!(heartbeats.stale(at(9)), ["uplink"]);
        lives.beat(at(9));
        assert!(heartbeats.stale(at(10)).is_empty());
    }

    #[test]
    fn a_beat_that_arrives_late_does_not_turn_time_back() {
        let heartbeats = Heartbeats::default();
        let pulse = heartbeats.register("uplink", Duration::from_secs(5), at(0));
        pulse.beat(at(10));
        pulse.beat(at(3));
        assert!(heartbeats.stale(at(15)).is_empty());
    }
}
