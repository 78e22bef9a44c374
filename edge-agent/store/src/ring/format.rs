//! The bytes of a segment file, all numbers little-endian.
//!
//! ```text
//! segment head, 128 bytes                          group head, 104 bytes
//!   0   4  "ESEG"                                    0   4  "EGRP"
//!   4   2  version, 1                                4   4  number in the segment, from 0
//!   6   1  codec: 0 H.264, 1 H.265, 2 MJPEG          8   4  pictures
//!   7   1  zero                                     12   1  bit 0: decoding can start here; bit 1: new beginning
//!   8   8  segment number                           13   1  clock: 0 unknown, 1 free, 2 synchronised
//!  16  32  hash of codec and parameter sets         14   2  zero
//!  48   1  length of the camera's name              16   4  bound of the clock's error in ms, where synchronised
//!  49  32  camera's name, zeros behind it           20   2  width in pixels, zero where unknown
//!  81   1  length of the unit's name                22   2  height in pixels, zero where unknown
//!  82  32  unit's name, zeros behind it             24   8  bytes of video
//! 114  10  zeros                                    32   8  presentation time of the first picture, ns
//! 124   4  CRC-32 of bytes 0..124                   40   8  presentation time of the last picture, ns
//!                                                   48   8  wall clock for the first picture, µs since 1970
//! segment = head, group, group, ...                 56   8  duration, ns
//! group   = head, table, video                      64  32  leaf
//! table   = per picture, in decoding order:         96   4  CRC-32 of the video
//!   0   4  bytes                                   100   4  CRC-32 of bytes 0..100 and the table
//!   4   4  bit 0: key frame
//!   8   8  decoding time, ns
//!  16   8  presentation time, ns
//! ```
//! The video is the camera's own, picture by picture: H.264 and H.265 as NAL units behind their lengths in 4 bytes,
//! most significant first, MJPEG as JPEG. A reader stops at the first group whose checksums are wrong: that is where a
//! power cut fell.

use std::time::Duration;

use edge_protocol::evidence::Leaf;
use edge_protocol::hash::Hash256;
use edge_protocol::id::{CameraId, UnitId};
use edge_protocol::media::Codec;
use edge_protocol::time::{ClockQuality, MediaTime, WallStamp, WallTime};

/// Bytes of a segment's head.
pub(super) const SEGMENT_HEAD_BYTES: usize = 128;
/// Bytes of a group's head without its table.
pub(super) const GROUP_HEAD_BYTES: usize = 104;
/// Bytes of one picture's row in the table.
pub(super) const ROW_BYTES: usize = 24;
/// More pictures than any group has: 2 s at 1,000 frames a second, with room.
pub(super) const MOST_PICTURES: u32 = 16_384;

const SEGMENT_MAGIC: [u8; 4] = *b"ESEG";
const GROUP_MAGIC: [u8; 4] = *b"EGRP";
const VERSION: u16 = 1;
const NAME_BYTES: usize = 32;

/// What a segment file says of all its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) number: u64,
    pub(super) codec: Codec,
    pub(super) parameters: Hash256,
    pub(super) camera: CameraId,
    pub(super) unit: UnitId,
}

/// A stored group of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Number of its segment.
    pub segment: u64,
    /// Its place in the segment, from 0.
    pub number: u32,
    /// Where its head begins in the file.
    pub offset: u64,
    /// How many pictures.
    pub frames: u32,
    /// Whether decoding can start with its first picture.
    pub starts_with_key: bool,
    /// Whether it begins something new: nothing connects it with the group before.
    pub discontinuity: bool,
    /// Width and height in pixels, where known.
    pub size: Option<(u16, u16)>,
    /// Bytes of video.
    pub bytes: u64,
    /// Presentation time of its first picture.
    pub first: MediaTime,
    /// Presentation time of its last picture.
    pub last: MediaTime,
    /// Wall clock for its first picture.
    pub wall: WallStamp,
    /// How long it lasts, its last picture included.
    pub duration: Duration,
    /// Its leaf.
    pub leaf: Leaf,
    /// Checksum of its video.
    pub(super) crc: u32,
}

/// A picture of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Its bytes.
    pub bytes: u32,
    /// Whether decoding can start here.
    pub key: bool,
    /// When it must be decoded.
    pub decode: MediaTime,
    /// When it is shown.
    pub media: MediaTime,
}

impl Group {
    /// When it ends by the wall clock.
    pub fn end(&self) -> WallTime {
        self.wall.time.saturating_add(self.duration)
    }

    /// Where its video begins in the file.
    pub(super) fn video_offset(&self) -> u64 {
        self.offset + GROUP_HEAD_BYTES as u64 + u64::from(self.frames) * ROW_BYTES as u64
    }

    /// Where the next group begins.
    pub(super) fn end_offset(&self) -> u64 {
        self.video_offset().saturating_add(self.bytes)
    }

    /// Bytes of head and table.
    pub(super) fn table_bytes(&self) -> usize {
        (self.frames as usize).saturating_mul(ROW_BYTES)
    }
}

impl SegmentHead {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEAD_BYTES);
        out.extend(SEGMENT_MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([self.codec.code(), 0]);
        out.extend(self.number.to_le_bytes());
        out.extend(self.parameters.as_bytes());
        for name in [self.camera.as_str(), self.unit.as_str()] {
            // Ids are at most 32 bytes: their own type sees to it.
            out.push(u8::try_from(name.len()).unwrap_or(0));
            out.extend(name.bytes().chain(std::iter::repeat(0)).take(NAME_BYTES));
        }
        out.extend([0; 10]);
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8; SEGMENT_HEAD_BYTES]) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut fields = Fields(covered);
        if fields.take::<4>()? != SEGMENT_MAGIC || fields.u16()? != VERSION {
            return None;
        }
        let [codec, _] = fields.take::<2>()?;
        let (number, parameters) = (fields.u64()?, Hash256::from_bytes(fields.take::<32>()?));
        let camera = CameraId::new(&fields.name()?).ok()?;
        let unit = UnitId::new(&fields.name()?).ok()?;
        Some(Self { number, codec: Codec::from_code(codec)?, parameters, camera, unit })
    }
}

/// Head and table of a group.
pub(super) fn encode_group(group: &Group, pictures: &[Picture]) -> Vec<u8> {
    let (clock, bound_ms) = match group.wall.quality {
        ClockQuality::Unknown => (0, 0),
        ClockQuality::Free => (1, 0),
        ClockQuality::Synchronised { bound_ms } => (2, bound_ms),
    };
    let (width, height) = group.size.unwrap_or((0, 0));
    let mut out = Vec::with_capacity(GROUP_HEAD_BYTES + group.table_bytes());
    out.extend(GROUP_MAGIC);
    out.extend(group.number.to_le_bytes());
    out.extend(group.frames.to_le_bytes());
    out.extend([u8::from(group.starts_with_key) | u8::from(group.discontinuity) << 1, clock, 0, 0]);
    out.extend(bound_ms.to_le_bytes());
    out.extend(width.to_le_bytes());
    out.extend(height.to_le_bytes());
    out.extend(group.bytes.to_le_bytes());
    out.extend(group.first.as_nanos().to_le_bytes());
    out.extend(group.last.as_nanos().to_le_bytes());
    out.extend(group.wall.time.as_micros().to_le_bytes());
    out.extend(u64::try_from(group.duration.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
    out.extend(group.leaf.as_bytes());
    out.extend(group.crc.to_le_bytes());
    let mut table = Vec::with_capacity(group.table_bytes());
    for picture in pictures {
        table.extend(picture.bytes.to_le_bytes());
        table.extend(u32::from(picture.key).to_le_bytes());
        table.extend(picture.decode.as_nanos().to_le_bytes());
        table.extend(picture.media.as_nanos().to_le_bytes());
    }
    out.extend(checksum(&out, &table).to_le_bytes());
    out.extend(table);
    out
}

/// How many pictures a group's head says there are, if it is one: the table must be read to know more.
pub(super) fn pictures_of_head(head: &[u8; GROUP_HEAD_BYTES]) -> Option<u32> {
    let mut fields = Fields(head);
    let is_group = fields.take::<4>()? == GROUP_MAGIC;
    let frames = fields.take::<8>().map(|[.., a, b, c, d]| u32::from_le_bytes([a, b, c, d]))?;
    (is_group && (1..=MOST_PICTURES).contains(&frames)).then_some(frames)
}

/// A group from its head and table; nothing where they are not what was written.
pub(super) fn decode_group(
    head: &[u8; GROUP_HEAD_BYTES],
    table: &[u8],
    segment: u64,
    offset: u64,
) -> Option<(Group, Vec<Picture>)> {
    let (covered, crc) = head.split_last_chunk::<4>()?;
    if checksum(covered, table) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut fields = Fields(covered);
    fields.take::<4>()?;
    let (number, frames) = (fields.u32()?, fields.u32()?);
    let [flags, clock, _, _] = fields.take::<4>()?;
    let bound_ms = fields.u32()?;
    let (width, height) = (fields.u16()?, fields.u16()?);
    let (bytes, first, last) = (fields.u64()?, fields.i64()?, fields.i64()?);
    let (wall, duration) = (WallTime::from_micros(fields.i64()?), Duration::from_nanos(fields.u64()?));
    let leaf = Leaf::from_bytes(fields.take::<32>()?);
    let quality = match clock {
        0 => ClockQuality::Unknown,
        1 => ClockQuality::Free,
        2 => ClockQuality::Synchronised { bound_ms },
        _ => return None,
    };
    let group = Group {
        segment,
        number,
        offset,
        frames,
        starts_with_key: flags & 1 != 0,
        discontinuity: flags & 2 != 0,
        size: (width > 0 && height > 0).then_some((width, height)),
        bytes,
        first: MediaTime::from_nanos(first),
        last: MediaTime::from_nanos(last),
        wall: WallStamp { time: wall, quality },
        duration,
        leaf,
        crc: fields.u32()?,
    };
    Some((group, decode_table(table)?))
}

fn decode_table(table: &[u8]) -> Option<Vec<Picture>> {
    let row = |row: &[u8]| {
        let mut fields = Fields(row);
        let (bytes, key) = (fields.u32()?, fields.u32()? & 1 != 0);
        let (decode, media) = (MediaTime::from_nanos(fields.i64()?), MediaTime::from_nanos(fields.i64()?));
        Some(Picture { bytes, key, decode, media })
    };
    table.chunks(ROW_BYTES).map(row).collect()
}

fn checksum(head: &[u8], table: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(head);
    crc.update(table);
    crc.finalize()
}

/// Reads fields one after the other; nothing where the bytes end.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn name(&mut self) -> Option<String> {
        let [length] = self.take::<1>()?;
        let name = self.take::<NAME_BYTES>()?;
        String::from_utf8(name.get(..usize::from(length))?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(frames: u32) -> (Group, Vec<Picture>) {
        let group = Group {
            segment: 7,
            number: 3,
            offset: 128,
            frames,
            starts_with_key: true,
            discontinuity: false,
            size: Some((1920, 1080)),
            bytes: u64::from(frames) * 10,
            first: MediaTime::from_nanos(-5),
            last: MediaTime::from_nanos(9),
            wall: WallStamp {
                time: WallTime::from_micros(1_790_000_000_000_000),
                quality: ClockQuality::Synchronised { bound_ms: 40 },
            },
            duration: Duration::from_millis(1960),
            leaf: Leaf::of(b"x"),
            crc: 0xDEAD_BEEF,
        };
        let picture = |at: u32| Picture {
            bytes: 10,
            key: at == 0,
            decode: MediaTime::from_nanos(i64::from(at)),
            media: MediaTime::from_nanos(i64::from(at) + 1),
        };
        (group, (0..frames).map(picture).collect())
    }

    fn decode(bytes: &[u8]) -> Option<(Group, Vec<Picture>)> {
        let (head, table) = bytes.split_first_chunk::<GROUP_HEAD_BYTES>()?;
        let frames = pictures_of_head(head)? as usize;
        (table.len() == frames * ROW_BYTES).then_some(())?;
        decode_group(head, table, 7, 128)
    }

    #[test]
    fn a_group_is_read_as_it_was_written_and_any_flipped_bit_is_seen() {
        let (group, pictures) = group(3);
        let bytes = encode_group(&group, &pictures);
        assert_eq!(bytes.len(), GROUP_HEAD_BYTES + 3 * ROW_BYTES);
        assert_eq!(decode(&bytes), Some((group, pictures)));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_segment_head_is_read_as_it_was_written_and_any_flipped_bit_is_seen() {
        let head = SegmentHead {
            number: 41,
            codec: Codec::H265,
            parameters: Hash256::of(b"p"),
            camera: CameraId::new("gate").unwrap(),
            unit: UnitId::new("pole-017").unwrap(),
        };
        let bytes: [u8; 128] = head.encode().try_into().unwrap();
        assert_eq!(SegmentHead::decode(&bytes), Some(head));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHead::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let (group, pictures) = group(1);
        let bytes = encode_group(&group, &pictures);
        assert_eq!(&bytes[..4], b"EGRP");
        assert_eq!(bytes[8], 1);
        assert_eq!(bytes[20..24], [0x80, 0x07, 0x38, 0x04]);
        assert_eq!(bytes[96..100], 0xDEAD_BEEF_u32.to_le_bytes());
        assert_eq!(bytes[104..108], 10_u32.to_le_bytes());
    }

    proptest! {
        #[test]
        fn noise_is_no_group_and_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(decode(&bytes), None);
        }
    }
}
