//! How a camera's video is coded.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The codecs a camera may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Codec {
    /// ITU-T H.264.
    #[n(0)]
    H264,
    /// ITU-T H.265.
    #[n(1)]
    H265,
    /// A sequence of JPEG pictures.
    #[n(2)]
    Mjpeg,
}

impl Codec {
    /// The codec's short name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Mjpeg => "mjpeg",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is none of h264, h265, mjpeg")]
pub struct UnknownCodec;

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, UnknownCodec> {
        [Self::H264, Self::H265, Self::Mjpeg].into_iter().find(|codec| codec.as_str() == text).ok_or(UnknownCodec)
    }
}
