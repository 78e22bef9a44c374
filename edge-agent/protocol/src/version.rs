//! Versions of images and agents: Semantic Versioning 2.0.0, as RAUC's own `min-bundle-version` reads them.
//!
//! Own code rather than a crate: one type with the precedence of clause 11, and nothing else of that specification.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

/// The longest text of a version.
const MOST_BYTES: usize = 64;

/// A version. What follows a `+` says how it was built and is not part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    numbers: [u64; 3],
    before: Vec<Part>,
}

/// A part of what follows a `-`; numbers come before words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

/// A text that is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version such as 1.4.0 or 1.5.0-rc.1")]
pub struct BadVersion(String);

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.chars().take(MOST_BYTES).collect());
        if text.len() > MOST_BYTES {
            return Err(bad());
        }
        let whole = text.split_once('+').map_or(text, |(whole, _)| whole);
        let (numbers, before) = whole.split_once('-').map_or((whole, None), |(numbers, rest)| (numbers, Some(rest)));
        let mut found = numbers.split('.').map(number);
        let mut next = || found.next().flatten().ok_or_else(bad);
        let numbers = [next()?, next()?, next()?];
        if found.next().is_some() {
            return Err(bad());
        }
        let before = before.map(|rest| rest.split('.').map(part).collect::<Option<Vec<_>>>());
        Ok(Self { numbers, before: before.unwrap_or_else(|| Some(Vec::new())).ok_or_else(bad)? })
    }
}

/// Digits without a leading zero.
fn number(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with('0');
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    plain.then(|| text.parse().ok())?
}

fn part(text: &str) -> Option<Part> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(text).map(Part::Number);
    }
    let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    sound.then(|| Part::Word(text.to_owned()))
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.cmp(&other.numbers);
        numbers.then_with(|| match (self.before.is_empty(), other.before.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.before.cmp(&other.before),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        for (at, part) in self.before.iter().enumerate() {
            f.write_str(if at == 0 { "-" } else { "." })?;
            match part {
                Part::Number(number) => write!(f, "{number}")?,
                Part::Word(word) => f.write_str(word)?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Version {
    type Error = BadVersion;

    fn try_from(text: String) -> Result<Self, BadVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// As text.
impl<C> Encode<C> for Version {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        encoder.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Version {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let at = decoder.position();
        decoder.str()?.parse().map_err(|error: BadVersion| decode::Error::message(error.to_string()).at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_specification() {
        let rising = [
            "0.9.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.10",
            "1.2.0",
            "10.0.0",
        ];
        let versions: Vec<Version> = rising.iter().map(|text| text.parse().unwrap()).collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        assert!(rising.iter().zip(&versions).all(|(text, version)| version.to_string() == **text));
        assert_eq!("1.0.0+yocto.5".parse::<Version>(), "1.0.0".parse());
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in
            ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "1.2.3-", "1.2.3-a..b", "1.2.3-01", "v1.2.3", "1.2. 3"]
        {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
        assert!("1".repeat(65).parse::<Version>().is_err());
        assert!("99999999999999999999.0.0".parse::<Version>().is_err());
    }
}
