//! The serial number of a unit: what the factory calls it, before an agency gives it a name.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

/// The longest serial number: with `enroll/` before it, it fits into a certificate's common name.
pub const LONGEST_SERIAL: usize = 40;

/// A serial number: `[A-Za-z0-9][A-Za-z0-9._-]{0,39}`, so that it can never widen a topic filter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Serial(Box<str>);

/// A text that is no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a serial number has 1 to 40 of A-Z, a-z, 0-9, '.', '_' and '-', and begins with a letter or digit")]
pub struct BadSerial;

impl Serial {
    /// The serial number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in the unit's claim certificate, which the broker takes as user name and client id.
    pub fn client_name(&self) -> String {
        format!("enroll/{self}")
    }
}

impl FromStr for Serial {
    type Err = BadSerial;

    fn from_str(text: &str) -> Result<Self, BadSerial> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && text.len() <= LONGEST_SERIAL && text.bytes().all(plain) {
            Ok(Self(text.into()))
        } else {
            Err(BadSerial)
        }
    }
}

impl TryFrom<Cow<'_, str>> for Serial {
    type Error = BadSerial;

    fn try_from(text: Cow<'_, str>) -> Result<Self, BadSerial> {
        text.parse()
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.0.into()
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl<C> Encode<C> for Serial {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Serial {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let at = d.position();
        d.str()?.parse().map_err(|error| minicbor::decode::Error::message(error).at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_that_could_widen_a_topic_filter_are_refused() {
        for bad in ["", "+", "#", "a/b", "-a", ".a", "a b", "ä", &"a".repeat(41)] {
            assert_eq!(bad.parse::<Serial>(), Err(BadSerial), "{bad}");
        }
        for good in ["7", "SN.0042_a-b", &"a".repeat(40)] {
            assert_eq!(good.parse::<Serial>().unwrap().as_str(), good);
        }
    }
}
