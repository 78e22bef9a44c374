//! Contacts: tamper switch, trigger inputs, the service button. Debounced, so that a bouncing spring is one edge.

use std::time::Duration;

use edge_protocol::time::MonoTime;
use embedded_hal::digital::InputPin;

/// A change of a contact that lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The contact closed.
    Closed,
    /// The contact opened.
    Opened,
}

/// A contact that counts as changed only once it kept its new state for a while.
#[derive(Debug)]
pub struct Debounced<P> {
    pin: P,
    /// Whether a low level means closed.
    active_low: bool,
    settle: Duration,
    closed: Option<bool>,
    candidate: Option<(bool, MonoTime)>,
}

impl<P: InputPin> Debounced<P> {
    /// A contact on `pin` whose changes count after `settle`.
    pub fn new(pin: P, active_low: bool, settle: Duration) -> Self {
        Self { pin, active_low, settle, closed: None, candidate: None }
    }

    /// Looks at the contact at `now`; an edge comes back once, with the time at which the new state began.
    ///
    /// # Errors
    /// What the pin says.
    pub fn poll(&mut self, now: MonoTime) -> Result<Option<(Edge, MonoTime)>, P::Error> {
        let closed = self.pin.is_low()? == self.active_low;
        let Some(settled) = self.closed else {
            // The first look is no change: nobody knows what was before.
            self.closed = Some(closed);
            return Ok(None);
        };
        if closed == settled {
            self.candidate = None;
            return Ok(None);
        }
        let since = match self.candidate {
            Some((state, since)) if state == closed => since,
            _ => now,
        };
        if now.saturating_since(since) < self.settle {
            self.candidate = Some((closed, since));
            return Ok(None);
        }
        self.closed = Some(closed);
        self.candidate = None;
        Ok(Some((if closed { Edge::Closed } else { Edge::Opened }, since)))
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_duration(Duration::from_millis(millis))
    }

    fn edges(levels: &[State], step_ms: u64) -> Vec<(Edge, MonoTime)> {
        let mut pin = Mock::new(&levels.iter().map(|level| Transaction::get(*level)).collect::<Vec<_>>());
        let mut contact = Debounced::new(pin.clone(), true, Duration::from_millis(20));
        let found = (0..levels.len() as u64).filter_map(|i| contact.poll(at(i * step_ms)).unwrap()).collect();
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
}
