//! The sample entry: how the samples of a run are coded (ISO/IEC 14496-15 for H.264 and H.265).

use edge_protocol::media::Codec;

use super::Run;
use super::bits::{Bits, unescape};
use super::boxes::Boxes;
use crate::media::nal::NalKind;

/// 72 dpi as 16.16, the value that means nothing.
const RESOLUTION: u32 = 0x0048_0000;

/// Writes the entry of a run.
pub(super) fn write(boxes: &mut Boxes, run: &Run<'_>) {
    let name = match run.codec {
        Codec::H264 => *b"avc1",
        Codec::H265 => *b"hvc1",
        Codec::Mjpeg => *b"mp4v",
    };
    boxes.boxed(name, |boxes| {
        boxes.zeros(6);
        boxes.u16(1); // data reference
        boxes.zeros(16);
        boxes.u16(run.width);
        boxes.u16(run.height);
        boxes.u32(RESOLUTION);
        boxes.u32(RESOLUTION);
        boxes.u32(0);
        boxes.u16(1); // frames per sample
        boxes.zeros(32); // compressor name
        boxes.u16(0x0018); // depth
        boxes.u16(0xffff);
        match run.codec {
            Codec::H264 => avcc(boxes, run.parameter_sets),
            Codec::H265 => hvcc(boxes, run.parameter_sets),
            Codec::Mjpeg => esds(boxes),
        }
    });
}

/// The sets of a kind, in order.
fn of_kind<'a>(codec: Codec, parameter_sets: &[&'a [u8]], kind: NalKind) -> Vec<&'a [u8]> {
    parameter_sets.iter().copied().filter(|nal| NalKind::of(codec, nal) == kind).collect()
}

fn nal(boxes: &mut Boxes, nal: &[u8]) {
    boxes.u16(u16::try_from(nal.len()).unwrap_or(u16::MAX));
    boxes.raw(nal);
}

/// `AVCDecoderConfigurationRecord`, clause 5.3.3.1.
fn avcc(boxes: &mut Boxes, parameter_sets: &[&[u8]]) {
    let at_most = |kind, most| {
        let mut sets = of_kind(Codec::H264, parameter_sets, kind);
        sets.truncate(most);
        sets
    };
    let (sps, pps) = (at_most(NalKind::Sps, 31), at_most(NalKind::Pps, 255));
    let profile = sps.first().and_then(|sps| sps.get(1..4)).unwrap_or(&[0x42, 0, 0x1e]);
    boxes.boxed(*b"avcC", |boxes| {
        boxes.u8(1);
        boxes.raw(profile);
        boxes.u8(0xff); // lengths of 4 bytes
        boxes.u8(0xe0 | u8::try_from(sps.len()).unwrap_or(31));
        for set in &sps {
            nal(boxes, set);
        }
        boxes.u8(u8::try_from(pps.len()).unwrap_or(255));
        for set in &pps {
            nal(boxes, set);
        }
        // High profiles say their format again; 4:2:0 with 8 bits is all that surveillance cameras send.
        if matches!(profile.first(), Some(100 | 110 | 122 | 144)) {
            boxes.raw(&[0xfd, 0xf8, 0xf8, 0]);
        }
    });
}

/// What `hvcC` repeats of a sequence parameter set.
struct Sps {
    /// Profile space, tier, profile, compatibility, constraints, level: 12 bytes as they stand.
    general: [u8; 12],
    chroma_format: u8,
    luma_depth_minus_8: u8,
    chroma_depth_minus_8: u8,
    sub_layers: u8,
    nested: u8,
}

/// Reads an SPS, clause 7.3.2.2 of ITU-T H.265, as far as the bit depths.
fn read_sps(nal: &[u8]) -> Option<Sps> {
    let payload = unescape(nal.get(2..)?);
    let general: [u8; 12] = payload.get(1..13)?.try_into().ok()?;
    let mut bits = Bits::new(&payload);
    bits.skip(4)?;
    let sub_layers_minus_1 = bits.bits(3)?;
    let nested = bits.bit()?;
    bits.skip(96)?;
    skip_sub_layers(&mut bits, sub_layers_minus_1)?;
    bits.exp_golomb()?; // sps_seq_parameter_set_id
    let chroma_format = bits.exp_golomb()?;
    if chroma_format == 3 {
        bits.bit()?;
    }
    bits.exp_golomb()?; // width
    bits.exp_golomb()?; // height
    if bits.bit()? == 1 {
        for _ in 0..4 {
            bits.exp_golomb()?; // conformance window
        }
    }
    let small = |value: u32| u8::try_from(value).ok();
    Some(Sps {
        general,
        chroma_format: small(chroma_format)?,
        luma_depth_minus_8: small(bits.exp_golomb()?)?,
        chroma_depth_minus_8: small(bits.exp_golomb()?)?,
        sub_layers: small(sub_layers_minus_1 + 1)?,
        nested: small(nested)?,
    })
}

/// The rest of `profile_tier_level()`, clause 7.3.3.
fn skip_sub_layers(bits: &mut Bits<'_>, sub_layers_minus_1: u32) -> Option<()> {
    let present = (0..sub_layers_minus_1).map(|_| Some((bits.bit()?, bits.bit()?))).collect::<Option<Vec<_>>>()?;
    if sub_layers_minus_1 > 0 {
        bits.skip(2 * usize::try_from(8 - sub_layers_minus_1).ok()?)?;
    }
    for (profile, level) in present {
        bits.skip(if profile == 1 { 88 } else { 0 } + if level == 1 { 8 } else { 0 })?;
    }
    Some(())
}

/// `HEVCDecoderConfigurationRecord`, clause 8.3.3.1.
fn hvcc(boxes: &mut Boxes, parameter_sets: &[&[u8]]) {
    let arrays = [(32, NalKind::Vps), (33, NalKind::Sps), (34, NalKind::Pps)]
        .map(|(code, kind)| (code, of_kind(Codec::H265, parameter_sets, kind)));
    let sps = arrays[1].1.first().and_then(|nal| read_sps(nal));
    boxes.boxed(*b"hvcC", |boxes| {
        boxes.u8(1);
        boxes.raw(&sps.as_ref().map_or([0; 12], |sps| sps.general));
        boxes.u16(0xf000); // no spatial segmentation stated
        boxes.u8(0xfc); // parallelism unknown
        let (chroma, luma_depth, chroma_depth, layers, nested) = sps.map_or((1, 0, 0, 1, 1), |sps| {
            (sps.chroma_format, sps.luma_depth_minus_8, sps.chroma_depth_minus_8, sps.sub_layers, sps.nested)
        });
        boxes.u8(0xfc | chroma & 3);
        boxes.u8(0xf8 | luma_depth & 7);
        boxes.u8(0xf8 | chroma_depth & 7);
        boxes.u16(0); // average frame rate unknown
        boxes.u8((layers & 7) << 3 | (nested & 1) << 2 | 3);
        boxes.u8(u8::try_from(arrays.iter().filter(|(_, nals)| !nals.is_empty()).count()).unwrap_or(3));
        for (code, nals) in arrays.iter().filter(|(_, nals)| !nals.is_empty()) {
            boxes.u8(*code); // more of the kind may stand in the samples
            boxes.u16(u16::try_from(nals.len()).unwrap_or(u16::MAX));
            for bytes in nals {
                nal(boxes, bytes);
            }
        }
    });
}

/// An elementary stream descriptor that says "JPEG" (object type 0x6c of ISO/IEC 14496-1).
fn esds(boxes: &mut Boxes) {
    boxes.full(*b"esds", 0, 0, |boxes| {
        boxes.raw(&[0x03, 21, 0, 1, 0]); // ES_Descriptor, id 1
        boxes.raw(&[0x04, 13, 0x6c, 0x11]); // DecoderConfigDescriptor, visual stream
        boxes.zeros(3 + 4 + 4); // buffer and bit rates not stated
        boxes.raw(&[0x06, 1, 2]); // SLConfigDescriptor for MP4
    });
}
