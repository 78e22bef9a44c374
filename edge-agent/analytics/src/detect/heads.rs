//! What the outputs of each kind of network mean. Boxes come out in pixels of the canvas.
//!
//! The formulas of the foreign heads are those of their authors' published decoders: YOLOX, `FastestDet`, `YOLOv8`, and
//! graphs that end with their own suppression.

use std::fmt;

use super::Found;
use super::grid::{best_class, ltrb_map, sigmoid};
use crate::geometry::Rect;
use crate::infer::Output;
use crate::manifest::Head;

/// The canvas that the boxes lie on, and the least score per class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) least: &'a [f32],
}

/// Outputs that are not what the head needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    output: String,
    shape: Vec<usize>,
    needed: &'static str,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output `{}` of shape {:?} is not {}", self.output, self.shape, self.needed)
    }
}

pub(super) fn decode(head: &Head, outputs: &[Output], canvas: &Canvas<'_>) -> Result<Vec<Found>, Mismatch> {
    match head {
        Head::LtrbAnchorFree { maps } => {
            let mut found = Vec::new();
            for (name, stride) in maps {
                let output = outputs.iter().find(|o| o.name == *name).ok_or_else(|| missing(name))?;
                ltrb(output, *stride, canvas, &mut found)?;
            }
            Ok(found)
        }
        Head::Yolox { strides } => yolox(first(outputs)?, strides, canvas),
        Head::FastestDet => fastestdet(first(outputs)?, canvas),
        Head::YoloV8 { logits } => yolov8(first(outputs)?, *logits, canvas),
        Head::EndToEnd => end_to_end(first(outputs)?, canvas),
        Head::Ctc(_) | Head::Slots(_) => Err(missing("boxes")),
    }
}

fn missing(name: &str) -> Mismatch {
    Mismatch { output: name.to_owned(), shape: Vec::new(), needed: "among the model's outputs" }
}

fn first(outputs: &[Output]) -> Result<&Output, Mismatch> {
    outputs.first().ok_or_else(|| missing("first"))
}

fn refuse(output: &Output, needed: &'static str) -> Mismatch {
    Mismatch { output: output.name.clone(), shape: output.shape.clone(), needed }
}

#[expect(clippy::cast_precision_loss, reason = "grids and canvases are far below 2^24")]
fn float(n: usize) -> f32 {
    n as f32
}

fn ltrb(output: &Output, stride: u32, canvas: &Canvas<'_>, found: &mut Vec<Found>) -> Result<(), Mismatch> {
    let (columns, rows) = ((canvas.width / stride) as usize, (canvas.height / stride) as usize);
    let classes = canvas.least.len();
    if output.shape != [1, classes + 4, rows, columns] || output.values.len() != (classes + 4) * rows * columns {
        return Err(refuse(output, "1 x (classes + 4) x rows x columns of its stride"));
    }
    ltrb_map(&output.values, (columns, rows), stride, canvas.least, found);
    Ok(())
}

fn yolox(output: &Output, strides: &[u32], canvas: &Canvas<'_>) -> Result<Vec<Found>, Mismatch> {
    let classes = canvas.least.len();
    let width = classes + 5;
    let grids: Vec<(u32, usize, usize)> =
        strides.iter().map(|s| (*s, (canvas.width / s) as usize, (canvas.height / s) as usize)).collect();
    let cells: usize = grids.iter().map(|(_, columns, rows)| columns * rows).sum();
    if output.shape != [1, cells, width] || output.values.len() != cells * width {
        return Err(refuse(output, "1 x cells of all strides x (5 + classes)"));
    }
    let places = grids.iter().flat_map(|(stride, columns, rows)| {
        let (columns, count) = (*columns, columns * rows);
        (0..count).map(move |cell| (*stride, cell % columns, cell / columns))
    });
    let mut found = Vec::new();
    for ((stride, gx, gy), row) in places.zip(output.values.chunks_exact(width)) {
        let (Some([cx, cy, w, h, objectness]), Some(scores)) = (row.first_chunk(), row.get(5..)) else { continue };
        let Some((class, score)) = best_class(scores.iter().map(|s| s * objectness), canvas.least) else { continue };
        let stride = float(stride as usize);
        let (cx, cy) = ((cx + float(gx)) * stride, (cy + float(gy)) * stride);
        let (w, h) = (w.min(12.0).exp() * stride, h.min(12.0).exp() * stride);
        found.push(Found { class, score, rect: Rect { x: cx - w / 2.0, y: cy - h / 2.0, w, h } });
    }
    Ok(found)
}

fn fastestdet(output: &Output, canvas: &Canvas<'_>) -> Result<Vec<Found>, Mismatch> {
    let classes = canvas.least.len();
    let &[1, channels, rows, columns] = output.shape.as_slice() else {
        return Err(refuse(output, "1 x (5 + classes) x rows x columns"));
    };
    let cells = rows * columns;
    if channels != classes + 5 || output.values.len() != channels * cells || cells == 0 {
        return Err(refuse(output, "1 x (5 + classes) x rows x columns"));
    }
    let planes: Vec<&[f32]> = output.values.chunks_exact(cells).collect();
    let (Some([objectness, dx, dy, w, h]), Some(scores)) = (planes.first_chunk(), planes.get(5..)) else {
        return Err(refuse(output, "1 x (5 + classes) x rows x columns"));
    };
    let (canvas_w, canvas_h) = (float(canvas.width as usize), float(canvas.height as usize));
    let mut found = Vec::new();
    for cell in 0..cells {
        let at = |plane: &[f32]| plane.get(cell).copied().unwrap_or(0.0);
        let sure = at(objectness).max(0.0).powf(0.6);
        let joint = scores.iter().map(|plane| sure * at(plane).max(0.0).powf(0.4));
        let Some((class, score)) = best_class(joint, canvas.least) else { continue };
        let cx = (float(cell % columns) + at(dx).tanh()) / float(columns) * canvas_w;
        let cy = (float(cell / columns) + at(dy).tanh()) / float(rows) * canvas_h;
        let (w, h) = (sigmoid(at(w)) * canvas_w, sigmoid(at(h)) * canvas_h);
        found.push(Found { class, score, rect: Rect { x: cx - w / 2.0, y: cy - h / 2.0, w, h } });
    }
    Ok(found)
}

fn yolov8(output: &Output, logits: bool, canvas: &Canvas<'_>) -> Result<Vec<Found>, Mismatch> {
    let rows = canvas.least.len() + 4;
    let &[1, given, cells] = output.shape.as_slice() else {
        return Err(refuse(output, "1 x (4 + classes) x cells"));
    };
    if given != rows || output.values.len() != rows * cells || cells == 0 {
        return Err(refuse(output, "1 x (4 + classes) x cells"));
    }
    let planes: Vec<&[f32]> = output.values.chunks_exact(cells).collect();
    let (Some([cx, cy, w, h]), Some(scores)) = (planes.first_chunk(), planes.get(4..)) else {
        return Err(refuse(output, "1 x (4 + classes) x cells"));
    };
    let mut found = Vec::new();
    for cell in 0..cells {
        let at = |plane: &[f32]| plane.get(cell).copied().unwrap_or(0.0);
        let probability = |plane: &&[f32]| if logits { sigmoid(at(plane)) } else { at(plane) };
        let Some((class, score)) = best_class(scores.iter().map(probability), canvas.least) else { continue };
        let (w, h) = (at(w), at(h));
        found.push(Found { class, score, rect: Rect { x: at(cx) - w / 2.0, y: at(cy) - h / 2.0, w, h } });
    }
    Ok(found)
}

/// Rows of 7 (batch, corners, class, score) or of 6 (corners, score, class).
fn end_to_end(output: &Output, canvas: &Canvas<'_>) -> Result<Vec<Found>, Mismatch> {
    let width = output.shape.last().copied().unwrap_or(0);
    if !(width == 6 || width == 7) || !output.values.len().is_multiple_of(width) {
        return Err(refuse(output, "rows of 6 or 7 numbers"));
    }
    let mut found = Vec::new();
    for row in output.values.chunks_exact(width) {
        let ([_, x0, y0, x1, y1, class, score] | [x0, y0, x1, y1, score, class]) = row else { continue };
        let Some(class) = (0..canvas.least.len()).find(|index| (float(*index) - *class).abs() < 0.5) else { continue };
        if canvas.least.get(class).is_some_and(|least| *score >= *least) {
            found.push(Found { class, score: *score, rect: Rect::from_corners(*x0, *y0, *x1, *y1) });
        }
    }
    Ok(found)
}
