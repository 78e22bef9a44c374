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
const EXACT_COUNT: u64 = 4096;

/// Averages rows of rectangles; keeps its buffers from frame to frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Averager {
    narrow: Vec<u16>,
    sums: Vec<u32>,
    totals: Vec<u32>,
    reciprocals: Vec<u32>,
}

impl Averager {
    /// Adds rows `first..end` of the plane, column by column.
    pub(super) fn sum_rows(&mut self, samples: Samples<'_>, (first, end): (usize, usize)) {
        let row = samples.width * samples.channels;
        self.sums.clear();
        self.sums.resize(row, 0);
        let rows = (first..end).filter_map(|y| samples.bytes.get(y * samples.stride..y * samples.stride + row));
        // 256 rows of 255 are the most that 16 bits hold.
        let mut pending = 0;
        for bytes in rows {
            if pending == 0 {
                self.narrow.clear();
                self.narrow.extend(bytes.iter().map(|b| u16::from(*b)));
            } else {
                self.narrow.iter_mut().zip(bytes).for_each(|(sum, b)| *sum += u16::from(*b));
            }
            pending += 1;
            if pending == 256 {
                self.widen();
                pending = 0;
            }
        }
        if pending > 0 {
            self.widen();
        }
    }

    fn widen(&mut self) {
        self.sums.iter_mut().zip(&self.narrow).for_each(|(sum, narrow)| *sum += u32::from(*narrow));
    }

    /// Averages of one channel over the summed rows, one per column span, into `out`.
    pub(super) fn average(
        &mut self,
        channel: usize,
        channels: usize,
        rows: usize,
        (columns, out): (&Spans, &mut [u8]),
    ) {
        // A frame of 16384 x 16384 bytes at 255 sums to less than 2^36: totals wrap, differences of up to 2^32 are right.
        self.totals.clear();
        self.totals.push(0);
        let mut total = 0_u32;
        self.totals.extend(self.sums.iter().skip(channel).step_by(channels.max(1)).map(|sum| {
            total = total.wrapping_add(*sum);
            total
        }));
        self.prepare(columns, rows);
        let spans = columns.first.iter().zip(&columns.end).zip(&self.reciprocals);
        for (to, ((first, end), reciprocal)) in out.iter_mut().zip(spans) {
            let (Some(high), Some(low)) = (self.totals.get(*end as usize), self.totals.get(*first as usize)) else {
                continue;
            };
            let count = u64::from(end - first) * rows as u64;
            let sum = u64::from(high.wrapping_sub(*low)) + count / 2;
            let mean = if *reciprocal == 0 { sum / count.max(1) } else { (sum * u64::from(*reciprocal)) >> 32 };
            *to = u8::try_from(mean).unwrap_or(u8::MAX);
        }
    }

    /// `2^32 / count`, rounded up, for the count of each column span; zero where a true division is needed.
    fn prepare(&mut self, columns: &Spans, rows: usize) {
        self.reciprocals.clear();
        let (mut last, mut reciprocal) = (0, 0);
        self.reciprocals.extend(columns.first.iter().zip(&columns.end).map(|(first, end)| {
            let count = u64::from(end - first) * rows as u64;
            if count != last {
                last = count;
                let usable = (2..=EXACT_COUNT).contains(&count);
                reciprocal = if usable { u32::try_from((1_u64 << 32) / count + 1).unwrap_or(0) } else { 0 };
            }
            reciprocal
        }));
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
            self.averager.average(0, channels, span.1 - span.0, (&across, out));
        }
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocals_divide_every_possible_sum_as_division_does() {
        for count in (2..=64_u64).chain([100, 255, 256, 1000, 4095, 4096]) {
            let reciprocal = (1_u64 << 32) / count + 1;
            for sum in (0..=255 * count + count / 2).step_by(if count > 64 { 7 } else { 1 }) {
                assert_eq!((sum * reciprocal) >> 32, sum / count, "{sum} / {count}");
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
        assert_eq!(averager.sums, [255_000]);
        let mut out = [0];
        averager.average(0, 1, 1000, (&Spans::new(1, 1), &mut out));
        assert_eq!(out, [255]);
    }
}
