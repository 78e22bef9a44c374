//! A clip as it leaves the unit: the MP4, the signed manifest, and the pieces they travel in.

use std::sync::Arc;

use aws_lc_rs::digest;
use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::command::ClipScope;
use edge_protocol::evidence::{ClipManifest, ManifestGroup, ManifestSpan};
use edge_protocol::hash::Hash256;
use edge_protocol::id::{AgencyId, RequestId, UnitId};
use edge_protocol::record::{ClipChunk, ClipOffer, ClipPart, MAX_CHUNK_BYTES, Span, Word};
use edge_protocol::sign::{Chain, SignatureError, SigningKey};
use edge_protocol::time::{Moment, WallStamp, WallTime};
use edge_store::ring::{Group, RingError, RingReader};

use super::playable::{Clip, read_groups, within};

/// The most groups of one clip: more than an hour at a key picture a second.
const MOST_GROUPS: u32 = 5_000;
/// The most gaps that the answer lists.
const MOST_GAPS_TOLD: usize = 256;

/// Who states what the clip is.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The unit's agency.
    pub agency: AgencyId,
    /// The unit.
    pub unit: UnitId,
    /// The unit's key.
    pub key: Arc<SigningKey>,
    /// The unit's certificates.
    pub chain: Chain,
    /// The agent's version.
    pub software: Word,
}

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The ring could not be read.
    #[error("the video ring cannot be read: {0}")]
    Ring(#[from] RingError),
    /// Nothing of the time is there.
    #[error("there is no video of that time; {}", held(*.0))]
    Nothing(Option<(WallTime, WallTime)>),
    /// The disk lost a group between two looks.
    #[error("segment {segment} cannot be read any more")]
    Lost {
        /// Where the group was.
        segment: u64,
    },
    /// The manifest could not be signed.
    #[error("the clip cannot be signed: {0}")]
    Signature(#[from] SignatureError),
}

fn held(span: Option<(WallTime, WallTime)>) -> String {
    span.map_or_else(|| "the ring is empty".to_owned(), |(from, to)| format!("the ring holds {from} to {to}"))
}

/// A clip that is ready to be sent. Its groups are pinned until it, or what was made of it, is dropped.
#[derive(Debug)]
pub struct Package {
    request: RequestId,
    stated: Stated,
    reader: RingReader,
}

/// What is known of a clip once all of it was read.
#[derive(Debug)]
struct Stated {
    offer: ClipOffer,
    header: Vec<u8>,
    manifest: Vec<u8>,
    groups: Vec<Group>,
}

/// Pins the groups of a time under the request's name, makes the file's header and the signed manifest. The video
/// itself stays on the disk and is read again, group by group, as the pieces are made.
///
/// # Errors
/// When there is nothing, or the ring cannot be read.
pub fn make(
    reader: RingReader,
    request: RequestId,
    asked: &ClipScope,
    signer: &Signer,
    now: WallStamp,
) -> Result<Package, ClipError> {
    let pin = request.to_string();
    let selection = reader.pin(&pin, asked.from, asked.to, MOST_GROUPS)?;
    let made = read_groups(&reader, selection.groups).and_then(|clip| {
        let (Some(clip), left_out) = clip else { return Err(ClipError::Nothing(reader.span()?)) };
        let mut gaps: Vec<_> = selection.gaps.iter().map(|gap| ManifestSpan { from: gap.from, to: gap.to }).collect();
        gaps.extend(left_out);
        if selection.cut_short {
            gaps.push(ManifestSpan { from: clip.end(), to: asked.to });
        }
        clip.sign(&reader, asked, Terms { request, gaps: within(asked, gaps), now }, signer)
    });
    match made {
        Ok(stated) => Ok(Package { request, stated, reader }),
        Err(error) => {
            reader.release(&pin)?;
            Err(error)
        }
    }
}

/// What the manifest states besides the groups.
struct Terms {
    request: RequestId,
    gaps: Vec<ManifestSpan>,
    now: WallStamp,
}

impl Clip {
    fn sign(
        mut self,
        reader: &RingReader,
        asked: &ClipScope,
        Terms { request, gaps, now }: Terms,
        signer: &Signer,
    ) -> Result<Stated, ClipError> {
        let header = self.header();
        let media_hash = hash_file(reader, &header, &self.groups)?;
        let media_bytes = header.len() as u64 + self.groups.iter().map(|group| group.bytes).sum::<u64>();
        let actual =
            ManifestSpan { from: self.groups.first().map_or(asked.from, |group| group.wall.time), to: self.end() };
        let manifest = ClipManifest {
            version: CONTRACT_VERSION,
            agency: signer.agency.clone(),
            unit: signer.unit.clone(),
            camera: asked.camera.clone(),
            request,
            codec: self.coding.codec,
            parameters: self.coding.parameters,
            asked: ManifestSpan { from: asked.from, to: asked.to },
            actual,
            gaps,
            groups: manifest_groups(&self.groups, header.len() as u64),
            media_bytes,
            media_hash,
            made: now,
            software: signer.software.clone(),
        };
        let sealed = manifest.seal(&signer.key, &signer.chain)?;
        let offer = ClipOffer {
            camera: asked.camera.clone(),
            asked: span(manifest.asked),
            actual: span(manifest.actual),
            // The manifest has them all; a record has bounds.
            gaps: manifest.gaps.iter().copied().take(MOST_GAPS_TOLD).map(span).collect(),
            media_bytes,
            media_hash,
            manifest_bytes: sealed.len() as u64,
            manifest_hash: Hash256::of(&sealed),
        };
        Ok(Stated { offer, header, manifest: sealed, groups: self.groups })
    }
}

/// SHA-256 of the whole file. The header stands before the video but is known only after it, so the video is read a
/// second time rather than kept: a clip may be larger than the memory.
fn hash_file(reader: &RingReader, header: &[u8], groups: &[Group]) -> Result<Hash256, ClipError> {
    let mut whole = digest::Context::new(&digest::SHA256);
    whole.update(header);
    for group in groups {
        whole.update(&video(reader, group)?);
    }
    Ok(Hash256::from_digest(&whole.finish()))
}

/// A group's video, which was there a moment ago: it is pinned.
fn video(reader: &RingReader, group: &Group) -> Result<Vec<u8>, ClipError> {
    let contents = reader.read(group)?;
    contents.map(|contents| contents.video).ok_or(ClipError::Lost { segment: group.segment })
}

fn span(span: ManifestSpan) -> Span {
    Span { from: Moment::from(span.from), to: Moment::from(span.to) }
}

fn manifest_groups(groups: &[Group], header_bytes: u64) -> Vec<ManifestGroup> {
    let mut offset = header_bytes;
    let place = |group: &Group| {
        let here = offset;
        offset += group.bytes;
        ManifestGroup {
            segment: group.segment,
            group: group.number,
            offset: here,
            length: group.bytes,
            frames: group.frames,
            first: group.first,
            last: group.last,
            wall: group.wall,
            leaf: group.leaf,
        }
    };
    groups.iter().map(place).collect()
}

impl Package {
    /// What the asker is told.
    pub fn offer(&self) -> &ClipOffer {
        &self.stated.offer
    }

    /// Every piece in order: the manifest, then the file. The video is read from the disk as the pieces are taken.
    pub fn into_pieces(self) -> Pieces {
        Pieces {
            part: ClipPart::Manifest,
            offset: 0,
            pending: self.stated.manifest.clone(),
            next_group: 0,
            package: self,
        }
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        if let Err(error) = self.reader.release(&self.request.to_string()) {
            tracing::warn!(%error, "what a clip held in the ring stays held until the next start");
        }
    }
}

/// A package cut into pieces of at most [`MAX_CHUNK_BYTES`].
#[derive(Debug)]
pub struct Pieces {
    package: Package,
    part: ClipPart,
    offset: u64,
    /// What was read and not yet taken; empty at the end of the file.
    pending: Vec<u8>,
    next_group: usize,
}

impl Iterator for Pieces {
    type Item = Result<ClipChunk, ClipError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.fill() {
            self.pending.clear();
            self.next_group = usize::MAX;
            return Some(Err(error));
        }
        if self.pending.is_empty() {
            return None;
        }
        let later = self.pending.split_off(self.pending.len().min(MAX_CHUNK_BYTES));
        let bytes = std::mem::replace(&mut self.pending, later);
        let (part, offset) = (self.part, self.offset);
        self.offset += bytes.len() as u64;
        let last = self.pending.is_empty() && (part == ClipPart::Manifest || self.group().is_none());
        if last && part == ClipPart::Manifest {
            self.part = ClipPart::Media;
            self.offset = 0;
            self.pending.clone_from(&self.package.stated.header);
        }
        Some(Ok(ClipChunk { request: self.package.request, part, offset, bytes, last }))
    }
}

impl Pieces {
    fn group(&self) -> Option<&Group> {
        self.package.stated.groups.get(self.next_group)
    }

    /// Reads groups until there is a piece and more, or nothing more to read.
    fn fill(&mut self) -> Result<(), ClipError> {
        while self.part == ClipPart::Media && self.pending.len() <= MAX_CHUNK_BYTES {
            let Some(group) = self.group() else { break };
            let video = video(&self.package.reader, group)?;
            self.pending.extend_from_slice(&video);
            self.next_group += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
