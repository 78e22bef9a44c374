//! A decoded 1080p picture made into a network's input, and the crop of a plate into a reader's: work of each frame
//! that is neither decoding nor a model.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use edge_analytics::picture::{Colorimetry, Picture, Plane, Planes};
use edge_analytics::preprocess::{
    Channels, Element, InputSpec, Layout, Letterbox, PadPosition, PixelRect, Resize, Tensor, stretched_tensor,
};

use super::Surroundings;
use crate::cost::Spread;
use crate::table::Row;

const WIDTH: u32 = 1920;
const HEIGHT: u32 = 1080;
/// The inputs of the shipped networks for plates and for objects.
const INPUTS: [(u32, u32); 2] = [(416, 256), (512, 288)];
/// So often is each made in a round.
const TIMES: u32 = 500;

fn spec(width: u32, height: u32, channels: Channels, resize: Resize) -> InputSpec {
    let (layout, element) = (Layout::Nchw, Element::F32);
    InputSpec { width, height, channels, layout, element, resize, mean: [0.0; 3], scale: [1.0 / 255.0; 3] }
}

/// Bytes without a pattern that a cache or a branch predictor could learn.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Microseconds of one call.
fn microseconds(around: &Surroundings, mut call: impl FnMut()) -> Spread {
    let times = around.part_of(TIMES).max(1);
    let round = |_| {
        let began = Instant::now();
        (0..times).for_each(|_| call());
        began.elapsed().as_secs_f64() * 1_000_000.0 / f64::from(times)
    };
    Spread::of((0..around.extent.rounds).map(round).collect())
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let pixels = WIDTH as usize * HEIGHT as usize;
    let (luma, chroma) = (noise(pixels), noise(pixels / 2));
    let plane = |bytes| Plane { bytes, stride: WIDTH as usize };
    let planes = Planes::Nv12 { y: plane(&luma), uv: plane(&chroma) };
    let picture = Picture::new(WIDTH, HEIGHT, planes, Colorimetry::customary(HEIGHT))?;
    let row = |what: String, spread: Spread| Row {
        what: format!("{what}, microseconds"),
        goal: "-".to_owned(),
        measured: spread.show(0),
        reference: "one thread, noise as picture".to_owned(),
        met: None,
    };
    let resize = Resize::Letterbox { pad_value: 114, position: PadPosition::TopLeft };
    let mut rows = Vec::new();
    for (width, height) in INPUTS {
        let mut maker = Letterbox::new(&spec(width, height, Channels::Rgb, resize));
        let spread = microseconds(around, || {
            black_box(maker.prepare(black_box(&picture)).1);
        });
        rows.push(row(format!("letterbox of a 1080p picture to {width}x{height}"), spread));
    }
    let reader = spec(128, 32, Channels::Grey, Resize::Stretch);
    let mut tensor = Tensor::new(&reader, 0);
    let crop = PixelRect { x: 700, y: 500, width: 180, height: 45 };
    let spread = microseconds(around, || stretched_tensor(black_box(&picture), crop, &reader, &mut tensor));
    rows.push(row("a plate of 180x45 to 128x32".to_owned(), spread));
    Ok(rows)
}
