//! Three kinds of time that never mix: media time orders pictures, monotonic time measures, wall time only labels.

use std::fmt;
use std::time::Duration;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A position on one stream's own time line, in nanoseconds from its beginning. Orders pictures of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct MediaTime(#[n(0)] i64);

impl MediaTime {
    /// The beginning of the stream.
    pub const ZERO: Self = Self(0);

    /// A position `nanos` nanoseconds after the beginning; before it where negative.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds after the beginning.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This position moved on by `step`.
    #[must_use]
    pub fn saturating_add(self, step: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(step.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// Time since the process's clock was made; never goes back, means nothing outside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MonoTime(Duration);

impl MonoTime {
    /// The clock's origin.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment `since_origin` after the clock's origin.
    pub const fn from_duration(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// How long after the clock's origin.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `wait` later.
    #[must_use]
    pub fn saturating_add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}

/// Microseconds since 1970-01-01T00:00:00Z as some clock said; a label, never used to order or to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct WallTime(#[n(0)] i64);

impl WallTime {
    /// The moment `micros` microseconds after 1970 began.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 began.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This label moved on by `step`.
    #[must_use]
    pub fn saturating_add(self, step: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(step.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This label moved back by `step`.
    #[must_use]
    pub fn saturating_sub(self, step: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(step.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How much later than `earlier` this label reads; zero where it does not.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// How far a wall clock can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "kebab-case")]
pub enum ClockQuality {
    /// Nothing is known of the clock.
    #[default]
    #[n(0)]
    Unknown,
    /// The clock runs free since it was last set; it may be years off on a box without a battery.
    #[n(1)]
    Free,
    /// The clock follows a source of time.
    #[n(2)]
    Synchronised {
        /// The stated bound of its error in milliseconds.
        #[n(0)]
        bound_ms: u32,
    },
}

impl fmt::Display for ClockQuality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Free => f.write_str("free-running"),
            Self::Synchronised { bound_ms } => write!(f, "synchronised within {bound_ms} ms"),
        }
    }
}

/// A wall time together with what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, Encode, Decode)]
pub struct WallStamp {
    /// What the clock said.
    #[n(0)]
    pub time: WallTime,
    /// How far it can be trusted.
    #[n(1)]
    pub quality: ClockQuality,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_never_go_below_zero() {
        let (early, late) = (MediaTime::from_nanos(5), MediaTime::from_nanos(9));
        assert_eq!(late.saturating_since(early), Duration::from_nanos(4));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(WallTime::from_micros(1).saturating_since(WallTime::from_micros(i64::MAX)), Duration::ZERO);
    }

    #[test]
    fn clocks_at_their_ends_do_not_overflow() {
        assert_eq!(WallTime::from_micros(i64::MAX).saturating_add(Duration::MAX), WallTime::from_micros(i64::MAX));
        assert_eq!(MediaTime::from_nanos(i64::MIN).saturating_since(MediaTime::from_nanos(i64::MAX)), Duration::ZERO);
    }
}
