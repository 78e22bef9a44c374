//! A small crop to a reader's input: both sides fitted, interpolated in 16.16 fixed point.

use super::resample::{Averager, Samples, Spans};
use super::{Channels, InputSpec, PixelRect, Tensor, crop_grey, crop_rgb};
use crate::picture::Picture;

/// A small picture of interleaved 8-bit channels, tightly packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel8 {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Samples per pixel.
    pub channels: usize,
    /// The samples.
    pub bytes: Vec<u8>,
}

/// Averages rectangles; enlarging repeats pixels.
pub(super) fn box_resize(bytes: &[u8], (w, h): (u32, u32), (new_w, new_h): (u32, u32), channels: usize) -> Vec<u8> {
    let (columns, lines) = (Spans::new(w, new_w), Spans::new(h, new_h));
    let width = w as usize;
    let samples = Samples { bytes, stride: width * channels, width, channels };
    let mut averager = Averager::default();
    let mut row = vec![0; columns.len()];
    let mut out = vec![0; columns.len() * lines.len() * channels];
    for (line, target) in out.chunks_exact_mut((columns.len() * channels).max(1)).enumerate() {
        let Some(span) = lines.get(line) else { continue };
        averager.sum_rows(samples, span);
        for channel in 0..channels {
            averager.average(channel, channels, &columns, &mut row);
            target.iter_mut().skip(channel).step_by(channels).zip(&row).for_each(|(to, from)| *to = *from);
        }
    }
    out
}

/// Left index, right index and 8-bit weight of the right one, for each output.
fn taps(source: u32, target: u32) -> Vec<(usize, usize, u32)> {
    let (s, t) = (i64::from(source.max(1)), i64::from(target.max(1)));
    let last = s - 1;
    let tap = |i: i64| {
        let position = ((2 * i + 1) * s * 65_536).div_euclid(2 * t) - 32_768;
        let position = position.clamp(0, last << 16);
        let left = position >> 16;
        let weight = u32::try_from((position & 0xffff) >> 8).unwrap_or(0);
        let index = |v: i64| usize::try_from(v).unwrap_or(0);
        (index(left), index((left + 1).min(last)), weight)
    };
    (0..t).map(tap).collect()
}

/// Resizes without regard to aspect. A side more than twice too long is averaged to exactly twice first.
#[must_use]
pub fn stretch(source: &Channel8, width: u32, height: u32) -> Channel8 {
    let channels = source.channels;
    let halved = (source.width.min(width.saturating_mul(2)), source.height.min(height.saturating_mul(2)));
    let size = (source.width, source.height);
    let boxed;
    let bytes = if halved == size {
        &source.bytes
    } else {
        boxed = box_resize(&source.bytes, size, halved, channels);
        &boxed
    };
    let columns = taps(halved.0, width);
    let lines = taps(halved.1, height);
    let row_bytes = halved.0 as usize * channels;
    let at = |index: usize| u32::from(bytes.get(index).copied().unwrap_or(0));
    let mut out = Vec::with_capacity(columns.len() * lines.len() * channels);
    for (top, bottom, fy) in lines {
        for (left, right, fx) in &columns {
            for channel in 0..channels {
                let across = |row: usize| {
                    let start = row * row_bytes + channel;
                    at(start + left * channels) * (256 - fx) + at(start + right * channels) * fx
                };
                let value = (across(top) * (256 - fy) + across(bottom) * fy + 32_768) >> 16;
                out.push(u8::try_from(value).unwrap_or(u8::MAX));
            }
        }
    }
    Channel8 { width, height, channels, bytes: out }
}

/// The pixels in a rectangle of a frame as a reader's input.
pub fn stretched_tensor(picture: &Picture<'_>, rect: PixelRect, spec: &InputSpec, tensor: &mut Tensor) {
    let grey = spec.channels == Channels::Grey;
    let (channels, bytes) = if grey { (1, crop_grey(picture, rect)) } else { (3, crop_rgb(picture, rect).bytes) };
    let small = stretch(&Channel8 { width: rect.width, height: rect.height, channels, bytes }, spec.width, spec.height);
    let width = spec.width as usize;
    let mut rows = [vec![0; width], vec![0; width], vec![0; width]];
    for (y, line) in small.bytes.chunks_exact((width * channels).max(1)).enumerate() {
        for (channel, row) in rows.iter_mut().enumerate() {
            let from = line.iter().skip(channel.min(channels - 1)).step_by(channels);
            row.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        let [r, g, b] = &rows;
        let ordered = if spec.channels == Channels::Bgr { [b, g, r] } else { [r, g, b] };
        tensor.put_row(y, 0, ordered.map(Vec::as_slice));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Colorimetry, Matrix, Plane, Planes, Range};
    use crate::preprocess::vectors::{PATTERNS, drawn, drawn_rgb, fnv};
    use crate::preprocess::{Element, Layout, Resize};

    /// Crop size, hashes of 128x32 for full range luma, limited range luma and RGB as grey, and of 128x64 in colour:
    /// from `training.preprocess` on the drawn planes.
    const VECTORS: [((u32, u32), [u64; 4]); 6] = [
        ((61, 17), [0x44ed_f8bc_5abb_65fa, 0xa2c8_215e_8807_e6f9, 0xe44b_480e_bc6a_343a, 0x176b_a296_8265_a6e7]),
        ((300, 90), [0xc57b_6580_c5da_9483, 0xb613_25bf_8894_1bdf, 0x2d2b_8dde_c19e_b646, 0x6b02_599a_47e2_09f3]),
        ((300, 40), [0x34df_4646_d158_1711, 0xee91_c26b_64fb_c455, 0xcb18_db23_a99b_3b48, 0xfc10_fc71_48aa_1a03]),
        ((20, 10), [0x6e60_b6c3_c781_5aa4, 0x08fd_1f4d_8ade_4afb, 0x997e_e003_5ec1_3090, 0x7298_1638_ced2_f31e]),
        ((128, 32), [0x391d_de42_dca7_6d0e, 0xe544_8897_0f5c_7bfd, 0x67a1_7ac7_1d5a_96f6, 0x9b61_28c9_1518_134f]),
        ((1, 1), [0xb93a_0c83_ce3b_6325, 0xb93a_0c83_ce3b_6325, 0x85a1_aee2_8d1a_2325, 0x2c11_cf4e_5e02_2325]),
    ];

    fn hash(picture: &Picture<'_>, channels: Channels, height: u32) -> u64 {
        let spec = InputSpec {
            width: 128,
            height,
            channels,
            layout: Layout::Nhwc,
            element: Element::U8,
            resize: Resize::Stretch,
            mean: [0.0; 3],
            scale: [1.0; 3],
        };
        let mut tensor = Tensor::new(&spec, 0);
        let rect = PixelRect { x: 0, y: 0, width: picture.width(), height: picture.height() };
        stretched_tensor(picture, rect, &spec, &mut tensor);
        match tensor.view() {
            crate::infer::TensorView::U8 { values, .. } => fnv(values.iter().copied()),
            crate::infer::TensorView::F32 { .. } => panic!("not bytes"),
        }
    }

    #[test]
    fn every_crop_agrees_with_training_bit_for_bit() {
        for ((w, h), [full, limited, mixed, colour]) in VECTORS {
            let y = drawn(w, h, w as usize, PATTERNS[0]);
            let uv = vec![128; (w.div_ceil(2) * 2 * h.div_ceil(2)) as usize];
            let y = Plane { bytes: &y, stride: w as usize };
            let planes = Planes::Nv12 { y, uv: Plane { bytes: &uv, stride: w.div_ceil(2) as usize * 2 } };
            for (range, expected) in [(Range::Full, full), (Range::Limited, limited)] {
                let picture = Picture::new(w, h, planes, Colorimetry { matrix: Matrix::Bt601, range }).unwrap();
                assert_eq!(hash(&picture, Channels::Grey, 32), expected, "{w}x{h} {range:?}");
            }
            let rgb = drawn_rgb(w, h);
            let picture = Picture::rgb(w, h, &rgb).unwrap();
            assert_eq!(hash(&picture, Channels::Grey, 32), mixed, "{w}x{h} RGB");
            assert_eq!(hash(&picture, Channels::Rgb, 64), colour, "{w}x{h} colour");
        }
    }
}
