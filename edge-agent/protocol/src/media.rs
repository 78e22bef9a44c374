//! How a camera's pictures are coded.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::hash::Hash256;

/// How a camera's pictures are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// ITU-T H.264.
    #[n(0)]
    H264,
    /// ITU-T H.265.
    #[n(1)]
    H265,
    /// JPEG pictures, one after the other.
    #[n(2)]
    Mjpeg,
}

/// A text that names no codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec: h264, h265 or mjpeg")]
pub struct UnknownCodec;

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 3] = [Self::H264, Self::H265, Self::Mjpeg];

    /// The word in JSON, configuration and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Mjpeg => "mjpeg",
        }
    }

    /// The number in storage and hashes.
    pub const fn code(self) -> u8 {
        match self {
            Self::H264 => 0,
            Self::H265 => 1,
            Self::Mjpeg => 2,
        }
    }

    /// The codec of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.code() == code)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, UnknownCodec> {
        Self::ALL.into_iter().find(|codec| codec.as_str() == text).ok_or(UnknownCodec)
    }
}

/// Identifies what a decoder must know before the first picture: SHA-256 over the codec and its parameter sets, each
/// behind its length. MJPEG has no parameter sets. A change of this hash means a new segment.
pub fn parameter_hash(codec: Codec, parameter_sets: &[&[u8]]) -> Hash256 {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"edge codec parameters v1\0");
    context.update(&[codec.code()]);
    for set in parameter_sets {
        context.update(&(set.len() as u64).to_be_bytes());
        context.update(set);
    }
    Hash256::from_digest(&context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_is_found_by_its_word_and_number() {
        for codec in Codec::ALL {
            assert_eq!(codec.as_str().parse(), Ok(codec));
            assert_eq!(Codec::from_code(codec.code()), Some(codec));
        }
    }

    #[test]
    fn parameter_sets_do_not_run_into_each_other() {
        let split = parameter_hash(Codec::H264, &[b"ab", b"c"]);
        assert_ne!(split, parameter_hash(Codec::H264, &[b"a", b"bc"]));
        assert_ne!(split, parameter_hash(Codec::H265, &[b"ab", b"c"]));
        assert_eq!(split, parameter_hash(Codec::H264, &[b"ab", b"c"]));
    }
}
