//! Averages over rectangles of few pixels, which is what every frame of a street camera is shrunk by: sums in 16 bits,
//! and a division that the compiler turns into vector multiplications.

use super::resample::Spans;

/// Widest span, less one, that is summed without a loop.
const WIDEST: usize = 5;

/// Division by two counts of pixels, exact for every rounded sum of so many bytes.
#[derive(Clone, Copy, Debug)]
struct Divisors {
    /// Half of the smaller count, and its reciprocal times `2^(16 + shift)`, rounded up.
    few: (u16, u16),
    /// The same of the larger count.
    many: (u16, u16),
    shift: u32,
}

impl Divisors {
    /// None where 16 bits are too few.
    fn of(few: usize, many: usize) -> Option<Self> {
        let (few, many) = (u32::try_from(few).ok()?, u32::try_from(many).ok()?);
        // The most bits with which the larger of the two reciprocals still fits.
        let shift = few.checked_next_power_of_two()?.checked_ilog2()?.checked_sub(1)?;
        let one = |count: u32| {
            let power = 1_u64 << (16 + shift);
            let reciprocal = power.div_ceil(u64::from(count));
            // What rounding up adds must not carry the largest quotient over.
            let error = reciprocal * u64::from(count) - power;
            let largest = u64::from(count) * 255 + u64::from(count) / 2;
            let exact = largest * error < power && u16::try_from(largest).is_ok();
            exact.then_some((u16::try_from(count / 2).ok()?, u16::try_from(reciprocal).ok()?))
        };
        Some(Self { few: one(few)?, many: one(many)?, shift })
    }

    fn divide(self, sums: &[u16], longer: &[u16], out: &mut [u8]) {
        for ((to, sum), longer) in out.iter_mut().zip(sums).zip(longer) {
            let (half, reciprocal) = if *longer == 0 { self.few } else { self.many };
            let product = u32::from(sum.wrapping_add(half)) * u32::from(reciprocal);
            #[expect(clippy::cast_possible_truncation, reason = "a mean of bytes is a byte")]
            let mean = (product >> 16 >> self.shift) as u8;
            *to = mean;
        }
    }
}

/// Averages of `pixels`, each a column's sum over `rows` rows, over each span and channel. One more pixel than the
/// plane has must follow. False, with nothing done, where the rectangles are too large for 16 bits.
pub(super) fn average<const N: usize>(
    pixels: &[[u16; N]],
    rows: usize,
    columns: &Spans,
    sums: &mut Vec<u16>,
    out: &mut [&mut [u8]; N],
) -> bool {
    let Some((least, longer)) = columns.nearly_even() else { return false };
    let Some(divisors) = Divisors::of(least * rows, (least + 1) * rows) else { return false };
    for (channel, out) in out.iter_mut().enumerate() {
        match least {
            1 => sum::<N, 1>(pixels, channel, columns, sums),
            2 => sum::<N, 2>(pixels, channel, columns, sums),
            3 => sum::<N, 3>(pixels, channel, columns, sums),
            4 => sum::<N, 4>(pixels, channel, columns, sums),
            WIDEST => sum::<N, WIDEST>(pixels, channel, columns, sums),
            _ => return false,
        }
        divisors.divide(sums, longer, out);
    }
    true
}

/// Sums of one channel over spans of `LEAST` pixels or one more.
fn sum<const N: usize, const LEAST: usize>(pixels: &[[u16; N]], channel: usize, columns: &Spans, sums: &mut Vec<u16>) {
    sums.clear();
    sums.extend(columns.starts().map(|(first, longer)| {
        let Some((window, [last, ..])) = pixels.get(first..).and_then(|rest| rest.split_first_chunk::<LEAST>()) else {
            return 0;
        };
        let sample = |pixel: &[u16; N]| pixel.get(channel).copied().unwrap_or(0);
        window.iter().map(sample).fold(sample(last) & longer, u16::wrapping_add)
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_divide_every_possible_sum_as_division_does() {
        let mut tried = 0;
        for (width, rows) in (1..=5_usize).flat_map(|width| (1..=8).map(move |rows| (width, rows))) {
            let Some(divisors) = Divisors::of(width * rows, (width + 1) * rows) else { continue };
            tried += 1;
            for (count, longer) in [(width * rows, 0), ((width + 1) * rows, u16::MAX)] {
                for sum in 0..=255 * count {
                    let mut out = [0];
                    divisors.divide(&[u16::try_from(sum).unwrap()], &[longer], &mut out);
                    assert_eq!(usize::from(out[0]), (sum + count / 2) / count, "{sum} / {count}");
                }
            }
        }
        assert!(tried > 30, "{tried}");
    }
}
