//! Short words that a unit or its agency chose: names of lists, models, decoders.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

use crate::wire::MAX_WORD_BYTES;

/// The longest sentence, in bytes.
pub const MAX_SENTENCE_BYTES: usize = 300;

macro_rules! short_text {
    ($(#[$doc:meta])* $kind:ident, $limit:expr) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Cow<'_, str>", into = "String")]
        pub struct $kind(Box<str>);

        impl $kind {
            /// A text, cut where it is too long, control characters replaced: for texts of our own making.
            pub fn cut(text: &str) -> Self {
                let mut kept = String::with_capacity(text.len().min($limit));
                for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
                    if kept.len() + c.len_utf8() > $limit {
                        break;
                    }
                    kept.push(c);
                }
                Self(kept.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
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
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $kind {
            type Err = BadText;

            fn from_str(text: &str) -> Result<Self, BadText> {
                if text.len() > $limit || text.chars().any(char::is_control) {
                    return Err(BadText);
                }
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<Cow<'_, str>> for $kind {
            type Error = BadText;

            fn try_from(text: Cow<'_, str>) -> Result<Self, BadText> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(text: $kind) -> Self {
                text.0.into()
            }
        }

        impl<C> Encode<C> for $kind {
            fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $kind {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let at = d.position();
                d.str()?.parse().map_err(|error: BadText| decode::Error::message(error).at(at))
            }
        }
    };
}

/// A text that is too long or would steer a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too long or with control characters")]
pub struct BadText;

short_text!(
    /// At most 64 bytes without control characters.
    Word,
    MAX_WORD_BYTES
);
short_text!(
    /// At most 300 bytes without control characters: what is wrong or was done, in words.
    Sentence,
    MAX_SENTENCE_BYTES
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_would_steer_a_terminal_are_refused() {
        assert!("\u{1b}[2J".parse::<Word>().is_err());
        assert!(serde_json::from_str::<Sentence>("\"a\\u0007\"").is_err());
        assert_eq!(Word::cut("a\nb").as_str(), "a b");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let cut = Word::cut(&"ä".repeat(40));
        assert_eq!(cut.as_str().len(), 64);
        assert!("x".repeat(65).parse::<Word>().is_err());
    }
}
