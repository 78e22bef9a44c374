//! Where a road user went.

use serde::{Deserialize, Serialize};

/// The most points in a path.
pub const MAX_PATH_POINTS: usize = 8;

/// In how many steps the width and the height of a picture are divided. Finer than boxes are exact (4 pixels of
/// 1920), and coarse enough that distances between points fit into two bytes.
pub const PATH_STEPS: u16 = 500;

/// Where a road user stood: the middle of the lower edge of its box, from the top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathPoint {
    /// Tenths of a second after the event's first sight.
    pub after_ds: u32,
    /// 500ths of the width from the left.
    pub x: u16,
    /// 500ths of the height from the top.
    pub y: u16,
}

/// A path as one flat array, three numbers a point, each the distance from the point before: a path is a third of an
/// object event, and distances are small.
pub(crate) mod flat {
    use minicbor::{Decoder, Encoder, decode as decoding, encode as encoding};

    use super::PathPoint;

    pub(crate) fn encode<C, W: encoding::Write>(
        path: &[PathPoint],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encoding::Error<W::Error>> {
        e.array(path.len() as u64 * 3)?;
        let mut before = PathPoint { after_ds: 0, x: 0, y: 0 };
        for &point in path {
            e.i64(i64::from(point.after_ds) - i64::from(before.after_ds))?;
            e.i32(i32::from(point.x) - i32::from(before.x))?;
            e.i32(i32::from(point.y) - i32::from(before.y))?;
            before = point;
        }
        Ok(())
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Vec<PathPoint>, decoding::Error> {
        let at = d.position();
        let length = d.array()?.filter(|length| length % 3 == 0);
        let length = length.ok_or_else(|| decoding::Error::message("a path has three numbers a point").at(at))?;
        let mut path = Vec::new();
        let mut before = PathPoint { after_ds: 0, x: 0, y: 0 };
        for _ in 0..length / 3 {
            before = step(before, d.i64()?, [d.i32()?, d.i32()?])
                .ok_or_else(|| decoding::Error::message("a path leaves its numbers").at(at))?;
            path.push(before);
        }
        Ok(path)
    }

    fn step(before: PathPoint, after: i64, [x, y]: [i32; 2]) -> Option<PathPoint> {
        Some(PathPoint {
            after_ds: i64::from(before.after_ds).checked_add(after)?.try_into().ok()?,
            x: i32::from(before.x).checked_add(x)?.try_into().ok()?,
            y: i32::from(before.y).checked_add(y)?.try_into().ok()?,
        })
    }
}
