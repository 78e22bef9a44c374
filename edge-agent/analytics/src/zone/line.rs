//! Crossing a line for good: from clearly on one side to clearly on the other.

use crate::geometry::Point;

/// A line in pixels of the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) from: Point,
    pub(super) to: Point,
}

impl Segment {
    /// Distance from the endless line through both points; positive to its right, looking from the first to the second
    /// in a picture whose y runs down.
    fn distance(&self, point: Point) -> f32 {
        let (dx, dy) = (self.to.x - self.from.x, self.to.y - self.from.y);
        let length = dx.hypot(dy);
        if length <= f32::EPSILON {
            return 0.0;
        }
        (dx * (point.y - self.from.y) - dy * (point.x - self.from.x)) / length
    }

    /// Whether the way from `a` to `b`, which lie on different sides, meets the line between its two points.
    fn is_met(&self, a: Point, b: Point) -> bool {
        let (da, db) = (self.distance(a), self.distance(b));
        let share = da / (da - db);
        let meeting = Point { x: a.x + share * (b.x - a.x), y: a.y + share * (b.y - a.y) };
        let (dx, dy) = (self.to.x - self.from.x, self.to.y - self.from.y);
        let along = (meeting.x - self.from.x) * dx + (meeting.y - self.from.y) * dy;
        (0.0..=dx * dx + dy * dy).contains(&along)
    }
}

/// The last place at which a track was clearly on one side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Side(Option<Point>);

impl Side {
    /// Takes in where the track is. Closer to the line than `margin` counts as neither side. Returns the direction of a
    /// crossing: true from left to right.
    pub(super) fn step(&mut self, segment: &Segment, foot: Point, margin: f32) -> Option<bool> {
        let distance = segment.distance(foot);
        if distance.abs() < margin.max(f32::EPSILON) {
            return None;
        }
        let before = self.0.replace(foot)?;
        let crossed = (segment.distance(before) > 0.0) != (distance > 0.0) && segment.is_met(before, foot);
        crossed.then_some(distance > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPWARD: Segment = Segment { from: Point { x: 50.0, y: 100.0 }, to: Point { x: 50.0, y: 0.0 } };

    fn walk(places: &[(f32, f32)]) -> Vec<bool> {
        let mut side = Side::default();
        places.iter().filter_map(|(x, y)| side.step(&UPWARD, Point { x: *x, y: *y }, 5.0)).collect()
    }

    #[test]
    fn looking_up_the_picture_right_is_right() {
        assert_eq!(walk(&[(20.0, 50.0), (80.0, 50.0)]), [true]);
        assert_eq!(walk(&[(80.0, 50.0), (20.0, 50.0)]), [false]);
    }

    #[test]
    fn trembling_on_the_line_is_no_crossing() {
        assert!(walk(&[(20.0, 50.0), (51.0, 50.0), (49.0, 50.0), (53.0, 50.0), (20.0, 50.0)]).is_empty());
        assert_eq!(walk(&[(20.0, 50.0), (51.0, 50.0), (49.0, 50.0), (60.0, 50.0)]), [true]);
    }

    #[test]
    fn going_around_the_end_is_no_crossing() {
        assert!(walk(&[(20.0, 150.0), (80.0, 150.0)]).is_empty());
    }
}
