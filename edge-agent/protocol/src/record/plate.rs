//! The text of a plate: it never shows itself by accident.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};

/// The longest plate, in characters.
pub const MAX_PLATE_CHARACTERS: usize = 16;

/// The text of a plate: 1 to 16 letters and digits, upper case, no separators. `Debug` shows its length alone and
/// there is no `Display`, so that plates stay out of logs; whoever means to show one calls [`PlateText::as_str`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct PlateText(Box<str>);

/// A text that is no plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a plate is 1 to 16 upper-case letters and digits")]
pub struct NotAPlate;

impl PlateText {
    /// Checks a text as readers return it.
    ///
    /// # Errors
    /// If it is empty, too long, or has a character that is neither a digit nor a letter in upper case.
    pub fn new(text: &str) -> Result<Self, NotAPlate> {
        let count = text.chars().count();
        let fits = |c: char| c.is_alphanumeric() && !c.is_lowercase();
        if (1..=MAX_PLATE_CHARACTERS).contains(&count) && text.chars().all(fits) {
            Ok(Self(text.into()))
        } else {
            Err(NotAPlate)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlateText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlateText({} characters)", self.0.chars().count())
    }
}

impl FromStr for PlateText {
    type Err = NotAPlate;

    fn from_str(text: &str) -> Result<Self, NotAPlate> {
        Self::new(text)
    }
}

impl TryFrom<Cow<'_, str>> for PlateText {
    type Error = NotAPlate;

    fn try_from(text: Cow<'_, str>) -> Result<Self, NotAPlate> {
        Self::new(&text)
    }
}

impl From<PlateText> for String {
    fn from(text: PlateText) -> Self {
        text.0.into()
    }
}

impl<C> Encode<C> for PlateText {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PlateText {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let at = d.position();
        Self::new(d.str()?).map_err(|error| decode::Error::message(error).at(at))
    }
}

/// What one character of a plate may be instead.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternate {
    /// Which character, from 0.
    pub position: u8,
    /// What it may be.
    pub character: char,
    /// How likely that is.
    pub probability: super::Confidence,
}

impl fmt::Debug for Alternate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alternate({:?} at {})", self.probability, self.position)
    }
}

/// Alternates as one flat array, three numbers each: a header per alternate would cost a fifth of a read.
pub(crate) mod flat {
    use minicbor::{Decoder, Encoder, decode as decoding, encode as encoding};

    use super::Alternate;
    use crate::record::Confidence;

    pub(crate) fn encode<C, W: encoding::Write>(
        alternates: &Vec<Alternate>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encoding::Error<W::Error>> {
        e.array(alternates.len() as u64 * 3)?;
        for alternate in alternates {
            e.u8(alternate.position)?.char(alternate.character)?.u8(alternate.probability.steps())?;
        }
        Ok(())
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Alternate>, decoding::Error> {
        let at = d.position();
        let length = d.array()?.filter(|length| length % 3 == 0);
        let length = length.ok_or_else(|| decoding::Error::message("alternates come as three numbers each").at(at))?;
        let mut alternates = Vec::new();
        for _ in 0..length / 3 {
            let (position, character) = (d.u8()?, d.char()?);
            alternates.push(Alternate { position, character, probability: Confidence::from_steps(d.u8()?) });
        }
        Ok(alternates)
    }
}

/// Confidences as one byte string.
pub(crate) mod packed {
    use minicbor::{Decoder, Encoder, decode as decoding, encode as encoding};

    use crate::record::Confidence;

    pub(crate) fn encode<C, W: encoding::Write>(
        confidences: &[Confidence],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encoding::Error<W::Error>> {
        let steps: Vec<u8> = confidences.iter().map(|confidence| confidence.steps()).collect();
        e.bytes(&steps)?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Confidence>, decoding::Error> {
        Ok(d.bytes()?.iter().map(|&steps| Confidence::from_steps(steps)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plate_is_letters_and_digits_in_upper_case() {
        for good in ["A", "B12CDE", "ЖX77", "0123456789ABCDEF"] {
            assert!(PlateText::new(good).is_ok(), "{good}");
        }
        for bad in ["", "b12", "B 12", "B-12", "B\u{1b}[2J", "0123456789ABCDEFG"] {
            assert!(PlateText::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_plate_does_not_show_itself() {
        let shown = format!("{:?}", PlateText::new("B12CDE").unwrap());
        assert!(!shown.contains("B12"), "{shown}");
    }
}
