//! Cutting small pictures out of a frame at full resolution: plates for the reader, and proofs of a read.

use super::colour::{luma_to_grey, rgb_to_grey, yuv_to_rgb};
use crate::geometry::Rect;
use crate::picture::{Picture, Planes, RgbCrop};

/// A rectangle of whole pixels inside a frame, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelRect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl PixelRect {
    /// The whole pixels that a box touches inside a frame; none where it touches none.
    #[must_use]
    pub fn around(rect: Rect, frame_width: u32, frame_height: u32) -> Option<Self> {
        if !rect.is_sound() {
            return None;
        }
        let cut = rect.clamped(frame_width, frame_height);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the frame's sides")]
        let whole = |v: f32| v as u32;
        let (x, y) = (whole(cut.x.floor()), whole(cut.y.floor()));
        let right = whole(cut.right().ceil()).min(frame_width);
        let bottom = whole(cut.bottom().ceil()).min(frame_height);
        (right > x && bottom > y).then(|| Self { x, y, width: right - x, height: bottom - y })
    }
}

/// Brightness of the pixels in a rectangle, row after row. Rows outside the frame come out black.
#[must_use]
pub fn crop_grey(picture: &Picture<'_>, rect: PixelRect) -> Vec<u8> {
    let (width, height) = (rect.width as usize, rect.height as usize);
    let (x, y) = (rect.x as usize, rect.y as usize);
    let mut grey = vec![0; width * height];
    for (row, out) in grey.chunks_exact_mut(width.max(1)).enumerate() {
        match picture.planes() {
            Planes::Nv12 { y: plane, .. } | Planes::I420 { y: plane, .. } => {
                let start = (y + row) * plane.stride + x;
                if let Some(bytes) = plane.bytes.get(start..start + width) {
                    out.copy_from_slice(bytes);
                }
                luma_to_grey(picture.colorimetry().range, out);
            }
            Planes::Grey(plane) => {
                let start = (y + row) * plane.stride + x;
                if let Some(bytes) = plane.bytes.get(start..start + width) {
                    out.copy_from_slice(bytes);
                }
            }
            Planes::Rgb(plane) => {
                let start = (y + row) * plane.stride + x * 3;
                let pixels = plane.bytes.get(start..start + width * 3).unwrap_or_default();
                for (to, pixel) in out.iter_mut().zip(pixels.as_chunks::<3>().0) {
                    let [r, g, b] = *pixel;
                    *to = rgb_to_grey(r, g, b);
                }
            }
        }
    }
    grey
}

/// The pixels in a rectangle as RGB; the chroma of 4:2:0 is repeated.
#[must_use]
pub fn crop_rgb(picture: &Picture<'_>, rect: PixelRect) -> RgbCrop {
    let (width, height) = (rect.width as usize, rect.height as usize);
    let mut bytes = vec![0; width * height * 3];
    let mut rows = [vec![0; width], vec![0; width], vec![0; width]];
    let mut turned = rows.clone();
    for (row, out) in bytes.chunks_exact_mut((width * 3).max(1)).enumerate() {
        let (x, y) = (rect.x as usize, rect.y as usize + row);
        let [first, second, third] = &mut rows;
        let luma = read_row(picture, (x, y), [first, second, third]);
        if luma {
            let [r, g, b] = &mut turned;
            yuv_to_rgb(picture.colorimetry(), [first, second, third], [r, g, b]);
        }
        let [r, g, b] = if luma { &turned } else { &rows };
        for (to, ((r, g), b)) in out.as_chunks_mut::<3>().0.iter_mut().zip(r.iter().zip(g).zip(b)) {
            *to = [*r, *g, *b];
        }
    }
    RgbCrop { width: rect.width, height: rect.height, bytes }
}

/// Reads a row of a frame into three channels; true if they are luma and chroma.
fn read_row(picture: &Picture<'_>, (x, y): (usize, usize), [first, second, third]: [&mut Vec<u8>; 3]) -> bool {
    let at = |plane: &[u8], index: usize| plane.get(index).copied().unwrap_or(0);
    let columns = first.iter_mut().zip(second.iter_mut()).zip(third.iter_mut()).enumerate();
    match picture.planes() {
        Planes::Nv12 { y: luma, uv } => {
            for (i, ((a, b), c)) in columns {
                let column = x + i;
                let chroma = (y / 2) * uv.stride + column / 2 * 2;
                *a = at(luma.bytes, y * luma.stride + column);
                (*b, *c) = (at(uv.bytes, chroma), at(uv.bytes, chroma + 1));
            }
            true
        }
        Planes::I420 { y: luma, u, v } => {
            for (i, ((a, b), c)) in columns {
                let column = x + i;
                *a = at(luma.bytes, y * luma.stride + column);
                *b = at(u.bytes, (y / 2) * u.stride + column / 2);
                *c = at(v.bytes, (y / 2) * v.stride + column / 2);
            }
            true
        }
        Planes::Rgb(plane) => {
            for (i, ((a, b), c)) in columns {
                let start = y * plane.stride + (x + i) * 3;
                (*a, *b, *c) = (at(plane.bytes, start), at(plane.bytes, start + 1), at(plane.bytes, start + 2));
            }
            false
        }
        Planes::Grey(plane) => {
            for (i, ((a, b), c)) in columns {
                let grey = at(plane.bytes, y * plane.stride + x + i);
                (*a, *b, *c) = (grey, grey, grey);
            }
            false
        }
    }
}

impl RgbCrop {
    /// The crop made smaller, aspect kept, so that no side is longer than `longest`; never enlarged.
    #[must_use]
    pub fn shrunk(self, longest: u32) -> Self {
        let side = self.width.max(self.height);
        if side <= longest || longest == 0 {
            return self;
        }
        let scaled = |length: u32| {
            let scaled = (u64::from(length) * u64::from(longest) / u64::from(side)).max(1);
            u32::try_from(scaled).unwrap_or(longest)
        };
        let (width, height) = (scaled(self.width), scaled(self.height));
        let bytes = super::stretch::box_resize(&self.bytes, (self.width, self.height), (width, height), 3);
        Self { width, height, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Colorimetry, Matrix, Plane, Range};

    #[test]
    fn a_crop_is_the_pixels_at_its_place() {
        let frame: Vec<u8> = (0..5 * 4 * 3).collect();
        let picture = Picture::rgb(5, 4, &frame).unwrap();
        let crop = crop_rgb(&picture, PixelRect { x: 2, y: 1, width: 2, height: 2 });
        assert_eq!(crop.bytes, [21, 22, 23, 24, 25, 26, 36, 37, 38, 39, 40, 41]);
    }

    #[test]
    fn brightness_comes_from_luma_where_there_is_luma() {
        let y = [16, 126, 235, 0];
        let uv = [90, 240];
        let planes = Planes::Nv12 { y: Plane { bytes: &y, stride: 2 }, uv: Plane { bytes: &uv, stride: 2 } };
        let colorimetry = Colorimetry { matrix: Matrix::Bt601, range: Range::Limited };
        let picture = Picture::new(2, 2, planes, colorimetry).unwrap();
        let grey = crop_grey(&picture, PixelRect { x: 0, y: 0, width: 2, height: 2 });
        assert_eq!(grey, [0, 128, 255, 0]);
    }

    #[test]
    fn a_box_that_misses_the_frame_has_no_pixels() {
        let outside = Rect { x: 200.0, y: 0.0, w: 10.0, h: 10.0 };
        assert_eq!(PixelRect::around(outside, 100, 100), None);
        let broken = Rect { x: f32::NAN, y: 0.0, w: 10.0, h: 10.0 };
        assert_eq!(PixelRect::around(broken, 100, 100), None);
        let edge = Rect { x: 98.2, y: -3.0, w: 10.0, h: 4.5 };
        assert_eq!(PixelRect::around(edge, 100, 100), Some(PixelRect { x: 98, y: 0, width: 2, height: 2 }));
    }

    #[test]
    fn shrinking_keeps_the_aspect() {
        let crop = RgbCrop { width: 400, height: 100, bytes: vec![9; 400 * 100 * 3] }.shrunk(100);
        assert_eq!((crop.width, crop.height, crop.bytes.len()), (100, 25, 7500));
        assert!(crop.bytes.iter().all(|b| *b == 9));
    }
}
