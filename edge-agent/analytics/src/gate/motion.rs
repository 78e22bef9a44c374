//! Whether anything moves: brightness of a coarse grid against a slow background.

use std::time::Duration;

use crate::picture::Picture;
use crate::preprocess::GreyGrid;
use crate::time::MediaTime;

/// Columns and rows of the grid; a cell of a 1080p frame is 20 by 20 pixels.
const COLUMNS: u32 = 96;
const ROWS: u32 = 54;
/// Brightness, of 255, by which a cell must differ after the picture's common change of exposure is taken off.
const CELL_CHANGE: f32 = 9.0;
/// Cells that must differ: two, since one may be noise.
const CELLS: usize = 2;
/// Even when nothing seems to move, a frame is analysed this often: a grey car on grey asphalt hardly changes a cell.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// Movement is believed to go on for so long after it was seen.
const LINGER: Duration = Duration::from_secs(1);

/// Decides whether a frame may be passed over.
#[derive(Clone, Debug, Default)]
pub struct MotionGate {
    grid: GreyGrid,
    background: Vec<f32>,
    last_analysed: Option<MediaTime>,
    last_motion: Option<MediaTime>,
}

impl MotionGate {
    /// Takes in a frame; true if it should be analysed.
    pub fn admits(&mut self, picture: &Picture<'_>, media: MediaTime) -> bool {
        let moved = self.moved(picture);
        if moved {
            self.last_motion = Some(media);
        }
        let within = |then: Option<MediaTime>, span: Duration| {
            then.is_some_and(|then| media >= then && media.saturating_since(then) < span)
        };
        let admitted = moved || within(self.last_motion, LINGER) || !within(self.last_analysed, LONGEST_REST);
        if admitted {
            self.last_analysed = Some(media);
        }
        admitted
    }

    fn moved(&mut self, picture: &Picture<'_>) -> bool {
        // The first channel will do: what moves, moves in red too.
        let (plane, channels) = picture.first_channel();
        let cells = self.grid.average(plane, (picture.width(), picture.height()), channels, (COLUMNS, ROWS));
        let now: Vec<f32> = cells.iter().map(|cell| f32::from(*cell)).collect();
        if self.background.len() != now.len() {
            self.background = now;
            return true;
        }
        let mut changes: Vec<f32> = now.iter().zip(&self.background).map(|(now, then)| now - then).collect();
        let middle = changes.len() / 2;
        let common = *changes.clone().select_nth_unstable_by(middle, f32::total_cmp).1;
        for change in &mut changes {
            *change = (*change - common).abs();
        }
        let moving = changes.iter().filter(|change| **change > CELL_CHANGE).count();
        for ((then, now), change) in self.background.iter_mut().zip(&now).zip(&changes) {
            // What has changed is learnt slowly, so that a walker does not become background at once.
            let pace = if *change > CELL_CHANGE { 0.02 } else { 0.1 };
            *then += (now - *then) * pace;
        }
        moving >= CELLS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Colorimetry, Plane, Planes};

    fn frame(base: u8, square: Option<usize>) -> Vec<u8> {
        let mut bytes = vec![base; 640 * 360];
        for y in 100..160 {
            if let Some(x) = square {
                bytes[y * 640 + x..y * 640 + x + 30].fill(base.saturating_add(60));
            }
        }
        bytes
    }

    fn admits(gate: &mut MotionGate, ms: i64, bytes: &[u8]) -> bool {
        let planes = Planes::Grey(Plane { bytes, stride: 640 });
        let picture = Picture::new(640, 360, planes, Colorimetry::customary(360)).unwrap();
        gate.admits(&picture, MediaTime::from_nanos(ms * 1_000_000))
    }

    #[test]
    fn a_still_picture_rests_but_never_for_long() {
        let mut gate = MotionGate::default();
        let still = frame(90, None);
        let analysed: Vec<i64> = (0..100).map(|i| i * 100).filter(|ms| admits(&mut gate, *ms, &still)).collect();
        assert_eq!(analysed, (0..10).map(|i| i * 100).chain([2900, 4900, 6900, 8900]).collect::<Vec<_>>());
    }

    #[test]
    fn a_square_that_moves_is_seen_and_a_change_of_light_is_not() {
        let mut gate = MotionGate::default();
        for i in 0..20 {
            admits(&mut gate, i * 100, &frame(90, None));
        }
        assert!(!admits(&mut gate, 2000, &frame(110, None)));
        for (i, x) in [100, 140, 180].into_iter().enumerate() {
            assert!(admits(&mut gate, 2100 + i64::try_from(i).unwrap() * 100, &frame(90, Some(x))));
        }
    }
}
