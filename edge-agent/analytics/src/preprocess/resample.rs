//! Averages over rectangles of whole pixels, rounded to the nearest.
//!
//! Columns of a row are summed downwards first, which the compiler turns into vector additions; what is left along the
//! row is a few sums for each rectangle. Divisions are multiplications by reciprocals that are exact for every sum that
//! can occur.

use crate::picture::Plane;

/// For each output, which inputs it averages: `first` to one before `end`, never empty.
#[derive(Clone, Debug)]
pub(super) struct Spans {
    first: Vec<u32>,
    end: Vec<u32>,
}

impl Spans {
    /// Output `i` of `target` covers inputs `i * source / target` to `(i + 1) * source / target`, at least one.
    pub(super) fn new(source: u32, target: u32) -> Self {
        let (s, t) = (u64::from(source), u64::from(target.max(1)));
        let edge = |i: u64| u32::try_from(i * s / t).unwrap_or(u32::MAX);
        let first: Vec<u32> = (0..t).map(edge).collect();
        let end = (0..t).zip(&first).map(|(i, first)| edge(i + 1).max(first + 1)).collect();
        Self { first, end }
    }

    /// The spans of a plane of half the size that lie under these, halved outwards.
    pub(super) fn halved(&self, plane: u32) -> Self {
        let first: Vec<u32> = self.first.iter().map(|first| (first / 2).min(plane.saturating_sub(1))).collect();
        let end = self.end.iter().zip(&first);
        let end = end.map(|(end, first)| end.div_ceil(2).max(first + 1).min(plane)).collect();
        Self { first, end }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len()
    }

    /// The span of output `i`.
    pub(super) fn get(&self, i: usize) -> Option<(usize, usize)> {
        Some((*self.first.get(i)? as usize, *self.end.get(i)? as usize))
    }
}

/// A plane of interleaved samples to average over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Samples<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) stride: usize,
    /// Pixels per row.
    pub(super) width: usize,
}

/// Largest count of pixels for which 32 bits of reciprocal divide every sum exactly.
const EXACT_COUNT: usize = 2048;

/// `2^32 / count`, rounded up; zero where a true division is needed.
static RECIPROCALS: [u32; EXACT_COUNT + 1] = reciprocals();

#[expect(clippy::cast_possible_truncation, reason = "2^32 / 2 + 1 is the largest")]
const fn reciprocals() -> [u32; EXACT_COUNT + 1] {
    let mut table = [0; EXACT_COUNT + 1];
    let mut count = 2;
    while count <= EXACT_COUNT {
        table[count] = ((1 << 32) / count as u64 + 1) as u32;
        count += 1;
    }
    table
}

/// The rounded mean of `count` pixels.
fn mean(sum: u32, count: usize) -> u8 {
    let sum = u64::from(sum) + count as u64 / 2;
    let mean = match RECIPROCALS.get(count) {
        Some(0) | None => sum / count.max(1) as u64,
        Some(reciprocal) => (sum * u64::from(*reciprocal)) >> 32,
    };
    u8::try_from(mean).unwrap_or(u8::MAX)
}

/// Rows of 255 that 16 bits hold the sum of.
const NARROW_ROWS: usize = 257;

/// Averages rows of rectangles; keeps its buffers from frame to frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Averager {
    narrow: Vec<u16>,
    wide: Vec<u32>,
    rows: usize,
}

impl Averager {
    /// Averages over rows `lines` of the plane, one per column span, of each of its `N` interleaved channels into that
    /// channel's row of `out`; a channel whose row is empty is left out.
    pub(super) fn average<const N: usize>(
        &mut self,
        samples: Samples<'_>,
        lines: (usize, usize),
        columns: &Spans,
        out: [&mut [u8]; N],
    ) {
        self.sum_rows(samples, N, lines);
        if self.rows > NARROW_ROWS {
            average(self.wide.as_chunks().0, self.rows, columns, out);
        } else {
            average(self.narrow.as_chunks().0, self.rows, columns, out);
        }
    }

    /// Adds rows `first..end` of the plane, column by column.
    fn sum_rows(&mut self, samples: Samples<'_>, channels: usize, (first, end): (usize, usize)) {
        let length = samples.width * channels;
        let row = |y: usize| samples.bytes.get(y * samples.stride..).and_then(|bytes| bytes.get(..length));
        self.rows = end - first;
        self.wide.clear();
        self.narrow.clear();
        self.narrow.resize(length, 0);
        for (pending, bytes) in (first..end).filter_map(row).enumerate() {
            if pending > 0 && pending % NARROW_ROWS == 0 {
                self.widen();
            }
            for (sum, byte) in self.narrow.iter_mut().zip(bytes) {
                *sum += u16::from(*byte);
            }
        }
        if self.rows > NARROW_ROWS {
            self.widen();
        }
    }

    fn widen(&mut self) {
        self.wide.resize(self.narrow.len(), 0);
        for (wide, narrow) in self.wide.iter_mut().zip(&mut self.narrow) {
            *wide += u32::from(std::mem::take(narrow));
        }
    }
}

/// Averages of the pixels of each span. A rectangle's sum is below 2^32 for sides below 4096.
fn average<S: Copy + Into<u32>, const N: usize>(
    pixels: &[[S; N]],
    rows: usize,
    columns: &Spans,
    mut out: [&mut [u8]; N],
) {
    for (at, (first, end)) in columns.first.iter().zip(&columns.end).enumerate() {
        let mut sums = [0_u32; N];
        // A few pixels each: spans cover every pixel about once.
        for pixel in pixels.get(*first as usize..*end as usize).unwrap_or(&[]) {
            for (sum, sample) in sums.iter_mut().zip(pixel) {
                *sum += (*sample).into();
            }
        }
        let count = (end - first) as usize * rows;
        for (out, sum) in out.iter_mut().zip(sums) {
            if let Some(to) = out.get_mut(at) {
                *to = mean(sum, count);
            }
        }
    }
}

/// A plane as a coarse grid of average brightness, from every fourth row: enough to see that something moves.
#[derive(Clone, Debug, Default)]
pub struct GreyGrid {
    averager: Averager,
    cells: Vec<u8>,
}

/// Every how many rows the grid reads one.
const GRID_STEP: u32 = 4;

impl GreyGrid {
    /// Averages the first channel of a plane of `size`, whose pixels have `channels` interleaved samples, 1 or 3, over
    /// `columns` by `rows` cells.
    pub fn average(
        &mut self,
        plane: Plane<'_>,
        (width, height): (u32, u32),
        channels: usize,
        (columns, rows): (u32, u32),
    ) -> &[u8] {
        let samples = Samples { bytes: plane.bytes, stride: plane.stride * GRID_STEP as usize, width: width as usize };
        let (across, down) = (Spans::new(width, columns), Spans::new(height.div_ceil(GRID_STEP), rows));
        self.cells.clear();
        self.cells.resize(across.len() * down.len(), 0);
        for (row, out) in self.cells.chunks_exact_mut(across.len().max(1)).enumerate() {
            let Some(span) = down.get(row) else { continue };
            match channels {
                3 => self.averager.average(samples, span, &across, [out, &mut [], &mut []]),
                _ => self.averager.average(samples, span, &across, [out]),
            }
        }
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocals_divide_every_possible_sum_as_division_does() {
        for count in (1..=64_u32).chain([100, 255, 256, 1000, 2047, 2048, 2049]) {
            for sum in (0..=255 * count).step_by(if count > 64 { 7 } else { 1 }) {
                assert_eq!(u32::from(mean(sum, count as usize)), (sum + count / 2) / count, "{sum} / {count}");
            }
        }
    }

    #[test]
    fn spans_cover_every_input_once_when_shrinking() {
        for (source, target) in [(1920, 416), (7, 7), (1080, 234), (100, 33)] {
            let spans = Spans::new(source, target);
            assert_eq!(spans.first[0], 0);
            assert_eq!(*spans.end.last().unwrap(), source);
            assert!(spans.end.windows(2).zip(spans.first.windows(2)).all(|(end, first)| end[0] == first[1]));
        }
    }

    #[test]
    fn more_rows_than_sixteen_bits_hold_are_summed_right() {
        let bytes = vec![255; 1000];
        let samples = Samples { bytes: &bytes, stride: 1, width: 1 };
        let (mut averager, mut out) = (Averager::default(), [0]);
        averager.average(samples, (0, 1000), &Spans::new(1, 1), [&mut out]);
        assert_eq!((&averager.wide[..], out), (&[255_000][..], [255]));
    }

    #[test]
    fn interleaved_channels_are_averaged_as_each_alone() {
        for rows in [1, 3, 300] {
            let bytes: Vec<u8> = (0..60 * rows).map(|i| u8::try_from(i * 37 % 256).unwrap()).collect();
            let columns = Spans::new(20, 7);
            let mut averager = Averager::default();
            let [mut r, mut g, mut b] = [[0; 7]; 3];
            let samples = Samples { bytes: &bytes, stride: 60, width: 20 };
            averager.average(samples, (0, rows), &columns, [&mut r, &mut g, &mut b]);
            for (channel, together) in [r, g, b].into_iter().enumerate() {
                let alone: Vec<u8> = bytes.iter().skip(channel).step_by(3).copied().collect();
                let mut out = [0; 7];
                let samples = Samples { bytes: &alone, stride: 20, width: 20 };
                averager.average(samples, (0, rows), &columns, [&mut out]);
                assert_eq!(together, out, "{rows} rows, channel {channel}");
            }
        }
    }
}
