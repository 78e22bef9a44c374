//! The clip's file: an MP4 whose media data are the ring's bytes verbatim.
//!
//! Only the header is made here (`ftyp`, `moov`, the head of `mdat`); the file is the header followed by every
//! sample's bytes in order. So muxing touches no video, costs next to nothing, and a verifier finds the camera's
//! bytes in the file as they were recorded. The `moov` comes first: a player can start before the file has arrived.
//!
//! Times are in ticks of 90 kHz. Where the recording has a gap, the sample before it lasts until the one after, so
//! the clip keeps the clock of the street.

mod bits;
mod boxes;
mod sample_entry;

use edge_protocol::media::Codec;

use boxes::Boxes;

/// Ticks a second of every time in the file.
pub const TICKS: u32 = 90_000;
/// Seconds from 1904, where MP4 counts from, to 1970.
const EPOCH_1904: u64 = 2_082_844_800;

/// One coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its bytes.
    pub size: u32,
    /// Ticks until the next one is decoded.
    pub duration: u32,
    /// Ticks from its decoding to its showing.
    pub composition_offset: i32,
    /// Whether decoding can start here.
    pub key: bool,
}

/// Samples that share their coding parameters. A camera that changes them in mid-stream starts a new run.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// How the samples are coded.
    pub codec: Codec,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Parameter sets without start codes or lengths; empty for MJPEG.
    pub parameter_sets: &'a [&'a [u8]],
    /// The samples in decoding order.
    pub samples: &'a [Sample],
}

/// The bytes before the first sample's: everything a player needs but the video itself.
///
/// `created_s` are seconds since 1970 for the file's own date. The first sample shown is at time zero: an edit list
/// takes away the delay that B-frames bring.
pub fn header(runs: &[Run<'_>], created_s: u64) -> Vec<u8> {
    let media_bytes: u64 = samples(runs).map(|sample| u64::from(sample.size)).sum();
    // The header's length depends on no offset, so a first pass with zero offsets gives it.
    let length = u64::try_from(write(runs, created_s, 0, media_bytes).len()).unwrap_or(u64::MAX);
    write(runs, created_s, length, media_bytes)
}

fn samples<'a>(runs: &'a [Run<'a>]) -> impl Iterator<Item = &'a Sample> {
    runs.iter().flat_map(|run| run.samples)
}

fn write(runs: &[Run<'_>], created_s: u64, first_sample: u64, media_bytes: u64) -> Vec<u8> {
    let mut boxes = Boxes::default();
    boxes.boxed(*b"ftyp", |boxes| {
        boxes.raw(b"isom");
        boxes.u32(0x200);
        boxes.raw(b"isomiso6mp41");
    });
    let movie = Movie {
        created: created_s.saturating_add(EPOCH_1904),
        duration: samples(runs).map(|sample| u64::from(sample.duration)).sum(),
        delay: samples(runs).next().map_or(0, |sample| sample.composition_offset),
    };
    boxes.boxed(*b"moov", |boxes| moov(boxes, &movie, runs, first_sample));
    // Always the long form, so that the header's length does not depend on the clip's.
    boxes.u32(1);
    boxes.raw(b"mdat");
    boxes.u64(media_bytes.saturating_add(16));
    boxes.into_bytes()
}

/// What several boxes say of the whole.
struct Movie {
    created: u64,
    duration: u64,
    delay: i32,
}

const UNITY: [u32; 9] = [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000];

fn moov(boxes: &mut Boxes, movie: &Movie, runs: &[Run<'_>], first_sample: u64) {
    boxes.full(*b"mvhd", 1, 0, |boxes| {
        boxes.u64(movie.created);
        boxes.u64(movie.created);
        boxes.u32(TICKS);
        boxes.u64(movie.duration);
        boxes.u32(0x0001_0000); // rate 1
        boxes.u16(0x0100); // volume 1
        boxes.zeros(10);
        for value in &UNITY {
            boxes.u32(*value);
        }
        boxes.zeros(24);
        boxes.u32(2); // next track
    });
    boxes.boxed(*b"trak", |boxes| {
        tkhd(boxes, movie, runs);
        boxes.boxed(*b"edts", |boxes| {
            boxes.full(*b"elst", 1, 0, |boxes| {
                boxes.u32(1);
                boxes.u64(movie.duration);
                boxes.u64(u64::try_from(movie.delay).unwrap_or(0));
                boxes.u32(0x0001_0000);
            });
        });
        boxes.boxed(*b"mdia", |boxes| mdia(boxes, movie, runs, first_sample));
    });
}

fn tkhd(boxes: &mut Boxes, movie: &Movie, runs: &[Run<'_>]) {
    let largest = |side: fn(&Run<'_>) -> u16| u32::from(runs.iter().map(side).max().unwrap_or(0)) << 16;
    boxes.full(*b"tkhd", 1, 3, |boxes| {
        boxes.u64(movie.created);
        boxes.u64(movie.created);
        boxes.u32(1); // track
        boxes.u32(0);
        boxes.u64(movie.duration);
        boxes.zeros(16);
        for value in &UNITY {
            boxes.u32(*value);
        }
        boxes.u32(largest(|run| run.width));
        boxes.u32(largest(|run| run.height));
    });
}

fn mdia(boxes: &mut Boxes, movie: &Movie, runs: &[Run<'_>], first_sample: u64) {
    boxes.full(*b"mdhd", 1, 0, |boxes| {
        boxes.u64(movie.created);
        boxes.u64(movie.created);
        boxes.u32(TICKS);
        boxes.u64(movie.duration);
        boxes.u16(0x55c4); // language "und"
        boxes.u16(0);
    });
    boxes.full(*b"hdlr", 0, 0, |boxes| {
        boxes.u32(0);
        boxes.raw(b"vide");
        boxes.zeros(12);
        boxes.raw(b"camera\0");
    });
    boxes.boxed(*b"minf", |boxes| {
        boxes.full(*b"vmhd", 0, 1, |boxes| boxes.zeros(8));
        boxes.boxed(*b"dinf", |boxes| {
            boxes.full(*b"dref", 0, 0, |boxes| {
                boxes.u32(1);
                boxes.full(*b"url ", 0, 1, |_| {});
            });
        });
        boxes.boxed(*b"stbl", |boxes| stbl(boxes, runs, first_sample));
    });
}

fn stbl(boxes: &mut Boxes, runs: &[Run<'_>], first_sample: u64) {
    boxes.full(*b"stsd", 0, 0, |boxes| {
        boxes.count(runs.len());
        for run in runs {
            sample_entry::write(boxes, run);
        }
    });
    boxes.full(*b"stts", 0, 0, |boxes| lengths(boxes, samples(runs).map(|sample| sample.duration), Boxes::u32));
    if samples(runs).any(|sample| sample.composition_offset != 0) {
        let offsets = samples(runs).map(|sample| sample.composition_offset);
        boxes.full(*b"ctts", 1, 0, |boxes| lengths(boxes, offsets, Boxes::i32));
    }
    let keys: Vec<usize> =
        samples(runs).enumerate().filter(|(_, sample)| sample.key).map(|(index, _)| index + 1).collect();
    boxes.full(*b"stss", 0, 0, |boxes| {
        boxes.count(keys.len());
        for index in &keys {
            boxes.count(*index);
        }
    });
    boxes.full(*b"stsz", 0, 0, |boxes| {
        boxes.u32(0);
        boxes.count(samples(runs).count());
        for sample in samples(runs) {
            boxes.u32(sample.size);
        }
    });
    chunks(boxes, runs, first_sample);
}

/// One chunk per run: `stsc` says how many samples it has and which entry describes them, `co64` where it begins.
fn chunks(boxes: &mut Boxes, runs: &[Run<'_>], first_sample: u64) {
    boxes.full(*b"stsc", 0, 0, |boxes| {
        boxes.count(runs.len());
        for (index, run) in runs.iter().enumerate() {
            boxes.count(index + 1);
            boxes.count(run.samples.len());
            boxes.count(index + 1);
        }
    });
    boxes.full(*b"co64", 0, 0, |boxes| {
        boxes.count(runs.len());
        let mut offset = first_sample;
        for run in runs {
            boxes.u64(offset);
            offset += run.samples.iter().map(|sample| u64::from(sample.size)).sum::<u64>();
        }
    });
}

/// A run-length table: how often, then what.
fn lengths<T: PartialEq + Copy>(boxes: &mut Boxes, values: impl Iterator<Item = T>, write: fn(&mut Boxes, T)) {
    let mut runs: Vec<(u32, T)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    boxes.count(runs.len());
    for (count, value) in runs {
        boxes.u32(count);
        write(boxes, value);
    }
}

#[cfg(test)]
mod tests;
