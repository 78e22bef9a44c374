//! What one sample of a stream becomes: the access unit's bytes, and whether decoding can start there.
//!
//! Parameter sets stay in band. A camera that sends them only once, or outside the stream, gets them put in front of
//! each key picture that lacks them, so that a clip can begin at any of them.

use bytes::Bytes;
use edge_protocol::media::Codec;

use crate::media::nal::{self, NalKind};

/// Follows one stream and remembers its parameter sets.
#[derive(Debug)]
pub struct Assembler {
    codec: Codec,
    /// The last parameter sets of each kind (a stream may use several of a kind at once, which then come together), in
    /// the order in which a decoder wants them.
    sets: Vec<ParameterSet>,
    /// No picture has come yet.
    fresh: bool,
}

#[derive(Debug)]
struct ParameterSet {
    kind: NalKind,
    nal: Vec<u8>,
}

/// A coded picture without its times.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    /// The bytes as they are kept: NAL units behind their lengths, or a JPEG picture.
    pub bytes: Bytes,
    /// Whether decoding can start here.
    pub key: bool,
}

impl Assembler {
    /// Nothing is known of the stream yet.
    pub fn new(codec: Codec) -> Self {
        Self { codec, sets: Vec::new(), fresh: true }
    }

    /// How the stream is coded.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Takes one access unit as the parser cut it: Annex B, or a JPEG picture. `None` when there is no picture in it.
    pub fn picture(&mut self, sample: &[u8]) -> Option<Picture> {
        match self.codec {
            Codec::Mjpeg => {
                sample.starts_with(&[0xff, 0xd8]).then(|| Picture { bytes: Bytes::copy_from_slice(sample), key: true })
            }
            Codec::H264 | Codec::H265 => self.nal_picture(sample),
        }
    }

    fn kind(&self, nal: &[u8]) -> NalKind {
        NalKind::of(self.codec, nal)
    }

    fn nal_picture(&mut self, sample: &[u8]) -> Option<Picture> {
        let mut nals: Vec<&[u8]> = nal::split(sample).collect();
        self.remember(&nals);
        let (mut slices, mut key) = (false, false);
        for kind in nals.iter().map(|nal| self.kind(nal)) {
            key |= kind == NalKind::Key;
            slices |= matches!(kind, NalKind::Key | NalKind::Slice);
        }
        if !slices {
            return None;
        }
        if std::mem::take(&mut self.fresh) {
            nals.drain(..self.put_in_front(&nals));
        }
        let has = |kind| nals.iter().any(|nal| self.kind(nal) == kind);
        let mut missing: Vec<&ParameterSet> = Vec::new();
        if key {
            missing.extend(self.sets.iter().filter(|set| !has(set.kind)));
        }
        let mut bytes = Vec::with_capacity(sample.len() + 64);
        for nal in &nals {
            // Behind the delimiter, which must stay first, and in front of all else.
            if !missing.is_empty() && self.kind(nal) != NalKind::Delimiter {
                missing.drain(..).for_each(|set| nal::push(&mut bytes, &set.nal));
            }
            nal::push(&mut bytes, nal);
        }
        Some(Picture { bytes: Bytes::from(bytes), key })
    }

    /// How many parameter sets at the beginning the camera did not send there: a depayloader puts those of the session
    /// description in front of the first picture, even where the picture has its own.
    fn put_in_front(&self, nals: &[&[u8]]) -> usize {
        let leading = nals.iter().take_while(|nal| self.kind(nal).is_parameter_set()).count();
        let (front, rest) = nals.split_at(leading);
        if rest.first().is_some_and(|nal| self.kind(nal) == NalKind::Delimiter) {
            return leading;
        }
        (0..front.len())
            .take_while(|&place| front.iter().skip(place + 1).any(|nal| Some(nal) == front.get(place)))
            .count()
    }

    /// Kinds that came replace what was known of them.
    fn remember(&mut self, nals: &[&[u8]]) {
        let kinds = nals.iter().map(|nal| (self.kind(nal), *nal));
        let came: Vec<(NalKind, &[u8])> = kinds.filter(|(kind, _)| kind.is_parameter_set()).collect();
        let known = |&(kind, nal): &(NalKind, &[u8])| self.sets.iter().any(|set| set.kind == kind && set.nal == nal);
        if came.iter().all(known) {
            return;
        }
        self.sets.retain(|set| came.iter().all(|(kind, _)| *kind != set.kind));
        for (kind, nal) in came {
            if !self.sets.iter().any(|set| set.nal == nal) {
                self.sets.push(ParameterSet { kind, nal: nal.to_vec() });
            }
        }
        self.sets.sort_by_key(|set| set.kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect()
    }

    fn stored(nals: &[&[u8]]) -> Bytes {
        let mut out = Vec::new();
        for nal in nals {
            nal::push(&mut out, nal);
        }
        out.into()
    }

    const SPS: &[u8] = &[0x67, 1];
    const PPS: &[u8] = &[0x68, 2];
    const IDR: &[u8] = &[0x65, 3];
    const SLICE: &[u8] = &[0x41, 4];
    const AUD: &[u8] = &[0x09, 0xf0];

    #[test]
    fn a_picture_that_has_its_parameter_sets_stays_as_it_is() {
        let mut stream = Assembler::new(Codec::H264);
        let picture = stream.picture(&annex_b(&[AUD, SPS, PPS, IDR])).unwrap();
        assert_eq!(picture, Picture { bytes: stored(&[AUD, SPS, PPS, IDR]), key: true });
        let next = stream.picture(&annex_b(&[SLICE, SLICE])).unwrap();
        assert_eq!(next, Picture { bytes: stored(&[SLICE, SLICE]), key: false });
    }

    #[test]
    fn a_key_picture_gets_the_last_parameter_sets_behind_its_delimiter() {
        let mut stream = Assembler::new(Codec::H264);
        assert_eq!(stream.picture(&annex_b(&[PPS, SPS])), None, "parameter sets alone are no picture");
        let newer: &[u8] = &[0x68, 9];
        assert_eq!(stream.picture(&annex_b(&[newer, SLICE])).unwrap().bytes, stored(&[newer, SLICE]));
        assert_eq!(stream.picture(&annex_b(&[AUD, IDR])).unwrap().bytes, stored(&[AUD, SPS, newer, IDR]));
        assert_eq!(stream.picture(&annex_b(&[SPS, IDR])).unwrap().bytes, stored(&[newer, SPS, IDR]));
    }

    #[test]
    fn parameter_sets_of_one_kind_that_come_together_are_kept_together() {
        let mut stream = Assembler::new(Codec::H264);
        let second: &[u8] = &[0x68, 7];
        assert!(stream.picture(&annex_b(&[SPS, PPS, second, IDR])).is_some());
        assert_eq!(stream.picture(&annex_b(&[IDR])).unwrap().bytes, stored(&[SPS, PPS, second, IDR]));
    }

    #[test]
    fn parameter_sets_of_the_session_description_are_not_taken_for_the_cameras() {
        for own in [&[AUD, SPS, PPS, IDR][..], &[SPS, PPS, IDR]] {
            let mut stream = Assembler::new(Codec::H264);
            let first = annex_b(&[&[SPS, PPS], own].concat());
            assert_eq!(stream.picture(&first).unwrap().bytes, stored(own), "{own:?}");
        }
        let mut stream = Assembler::new(Codec::H264);
        assert_eq!(stream.picture(&annex_b(&[SPS, PPS, AUD, IDR])).unwrap().bytes, stored(&[AUD, SPS, PPS, IDR]));
        let mut stream = Assembler::new(Codec::H264);
        assert_eq!(stream.picture(&annex_b(&[SPS, PPS, IDR])).unwrap().bytes, stored(&[SPS, PPS, IDR]));
        let again = &[SPS, PPS, SPS, PPS, IDR];
        assert_eq!(stream.picture(&annex_b(again)).unwrap().bytes, stored(again), "the camera's own doing is kept");
    }

    #[test]
    fn every_random_access_point_of_h265_is_a_key_picture() {
        let mut stream = Assembler::new(Codec::H265);
        let (vps, sps, pps): (&[u8], &[u8], &[u8]) = (&[0x40, 1], &[0x42, 1], &[0x44, 1]);
        let (cra, trail): (&[u8], &[u8]) = (&[0x2a, 1, 5], &[0x02, 1, 6]);
        assert!(!stream.picture(&annex_b(&[vps, sps, pps, trail])).unwrap().key);
        let picture = stream.picture(&annex_b(&[cra])).unwrap();
        assert_eq!(picture, Picture { bytes: stored(&[vps, sps, pps, cra]), key: true });
    }

    #[test]
    fn a_jpeg_is_kept_and_anything_else_is_no_picture() {
        let mut stream = Assembler::new(Codec::Mjpeg);
        let jpeg = [0xff, 0xd8, 1, 0xff, 0xd9];
        assert_eq!(stream.picture(&jpeg).unwrap().bytes.as_ref(), jpeg);
        assert_eq!(stream.picture(b"GIF89a"), None);
    }
}
