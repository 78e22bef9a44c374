//! What a command must carry: fresh per start and hour, so that an old command is worth nothing even on a box that does
//! not know the time.

use std::time::Duration;

use edge_protocol::command::Challenge;
use edge_protocol::time::MonoTime;

use crate::supervise::Fault;

/// How long a challenge is the current one.
const LIFE: Duration = Duration::from_hours(1);

/// The current challenge and the one before, which commands already under way may carry.
#[derive(Debug, Clone)]
pub struct Challenges {
    current: Challenge,
    previous: Option<Challenge>,
    number: u64,
    since: MonoTime,
}

impl Challenges {
    /// Draws the first one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn draw(now: MonoTime) -> Result<Self, Fault> {
        Ok(Self::new(random()?, now))
    }

    const fn new(random: [u8; 16], now: MonoTime) -> Self {
        Self { current: Challenge::from_bytes(random), previous: None, number: 1, since: now }
    }

    /// The current challenge and its number since the start, to be published.
    pub const fn current(&self) -> (Challenge, u64) {
        (self.current, self.number)
    }

    /// Whether the current one has had its hour.
    pub fn is_stale(&self, now: MonoTime) -> bool {
        now.saturating_since(self.since) >= LIFE
    }

    /// Draws another in the place of the current one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn redraw(&mut self, now: MonoTime) -> Result<(), Fault> {
        self.renew(random()?, now);
        Ok(())
    }

    fn renew(&mut self, random: [u8; 16], now: MonoTime) {
        self.previous = Some(self.current);
        self.current = Challenge::from_bytes(random);
        self.number += 1;
        self.since = now;
    }

    /// Whether a command with this challenge is fresh.
    pub fn accepts(&self, challenge: Challenge) -> bool {
        challenge == self.current || Some(challenge) == self.previous
    }
}

fn random() -> Result<[u8; 16], Fault> {
    let mut bytes = [0; 16];
    let drawn = aws_lc_rs::rand::fill(&mut bytes);
    drawn.map(|()| bytes).map_err(|_| Fault("no random bytes for a challenge".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_good_for_its_hour_and_the_next() {
        let at = |hours| MonoTime::from_duration(Duration::from_hours(hours));
        let mut challenges = Challenges::new([1; 16], at(0));
        assert!(!challenges.is_stale(MonoTime::from_duration(Duration::from_mins(59))));
        assert!(challenges.is_stale(at(1)));
        challenges.renew([2; 16], at(1));
        assert_eq!(challenges.current(), (Challenge::from_bytes([2; 16]), 2));
        assert!(challenges.accepts(Challenge::from_bytes([1; 16])));
        challenges.renew([3; 16], at(2));
        assert!(!challenges.accepts(Challenge::from_bytes([1; 16])));
        assert!(challenges.accepts(Challenge::from_bytes([3; 16])));
        assert!(!challenges.accepts(Challenge::from_bytes([9; 16])));
    }
}
