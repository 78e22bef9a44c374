//! How often a setup code may be tried.

use std::time::Duration;

use crate::time::WallTime;

/// Wrong codes in a row before nothing is tried for a while.
pub const MOST_TRIES: u32 = 5;
/// How long that is.
pub const LOCKED_FOR: Duration = Duration::from_mins(10);

/// Wrong tries so far. While it is locked no code is looked at, not even the right one, and the lock does not grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// Wrong codes since the last right one or the last lock.
    pub wrong: u32,
    /// Until when nothing is tried.
    pub locked_until: Option<WallTime>,
}

impl Tries {
    /// Until when nothing is tried, if that is still to come. A clock that was set back does not lock for longer than
    /// the lock is long.
    pub fn locked(&self, now: WallTime) -> Option<WallTime> {
        self.locked_until.filter(|until| now < *until && *until <= now.saturating_add(LOCKED_FOR))
    }

    /// After one more wrong code.
    #[must_use]
    pub fn after_wrong(self, now: WallTime) -> Self {
        let wrong = self.wrong.saturating_add(1);
        if wrong < MOST_TRIES {
            Self { wrong, locked_until: None }
        } else {
            Self { wrong: 0, locked_until: Some(now.saturating_add(LOCKED_FOR)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> WallTime {
        WallTime::from_micros(1_780_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn five_wrong_codes_lock_for_ten_minutes_and_then_there_are_five_more() {
        let mut tries = Tries::default();
        for _ in 0..4 {
            tries = tries.after_wrong(at(0));
            assert_eq!(tries.locked(at(0)), None);
        }
        tries = tries.after_wrong(at(0));
        assert_eq!(tries.locked(at(599)), Some(at(600)));
        assert_eq!(tries.locked(at(600)), None);
        tries = tries.after_wrong(at(601));
        assert_eq!((tries.wrong, tries.locked(at(601))), (1, None));
    }

    #[test]
    fn a_clock_set_back_by_years_does_not_lock_for_years() {
        let mut tries = Tries::default();
        for _ in 0..5 {
            tries = tries.after_wrong(at(0));
        }
        assert_eq!(tries.locked(WallTime::from_micros(0)), None);
    }
}
