//! Whether a file of pictures is there to its end. A demultiplexer that runs out of bytes ends as if all had been well.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Start of a JPEG, start of a scan in it, and its end.
const START: [u8; 2] = [0xFF, 0xD8];
const SCAN: [u8; 2] = [0xFF, 0xDA];
const END: [u8; 2] = [0xFF, 0xD9];
/// Longer files that begin as a JPEG are films of them, each of which has its own end.
const LARGEST_PICTURE: u64 = 32 << 20;
/// Begin of Matroska's header, and of the one element behind it (RFC 8794, RFC 9559).
const EBML: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];
const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];

/// Whether a file ends before what it begins with says. Files that do not say how long they are count as whole.
///
/// # Errors
/// The system's.
pub fn is_cut_off(path: &Path) -> io::Result<bool> {
    let found = std::fs::metadata(path)?;
    // A pipe gives its bytes once, and not to whoever only looks.
    if !found.is_file() {
        return Ok(false);
    }
    let (mut file, length) = (File::open(path)?, found.len());
    let head = at(&mut file, 0)?;
    if head.get(4..8) == Some(b"ftyp") {
        boxes_go_beyond(&mut file, length)
    } else if head.starts_with(b"RIFF") {
        let size = head.get(4..8).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes);
        // Written to a pipe, it does not say how long it is.
        Ok(size.is_some_and(|size| size != u32::MAX && u64::from(size) + 8 > length))
    } else if head.starts_with(&EBML) {
        segment_goes_beyond(&mut file, length)
    } else if head.starts_with(&START) && length <= LARGEST_PICTURE {
        Ok(is_cut_off_jpeg(&std::fs::read(path)?))
    } else {
        Ok(false)
    }
}

/// Whether no end follows a JPEG's last scan. A thumbnail in its header has scan and end of its own, both before.
pub fn is_cut_off_jpeg(bytes: &[u8]) -> bool {
    let last = |mark: [u8; 2]| bytes.windows(2).rposition(|pair| pair == mark);
    bytes.starts_with(&START) && last(SCAN).is_some_and(|scan| last(END).is_none_or(|end| end < scan))
}

/// Boxes of ISO/IEC 14496-12, clause 4.2: a 32-bit size and a type, 1 for a 64-bit size behind them, 0 for all the
/// rest.
fn boxes_go_beyond(file: &mut File, length: u64) -> io::Result<bool> {
    let mut place = 0_u64;
    // Fewer bytes than a head has are no box.
    while place.saturating_add(4) <= length {
        let head = at(file, place)?;
        let size = match number(&head, 0, 4) {
            Some(0) => return Ok(false),
            Some(1) => number(&head, 8, 8),
            size => size,
        };
        // What is shorter than its own head is damage of another kind, which the demultiplexer tells.
        let Some(size) = size else { return Ok(true) };
        if size < 8 {
            return Ok(false);
        }
        place = place.saturating_add(size);
    }
    Ok(place > length)
}

/// The header, then the segment with everything else: each a mark and a size.
fn segment_goes_beyond(file: &mut File, length: u64) -> io::Result<bool> {
    let Some((header, after)) = element(&at(file, 0)?, EBML) else { return Ok(false) };
    let start = after.saturating_add(header);
    let Some((size, after)) = element(&at(file, start)?, SEGMENT) else { return Ok(start >= length) };
    Ok(start.saturating_add(after).saturating_add(size) > length)
}

/// Size and length of the head of such an element; none where it is another, or does not say its size.
fn element(head: &[u8], mark: [u8; 4]) -> Option<(u64, u64)> {
    let first = *head.strip_prefix(&mark)?.first()?;
    let bytes = usize::try_from(first.leading_zeros()).ok()? + 1;
    let size = number(head, mark.len(), bytes)?;
    let bits = u32::try_from(7 * bytes).ok()?;
    let all = 1_u64.checked_shl(bits)?.checked_sub(1)?;
    let (size, head) = (size & all, u64::try_from(mark.len() + bytes).ok()?);
    (size != all).then_some((size, head))
}

/// Up to 16 bytes from a place on.
fn at(file: &mut File, place: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(place))?;
    file.take(16).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A number of some bytes, the highest first.
fn number(bytes: &[u8], place: usize, count: usize) -> Option<u64> {
    let given = bytes.get(place..place.checked_add(count)?)?;
    Some(given.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use edge_store::disk::{RealDisk, replace};

    use super::*;

    #[test]
    fn a_file_that_ends_within_what_it_announced_is_cut_off() {
        let film = |media: &[u8]| [b"\0\0\0\x10ftypisom\0\0\0\0", media].concat();
        let media = film(b"\0\0\0\x0cmdatfilm");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film");
        let says = |bytes: &[u8]| {
            replace(&RealDisk, &path, bytes).unwrap();
            is_cut_off(&path).unwrap()
        };
        for count in 20..media.len() {
            assert!(says(&media[..count]), "{count} of {}", media.len());
        }
        assert!(!says(&[&media[..], b"end"].concat()), "what is too short for a box is none");
        assert!(!says(&media));
        let large = film(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14film");
        assert!(!says(&large) && says(&large[..large.len() - 1]));
        assert!(!says(&film(b"\0\0\0\0mdatfilm")), "up to the end of the file, wherever that is");
        let avi = b"RIFF\x0c\0\0\0AVI LISTfilm";
        assert!(!says(avi) && says(&avi[..19]));
        assert!(!says(b"RIFF\xff\xff\xff\xffAVI LISTfilm"), "written to a pipe");
        let matroska = [&EBML[..], &[0x82, 1, 2], &SEGMENT, &[0x01, 0, 0, 0, 0, 0, 0, 4], b"film"].concat();
        assert!(!says(&matroska) && says(&matroska[..matroska.len() - 1]));
        let live = [&EBML[..], &[0x82, 1, 2], &SEGMENT, &[0x01, 255, 255, 255, 255, 255, 255, 255]].concat();
        assert!(!says(&live), "a live recording does not say how long it is");
        assert!(!says(b"") && !says(b"\0\0\0\x01\x67h264") && !says(b"noise"));
    }

    #[test]
    fn an_end_in_a_thumbnail_is_not_the_picture_s() {
        let thumbnail = [&START[..], &[0xFF, 0xE2, 0, 8], &SCAN, &END, &[0, 0]].concat();
        let whole = [&thumbnail[..], &SCAN, &[1, 2], &END].concat();
        assert!(!is_cut_off_jpeg(&whole) && is_cut_off_jpeg(&whole[..whole.len() - 2]));
        assert!(!is_cut_off_jpeg(b"no JPEG"));
    }
}
