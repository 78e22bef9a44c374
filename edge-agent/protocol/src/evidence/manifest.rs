//! What a unit states about a clip, and signs.

use minicbor::{Decode, Encode};

use super::leaf::{GroupHead, Leaf};
use crate::batch::{self, CONTRACT_VERSION, Unreadable};
use crate::hash::Hash256;
use crate::id::{AgencyId, CameraId, RequestId, UnitId};
use crate::media::Codec;
use crate::record::Word;
use crate::sign::{Chain, Kind, SignatureError, Signed, SigningKey};
use crate::time::{MediaTime, WallStamp, WallTime};

/// A time from one label of the wall clock to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ManifestSpan {
    /// Beginning.
    #[n(0)]
    pub from: WallTime,
    /// End.
    #[n(1)]
    pub to: WallTime,
}

/// One group of pictures in a clip.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ManifestGroup {
    /// Number of its segment in the unit's ring.
    #[n(0)]
    pub segment: u64,
    /// Its place in the segment.
    #[n(1)]
    pub group: u32,
    /// Where its bytes begin in the clip's file.
    #[n(2)]
    pub offset: u64,
    /// How many bytes.
    #[n(3)]
    pub length: u64,
    /// How many pictures.
    #[n(4)]
    pub frames: u32,
    /// Presentation time of its first picture.
    #[n(5)]
    pub first: MediaTime,
    /// Presentation time of its last picture.
    #[n(6)]
    pub last: MediaTime,
    /// Wall clock for its first picture.
    #[n(7)]
    pub wall: WallStamp,
    /// The leaf that was stored when it was recorded.
    #[n(8)]
    pub leaf: Leaf,
}

/// What a unit states about a clip.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClipManifest {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// Whose unit.
    #[n(1)]
    pub agency: AgencyId,
    /// Which unit.
    #[n(2)]
    pub unit: UnitId,
    /// Which camera.
    #[n(3)]
    pub camera: CameraId,
    /// The request it answers.
    #[n(4)]
    pub request: RequestId,
    /// How the video is coded.
    #[n(5)]
    pub codec: Codec,
    /// Hash of codec and parameter sets: see [`crate::media::parameter_hash`].
    #[n(6)]
    pub parameters: Hash256,
    /// What was asked for.
    #[n(7)]
    pub asked: ManifestSpan,
    /// What there is: from the key frame at or before the beginning.
    #[n(8)]
    pub actual: ManifestSpan,
    /// Times within what was asked for that have no video.
    #[n(9)]
    pub gaps: Vec<ManifestSpan>,
    /// The groups in the order of the file.
    #[n(10)]
    pub groups: Vec<ManifestGroup>,
    /// Bytes of the file.
    #[n(11)]
    pub media_bytes: u64,
    /// SHA-256 of the file.
    #[n(12)]
    pub media_hash: Hash256,
    /// When the clip was made.
    #[n(13)]
    pub made: WallStamp,
    /// The agent's version.
    #[n(14)]
    pub software: Word,
}

impl ClipManifest {
    /// How many pictures the clip has.
    pub fn frames(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.frames)).sum()
    }

    /// What the leaf of a group was computed over besides its bytes.
    pub fn head(&self, group: &ManifestGroup) -> GroupHead {
        GroupHead {
            unit: self.unit.clone(),
            camera: self.camera.clone(),
            codec: self.codec,
            segment: group.segment,
            group: group.group,
            first: group.first,
            last: group.last,
            wall: group.wall,
            frames: group.frames,
            length: group.length,
        }
    }

    /// Signs the manifest with the unit's key.
    ///
    /// # Errors
    /// If the key does not belong to the chain, or does not sign.
    pub fn seal(&self, key: &SigningKey, chain: &Chain) -> Result<Vec<u8>, SignatureError> {
        Signed::seal(Kind::ClipManifest, batch::encode_cbor(self), key, chain)
    }

    pub(super) fn from_payload(payload: &[u8]) -> Result<Self, Unreadable> {
        let mut d = minicbor::Decoder::new(payload);
        let manifest = Self::decode(&mut d, &mut ())?;
        if manifest.version == CONTRACT_VERSION { Ok(manifest) } else { Err(Unreadable::Version(manifest.version)) }
    }
}
