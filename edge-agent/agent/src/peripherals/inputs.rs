//! Contacts: tamper switch, trigger inputs, the service button. Debounced, so that a bouncing spring is one edge.

use std::time::Duration;

use edge_protocol::time::MonoTime;
use embedded_hal::digital::{Error as _, InputPin};

use super::PartError;

/// A line that flutters for this long without ever settling is stuck in between: a torn wire, a wet plug.
const RESTLESS: Duration = Duration::from_secs(10);

/// A contact on a pin.
#[derive(Debug)]
pub struct Contact<P> {
    pin: P,
    /// Whether a low level means closed.
    active_low: bool,
}

impl<P: InputPin> Contact<P> {
    /// A contact on `pin`.
    pub fn new(pin: P, active_low: bool) -> Self {
        Self { pin, active_low }
    }

    /// Whether it is closed now.
    ///
    /// # Errors
    /// What the pin says.
    pub fn read(&mut self) -> Result<bool, PartError> {
        let low = self.pin.is_low();
        let low = low.map_err(|error| PartError::Bus { part: "contact", reason: format!("{:?}", error.kind()) })?;
        Ok(low == self.active_low)
    }
}

/// A change of a contact that lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The contact closed.
    Closed,
    /// The contact opened.
    Opened,
}

/// A contact counts as changed only once it kept its new state for a while.
#[derive(Debug)]
pub struct Debounce {
    settle: Duration,
    closed: Option<bool>,
    candidate: Option<(bool, MonoTime)>,
    restless_since: Option<MonoTime>,
    looked: MonoTime,
}

impl Debounce {
    /// Changes count after `settle`.
    pub fn new(settle: Duration) -> Self {
        Self { settle, closed: None, candidate: None, restless_since: None, looked: MonoTime::ZERO }
    }

    /// The settled state; none before the first look.
    pub fn closed(&self) -> Option<bool> {
        self.closed
    }

    /// Whether the line flutters and never settles.
    pub fn is_restless(&self) -> bool {
        self.restless_since.is_some_and(|since| self.looked.saturating_since(since) >= RESTLESS)
    }

    /// The contact at `now`; an edge comes back once, with the time at which the new state began.
    pub fn take(&mut self, closed: bool, now: MonoTime) -> Option<(Edge, MonoTime)> {
        self.looked = now;
        let Some(settled) = self.closed else {
            // The first look is no change: nobody knows what was before.
            self.closed = Some(closed);
            return None;
        };
        let Some((state, since)) = self.candidate.filter(|(state, _)| *state == closed) else {
            self.bounce(closed, settled, now);
            return None;
        };
        if now.saturating_since(since) < self.settle {
            return None;
        }
        (self.candidate, self.restless_since) = (None, None);
        if state == settled {
            return None;
        }
        self.closed = Some(closed);
        Some((if closed { Edge::Closed } else { Edge::Opened }, since))
    }

    /// The line is at another level than a moment ago.
    fn bounce(&mut self, closed: bool, settled: bool, now: MonoTime) {
        if closed == settled && self.candidate.is_none() {
            return;
        }
        self.restless_since.get_or_insert(now);
        self.candidate = Some((closed, now));
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_duration(Duration::from_millis(millis))
    }

    fn edges(levels: &[State], step_ms: u64) -> Vec<(Edge, MonoTime)> {
        let mut pin = Mock::new(&levels.iter().map(|level| Transaction::get(*level)).collect::<Vec<_>>());
        let (mut contact, mut debounce) = (Contact::new(pin.clone(), true), Debounce::new(Duration::from_millis(20)));
        let found =
            (0..levels.len() as u64).filter_map(|i| debounce.take(contact.read().unwrap(), at(i * step_ms))).collect();
        pin.done();
        found
    }

    #[test]
    fn a_bouncing_spring_is_one_edge_dated_at_its_last_bounce() {
        use State::{High, Low};
        let levels = [High, Low, High, Low, Low, Low, Low];
        assert_eq!(edges(&levels, 10), [(Edge::Closed, at(30))]);
    }

    #[test]
    fn a_spike_is_no_edge_and_the_first_look_is_none_either() {
        use State::{High, Low};
        assert!(edges(&[Low, Low, High, Low, Low, Low], 10).is_empty());
    }

    #[test]
    fn a_line_that_never_settles_is_told_as_such_until_it_does() {
        let mut debounce = Debounce::new(Duration::from_millis(50));
        for i in 0..600 {
            assert_eq!(debounce.take(i % 2 == 0, at(i * 20)), None, "{i}");
        }
        assert!(debounce.is_restless());
        for i in 600..604 {
            debounce.take(false, at(i * 20));
        }
        assert!(!debounce.is_restless());
    }

    #[test]
    fn a_line_whose_chip_is_gone_is_an_error_and_no_edge() {
        let broken = std::io::Error::other("gone");
        let mut pin = Mock::new(&[Transaction::get(State::Low).with_error(MockError::Io(broken.kind()))]);
        assert!(matches!(Contact::new(pin.clone(), true).read(), Err(PartError::Bus { .. })));
        pin.done();
    }
}
