//! Names of agencies, units, cameras and requests. Names go into topics and certificates, so they are checked once,
//! where they enter, and cannot be wrong afterwards.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
pub const LONGEST_ID: usize = 32;

/// Words that topics use in the place of a unit's name, which a receiver's has as well at the broker.
const RESERVED_UNITS: [&str; 2] = ["all", "enroll"];
/// The word that topics and claim certificates use in the place of an agency's name.
const RESERVED_AGENCIES: [&str; 1] = ["enroll"];

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// No characters at all.
    #[error("a name needs at least one character")]
    Empty,
    /// More than [`LONGEST_ID`].
    #[error("a name has at most 32 characters")]
    Long,
    /// The byte at this position is not allowed there.
    #[error("only a-z, 0-9 and (not first) '-' may be in a name, see position {0}")]
    Character(usize),
    /// `all` and `enroll` mean something else where a unit's name would stand, `enroll` also where an agency's would.
    #[error("'all' and 'enroll' name no unit and no receiver, and 'enroll' no agency")]
    Reserved,
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > LONGEST_ID {
        return Err(IdError::Long);
    }
    let allowed =
        |(place, byte): (usize, u8)| byte.is_ascii_lowercase() || byte.is_ascii_digit() || (byte == b'-' && place > 0);
    match text.bytes().enumerate().find(|&pair| !allowed(pair)) {
        Some((place, _)) => Err(IdError::Character(place)),
        None => Ok(()),
    }
}

/// What every kind of name has in common; the kinds differ so that a unit cannot stand where a camera belongs.
macro_rules! name {
    ($(#[$doc:meta])* $kind:ident, $reserved:expr) => {
        $(#[$doc])*
        ///
        /// `[a-z0-9][a-z0-9-]{0,31}`.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Cow<'_, str>", into = "String")]
        pub struct $kind(Box<str>);

        impl $kind {
            /// Checks a text.
            ///
            /// # Errors
            /// If the text is not a name of this kind.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text)?;
                if $reserved.contains(&text) {
                    return Err(IdError::Reserved);
                }
                Ok(Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $kind {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<Cow<'_, str>> for $kind {
            type Error = IdError;

            fn try_from(text: Cow<'_, str>) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl TryFrom<String> for $kind {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl From<$kind> for String {
            fn from(name: $kind) -> Self {
                name.0.into()
            }
        }

        impl AsRef<str> for $kind {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($kind), "({})"), self.0)
            }
        }

        impl<C> Encode<C> for $kind {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $kind {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                Self::new(d.str()?).map_err(|e| minicbor::decode::Error::message(e).at(at))
            }
        }
    };
}

const NONE_RESERVED: [&str; 0] = [];

name!(
    /// An agency: who owns units and cameras.
    AgencyId,
    RESERVED_AGENCIES
);
name!(
    /// A unit: one box on a pole.
    UnitId,
    RESERVED_UNITS
);
name!(
    /// A camera of a unit.
    CameraId,
    NONE_RESERVED
);
name!(
    /// A zone of a camera's picture.
    ZoneId,
    NONE_RESERVED
);
name!(
    /// A counting line of a camera's picture.
    LineId,
    NONE_RESERVED
);
name!(
    /// A person who signs commands.
    PersonId,
    NONE_RESERVED
);
name!(
    /// A receiver of an agency's center.
    CenterId,
    RESERVED_UNITS
);

/// An identifier of 16 random bytes, shown as 32 hexadecimal digits.
macro_rules! random_id {
    ($(#[$doc:meta])* $kind:ident) => {
        $(#[$doc])*
        ///
        /// Sixteen random bytes, written as 32 hexadecimal digits.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Cow<'_, str>", into = "String")]
        pub struct $kind([u8; 16]);

        impl $kind {
            /// From bytes that the caller drew at random.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($kind), "({})"), self)
            }
        }

        impl FromStr for $kind {
            type Err = BadRandomId;

            fn from_str(text: &str) -> Result<Self, BadRandomId> {
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| BadRandomId)?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<Cow<'_, str>> for $kind {
            type Error = BadRandomId;

            fn try_from(text: Cow<'_, str>) -> Result<Self, BadRandomId> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(id: $kind) -> Self {
                id.to_string()
            }
        }

        impl<C> Encode<C> for $kind {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $kind {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                let bytes = d.bytes()?.try_into();
                bytes.map(Self).map_err(|_| minicbor::decode::Error::message("need 16 bytes").at(at))
            }
        }
    };
}

/// A text that is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("need 32 hexadecimal digits")]
pub struct BadRandomId;

random_id!(
    /// A request of a person, the same for every command that is made for it.
    RequestId
);
random_id!(
    /// A command: a fresh one each time it is signed, so that it can be executed at most once.
    CommandId
);

/// One life of an outbox file: drawn at random when the file is made, so that a lost counter is a new epoch and never
/// a duplicate. In JSON 16 hexadecimal digits, because numbers there end at 2^53.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Epoch(#[n(0)] u64);

impl Epoch {
    /// From a number that the caller drew at random.
    pub const fn new(random: u64) -> Self {
        Self(random)
    }

    /// The number, for storage.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// A text that is not 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an epoch is 16 hexadecimal digits")]
pub struct BadEpoch;

impl FromStr for Epoch {
    type Err = BadEpoch;

    fn from_str(text: &str) -> Result<Self, BadEpoch> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadEpoch);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| BadEpoch)
    }
}

impl TryFrom<Cow<'_, str>> for Epoch {
    type Error = BadEpoch;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadEpoch> {
        text.parse()
    }
}

impl From<Epoch> for String {
    fn from(epoch: Epoch) -> Self {
        epoch.to_string()
    }
}

/// Place of a record in its lane and epoch, from 1 upwards without holes. 0 stands before the first record: "nothing
/// settled yet".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Sequence(#[n(0)] u64);

impl Sequence {
    /// Before the first record.
    pub const ZERO: Self = Self(0);

    /// From storage.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, for storage.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after; the last one has none, and would take 500,000 years at a million a second.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A track of one camera, unique within the unit's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct TrackId(#[n(0)] pub u64);

/// One pass of one vehicle before one camera, unique within the unit's epoch. The preview, the final read, the hit and
/// the thumbnails of a pass carry the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct PassId(#[n(0)] pub u64);

#[cfg(test)]
mod tests;
