//! A 1080p NV12 frame to the input of a detector, and a plate crop to the input of a reader: the work per frame that
//! is neither decoding nor a model.

use std::hint::black_box;

use criterion::Criterion;
use edge_analytics::picture::{Colorimetry, Picture, PictureError, Plane, Planes};
use edge_analytics::preprocess::{
    Channels, Element, InputSpec, Layout, Letterbox, PadPosition, PixelRect, Resize, Tensor, stretched_tensor,
};

const WIDTH: u32 = 1920;
const HEIGHT: u32 = 1080;

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

fn measure(criterion: &mut Criterion) -> Result<(), PictureError> {
    let pixels = WIDTH as usize * HEIGHT as usize;
    let (luma, chroma) = (noise(pixels), noise(pixels / 2));
    let plane = |bytes| Plane { bytes, stride: WIDTH as usize };
    let planes = Planes::Nv12 { y: plane(&luma), uv: plane(&chroma) };
    let picture = Picture::new(WIDTH, HEIGHT, planes, Colorimetry::customary(HEIGHT))?;
    let letterbox = Resize::Letterbox { pad_value: 114, position: PadPosition::TopLeft };
    for (width, height) in [(416, 256), (512, 288)] {
        let mut maker = Letterbox::new(&spec(width, height, Channels::Rgb, letterbox));
        criterion.bench_function(&format!("letterbox 1080p to {width}x{height}"), |bencher| {
            bencher.iter(|| black_box(maker.prepare(black_box(&picture)).1));
        });
    }
    let reader = spec(128, 32, Channels::Grey, Resize::Stretch);
    let mut tensor = Tensor::new(&reader, 0);
    let crop = PixelRect { x: 700, y: 500, width: 180, height: 45 };
    criterion.bench_function("plate of 180x45 to 128x32", |bencher| {
        bencher.iter(|| stretched_tensor(black_box(&picture), crop, &reader, &mut tensor));
    });
    Ok(())
}

fn main() -> Result<(), PictureError> {
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
