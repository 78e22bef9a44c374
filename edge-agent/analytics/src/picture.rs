//! A decoded frame, borrowed as the decoder left it.
//!
//! Belongs here: what the planes mean, and the check that they are as long as their strides say, so that the image
//! loops may trust them. Does not belong here: resampling and conversion (`preprocess`).

use std::fmt;

use minicbor::{Decode, Encode};

/// The widest and tallest frame that is looked at.
pub const MAX_SIDE_PX: u32 = 16_384;

/// One plane of samples.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    /// The samples, row after row.
    pub bytes: &'a [u8],
    /// Bytes from the start of one row to the start of the next.
    pub stride: usize,
}

impl fmt::Debug for Plane<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plane").field("bytes", &self.bytes.len()).field("stride", &self.stride).finish()
    }
}

/// How the samples are laid out.
#[derive(Clone, Copy, Debug)]
pub enum Planes<'a> {
    /// 4:2:0, luma, then U and V interleaved.
    Nv12 {
        /// Luma.
        y: Plane<'a>,
        /// Chroma, U before V.
        uv: Plane<'a>,
    },
    /// 4:2:0, three planes.
    I420 {
        /// Luma.
        y: Plane<'a>,
        /// Chroma U.
        u: Plane<'a>,
        /// Chroma V.
        v: Plane<'a>,
    },
    /// 8-bit red, green, blue interleaved, full range.
    Rgb(Plane<'a>),
    /// 8-bit brightness, full range.
    Grey(Plane<'a>),
}

/// Which weights turn luma and chroma into red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
}

/// Which numbers stand for black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Luma 16 to 235.
    Limited,
    /// Luma 0 to 255.
    Full,
}

/// How luma and chroma are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colorimetry {
    /// The weights.
    pub matrix: Matrix,
    /// The range.
    pub range: Range,
}

impl Colorimetry {
    /// What an unlabelled stream of this height means by custom: BT.709 from 720 lines, BT.601 below, limited range.
    #[must_use]
    pub fn customary(height: u32) -> Self {
        let matrix = if height >= 720 { Matrix::Bt709 } else { Matrix::Bt601 };
        Self { matrix, range: Range::Limited }
    }
}

/// Why planes do not make a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// A side is zero or beyond [`MAX_SIDE_PX`].
    #[error("a frame of {width}x{height} pixels cannot be looked at, sides go from 1 to {MAX_SIDE_PX}")]
    Size {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// A plane is shorter than its rows need, or its rows overlap.
    #[error("the {plane} plane of a {width}x{height} frame has {bytes} bytes at stride {stride}, too few")]
    Plane {
        /// Which plane.
        plane: &'static str,
        /// Frame width.
        width: u32,
        /// Frame height.
        height: u32,
        /// Bytes there are.
        bytes: usize,
        /// Bytes between rows.
        stride: usize,
    },
}

/// A frame whose planes are known to be long enough.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    width: u32,
    height: u32,
    planes: Planes<'a>,
    colorimetry: Colorimetry,
}

impl<'a> Picture<'a> {
    /// Borrows a frame; every plane must hold all of its rows.
    ///
    /// # Errors
    /// When a side is zero or too long, or a plane too short.
    pub fn new(width: u32, height: u32, planes: Planes<'a>, colorimetry: Colorimetry) -> Result<Self, PictureError> {
        if width == 0 || height == 0 || width > MAX_SIDE_PX || height > MAX_SIDE_PX {
            return Err(PictureError::Size { width, height });
        }
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let check = |plane: &'static str, p: Plane<'_>, row: usize, rows: usize| {
            let needed = p.stride.checked_mul(rows - 1).and_then(|n| n.checked_add(row));
            if p.stride >= row && needed.is_some_and(|n| p.bytes.len() >= n) {
                return Ok(());
            }
            Err(PictureError::Plane { plane, width, height, bytes: p.bytes.len(), stride: p.stride })
        };
        match planes {
            Planes::Nv12 { y, uv } => {
                check("luma", y, w, h)?;
                check("chroma", uv, cw * 2, ch)?;
            }
            Planes::I420 { y, u, v } => {
                check("luma", y, w, h)?;
                check("chroma U", u, cw, ch)?;
                check("chroma V", v, cw, ch)?;
            }
            Planes::Rgb(rgb) => check("RGB", rgb, w * 3, h)?,
            Planes::Grey(grey) => check("grey", grey, w, h)?,
        }
        Ok(Self { width, height, planes, colorimetry })
    }

    /// A tightly packed RGB image.
    ///
    /// # Errors
    /// As [`Picture::new`].
    pub fn rgb(width: u32, height: u32, bytes: &'a [u8]) -> Result<Self, PictureError> {
        let plane = Plane { bytes, stride: width as usize * 3 };
        let colorimetry = Colorimetry { matrix: Matrix::Bt601, range: Range::Full };
        Self::new(width, height, Planes::Rgb(plane), colorimetry)
    }

    /// The part of the picture in a rectangle of whole pixels, without copying. For the sake of the chroma planes the
    /// corner moves up and left to even numbers. A rectangle that does not touch the picture gives none.
    #[must_use]
    pub fn part(&self, x: u32, y: u32, width: u32, height: u32) -> Option<Self> {
        let (right, bottom) = (x.saturating_add(width).min(self.width), y.saturating_add(height).min(self.height));
        let (x, y) = (x & !1, y & !1);
        if x >= right || y >= bottom {
            return None;
        }
        let (column, row) = (x as usize, y as usize);
        let cut = |p: Plane<'a>, column: usize, row: usize| {
            let bytes = p.bytes.get(row * p.stride + column..)?;
            Some(Plane { bytes, stride: p.stride })
        };
        let planes = match self.planes {
            Planes::Nv12 { y, uv } => Planes::Nv12 { y: cut(y, column, row)?, uv: cut(uv, column, row / 2)? },
            Planes::I420 { y, u, v } => Planes::I420 {
                y: cut(y, column, row)?,
                u: cut(u, column / 2, row / 2)?,
                v: cut(v, column / 2, row / 2)?,
            },
            Planes::Rgb(rgb) => Planes::Rgb(cut(rgb, column * 3, row)?),
            Planes::Grey(grey) => Planes::Grey(cut(grey, column, row)?),
        };
        Self::new(right - x, bottom - y, planes, self.colorimetry).ok()
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The samples.
    pub fn planes(&self) -> Planes<'a> {
        self.planes
    }

    /// Brightness, or red of a picture in colours: a plane, and how many samples apart its pixels lie.
    pub fn first_channel(&self) -> (Plane<'a>, usize) {
        match self.planes {
            Planes::Nv12 { y, .. } | Planes::I420 { y, .. } | Planes::Grey(y) => (y, 1),
            Planes::Rgb(rgb) => (rgb, 3),
        }
    }

    /// How luma and chroma are to be understood.
    pub fn colorimetry(&self) -> Colorimetry {
        self.colorimetry
    }
}

/// A small picture of our own: a crop kept as proof of a read. RGB, 8 bit, tightly packed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct RgbCrop {
    /// Width in pixels.
    #[n(0)]
    pub width: u32,
    /// Height in pixels.
    #[n(1)]
    pub height: u32,
    /// `width * height * 3` bytes.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

impl fmt::Debug for RgbCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pixels of a plate do not belong in a log.
        write!(f, "RgbCrop({}x{})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Colorimetry = Colorimetry { matrix: Matrix::Bt601, range: Range::Full };

    #[test]
    fn a_plane_one_byte_short_is_refused() {
        let y = vec![0; 6 * 4];
        let uv = vec![0; 6 * 2];
        let nv12 = |y_bytes, uv_bytes| {
            let y = Plane { bytes: y_bytes, stride: 6 };
            let uv = Plane { bytes: uv_bytes, stride: 6 };
            Picture::new(6, 4, Planes::Nv12 { y, uv }, ANY)
        };
        assert!(nv12(&y, &uv).is_ok());
        assert!(matches!(nv12(&y[1..], &uv), Err(PictureError::Plane { plane: "luma", .. })));
        assert!(matches!(nv12(&y, &uv[1..]), Err(PictureError::Plane { plane: "chroma", .. })));
    }

    #[test]
    fn a_last_row_without_padding_is_enough() {
        let bytes = vec![0; 16 * 3 + 5];
        let grey = Plane { bytes: &bytes, stride: 16 };
        assert!(Picture::new(5, 4, Planes::Grey(grey), ANY).is_ok());
    }

    #[test]
    fn empty_and_endless_frames_are_refused() {
        for (width, height) in [(0, 0), (0, 5), (5, 0), (16_385, 1), (u32::MAX, u32::MAX)] {
            assert_eq!(
                Picture::rgb(width.min(20_000), height, &[]).unwrap_err(),
                PictureError::Size { width: width.min(20_000), height }
            );
        }
    }

    #[test]
    fn overlapping_rows_are_refused() {
        let bytes = vec![0; 100];
        let grey = Plane { bytes: &bytes, stride: 9 };
        assert!(Picture::new(10, 2, Planes::Grey(grey), ANY).is_err());
    }
}
