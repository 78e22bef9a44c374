//! Privacy masks: areas of a camera's picture that are not looked at, and black in every picture that leaves the
//! worker.

use crate::geometry::Point;
use crate::picture::RgbCrop;
use crate::preprocess::PixelRect;
use crate::settings::Polygon;
use crate::zone::{contains, share_of};

/// Whether a point of a frame, in pixels, lies in a mask.
pub(crate) fn hides(masks: &[Polygon], point: Point, (width, height): (u32, u32)) -> bool {
    let share = share_of(point, width, height);
    masks.iter().any(|mask| contains(&mask.0, share))
}

/// Blackens what a crop shows of masked areas. The crop may have been shrunk since it was cut `of` a frame of this
/// size.
#[expect(clippy::cast_precision_loss, reason = "frame sides are below 2^24")]
pub fn cover(crop: &mut RgbCrop, of: PixelRect, frame: (u32, u32), masks: &[Polygon]) {
    if masks.is_empty() {
        return;
    }
    let step_x = of.width as f32 / crop.width.max(1) as f32;
    let step_y = of.height as f32 / crop.height.max(1) as f32;
    let rows = crop.bytes.chunks_exact_mut((crop.width as usize * 3).max(1));
    for (row, pixels) in (0_u16..).zip(rows) {
        let y = of.y as f32 + (f32::from(row) + 0.5) * step_y;
        for (column, pixel) in (0_u16..).zip(pixels.as_chunks_mut::<3>().0) {
            let x = of.x as f32 + (f32::from(column) + 0.5) * step_x;
            if hides(masks, Point { x, y }, frame) {
                *pixel = [0; 3];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_black_where_the_frame_is_masked_and_nowhere_else() {
        // The left half of a frame of 40x20, of which the middle is cut and shrunk to half its size.
        let left = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
        let of = PixelRect { x: 10, y: 4, width: 20, height: 8 };
        let mut crop = RgbCrop { width: 10, height: 4, bytes: vec![200; 10 * 4 * 3] };
        let whole = crop.clone();
        cover(&mut crop, of, (40, 20), &[]);
        assert_eq!(crop, whole);
        cover(&mut crop, of, (40, 20), &[Polygon(left.to_vec())]);
        for row in crop.bytes.chunks(30) {
            assert_eq!((&row[..15], &row[15..]), (&[0; 15][..], &[200; 15][..]));
        }
    }
}
