//! Probabilities, small enough to be sent by the dozen.

use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A probability or share in 255ths. In JSON a number from 0 to 1 with three decimals.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(try_from = "f64", into = "f64")]
pub struct Confidence(#[n(0)] u8);

/// A number that is no probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("need a number from 0 to 1")]
pub struct NotAShare;

impl Confidence {
    /// Impossible.
    pub const ZERO: Self = Self(0);
    /// Certain.
    pub const ONE: Self = Self(u8::MAX);

    /// The nearest to a number from 0 to 1; numbers outside are brought in, and what is no number is 0.
    pub fn from_ratio(ratio: f32) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=255; NaN gives 0")]
        let steps = (ratio * 255.0).round().clamp(0.0, 255.0) as u8;
        Self(steps)
    }

    /// From 0 to 1.
    pub fn ratio(self) -> f32 {
        f32::from(self.0) / 255.0
    }

    /// From 255ths.
    pub const fn from_steps(steps: u8) -> Self {
        Self(steps)
    }

    /// In 255ths.
    pub const fn steps(self) -> u8 {
        self.0
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        (Self::from(confidence.0) / 255.0 * 1000.0).round() / 1000.0
    }
}

impl TryFrom<f64> for Confidence {
    type Error = NotAShare;

    fn try_from(ratio: f64) -> Result<Self, NotAShare> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(NotAShare);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be within 0..=255")]
        let steps = (ratio * 255.0).round() as u8;
        Ok(Self(steps))
    }
}

impl fmt::Debug for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.ratio())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_survives_json() {
        for steps in 0..=u8::MAX {
            let json = serde_json::to_string(&Confidence(steps)).unwrap();
            assert_eq!(serde_json::from_str::<Confidence>(&json).unwrap(), Confidence(steps), "{json}");
        }
        assert!(serde_json::from_str::<Confidence>("1.01").is_err());
        assert!(serde_json::from_str::<Confidence>("-0.1").is_err());
    }

    #[test]
    fn what_is_no_number_is_no_confidence() {
        assert_eq!(Confidence::from_ratio(f32::NAN), Confidence::ZERO);
        assert_eq!(Confidence::from_ratio(2.0), Confidence::ONE);
    }
}
