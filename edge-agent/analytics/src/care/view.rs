//! What one picture looks like in a few numbers: how bright, how sharp, how much there is to see, and where.

use crate::picture::{Picture, Plane, Planes, Range};
use crate::preprocess::GreyGrid;

/// Columns and rows of the grid that says where things are.
pub(super) const COLUMNS: usize = 96;
pub(super) const ROWS: usize = 54;
/// A cell is compared with the mean of the cells up to this far around it, so that light and shade do not count.
const AROUND: usize = 3;
/// Of every so many rows of pixels one is read for sharpness.
const ROW_STEP: usize = 6;
/// Distance over which an edge shows even where the picture is blurred, in pixels.
const FAR: usize = 8;
/// Two pixels that far apart which differ by this much, of 255, have an edge between them: more than noise.
const EDGE: i32 = 14;
/// Brightness, of 255, from which a pixel is burnt out.
const BURNT: i32 = 245;

/// The numbers of one picture. Brightness is full range, 0 to 255, whatever the stream's range.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// Mean brightness.
    pub(super) brightness: f32,
    /// Share of burnt-out pixels.
    pub(super) burnt: f32,
    /// How steep edges are: the squared step from one pixel to the next against that over eight. 1/64 for the softest
    /// slope, near 1/8 for clean edges; more with noise and fine texture. None without edges.
    pub(super) sharpness: Option<f32>,
    /// Share of pixel pairs with an edge between them.
    pub(super) edges: f32,
    /// Each cell's brightness against its surroundings, row after row.
    pub(super) structure: Vec<f32>,
}

/// Measures pictures; keeps its buffers.
#[derive(Clone, Debug, Default)]
pub(super) struct Measure {
    grid: GreyGrid,
    sums: Vec<f32>,
}

impl Measure {
    pub(super) fn view(&mut self, picture: &Picture<'_>) -> View {
        // The first channel will do: what covers the lens covers red too.
        let (plane, channels) = picture.first_channel();
        let luma = matches!(picture.planes(), Planes::Nv12 { .. } | Planes::I420 { .. });
        let limited = luma && picture.colorimetry().range == Range::Limited;
        let full = |value: f32| if limited { ((value - 16.0) * 255.0 / 219.0).clamp(0.0, 255.0) } else { value };
        let size = (picture.width(), picture.height());
        #[allow(clippy::cast_possible_truncation, reason = "96 and 54")]
        let cells = self.grid.average(plane, size, channels, (COLUMNS as u32, ROWS as u32));
        let cells: Vec<f32> = cells.iter().map(|cell| full(f32::from(*cell))).collect();
        #[allow(clippy::cast_precision_loss, reason = "a few thousand cells")]
        let brightness = cells.iter().sum::<f32>() / cells.len().max(1) as f32;
        let burnt = if limited { 16 + BURNT * 219 / 255 } else { BURNT };
        let fine = Fine::of(plane, (size.0 as usize, size.1 as usize), channels, burnt);
        View {
            brightness,
            burnt: share(fine.burnt, fine.looked),
            sharpness: (fine.edges >= 64).then(|| ratio(fine.near, fine.far)),
            edges: share(fine.edges, fine.looked),
            structure: self.structure(&cells),
        }
    }

    /// Each cell against the mean of its surroundings, by a table of sums.
    fn structure(&mut self, cells: &[f32]) -> Vec<f32> {
        // A picture narrower than the grid has fewer cells; it has no structure worth comparing.
        if cells.len() != COLUMNS * ROWS {
            return Vec::new();
        }
        let width = COLUMNS + 1;
        self.sums.clear();
        self.sums.resize(width * (ROWS + 1), 0.0);
        for (row, line) in cells.chunks_exact(COLUMNS).enumerate() {
            let mut sum = 0.0;
            for (column, cell) in line.iter().enumerate() {
                sum += cell;
                let above = self.sum(row, column + 1);
                if let Some(slot) = self.sums.get_mut((row + 1) * width + column + 1) {
                    *slot = sum + above;
                }
            }
        }
        let mean = |row: usize, column: usize| {
            let (top, bottom) = (row.saturating_sub(AROUND), (row + AROUND + 1).min(ROWS));
            let (left, right) = (column.saturating_sub(AROUND), (column + AROUND + 1).min(COLUMNS));
            let sum = self.sum(bottom, right) - self.sum(top, right) - self.sum(bottom, left) + self.sum(top, left);
            #[allow(clippy::cast_precision_loss, reason = "at most 49")]
            let count = ((bottom - top) * (right - left)) as f32;
            sum / count
        };
        cells.iter().enumerate().map(|(place, cell)| cell - mean(place / COLUMNS, place % COLUMNS)).collect()
    }

    fn sum(&self, row: usize, column: usize) -> f32 {
        self.sums.get(row * (COLUMNS + 1) + column).copied().unwrap_or(0.0)
    }
}

/// Sums over single pixels.
#[derive(Default)]
struct Fine {
    looked: u64,
    burnt: u64,
    edges: u64,
    near: u64,
    far: u64,
}

impl Fine {
    fn of(plane: Plane<'_>, (width, height): (usize, usize), channels: usize, burnt: i32) -> Self {
        let mut fine = Self::default();
        for row in (0..height).step_by(ROW_STEP) {
            let row = plane.bytes.get(row * plane.stride..).and_then(|rest| rest.get(..width * channels));
            let row = row.unwrap_or(&[]);
            let pixels = row.iter().step_by(channels);
            let pairs = pixels.clone().zip(pixels.clone().skip(1)).zip(pixels.skip(FAR));
            for ((here, next), far) in pairs {
                let (here, next, far) = (i32::from(*here), i32::from(*next), i32::from(*far));
                fine.looked += 1;
                fine.burnt += u64::from(here >= burnt);
                let step = far - here;
                if step.abs() >= EDGE {
                    fine.edges += 1;
                    fine.near += u64::from((next - here).pow(2).unsigned_abs());
                    fine.far += u64::from(step.pow(2).unsigned_abs());
                }
            }
        }
        fine
    }
}

fn share(part: u64, whole: u64) -> f32 {
    ratio(part, whole.max(1))
}

#[allow(clippy::cast_precision_loss, reason = "a ratio of two sums needs no more than f32")]
fn ratio(part: u64, whole: u64) -> f32 {
    part as f32 / whole.max(1) as f32
}

/// How alike two structures are where the second is moved by some cells: 1 the same, 0 nothing in common. What moves
/// out of the frame is left out.
pub(super) fn likeness(ours: &[f32], theirs: &[f32], (across, down): (isize, isize)) -> f32 {
    let (mut product, mut own, mut other) = (0.0_f32, 0.0_f32, 0.0_f32);
    let lines = |structure| <[f32]>::chunks_exact(structure, COLUMNS);
    let skip = |by: isize| usize::try_from(by).unwrap_or(0);
    let pairs = lines(ours).skip(skip(down)).zip(lines(theirs).skip(skip(-down)));
    for (our, their) in pairs {
        for (a, b) in our.iter().skip(skip(across)).zip(their.iter().skip(skip(-across))) {
            product += a * b;
            own += a * a;
            other += b * b;
        }
    }
    if own <= 0.0 || other <= 0.0 { 0.0 } else { product / (own * other).sqrt() }
}
