//! The anchor-free grid of the shipped detectors: per cell, class logits and the logarithms of four distances.

use super::Found;
use crate::geometry::Rect;

pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The class whose score exceeds its own least score by most, if any does.
pub(super) fn best_class(scores: impl Iterator<Item = f32>, least: &[f32]) -> Option<(usize, f32)> {
    let passing = scores.zip(least).enumerate().filter(|(_, (score, least))| score >= *least);
    let best = passing.max_by(|(_, (a, _)), (_, (b, _))| a.total_cmp(b))?;
    Some((best.0, best.1.0))
}

/// Decodes a map of `(classes + 4) x rows x columns`, whose length the caller has checked: sigmoid of the logits,
/// distances left, top, right, bottom = `exp(min(raw, 6)) * stride`, from the middle of the cell.
///
/// Most cells hold nothing, so logits are compared with the logit of the least score before anything is computed.
pub(super) fn ltrb_map(
    values: &[f32],
    (columns, rows): (usize, usize),
    stride: u32,
    least: &[f32],
    found: &mut Vec<Found>,
) {
    let cells = columns * rows;
    if cells == 0 {
        return;
    }
    let planes: Vec<&[f32]> = values.chunks_exact(cells).collect();
    let (Some(logits), Some(distances)) = (planes.get(..least.len()), planes.get(least.len()..)) else { return };
    let limits: Vec<f32> = least.iter().map(|p| (p / (1.0 - p)).ln()).collect();
    #[expect(clippy::cast_precision_loss, reason = "strides and grids are far below 2^24")]
    let (stride, centre) = (stride as f32, |g: usize| g as f32 + 0.5);
    for cell in 0..cells {
        let at = |plane: &&[f32]| plane.get(cell).copied().unwrap_or(f32::NEG_INFINITY);
        let Some((class, logit)) = best_class(logits.iter().map(at), &limits) else { continue };
        let [left, top, right, bottom] = [0, 1, 2, 3].map(|side: usize| {
            let raw = distances.get(side).map_or(0.0, at);
            raw.min(6.0).exp() * stride
        });
        let (cx, cy) = (centre(cell % columns) * stride, centre(cell / columns) * stride);
        let rect = Rect::from_corners(cx - left, cy - top, cx + right, cy + bottom);
        found.push(Found { class, score: sigmoid(logit), rect });
    }
}
