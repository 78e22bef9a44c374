//! Names of agencies, units and cameras. Parsed once at the edge; afterwards they cannot be wrong.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

/// Longest id in bytes.
pub const LONGEST_ID: usize = 32;

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// No characters at all.
    #[error("it is empty")]
    Empty,
    /// More than [`LONGEST_ID`] characters.
    #[error("it is longer than {LONGEST_ID} characters")]
    Long,
    /// A character other than `a-z`, `0-9` and `-`, or a leading `-`.
    #[error("it holds something other than a-z, 0-9 and -, or begins with -")]
    Character,
    /// A word that topics use for something else.
    #[error("that word is reserved")]
    Reserved,
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > LONGEST_ID {
        return Err(IdError::Long);
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.starts_with('-') || !text.bytes().all(allowed) {
        return Err(IdError::Character);
    }
    Ok(())
}

fn check_unit(text: &str) -> Result<(), IdError> {
    check(text)?;
    if matches!(text, "all" | "enroll") { Err(IdError::Reserved) } else { Ok(()) }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                encoder: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                encoder.str(&self.0)?;
                Ok(())
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = decoder.position();
                decoder.str()?.parse().map_err(|error| minicbor::decode::Error::custom(error).at(at))
            }
        }
    };
}

text_id! {
    /// An agency: first part of every topic and certificate name.
    AgencyId, check
}
text_id! {
    /// A unit: one box. `all` and `enroll` are topic words and no units.
    UnitId, check_unit
}
text_id! {
    /// A camera on a unit.
    CameraId, check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_lower_case_words() {
        for good in ["a", "pole-017", "3rd-ave", &"x".repeat(LONGEST_ID)] {
            assert_eq!(good.parse::<UnitId>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", IdError::Empty),
            (&*"x".repeat(LONGEST_ID + 1), IdError::Long),
            ("Pole", IdError::Character),
            ("a/b", IdError::Character),
            ("+", IdError::Character),
            ("-a", IdError::Character),
            ("all", IdError::Reserved),
            ("enroll", IdError::Reserved),
        ] {
            assert_eq!(bad.parse::<UnitId>(), Err(why), "{bad:?}");
        }
        assert!("all".parse::<CameraId>().is_ok(), "only units share the topic level with those words");
    }

    #[test]
    fn a_wrong_id_on_the_wire_is_refused() {
        let wire = minicbor::to_vec("Not An Id").unwrap();
        assert!(minicbor::decode::<CameraId>(&wire).is_err());
        let wire = minicbor::to_vec("gate".parse::<CameraId>().unwrap()).unwrap();
        assert_eq!(minicbor::decode::<CameraId>(&wire).unwrap().as_str(), "gate");
    }
}
