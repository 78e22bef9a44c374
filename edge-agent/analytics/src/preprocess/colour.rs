//! Luma and chroma to red, green, blue, in integers.

use crate::picture::{Colorimetry, Matrix, Range};

/// Weights over 256: of luma, V in red, U and V in green, U in blue.
struct Weights {
    luma: i32,
    black: i32,
    red_v: i32,
    green_u: i32,
    green_v: i32,
    blue_u: i32,
}

fn weights(colorimetry: Colorimetry) -> Weights {
    match (colorimetry.matrix, colorimetry.range) {
        (Matrix::Bt601, Range::Limited) => {
            Weights { luma: 298, black: 16, red_v: 409, green_u: 100, green_v: 208, blue_u: 516 }
        }
        (Matrix::Bt709, Range::Limited) => {
            Weights { luma: 298, black: 16, red_v: 459, green_u: 55, green_v: 136, blue_u: 541 }
        }
        (Matrix::Bt601, Range::Full) => {
            Weights { luma: 256, black: 0, red_v: 359, green_u: 88, green_v: 183, blue_u: 454 }
        }
        (Matrix::Bt709, Range::Full) => {
            Weights { luma: 256, black: 0, red_v: 403, green_u: 48, green_v: 120, blue_u: 475 }
        }
    }
}

#[expect(clippy::cast_sign_loss, reason = "clamped to 0..=255 before")]
fn byte(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

/// Turns rows of luma and chroma of one length into rows of red, green and blue.
///
/// Full range subtracts the rounded green terms from luma, as `y - ((88d + 183e + 128) >> 8)`; limited range rounds
/// once at the end.
pub(super) fn yuv_to_rgb(colorimetry: Colorimetry, [y, u, v]: [&[u8]; 3], [r, g, b]: [&mut [u8]; 3]) {
    let w = weights(colorimetry);
    let full = colorimetry.range == Range::Full;
    let inputs = y.iter().zip(u).zip(v);
    let outputs = r.iter_mut().zip(g.iter_mut()).zip(b.iter_mut());
    for (((y, u), v), ((r, g), b)) in inputs.zip(outputs) {
        let c = w.luma * (i32::from(*y) - w.black);
        let (d, e) = (i32::from(*u) - 128, i32::from(*v) - 128);
        *r = byte((c + w.red_v * e + 128) >> 8);
        let green = w.green_u * d + w.green_v * e;
        *g = byte(if full { (c >> 8) - ((green + 128) >> 8) } else { (c - green + 128) >> 8 });
        *b = byte((c + w.blue_u * d + 128) >> 8);
    }
}

/// Brightness of a row of luma: limited range is spread to 0 to 255.
pub(super) fn luma_to_grey(range: Range, row: &mut [u8]) {
    if range == Range::Limited {
        for y in row {
            *y = byte(((i32::from(*y) - 16) * 298 + 128) >> 8);
        }
    }
}

/// Brightness of one pixel.
pub(super) fn rgb_to_grey(r: u8, g: u8, b: u8) -> u8 {
    byte((77 * i32::from(r) + 150 * i32::from(g) + 29 * i32::from(b) + 128) >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(matrix: Matrix, range: Range, yuv: [u8; 3]) -> [u8; 3] {
        let mut rgb = [[0]; 3];
        let [r, g, b] = &mut rgb;
        let [y, u, v] = yuv;
        yuv_to_rgb(Colorimetry { matrix, range }, [&[y], &[u], &[v]], [r, g, b]);
        rgb.map(|[value]| value)
    }

    #[test]
    fn black_and_white_are_black_and_white() {
        for matrix in [Matrix::Bt601, Matrix::Bt709] {
            assert_eq!(one(matrix, Range::Limited, [16, 128, 128]), [0; 3]);
            assert_eq!(one(matrix, Range::Limited, [235, 128, 128]), [255; 3]);
            assert_eq!(one(matrix, Range::Full, [0, 128, 128]), [0; 3]);
            assert_eq!(one(matrix, Range::Full, [255, 128, 128]), [255; 3]);
        }
    }

    #[test]
    fn pure_colours_are_near_what_the_standards_say() {
        // Y, U, V of red and blue by the standards' own weights, limited range.
        let close = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 3);
        assert!(close(one(Matrix::Bt601, Range::Limited, [81, 90, 240]), [255, 0, 0]));
        assert!(close(one(Matrix::Bt709, Range::Limited, [63, 102, 240]), [255, 0, 0]));
        assert!(close(one(Matrix::Bt601, Range::Limited, [41, 240, 110]), [0, 0, 255]));
        assert!(close(one(Matrix::Bt709, Range::Full, [54, 99, 255]), [255, 0, 0]));
    }
}
