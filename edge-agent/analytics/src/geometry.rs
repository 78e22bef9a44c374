//! Boxes and points in pixels of the full frame, origin top left, x to the right, y down.
//!
//! Belongs here: plain geometry that several rooms need. Does not belong here: anything that knows a model or a track.

use minicbor::{Decode, Encode};

/// A point in pixels of the full frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(array)]
pub struct Point {
    /// Pixels from the left edge.
    #[n(0)]
    pub x: f32,
    /// Pixels from the top edge.
    #[n(1)]
    pub y: f32,
}

/// A box in pixels of the full frame: top left corner, width and height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(array)]
pub struct Rect {
    /// Left edge.
    #[n(0)]
    pub x: f32,
    /// Top edge.
    #[n(1)]
    pub y: f32,
    /// Width, not negative.
    #[n(2)]
    pub w: f32,
    /// Height, not negative.
    #[n(3)]
    pub h: f32,
}

impl Rect {
    /// The box between two corners; crossed corners give an empty box.
    #[must_use]
    pub fn from_corners(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self { x: left, y: top, w: (right - left).max(0.0), h: (bottom - top).max(0.0) }
    }

    /// The right edge.
    pub fn right(&self) -> f32 {
        self.x + self.w
    }

    /// The bottom edge.
    pub fn bottom(&self) -> f32 {
        self.y + self.h
    }

    /// The middle of the box.
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }

    /// The middle of the lower edge: where a road user touches the ground.
    pub fn foot(&self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.bottom() }
    }

    /// Area in square pixels.
    pub fn area(&self) -> f32 {
        self.w * self.h
    }

    /// Area shared with another box.
    pub fn overlap(&self, other: &Self) -> f32 {
        let w = self.right().min(other.right()) - self.x.max(other.x);
        let h = self.bottom().min(other.bottom()) - self.y.max(other.y);
        if w > 0.0 && h > 0.0 { w * h } else { 0.0 }
    }

    /// Intersection over union, 0 to 1.
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.overlap(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// The share of this box that lies in `other`, 0 to 1.
    pub fn share_in(&self, other: &Self) -> f32 {
        let area = self.area();
        if area > 0.0 { self.overlap(other) / area } else { 0.0 }
    }

    /// Whether a point lies in the box.
    pub fn contains(&self, point: Point) -> bool {
        point.x >= self.x && point.x < self.right() && point.y >= self.y && point.y < self.bottom()
    }

    /// The box grown on each side by a share of its own width and height.
    #[must_use]
    pub fn widened(&self, share_x: f32, share_y: f32) -> Self {
        let (dx, dy) = (self.w * share_x, self.h * share_y);
        Self { x: self.x - dx, y: self.y - dy, w: self.w + 2.0 * dx, h: self.h + 2.0 * dy }
    }

    /// The part of the box inside a frame of the given size.
    #[must_use]
    pub fn clamped(&self, width: u32, height: u32) -> Self {
        // Frame sides are at most 16384, far below 2^24: exact in f32.
        #[expect(clippy::cast_precision_loss, reason = "frame sides are below 2^24")]
        let (width, height) = (width as f32, height as f32);
        Self::from_corners(
            self.x.clamp(0.0, width),
            self.y.clamp(0.0, height),
            self.right().clamp(0.0, width),
            self.bottom().clamp(0.0, height),
        )
    }

    /// Whether every number is finite and the sides are not negative.
    pub fn is_sound(&self) -> bool {
        [self.x, self.y, self.w, self.h].iter().all(|v| v.is_finite()) && self.w >= 0.0 && self.h >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_boxes_have_an_iou_of_one_and_apart_ones_of_zero() {
        let a = Rect { x: 10.0, y: 10.0, w: 20.0, h: 10.0 };
        assert!((a.iou(&a) - 1.0).abs() < 1e-6);
        let b = Rect { x: 30.0, ..a };
        assert!(a.iou(&b).abs() < 1e-6);
        let half = Rect { x: 20.0, ..a };
        assert!((a.iou(&half) - 1.0 / 3.0).abs() < 1e-6);
        assert!((half.share_in(&a) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_box_over_the_edge_is_cut_at_the_edge() {
        let cut = Rect { x: -5.0, y: 90.0, w: 20.0, h: 20.0 }.clamped(100, 100);
        assert_eq!(cut, Rect { x: 0.0, y: 90.0, w: 15.0, h: 10.0 });
    }
}
