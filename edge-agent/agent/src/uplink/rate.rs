//! How fast the line is, measured by what the broker has taken.

use std::time::Duration;

use edge_protocol::time::MonoTime;

/// Before anything was measured.
const FIRST_BYTES_S: u64 = 64 * 1024;
/// Smaller messages say more about the round trip than about the line.
const SMALLEST_SAMPLE_BYTES: u64 = 4 * 1024;
/// No sample counts as less than this, so that a burst of acknowledgements is not infinitely fast.
const SHORTEST_SAMPLE: Duration = Duration::from_millis(1);

/// An average of the samples, the newest a quarter of it.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    bytes_s: u64,
    last_delivery: MonoTime,
}

impl Rate {
    pub(super) const fn new() -> Self {
        Self { bytes_s: FIRST_BYTES_S, last_delivery: MonoTime::ZERO }
    }

    /// A message was taken. The line was free for it since it was sent, or since the message before was taken.
    pub(super) fn delivered(&mut self, bytes: u64, sent: MonoTime, now: MonoTime) {
        let began = sent.max(self.last_delivery);
        self.last_delivery = now;
        if bytes < SMALLEST_SAMPLE_BYTES {
            return;
        }
        let took = now.saturating_since(began).max(SHORTEST_SAMPLE).as_micros();
        let sample = u64::try_from(u128::from(bytes) * 1_000_000 / took).unwrap_or(u64::MAX);
        self.bytes_s = (self.bytes_s / 4 * 3).saturating_add(sample / 4).max(1);
    }

    /// Bytes a second.
    pub(super) const fn bytes_s(&self) -> u64 {
        self.bytes_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonoTime {
        MonoTime::from_duration(Duration::from_millis(millis))
    }

    #[test]
    fn a_steady_line_is_measured_whatever_was_assumed() {
        let mut rate = Rate::new();
        for second in 1..40 {
            rate.delivered(10_000, at((second - 1) * 1000), at(second * 1000));
        }
        assert!((9_900..10_100).contains(&rate.bytes_s()), "{}", rate.bytes_s());
    }

    #[test]
    fn messages_in_flight_together_do_not_make_the_line_look_slow() {
        let mut rate = Rate::new();
        for number in 1..40 {
            rate.delivered(10_000, at(0), at(number * 100));
        }
        assert!((99_000..101_000).contains(&rate.bytes_s()), "{}", rate.bytes_s());
    }

    #[test]
    fn small_messages_say_nothing_about_the_line() {
        let mut rate = Rate::new();
        rate.delivered(100, at(0), at(1000));
        assert_eq!(rate.bytes_s(), FIRST_BYTES_S);
    }
}
