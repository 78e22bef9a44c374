//! Frames to tensors, in integers up to the last multiplication, so that training, evaluation and the unit see the
//! same numbers bit for bit.
//!
//! Belongs here: fitting, resampling, colour. Does not belong here: what a network's outputs mean (`detect`, `plate`).
#![allow(clippy::many_single_char_names, reason = "x, y, u, v, r, g, b, w, h are the field's own words")]

mod colour;
mod crop;
mod letterbox;
mod resample;
mod stretch;
#[cfg(test)]
mod vectors;

pub use crop::{PixelRect, crop_grey, crop_rgb};
pub use letterbox::{Fit, Letterbox};
pub use resample::GreyGrid;
pub use stretch::{Channel8, stretch, stretched_tensor};

use crate::infer::TensorView;

/// Colour channels of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Brightness alone.
    Grey,
}

impl Channels {
    /// How many there are.
    pub fn count(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Grey => 1,
        }
    }
}

/// Axis order of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Batch, channel, row, column.
    Nchw,
    /// Batch, row, column, channel.
    Nhwc,
}

/// Number format of a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats: `(pixel - mean) * scale`.
    F32,
    /// Bytes, as they are.
    U8,
}

/// Where the picture lies on the canvas of a letterbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadPosition {
    /// Picture at the top left.
    TopLeft,
    /// Picture in the middle.
    Centre,
}

/// How a picture is made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Aspect kept, the rest padded.
    Letterbox {
        /// Brightness of the padding.
        pad_value: u8,
        /// Where the picture lies.
        position: PadPosition,
    },
    /// Both sides fitted without regard to aspect.
    Stretch,
}

/// What a network takes in.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Channels and their order.
    pub channels: Channels,
    /// Axis order.
    pub layout: Layout,
    /// Number format.
    pub element: Element,
    /// How a picture is made to fit.
    pub resize: Resize,
    /// Subtracted from each pixel, per channel in the network's order.
    pub mean: [f32; 3],
    /// Multiplied after that.
    pub scale: [f32; 3],
}

impl InputSpec {
    /// Batch of one, then the axes in the order of the layout.
    pub fn shape(&self) -> [usize; 4] {
        let (w, h, c) = (self.width as usize, self.height as usize, self.channels.count());
        match self.layout {
            Layout::Nchw => [1, c, h, w],
            Layout::Nhwc => [1, h, w, c],
        }
    }
}

/// The buffer that a network's input is written into, kept from frame to frame.
#[derive(Clone, Debug)]
pub struct Tensor {
    shape: [usize; 4],
    layout: Layout,
    channels: usize,
    width: usize,
    height: usize,
    mean: [f32; 3],
    scale: [f32; 3],
    values: Values,
}

#[derive(Clone, Debug)]
enum Values {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl Tensor {
    /// A tensor of the input's shape, every pixel at `fill`.
    #[must_use]
    pub fn new(spec: &InputSpec, fill: u8) -> Self {
        let (width, height, channels) = (spec.width as usize, spec.height as usize, spec.channels.count());
        let count = width * height * channels;
        let values = match spec.element {
            Element::F32 => Values::F32(vec![0.0; count]),
            Element::U8 => Values::U8(vec![0; count]),
        };
        let (mean, scale) = (spec.mean, spec.scale);
        let mut tensor =
            Self { shape: spec.shape(), layout: spec.layout, channels, width, height, mean, scale, values };
        tensor.fill(fill);
        tensor
    }

    /// Sets every pixel.
    pub fn fill(&mut self, pixel: u8) {
        let row = vec![pixel; self.width];
        for y in 0..self.height {
            self.put_row(y, 0, [&row, &row, &row]);
        }
    }

    /// Writes pixels of row `y` from column `x` on. `rows` are the channels in the network's own order; a grey network
    /// takes the first. What would lie outside is left out.
    pub fn put_row(&mut self, y: usize, x: usize, rows: [&[u8]; 3]) {
        let length = rows[0].len().min(self.width.saturating_sub(x));
        if y >= self.height || length == 0 {
            return;
        }
        for (channel, row) in rows.iter().take(self.channels).enumerate() {
            let (mean, scale) = (self.mean[channel], self.scale[channel]);
            match (&mut self.values, self.layout) {
                (Values::F32(values), Layout::Nchw) => {
                    let start = (channel * self.height + y) * self.width + x;
                    let Some(target) = values.get_mut(start..start + length) else { return };
                    for (to, from) in target.iter_mut().zip(*row) {
                        *to = (f32::from(*from) - mean) * scale;
                    }
                }
                (Values::U8(values), Layout::Nchw) => {
                    let start = (channel * self.height + y) * self.width + x;
                    let Some(target) = values.get_mut(start..start + length) else { return };
                    target.iter_mut().zip(*row).for_each(|(to, from)| *to = *from);
                }
                (Values::F32(values), Layout::Nhwc) => {
                    let start = (y * self.width + x) * self.channels + channel;
                    let target = values.iter_mut().skip(start).step_by(self.channels).take(length);
                    target.zip(*row).for_each(|(to, from)| *to = (f32::from(*from) - mean) * scale);
                }
                (Values::U8(values), Layout::Nhwc) => {
                    let start = (y * self.width + x) * self.channels + channel;
                    let target = values.iter_mut().skip(start).step_by(self.channels).take(length);
                    target.zip(*row).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }

    /// The tensor for whoever runs the model.
    pub fn view(&self) -> TensorView<'_> {
        match &self.values {
            Values::F32(values) => TensorView::F32 { shape: self.shape, values },
            Values::U8(values) => TensorView::U8 { shape: self.shape, values },
        }
    }
}
