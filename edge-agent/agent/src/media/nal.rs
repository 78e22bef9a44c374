//! NAL units between start codes (ITU-T H.264 and H.265, annex B) and NAL units behind their lengths.
//!
//! Length-prefixed is how access units travel and are stored: 4 bytes, most significant first, then the NAL unit
//! (ISO/IEC 14496-15, `lengthSizeMinusOne = 3`). Both directions keep every NAL unit byte for byte; zeros around start
//! codes are padding and are not kept.

use edge_protocol::media::Codec;

/// A length that reaches beyond the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("NAL unit at byte {offset} says it is longer than what follows")]
pub struct NalError {
    /// Where the length stands.
    pub offset: usize,
}

/// What a NAL unit is for; parameter sets stand in the order in which a decoder wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NalKind {
    /// A video parameter set, of H.265 alone.
    Vps,
    /// A sequence parameter set.
    Sps,
    /// A picture parameter set.
    Pps,
    /// A slice of a picture with which decoding can start.
    Key,
    /// A slice of another picture.
    Slice,
    /// An access unit delimiter, which stands first.
    Delimiter,
    /// Messages and whatever else.
    Other,
}

impl NalKind {
    /// By the type in its header: table 7-1 of either standard. Of H.265, pictures 16 to 21 are intra random access
    /// points.
    pub fn of(codec: Codec, nal: &[u8]) -> Self {
        let Some(&first) = nal.first() else { return Self::Other };
        match codec {
            Codec::H264 => match first & 0x1f {
                7 => Self::Sps,
                8 => Self::Pps,
                5 => Self::Key,
                1..=4 => Self::Slice,
                9 => Self::Delimiter,
                _ => Self::Other,
            },
            Codec::H265 => match first >> 1 & 0x3f {
                32 => Self::Vps,
                33 => Self::Sps,
                34 => Self::Pps,
                16..=21 => Self::Key,
                0..=15 | 22..=31 => Self::Slice,
                35 => Self::Delimiter,
                _ => Self::Other,
            },
            Codec::Mjpeg => Self::Other,
        }
    }

    /// Whether a decoder must know it before the picture.
    pub fn is_parameter_set(self) -> bool {
        matches!(self, Self::Vps | Self::Sps | Self::Pps)
    }
}

/// The NAL units between start codes, in order; bytes before the first start code belong to none.
pub fn split(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = start_code(annex_b, 0).map(|found| found + 3);
    std::iter::from_fn(move || {
        let begin = at?;
        let next = start_code(annex_b, begin);
        at = next.map(|found| found + 3);
        annex_b.get(begin..next.unwrap_or(annex_b.len()))
    })
    .map(without_padding)
    .filter(|nal| !nal.is_empty())
}

/// Turns start codes into lengths.
pub fn to_length_prefixed(annex_b: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(annex_b.len() + 16);
    for nal in split(annex_b) {
        push(&mut out, nal);
    }
    out
}

/// Turns every length into a start code of the same size, in place, which is how decoders take access units.
///
/// # Errors
/// When the lengths do not add up: the access unit is damaged, and its bytes are then not to be used.
pub fn to_annex_b(access_unit: &mut [u8]) -> Result<(), NalError> {
    let (whole, mut rest) = (access_unit.len(), access_unit);
    while !rest.is_empty() {
        let damaged = NalError { offset: whole - rest.len() };
        let (length, after) = rest.split_first_chunk_mut::<4>().ok_or(damaged)?;
        let nal = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| damaged)?;
        if nal == 0 || nal > after.len() {
            return Err(damaged);
        }
        *length = [0, 0, 0, 1];
        rest = after.split_at_mut(nal).1;
    }
    Ok(())
}

/// The NAL units behind their lengths, in order; ends after the first error.
pub fn nal_units(length_prefixed: &[u8]) -> impl Iterator<Item = Result<&[u8], NalError>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let rest = length_prefixed.get(offset..).filter(|rest| !rest.is_empty())?;
        let here = offset;
        let nal = rest.split_first_chunk::<4>().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            rest.get(..length)
        });
        offset = nal.map_or(length_prefixed.len(), |nal| here + 4 + nal.len());
        Some(nal.ok_or(NalError { offset: here }))
    })
}

/// The parameter sets of an access unit: what a decoder must know before the picture. A unit that is damaged has those
/// before the damage; a JPEG picture has none.
pub fn parameter_sets(codec: Codec, length_prefixed: &[u8]) -> Vec<&[u8]> {
    let whole = nal_units(length_prefixed).map_while(Result::ok);
    whole.filter(|nal| NalKind::of(codec, nal).is_parameter_set()).collect()
}

/// Appends a NAL unit behind its length.
pub fn push(out: &mut Vec<u8>, nal: &[u8]) {
    // A NAL unit beyond 4 GiB cannot come out of a buffer that GStreamer hands over; it would be cut, never misread.
    let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(nal);
}

/// Where the next `00 00 01` begins, at or after `from`.
fn start_code(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // Looks at every third byte: one above 1 cannot be part of a start code, nor can what ends at it.
    while let Some(&[first, second, third]) = bytes.get(at..at + 3) {
        at += match (first, second, third) {
            (0, 0, 1) => return Some(at),
            (_, _, 2..) => 3,
            (_, 1.., _) => 2,
            _ => 1,
        };
    }
    None
}

/// A NAL unit never ends in a zero byte, so zeros at its end are the next start code's or padding.
fn without_padding(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    nal.get(..end).unwrap_or(nal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn start_codes_of_three_and_four_bytes_and_padding_are_not_kept() {
        let annex_b = [9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 3, 0, 0, 0, 0, 0, 1, 0x65, 2];
        let expected = [0, 0, 0, 2, 0x67, 1, 0, 0, 0, 4, 0x68, 0, 0, 3, 0, 0, 0, 2, 0x65, 2];
        assert_eq!(to_length_prefixed(&annex_b), expected);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        for empty in [&[][..], &[0, 0, 1], &[0, 0, 0, 1, 0, 0, 0, 1], &[1, 2, 3]] {
            assert_eq!(to_length_prefixed(empty), Vec::<u8>::new(), "{empty:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_named_by_its_place() {
        let damaged = |bytes: &[u8]| to_annex_b(&mut bytes.to_vec()).unwrap_err().offset;
        assert_eq!(damaged(&[0, 0, 0, 1, 7, 0, 0, 0, 3, 1]), 5);
        assert_eq!(damaged(&[0, 0, 0]), 0);
        assert_eq!(damaged(&[0, 0, 0, 0]), 0);
        assert_eq!(damaged(&[0xff, 0xff, 0xff, 0xff, 1]), 0);
        assert_eq!(nal_units(&[0xff; 9]).count(), 1);
    }

    #[test]
    fn every_length_becomes_a_start_code_and_nothing_else_changes() {
        let mut unit = vec![0, 0, 0, 2, 0x67, 0x42, 0, 0, 0, 1, 0x65];
        to_annex_b(&mut unit).unwrap();
        assert_eq!(unit, [0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x65]);
    }

    /// A NAL unit as the standards allow it: no three bytes up to `00 00 03` but with their emulation prevention, and
    /// no zero at its end.
    fn nal() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0), Just(1), Just(3), any::<u8>()], 1..40).prop_map(|raw| {
            let mut nal: Vec<u8> = Vec::new();
            for byte in raw {
                if byte <= 3 && nal.ends_with(&[0, 0]) {
                    nal.push(3);
                }
                nal.push(byte);
            }
            nal.push(0x80);
            nal
        })
    }

    proptest! {
        #[test]
        fn every_nal_unit_survives_both_ways(nals in prop::collection::vec(nal(), 0..8)) {
            let mut stored = Vec::new();
            for nal in &nals {
                push(&mut stored, nal);
            }
            let mut unit = stored.clone();
            to_annex_b(&mut unit).unwrap();
            prop_assert_eq!(to_length_prefixed(&unit), stored);
        }

        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes in prop::collection::vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..200)) {
            let stored = to_length_prefixed(&bytes);
            prop_assert!(nal_units(&stored).all(|nal| nal.is_ok()));
            let mut unit = stored.clone();
            to_annex_b(&mut unit).unwrap();
            prop_assert_eq!(to_length_prefixed(&unit), stored);
            let listed = nal_units(&bytes).count();
            prop_assert!(listed <= bytes.len());
        }
    }

    #[test]
    fn parameter_sets_are_told_from_pictures_by_codec() {
        let mut unit = Vec::new();
        for nal in [&[0x67, 1][..], &[0x68, 2], &[0x65, 3]] {
            push(&mut unit, nal);
        }
        assert_eq!(parameter_sets(Codec::H264, &unit), [&[0x67, 1][..], &[0x68, 2]]);
        assert!(parameter_sets(Codec::H265, &unit).is_empty());
        assert!(parameter_sets(Codec::Mjpeg, &[0xff, 0xd8, 0xff, 0xd9]).is_empty());
    }
}
