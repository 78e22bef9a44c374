//! The wall clock in records: whole milliseconds, because more is never known and every byte is sent.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

use super::{BadTime, WallTime};
use crate::wire::Context;

/// A label of the wall clock in a record, whole milliseconds since 1970-01-01 UTC. In a batch it is sent as the
/// distance from the batch's base; in JSON it is RFC 3339 in UTC.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Moment(i64);

impl Moment {
    /// 0001-01-01, the earliest that RFC 3339 can say.
    const EARLIEST: i64 = -62_135_596_800_000;
    /// The last millisecond of 9999.
    const LATEST: i64 = 253_402_300_799_999;

    /// From milliseconds since 1970; what is before the year 1 or after 9999 becomes the nearest that is not.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::EARLIEST {
            Self(Self::EARLIEST)
        } else if millis > Self::LATEST {
            Self(Self::LATEST)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The same moment in microseconds.
    pub const fn wall(self) -> WallTime {
        WallTime::from_millis(self.0)
    }
}

impl From<WallTime> for Moment {
    fn from(time: WallTime) -> Self {
        Self::from_millis(time.as_millis())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wall().fmt(f)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment({self})")
    }
}

impl FromStr for Moment {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        text.parse::<WallTime>().map(Self::from)
    }
}

impl TryFrom<Cow<'_, str>> for Moment {
    type Error = BadTime;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadTime> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl<C: Context> Encode<C> for Moment {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        let number = context.tables().map_or(self.0, |tables| tables.shorten(*self));
        e.i64(number)?.ok()
    }
}

impl<'b, C: Context> Decode<'b, C> for Moment {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let at = d.position();
        let number = d.i64()?;
        let base = context.tables().map_or(0, |tables| tables.base_ms());
        let millis = base.checked_add(number).filter(|millis| (Self::EARLIEST..=Self::LATEST).contains(millis));
        millis.map(Self).ok_or_else(|| decode::Error::message("a time beyond the year 9999").at(at))
    }
}
