//! Whether a point lies in a closed outline.

use crate::geometry::Point;

/// Even-odd rule; outlines of fewer than three corners contain nothing.
pub fn contains(outline: &[Point], point: Point) -> bool {
    let Some(last) = outline.last().filter(|_| outline.len() >= 3) else { return false };
    let mut inside = false;
    let mut before = *last;
    for corner in outline {
        let spans = (corner.y > point.y) != (before.y > point.y);
        if spans {
            let share = (point.y - corner.y) / (before.y - corner.y);
            inside ^= point.x < corner.x + share * (before.x - corner.x);
        }
        before = *corner;
    }
    inside
}

/// A point as shares of the frame's sides; the lower edge, where cut boxes end, still is in the picture.
#[expect(clippy::cast_precision_loss, reason = "frame sides are below 2^24")]
pub(crate) fn share_of(point: Point, width: u32, height: u32) -> Point {
    Point { x: point.x / width.max(1) as f32, y: (point.y / height.max(1) as f32).min(1.0 - f32::EPSILON) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(list: &[(f32, f32)]) -> Vec<Point> {
        list.iter().map(|(x, y)| Point { x: *x, y: *y }).collect()
    }

    #[test]
    fn the_bay_of_a_hollow_outline_is_outside() {
        let u =
            points(&[(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (6.0, 9.0), (6.0, 3.0), (3.0, 3.0), (3.0, 9.0), (0.0, 9.0)]);
        assert!(contains(&u, Point { x: 1.0, y: 8.0 }) && contains(&u, Point { x: 8.0, y: 8.0 }));
        assert!(!contains(&u, Point { x: 4.5, y: 8.0 }) && !contains(&u, Point { x: 10.0, y: 1.0 }));
    }

    #[test]
    fn two_corners_enclose_nothing() {
        assert!(!contains(&points(&[(0.0, 0.0), (9.0, 9.0)]), Point { x: 4.0, y: 4.0 }));
    }
}
