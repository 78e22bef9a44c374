//! The account of one road user, as far as it has been followed.

use minicbor::{Decode, Encode};

use crate::class::ObjectClass;
use crate::geometry::{Point, Rect};
use crate::time::MediaTime;
use crate::track::TrackId;

/// A confirmed track's box in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct TrackBox {
    /// The track.
    #[n(0)]
    pub track: TrackId,
    /// Its class so far.
    #[n(1)]
    pub class: ObjectClass,
    /// Where it is.
    #[n(2)]
    pub rect: Rect,
    /// The detection's confidence, 0 to 1.
    #[n(3)]
    pub confidence: f32,
}

/// The account of one road user from first sight to now.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct TrackSummary {
    /// The track.
    #[n(0)]
    pub track: TrackId,
    /// The class most of its detections voted for.
    #[n(1)]
    pub class: ObjectClass,
    /// Mean confidence of the detections of that class, 0 to 1.
    #[n(2)]
    pub confidence: f32,
    /// First sight.
    #[n(3)]
    pub first: MediaTime,
    /// Last sight.
    #[n(4)]
    pub last: MediaTime,
    /// Where it went: the feet of its boxes, first and last among them, at most eight.
    #[n(5)]
    pub path: Vec<PathPoint>,
    /// Where it moved to in the picture; none while it hardly moved.
    #[n(6)]
    pub heading: Option<Heading>,
    /// Colour of a vehicle; none where it could not be told.
    #[n(7)]
    pub colour: Option<Colour>,
    /// Zones it stayed in.
    #[n(8)]
    pub zones: Vec<ZoneStay>,
    /// Lines it crossed, oldest first.
    #[n(9)]
    pub lines: Vec<LineCrossing>,
    /// Its last box.
    #[n(10)]
    pub rect: Rect,
    /// Width of the frames that all these pixels are of.
    #[n(11)]
    pub frame_width: u32,
    /// Height of these frames.
    #[n(12)]
    pub frame_height: u32,
}

/// Where a track stood at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub struct PathPoint {
    /// When.
    #[n(0)]
    pub media: MediaTime,
    /// The middle of the lower edge of its box.
    #[n(1)]
    pub foot: Point,
}

/// Direction of movement in the picture, in eighths of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Heading {
    /// Away from the camera, up the picture.
    #[n(0)]
    Up,
    /// Up and to the right.
    #[n(1)]
    UpRight,
    /// To the right.
    #[n(2)]
    Right,
    /// Down and to the right.
    #[n(3)]
    DownRight,
    /// Towards the camera, down the picture.
    #[n(4)]
    Down,
    /// Down and to the left.
    #[n(5)]
    DownLeft,
    /// To the left.
    #[n(6)]
    Left,
    /// Up and to the left.
    #[n(7)]
    UpLeft,
}

impl Heading {
    /// Every heading, clockwise from up.
    pub const ALL: [Self; 8] =
        [Self::Up, Self::UpRight, Self::Right, Self::DownRight, Self::Down, Self::DownLeft, Self::Left, Self::UpLeft];

    /// The heading of a movement; none for no movement.
    pub fn of(dx: f32, dy: f32) -> Option<Self> {
        if dx.abs() < f32::EPSILON && dy.abs() < f32::EPSILON {
            return None;
        }
        // Clockwise from up, in eighths; the picture's y runs down.
        let eighths = dx.atan2(-dy) / std::f32::consts::FRAC_PI_4;
        #[expect(clippy::cast_possible_truncation, reason = "rounded and within -4..=4")]
        let index = (eighths.round() as i32).rem_euclid(8);
        usize::try_from(index).ok().and_then(|i| Self::ALL.get(i).copied())
    }

    /// The name in events and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::UpRight => "up-right",
            Self::Right => "right",
            Self::DownRight => "down-right",
            Self::Down => "down",
            Self::DownLeft => "down-left",
            Self::Left => "left",
            Self::UpLeft => "up-left",
        }
    }

    /// Degrees clockwise from up.
    pub fn degrees(self) -> u16 {
        match self {
            Self::Up => 0,
            Self::UpRight => 45,
            Self::Right => 90,
            Self::DownRight => 135,
            Self::Down => 180,
            Self::DownLeft => 225,
            Self::Left => 270,
            Self::UpLeft => 315,
        }
    }
}

/// Colour of a vehicle, in the words of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Colour {
    /// Black or nearly.
    #[n(0)]
    Black,
    /// Grey.
    #[n(1)]
    Grey,
    /// Silver or light grey.
    #[n(2)]
    Silver,
    /// White.
    #[n(3)]
    White,
    /// Red.
    #[n(4)]
    Red,
    /// Orange.
    #[n(5)]
    Orange,
    /// Brown or beige.
    #[n(6)]
    Brown,
    /// Yellow.
    #[n(7)]
    Yellow,
    /// Green.
    #[n(8)]
    Green,
    /// Blue.
    #[n(9)]
    Blue,
    /// Violet.
    #[n(10)]
    Violet,
}

impl Colour {
    /// Every colour.
    pub const ALL: [Self; 11] = [
        Self::Black,
        Self::Grey,
        Self::Silver,
        Self::White,
        Self::Red,
        Self::Orange,
        Self::Brown,
        Self::Yellow,
        Self::Green,
        Self::Blue,
        Self::Violet,
    ];

    /// The name in events and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Grey => "grey",
            Self::Silver => "silver",
            Self::White => "white",
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Brown => "brown",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Violet => "violet",
        }
    }
}

/// A stay in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ZoneStay {
    /// The zone's id in the configuration.
    #[n(0)]
    pub zone: String,
    /// When it came in for the first time.
    #[n(1)]
    pub entered: MediaTime,
    /// Milliseconds inside, summed over all its stays.
    #[n(2)]
    pub dwell_ms: u64,
    /// Whether it is inside now.
    #[n(3)]
    pub inside: bool,
}

/// A line crossed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LineCrossing {
    /// The line's id in the configuration.
    #[n(0)]
    pub line: String,
    /// When.
    #[n(1)]
    pub media: MediaTime,
    /// Whether from the left of the line to its right, looking from its first point to its second.
    #[n(2)]
    pub forward: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_follow_the_picture_whose_y_runs_down() {
        for (dx, dy, heading) in [
            (0.0, -5.0, Heading::Up),
            (3.0, -3.0, Heading::UpRight),
            (3.0, 0.5, Heading::Right),
            (0.0, 9.0, Heading::Down),
            (-1.0, 1.0, Heading::DownLeft),
            (-4.0, 0.0, Heading::Left),
            (-4.0, -4.0, Heading::UpLeft),
        ] {
            assert_eq!(Heading::of(dx, dy), Some(heading));
        }
        assert_eq!(Heading::of(0.0, 0.0), None);
    }
}
