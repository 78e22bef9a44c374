//! Averages over rectangles of whole pixels, rounded to the nearest.
//!
//! Columns of a row are summed downwards first, which the compiler turns into vector additions; running totals along
//! the row then give every rectangle by one subtraction. Divisions are multiplications by reciprocals that are exact
//! for every sum that can occur.

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
    /// Samples per pixel, interleaved.
    pub(super) channels: usize,
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
    totals: Vec<u64>,
}

impl Averager {
    /// Adds rows `first..end` of the plane, column by column.
    pub(super) fn sum_rows(&mut self, samples: Samples<'_>, (first, end): (usize, usize)) {
        let length = samples.width * samples.channels;
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

    /// Averages of one channel over the summed rows, one per column span, into `out`.
    pub(super) fn average(&mut self, channel: usize, channels: usize, columns: &Spans, out: &mut [u8]) {
        let step = channels.max(1);
        if self.rows > NARROW_ROWS {
            let sums = self.wide.iter().skip(channel).step_by(step);
            run_totals(&mut self.totals, sums.map(|sum| u64::from(*sum)));
        } else if step == 1 {
            run_totals(&mut self.totals, self.narrow.iter().map(|sum| u64::from(*sum)));
        } else {
            let sums = self.narrow.iter().skip(channel).step_by(step);
            run_totals(&mut self.totals, sums.map(|sum| u64::from(*sum)));
        }
        for ((to, first), end) in out.iter_mut().zip(&columns.first).zip(&columns.end) {
            let (low, high) = self.between(*first, *end);
            #[expect(clippy::cast_possible_truncation, reason = "a rectangle's sum is below 2^32 for sides below 4096")]
            let sum = (high - low) as u32;
            *to = mean(sum, (end - first) as usize * self.rows);
        }
    }

    /// Averages of two interleaved channels at once: one running total holds both sums, 32 bits each.
    pub(super) fn average_pairs(&mut self, columns: &Spans, [first_out, second_out]: [&mut [u8]; 2]) {
        if self.rows > NARROW_ROWS {
            self.average(0, 2, columns, first_out);
            self.average(1, 2, columns, second_out);
            return;
        }
        let pairs = self.narrow.as_chunks::<2>().0.iter();
        run_totals(&mut self.totals, pairs.map(|[a, b]| u64::from(*a) | u64::from(*b) << 32));
        let outs = first_out.iter_mut().zip(second_out.iter_mut());
        for (((a, b), first), end) in outs.zip(&columns.first).zip(&columns.end) {
            let (low, high) = self.between(*first, *end);
            let both = high.wrapping_sub(low);
            let count = (end - first) as usize * self.rows;
            #[expect(clippy::cast_possible_truncation, reason = "the two halves are wanted")]
            let halves = (both as u32, (both >> 32) as u32);
            (*a, *b) = (mean(halves.0, count), mean(halves.1, count));
        }
    }

    fn between(&self, first: u32, end: u32) -> (u64, u64) {
        let at = |index: u32| self.totals.get(index as usize).copied().unwrap_or(0);
        (at(first), at(end))
    }
}

/// Zero, then the sum of the first, of the first two, and so on.
fn run_totals(totals: &mut Vec<u64>, sums: impl Iterator<Item = u64>) {
    totals.clear();
    totals.push(0);
    let mut total = 0_u64;
    totals.extend(sums.map(|sum| {
        total = total.wrapping_add(sum);
        total
    }));
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
    /// Averages the first channel of a plane of `size`, whose pixels have `channels` interleaved samples, over
    /// `columns` by `rows` cells.
    pub fn average(
        &mut self,
        plane: Plane<'_>,
        (width, height): (u32, u32),
        channels: usize,
        (columns, rows): (u32, u32),
    ) -> &[u8] {
        let samples =
            Samples { bytes: plane.bytes, stride: plane.stride * GRID_STEP as usize, width: width as usize, channels };
        let (across, down) = (Spans::new(width, columns), Spans::new(height.div_ceil(GRID_STEP), rows));
        self.cells.clear();
        self.cells.resize(across.len() * down.len(), 0);
        for (row, out) in self.cells.chunks_exact_mut(across.len().max(1)).enumerate() {
            let Some(span) = down.get(row) else { continue };
            self.averager.sum_rows(samples, span);
            self.averager.average(0, channels, &across, out);
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
        let samples = Samples { bytes: &bytes, stride: 1, width: 1, channels: 1 };
        let mut averager = Averager::default();
        averager.sum_rows(samples, (0, 1000));
        assert_eq!(averager.wide, [255_000]);
        let mut out = [0];
        averager.average(0, 1, &Spans::new(1, 1), &mut out);
        assert_eq!(out, [255]);
    }

    #[test]
    fn pairs_are_averaged_as_each_alone() {
        for rows in [1, 3, 300] {
            let bytes: Vec<u8> = (0..40 * rows).map(|i| u8::try_from(i * 37 % 256).unwrap()).collect();
            let samples = Samples { bytes: &bytes, stride: 40, width: 20, channels: 2 };
            let columns = Spans::new(20, 7);
            let mut averager = Averager::default();
            averager.sum_rows(samples, (0, rows));
            let [mut a, mut b, mut c, mut d] = [[0; 7]; 4];
            averager.average_pairs(&columns, [&mut a, &mut b]);
            averager.average(0, 2, &columns, &mut c);
            averager.average(1, 2, &columns, &mut d);
            assert_eq!((a, b), (c, d), "{rows} rows");
        }
    }
}
