//! Which frames are worth the models, and how much was really looked at.

mod coverage;
mod motion;

pub use coverage::Coverage;
pub use motion::MotionGate;

use std::time::Duration;

use crate::time::MediaTime;

/// Passes over frames that come faster than asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateGate {
    interval: Duration,
    due: Option<MediaTime>,
}

impl RateGate {
    /// At most `max_fps` frames per second; none or nonsense for all of them.
    #[must_use]
    pub fn new(max_fps: Option<f32>) -> Self {
        let usable = max_fps.filter(|fps| fps.is_finite() && *fps > 0.001);
        Self { interval: usable.map_or(Duration::ZERO, |fps| Duration::from_secs_f32(1.0 / fps)), due: None }
    }

    /// Whether the frame at `media` is due. Frames keep to a grid, so that 30 frames per second thinned to 20 really
    /// are 20 and not 15.
    pub fn admits(&mut self, media: MediaTime) -> bool {
        if self.interval.is_zero() {
            return true;
        }
        let Some(due) = self.due else {
            self.due = Some(media.saturating_add(self.interval));
            return true;
        };
        let ahead = due.saturating_since(media);
        // Frames tremble around their time, and a jump backward must not blind the camera until the old time returns.
        // A frame that was taken early leaves the next one due by that much more than an interval.
        let tremble = self.interval / 8;
        if ahead > tremble && ahead <= self.interval + tremble {
            return false;
        }
        let next = due.saturating_add(self.interval);
        let keeps_grid = next > media && ahead <= self.interval;
        self.due = Some(if keeps_grid { next } else { media.saturating_add(self.interval) });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(max_fps: f32, fps: i64, seconds: i64) -> usize {
        let mut gate = RateGate::new(Some(max_fps));
        (0..fps * seconds).filter(|i| gate.admits(MediaTime::from_nanos(i * 1_000_000_000 / fps))).count()
    }

    #[test]
    fn the_asked_rate_is_kept_on_the_whole() {
        assert_eq!(admitted(10.0, 30, 10), 100);
        assert!((198..=201).contains(&admitted(20.0, 30, 10)));
        assert_eq!(admitted(60.0, 25, 4), 100);
        assert!((20..=21).contains(&admitted(2.0, 30, 10)), "frames close to each other are not taken twice");
    }

    #[test]
    fn a_jump_backward_does_not_blind() {
        let mut gate = RateGate::new(Some(5.0));
        assert!(gate.admits(MediaTime::from_nanos(100_000_000_000)));
        assert!(gate.admits(MediaTime::from_nanos(0)));
        assert!(!gate.admits(MediaTime::from_nanos(100_000_000)));
    }
}
