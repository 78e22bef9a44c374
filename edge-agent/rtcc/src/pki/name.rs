//! Names that go into certificates, and from there into topics.

use std::fmt;
use std::str::FromStr;

/// A name of an agency, unit, receiver or person: `[a-z0-9][a-z0-9-]{0,31}`.
///
/// The broker copies the certificate's name into topic filters, so a name can never hold `/`, `+` or `#`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no name: 1 to 32 of a-z, 0-9 and '-', not beginning with '-'")]
pub struct BadName {
    text: String,
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = (1..=32).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(BadName { text: text.chars().take(64).collect() }) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_widen_a_topic_filter_are_refused() {
        for bad in ["", "-a", "A", "a/b", "+", "#", "a b", "ä", &"a".repeat(33)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        for good in ["a", "7", "gate-1", &"a".repeat(32)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
    }
}
