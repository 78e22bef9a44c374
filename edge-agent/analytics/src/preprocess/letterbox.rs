//! A whole frame to a detector's input: averaged, converted and written in one pass over the planes.

use super::colour::{luma_to_grey, rgb_to_grey, yuv_to_rgb};
use super::resample::{Averager, Samples, Spans};
use super::{Channels, InputSpec, PadPosition, Resize, Tensor};
use crate::geometry::Rect;
use crate::picture::{Picture, Plane, Planes};

/// Where a picture lies on a network's canvas, and the way back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Columns that the picture takes.
    pub width: u32,
    /// Rows that the picture takes.
    pub height: u32,
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    back_x: f32,
    back_y: f32,
}

impl Fit {
    /// Fits a picture of `width` by `height` pixels; aspects are compared in integers.
    #[must_use]
    pub fn new(spec: &InputSpec, width: u32, height: u32) -> Self {
        let (w, h) = (u64::from(spec.width), u64::from(spec.height));
        let (source_w, source_h) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let narrowed = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let (new_w, new_h) = match spec.resize {
            Resize::Stretch => (spec.width, spec.height),
            Resize::Letterbox { .. } if w * source_h <= h * source_w => {
                (spec.width, narrowed(((source_h * w + source_w / 2) / source_w).max(1)))
            }
            Resize::Letterbox { .. } => (narrowed(((source_w * h + source_h / 2) / source_h).max(1)), spec.height),
        };
        let (x, y) = match spec.resize {
            Resize::Letterbox { position: PadPosition::Centre, .. } => {
                ((spec.width.saturating_sub(new_w)) / 2, (spec.height.saturating_sub(new_h)) / 2)
            }
            Resize::Letterbox { position: PadPosition::TopLeft, .. } | Resize::Stretch => (0, 0),
        };
        let back = |source: u64, new: u32| {
            #[expect(clippy::cast_precision_loss, reason = "sides are below 2^24")]
            let source = source as f32;
            #[expect(clippy::cast_precision_loss, reason = "sides are below 2^24")]
            let new = new as f32;
            source / new
        };
        Self { width: new_w, height: new_h, x, y, back_x: back(source_w, new_w), back_y: back(source_h, new_h) }
    }

    /// A box on the canvas in pixels of the picture.
    #[expect(clippy::cast_precision_loss, reason = "sides are below 2^24")]
    pub fn back(&self, rect: Rect) -> Rect {
        Rect {
            x: (rect.x - self.x as f32) * self.back_x,
            y: (rect.y - self.y as f32) * self.back_y,
            w: rect.w * self.back_x,
            h: rect.h * self.back_y,
        }
    }
}

/// Makes one network's input of frames; keeps its tables and buffers while the frames keep their size.
#[derive(Clone, Debug)]
pub struct Letterbox {
    spec: InputSpec,
    tensor: Tensor,
    plan: Option<Plan>,
    averager: Averager,
    rows: Rows,
}

#[derive(Clone, Debug)]
struct Plan {
    source: (u32, u32),
    fit: Fit,
    columns: Spans,
    lines: Spans,
    chroma_columns: Spans,
    chroma_lines: Spans,
}

/// One output row: three averaged channels, and the three that they turn into.
#[derive(Clone, Debug, Default)]
struct Rows {
    averaged: [Vec<u8>; 3],
    turned: [Vec<u8>; 3],
}

impl Letterbox {
    /// For a network's input.
    #[must_use]
    pub fn new(spec: &InputSpec) -> Self {
        let tensor = Tensor::new(spec, pad_value(spec));
        Self { spec: spec.clone(), tensor, plan: None, averager: Averager::default(), rows: Rows::default() }
    }

    /// Writes the picture into the tensor and says where it lies.
    pub fn prepare(&mut self, picture: &Picture<'_>) -> (&Tensor, Fit) {
        let source = (picture.width(), picture.height());
        let plan = match self.plan.take() {
            Some(plan) if plan.source == source => plan,
            _ => {
                self.tensor.fill(pad_value(&self.spec));
                let plan = Plan::new(&self.spec, source);
                self.rows.resize(plan.columns.len());
                plan
            }
        };
        for row in 0..plan.lines.len() {
            self.write_row(picture, &plan, row);
        }
        let fit = plan.fit;
        self.plan = Some(plan);
        (&self.tensor, fit)
    }

    /// The tensor as it was last prepared.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    fn write_row(&mut self, picture: &Picture<'_>, plan: &Plan, row: usize) {
        let grey = self.spec.channels == Channels::Grey;
        let (Some(lines), Some(chroma_lines)) = (plan.lines.get(row), plan.chroma_lines.get(row)) else { return };
        let width = picture.width() as usize;
        let (a, rows) = (&mut self.averager, &mut self.rows);
        let [first, second, third] = &mut rows.averaged;
        let half = width.div_ceil(2);
        let mut average =
            |plane: Plane<'_>, width: usize, channels: usize, span, columns: &Spans, outs: &mut [&mut [u8]]| {
                let Plane { bytes, stride } = plane;
                a.sum_rows(Samples { bytes, stride, width, channels }, span);
                match outs {
                    [first, second] => a.average_pairs(columns, [first, second]),
                    outs => {
                        for (channel, out) in outs.iter_mut().enumerate() {
                            a.average(channel, channels, columns, out);
                        }
                    }
                }
            };
        let luma = match picture.planes() {
            Planes::Nv12 { y, uv } => {
                average(y, width, 1, lines, &plan.columns, &mut [first]);
                if !grey {
                    average(uv, half, 2, chroma_lines, &plan.chroma_columns, &mut [second, third]);
                }
                true
            }
            Planes::I420 { y, u, v } => {
                average(y, width, 1, lines, &plan.columns, &mut [first]);
                if !grey {
                    average(u, half, 1, chroma_lines, &plan.chroma_columns, &mut [second]);
                    average(v, half, 1, chroma_lines, &plan.chroma_columns, &mut [third]);
                }
                true
            }
            Planes::Rgb(rgb) => {
                average(rgb, width, 3, lines, &plan.columns, &mut [first, second, third]);
                false
            }
            Planes::Grey(plane) => {
                average(plane, width, 1, lines, &plan.columns, &mut [first]);
                second.copy_from_slice(first);
                third.copy_from_slice(first);
                false
            }
        };
        self.turn_and_put(picture, plan.fit, row, luma);
    }

    /// Brings the averaged row to the network's channels and writes it.
    fn turn_and_put(&mut self, picture: &Picture<'_>, fit: Fit, row: usize, luma: bool) {
        let Rows { averaged: [first, second, third], turned: [r, g, b] } = &mut self.rows;
        let (x, y) = (fit.x as usize, fit.y as usize + row);
        let colorimetry = picture.colorimetry();
        if self.spec.channels == Channels::Grey {
            if luma {
                luma_to_grey(colorimetry.range, first);
            } else {
                let pixels = first.iter_mut().zip(&*second).zip(&*third);
                pixels.for_each(|((first, g), b)| *first = rgb_to_grey(*first, *g, *b));
            }
            self.tensor.put_row(y, x, [first, first, first]);
            return;
        }
        let [r, g, b]: [&[u8]; 3] = if luma {
            yuv_to_rgb(colorimetry, [first, second, third], [r, g, b]);
            [r, g, b]
        } else {
            [first, second, third]
        };
        let rows = if self.spec.channels == Channels::Bgr { [b, g, r] } else { [r, g, b] };
        self.tensor.put_row(y, x, rows);
    }
}

fn pad_value(spec: &InputSpec) -> u8 {
    match spec.resize {
        Resize::Letterbox { pad_value, .. } => pad_value,
        Resize::Stretch => 0,
    }
}

impl Plan {
    fn new(spec: &InputSpec, source: (u32, u32)) -> Self {
        let fit = Fit::new(spec, source.0, source.1);
        let columns = Spans::new(source.0, fit.width);
        let lines = Spans::new(source.1, fit.height);
        let chroma_columns = columns.halved(source.0.div_ceil(2));
        let chroma_lines = lines.halved(source.1.div_ceil(2));
        Self { source, fit, columns, lines, chroma_columns, chroma_lines }
    }
}

impl Rows {
    fn resize(&mut self, length: usize) {
        for row in self.averaged.iter_mut().chain(&mut self.turned) {
            row.clear();
            row.resize(length, 0);
        }
    }
}

#[cfg(test)]
mod tests;
