use std::io::Cursor;

use super::*;
use crate::batch::CONTRACT_VERSION;
use crate::evidence::{GroupHead, ManifestSpan};
use crate::hash::Hash256;
use crate::id::RequestId;
use crate::media::Codec;
use crate::sign::testing::{Authority, Identity, at};
use crate::time::{ClockQuality, MediaTime, WallStamp};

const HEADER: &[u8] = b"container header";
const GROUPS: [&[u8]; 3] = [b"first group", b"the second group", b"third"];

fn stamp() -> WallStamp {
    WallStamp { time: at(), quality: ClockQuality::Synchronised { bound_ms: 10 } }
}

/// A file with a header, three groups and a trailer, and its manifest.
fn clip() -> (Vec<u8>, ClipManifest) {
    let mut media = HEADER.to_vec();
    let mut groups = Vec::new();
    for (number, bytes) in GROUPS.into_iter().enumerate() {
        let group = ManifestGroup {
            segment: 5,
            group: u32::try_from(number).unwrap(),
            offset: media.len() as u64,
            length: bytes.len() as u64,
            frames: 25,
            first: MediaTime::ZERO,
            last: MediaTime::from_nanos(960_000_000),
            wall: stamp(),
            leaf: Hash256::of(b""),
        };
        media.extend_from_slice(bytes);
        groups.push(group);
    }
    media.extend_from_slice(b"trailer");
    let span = ManifestSpan { from: at(), to: at() };
    let mut manifest = ClipManifest {
        version: CONTRACT_VERSION,
        agency: "springfield".parse().unwrap(),
        unit: "pole-7".parse().unwrap(),
        camera: "gate".parse().unwrap(),
        request: RequestId::from_bytes([2; 16]),
        codec: Codec::H264,
        parameters: Hash256::of(b"parameters"),
        asked: span,
        actual: span,
        gaps: vec![span],
        groups: Vec::new(),
        media_bytes: media.len() as u64,
        media_hash: Hash256::of(&media),
        made: stamp(),
        software: "0.1.0".parse().unwrap(),
    };
    for (group, bytes) in groups.iter_mut().zip(GROUPS) {
        let head: GroupHead = manifest.head(group);
        group.leaf = LeafHasher::leaf(bytes, &head);
    }
    manifest.groups = groups;
    (media, manifest)
}

fn seal(manifest: &ClipManifest, identity: &Identity) -> Vec<u8> {
    manifest.seal(&identity.key, &identity.chain).unwrap()
}

fn verify(media: &[u8], manifest: &[u8], authority: &Authority) -> Result<VerifiedClip, ClipFault> {
    verify_clip(&mut Cursor::new(media), manifest, &authority.root())
}

#[test]
fn what_was_recorded_is_verified() {
    let authority = Authority::new("springfield");
    let (media, manifest) = clip();
    let verified = verify(&media, &seal(&manifest, &authority.unit("pole-7")), &authority).unwrap();
    assert_eq!(verified.manifest, manifest);
    assert_eq!(verified.manifest.frames(), 75);
}

#[test]
fn a_flipped_bit_anywhere_in_the_file_is_found_and_its_group_named() {
    let authority = Authority::new("springfield");
    let (media, manifest) = clip();
    let sealed = seal(&manifest, &authority.unit("pole-7"));
    for place in 0..media.len() {
        let mut changed = media.clone();
        changed[place] ^= 0x10;
        let within = |group: &ManifestGroup| (group.offset..group.offset + group.length).contains(&(place as u64));
        match (manifest.groups.iter().position(within), verify(&changed, &sealed, &authority)) {
            (Some(bad), Err(ClipFault::Group { index, .. })) => assert_eq!(index, bad),
            (None, Err(ClipFault::Container)) => {}
            (expected, found) => panic!("byte {place}: {expected:?}, {found:?}"),
        }
    }
}

#[test]
fn a_shortened_file_is_found() {
    let authority = Authority::new("springfield");
    let (media, manifest) = clip();
    let sealed = seal(&manifest, &authority.unit("pole-7"));
    let result = verify(&media[..media.len() - 1], &sealed, &authority);
    assert!(matches!(result, Err(ClipFault::Length { .. })));
}

#[test]
fn only_the_unit_itself_signs_its_clips() {
    let authority = Authority::new("springfield");
    let (media, manifest) = clip();
    for signer in [authority.unit("pole-8"), authority.person("ada", "supervisor")] {
        let result = verify(&media, &seal(&manifest, &signer), &authority);
        assert!(matches!(result, Err(ClipFault::Signer)), "{result:?}");
    }
    let stranger = Authority::new("springfield").unit("pole-7");
    let result = verify(&media, &seal(&manifest, &stranger), &authority);
    assert!(matches!(result, Err(ClipFault::Signature(SignatureError::Untrusted(_)))), "{result:?}");
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let authority = Authority::new("springfield");
    let (media, whole) = clip();
    let unit = authority.unit("pole-7");
    let changes: [fn(&mut ClipManifest); 4] = [
        |manifest| manifest.groups[1].offset = 0,
        |manifest| manifest.groups[2].length = u64::MAX,
        |manifest| manifest.groups[0].length = 0,
        |manifest| manifest.groups[2].length += 100,
    ];
    for change in changes {
        let mut manifest = whole.clone();
        change(&mut manifest);
        let result = verify(&media, &seal(&manifest, &unit), &authority);
        assert!(matches!(result, Err(ClipFault::Groups(_))), "{result:?}");
    }
}
