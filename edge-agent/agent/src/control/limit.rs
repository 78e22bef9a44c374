//! How many commands a unit looks at: checking a signature costs a poor box more than sending one costs an attacker.

use std::time::Duration;

use edge_protocol::time::MonoTime;

/// A bucket that fills by one every so often and holds a few.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    held: u32,
    most: u32,
    every: Duration,
    filled: MonoTime,
}

impl Limit {
    pub(super) const fn new(most: u32, every: Duration, now: MonoTime) -> Self {
        Self { held: most, most, every, filled: now }
    }

    /// Takes one out, if there is one.
    pub(super) fn take(&mut self, now: MonoTime) -> bool {
        let due = now.saturating_since(self.filled).as_nanos() / self.every.as_nanos().max(1);
        if due > 0 {
            let added = u32::try_from(due).unwrap_or(u32::MAX);
            self.held = self.held.saturating_add(added).min(self.most);
            // What is left of the interval counts for the next one.
            let left = u64::try_from(now.saturating_since(self.filled).as_nanos() % self.every.as_nanos().max(1));
            let left = Duration::from_nanos(left.unwrap_or(0));
            self.filled = MonoTime::from_duration(now.as_duration().saturating_sub(left));
        }
        let taken = self.held > 0;
        self.held = self.held.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_one_at_a_time() {
        let at = |seconds| MonoTime::from_duration(Duration::from_secs(seconds));
        let mut limit = Limit::new(3, Duration::from_secs(2), at(0));
        let taken: Vec<bool> = (0..4).map(|_| limit.take(at(1))).collect();
        assert_eq!(taken, [true, true, true, false]);
        assert!(limit.take(at(3)));
        assert!(!limit.take(at(3)));
        assert!(limit.take(at(4)));
        let later: Vec<bool> = (0..4).map(|_| limit.take(at(1000))).collect();
        assert_eq!(later, [true, true, true, false]);
    }
}
