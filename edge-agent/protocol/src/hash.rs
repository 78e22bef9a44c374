//! SHA-256 values, whole and cut.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

/// A text that is not a hash of the expected length in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the right number of hexadecimal digits")]
pub struct BadHash;

macro_rules! hash {
    ($(#[$doc:meta])* $kind:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Cow<'_, str>", into = "String")]
        pub struct $kind([u8; $length]);

        impl $kind {
            /// From bytes computed elsewhere.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Hash of some bytes.
            pub fn of(bytes: &[u8]) -> Self {
                Self::from_digest(&digest::digest(&digest::SHA256, bytes))
            }

            /// From a finished SHA-256, cut where this kind is shorter.
            pub fn from_digest(digest: &digest::Digest) -> Self {
                let mut bytes = [0; $length];
                for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
                    *to = *from;
                }
                Self(bytes)
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
            type Err = BadHash;

            fn from_str(text: &str) -> Result<Self, BadHash> {
                let mut bytes = [0; $length];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| BadHash)?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<Cow<'_, str>> for $kind {
            type Error = BadHash;

            fn try_from(text: Cow<'_, str>) -> Result<Self, BadHash> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(hash: $kind) -> Self {
                hash.to_string()
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
                let wrong = || minicbor::decode::Error::message("wrong length of a hash").at(at);
                d.bytes()?.try_into().map(Self).map_err(|_| wrong())
            }
        }
    };
}

hash!(
    /// A whole SHA-256: evidence.
    Hash256,
    32
);
hash!(
    /// The first 16 bytes of a SHA-256: binds a picture to a record.
    Hash128,
    16
);
hash!(
    /// The first 6 bytes of a SHA-256: names a version of a model, configuration, mask or hotlist.
    Version,
    6
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_hashes_are_the_beginning_of_the_whole() {
        let whole = Hash256::of(b"abc").to_string();
        assert_eq!(whole, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(whole.starts_with(&Hash128::of(b"abc").to_string()));
        assert!(whole.starts_with(&Version::of(b"abc").to_string()));
    }

    #[test]
    fn a_hash_of_the_wrong_length_is_refused() {
        assert!("ba78".parse::<Hash256>().is_err());
        let short = minicbor::to_vec(minicbor::bytes::ByteVec::from(vec![0; 31])).unwrap();
        assert!(minicbor::decode::<Hash256>(&short).is_err());
    }
}
