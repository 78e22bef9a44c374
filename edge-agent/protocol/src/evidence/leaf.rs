//! The leaf: SHA-256 over a group of pictures and what was known of it when it was recorded.
//!
//! ```text
//! SHA-256("edge leaf v1\0" || the group's bytes || head || length of head, 4 bytes, most significant first)
//! ```
//! `head` is the deterministic CBOR of [`GroupHead`]. It stands behind the bytes because it is known only when the
//! group ends; its own length at the very end leaves no doubt where it begins.

use aws_lc_rs::digest;
use minicbor::{Decode, Encode};

use crate::hash::Hash256;
use crate::id::{CameraId, UnitId};
use crate::media::Codec;
use crate::time::{MediaTime, WallStamp};

/// The hash of one group of pictures.
pub type Leaf = Hash256;

const DOMAIN: &[u8] = b"edge leaf v1\0";

/// What is known of a group of pictures besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GroupHead {
    /// Which unit recorded it.
    #[n(0)]
    pub unit: UnitId,
    /// From which camera.
    #[n(1)]
    pub camera: CameraId,
    /// How it is coded.
    #[n(2)]
    pub codec: Codec,
    /// Number of its segment, unique in the unit's ring.
    #[n(3)]
    pub segment: u64,
    /// Its place in the segment, from 0.
    #[n(4)]
    pub group: u32,
    /// Presentation time of its first picture.
    #[n(5)]
    pub first: MediaTime,
    /// Presentation time of its last picture.
    #[n(6)]
    pub last: MediaTime,
    /// Wall clock for its first picture, with what that is worth.
    #[n(7)]
    pub wall: WallStamp,
    /// How many pictures.
    #[n(8)]
    pub frames: u32,
    /// How many bytes.
    #[n(9)]
    pub length: u64,
}

/// Computes a leaf while the bytes pass by.
#[derive(Clone)]
pub struct LeafHasher {
    context: digest::Context,
}

impl LeafHasher {
    /// Before the first byte.
    pub fn new() -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(DOMAIN);
        Self { context }
    }

    /// Takes the next bytes of the group.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// The leaf, after the last byte.
    pub fn finish(mut self, head: &GroupHead) -> Leaf {
        let head = crate::batch::encode_cbor(head);
        self.context.update(&head);
        let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
        self.context.update(&length.to_be_bytes());
        Hash256::from_digest(&self.context.finish())
    }

    /// The leaf of a group that is at hand as a whole.
    pub fn leaf(bytes: &[u8], head: &GroupHead) -> Leaf {
        let mut hasher = Self::new();
        hasher.update(bytes);
        hasher.finish(head)
    }
}

impl Default for LeafHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for LeafHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeafHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::WallTime;

    fn head() -> GroupHead {
        GroupHead {
            unit: "pole-7".parse().unwrap(),
            camera: "gate".parse().unwrap(),
            codec: Codec::H264,
            segment: 9,
            group: 3,
            first: MediaTime::from_nanos(1_000_000_000),
            last: MediaTime::from_nanos(1_960_000_000),
            wall: WallStamp { time: WallTime::from_micros(1_790_000_000_000_000), ..WallStamp::default() },
            frames: 25,
            length: 6,
        }
    }

    #[test]
    fn a_leaf_covers_bytes_and_every_field_of_the_head() {
        let leaf = LeafHasher::leaf(b"abcdef", &head());
        let others = [
            LeafHasher::leaf(b"abcdeg", &head()),
            LeafHasher::leaf(b"abcdef", &GroupHead { unit: "pole-8".parse().unwrap(), ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { camera: "yard".parse().unwrap(), ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { codec: Codec::H265, ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { segment: 8, ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { group: 4, ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { first: MediaTime::ZERO, ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { last: MediaTime::ZERO, ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { wall: WallStamp::default(), ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { frames: 24, ..head() }),
            LeafHasher::leaf(b"abcdef", &GroupHead { length: 7, ..head() }),
        ];
        assert!(others.iter().all(|other| *other != leaf));
    }

    #[test]
    fn bytes_may_come_in_pieces() {
        let mut hasher = LeafHasher::new();
        hasher.update(b"abc");
        hasher.update(b"def");
        assert_eq!(hasher.finish(&head()), LeafHasher::leaf(b"abcdef", &head()));
    }
}
