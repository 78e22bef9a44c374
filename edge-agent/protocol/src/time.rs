//! Three kinds of time. [`MediaTime`] orders pictures, [`MonoTime`] measures, [`WallTime`] only labels and says how
//! far it can be trusted, because a box boots without knowing the time.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use minicbor::{Decode, Decoder, Encode, decode};
use serde::{Deserialize, Serialize};

mod calendar;
mod moment;

pub use moment::Moment;

/// A moment in a camera's stream, nanoseconds since the stream's own origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct MediaTime(#[n(0)] i64);

impl MediaTime {
    /// The stream's origin.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the stream's origin.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the stream's origin.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// How much later this is than `earlier`; zero where it is not.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// This much later; the end of time where there is no such moment.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// A moment on the unit's monotonic clock: time since an origin that holds for one run of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoTime(Duration);

impl MonoTime {
    /// The clock's origin.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// From the time since the origin.
    pub const fn from_duration(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The time since the origin.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// How much later this is than `earlier`; zero where it is not.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This much later.
    #[must_use]
    pub const fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// A label of the wall clock, microseconds since 1970-01-01 UTC. In JSON and on screens RFC 3339 in UTC.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct WallTime(#[n(0)] i64);

impl<'b, C> Decode<'b, C> for WallTime {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let at = d.position();
        let time = Self(d.i64()?);
        // What RFC 3339 cannot say cannot be shown to anybody either.
        if Moment::from(time).as_millis() == time.as_millis() {
            Ok(time)
        } else {
            Err(decode::Error::message("a time beyond the year 9999").at(at))
        }
    }
}

impl WallTime {
    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How much later this is than `earlier`; zero where it is not.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This much later.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This much earlier.
    #[must_use]
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// A text that is not a time of RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("need a time as 2026-05-01T12:00:00.000Z")]
pub struct BadTime;

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        calendar::write(self.0, f)
    }
}

impl fmt::Debug for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WallTime({self})")
    }
}

impl FromStr for WallTime {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        calendar::read(text).map(Self).ok_or(BadTime)
    }
}

impl TryFrom<Cow<'_, str>> for WallTime {
    type Error = BadTime;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadTime> {
        text.parse()
    }
}

impl From<WallTime> for String {
    fn from(time: WallTime) -> Self {
        time.to_string()
    }
}

/// How far the wall clock could be trusted when it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(flat)]
#[serde(rename_all = "lowercase")]
pub enum ClockQuality {
    /// Nobody knows.
    #[default]
    #[n(0)]
    Unknown,
    /// The clock runs, but nothing has set it since boot.
    #[n(1)]
    Free,
    /// Set by a time source.
    #[n(2)]
    Synchronised {
        /// The largest error expected, milliseconds.
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

/// A label of the wall clock with its quality.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
pub struct WallStamp {
    /// When.
    #[n(0)]
    pub time: WallTime,
    /// How sure that is.
    #[n(1)]
    pub quality: ClockQuality,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_are_written_and_read_as_rfc_3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            let time = WallTime::from_millis(millis);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        assert_eq!(WallTime::from_micros(1_000_001).to_string(), "1970-01-01T00:00:01.000001Z");
    }

    #[test]
    fn texts_that_are_no_time_are_refused() {
        for bad in [
            "",
            "2026-05-01",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-05-01T24:00:00Z",
            "2026-05-01T12:00:00",
            "2026-05-01T12:00:00.Z",
            "2026-05-01T12:00:00+02:00",
            "2026-05-01T12:00:00.1234567Z",
        ] {
            assert!(bad.parse::<WallTime>().is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_never_run_backwards() {
        let (early, late) = (MediaTime::from_nanos(5), MediaTime::from_nanos(9));
        assert_eq!(late.saturating_since(early), Duration::from_nanos(4));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
    }
}
