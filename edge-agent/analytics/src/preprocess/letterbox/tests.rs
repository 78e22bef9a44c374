use proptest::prelude::*;

use super::*;
use crate::infer::TensorView;
use crate::picture::{Colorimetry, Matrix, Range};
use crate::preprocess::vectors::{PATTERNS, drawn, drawn_rgb, fnv};
use crate::preprocess::{Element, Layout};

fn spec(width: u32, height: u32) -> InputSpec {
    InputSpec {
        width,
        height,
        channels: Channels::Rgb,
        layout: Layout::Nhwc,
        element: Element::U8,
        resize: Resize::Letterbox { pad_value: 114, position: PadPosition::TopLeft },
        mean: [0.0; 3],
        scale: [1.0; 3],
    }
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    match tensor.view() {
        TensorView::U8 { values, .. } => values.to_vec(),
        TensorView::F32 { .. } => panic!("not bytes"),
    }
}

fn interleaved(u: &[u8], v: &[u8]) -> Vec<u8> {
    u.iter().zip(v).flat_map(|(u, v)| [*u, *v]).collect()
}

/// Frame size, canvas size, hashes for BT.601 limited, BT.709 limited, BT.601 full, and RGB: from
/// `training.preprocess` on the drawn planes.
type Vector = ((u32, u32), (u32, u32), [u64; 4]);
const VECTORS: [Vector; 5] = [
    ((61, 37), (32, 32), [0xb3f6_2acc_4fae_f925, 0x79b2_4a0b_dee7_de66, 0xab20_8f3c_d9d1_1dd1, 0xcf14_fb71_687d_f04c]),
    (
        (640, 360),
        (96, 64),
        [0xc328_ca4e_0638_d47c, 0xbba6_39c6_b7a0_8032, 0x2cd2_0574_0c34_f992, 0x6520_f2df_b02f_1373],
    ),
    ((33, 70), (48, 48), [0x0021_3f93_23a5_ebe9, 0xe40b_e664_25a7_9e76, 0x5027_bc72_b5af_b22e, 0xbc66_c1ee_49c7_06ed]),
    ((20, 10), (64, 64), [0x039a_c088_9684_3cc0, 0xd9c9_ce87_8fd2_c161, 0xc628_abdb_dbfd_810a, 0x87ca_26c4_313a_65ae]),
    (
        (1920, 1080),
        (128, 96),
        [0xb7f9_acd2_7e80_a9f7, 0x743a_a364_55e7_5349, 0x9984_4baa_74ce_5a7e, 0xd53c_3d08_5e23_697d],
    ),
];

#[test]
fn every_layout_agrees_with_training_bit_for_bit() {
    let colorimetries = [
        Colorimetry { matrix: Matrix::Bt601, range: Range::Limited },
        Colorimetry { matrix: Matrix::Bt709, range: Range::Limited },
        Colorimetry { matrix: Matrix::Bt601, range: Range::Full },
    ];
    for ((w, h), (to_w, to_h), hashes) in VECTORS {
        let (half_w, half_h) = (w.div_ceil(2), h.div_ceil(2));
        let (luma_stride, chroma_stride) = (w as usize + 5, half_w as usize + 3);
        let y = drawn(w, h, luma_stride, PATTERNS[0]);
        let u = drawn(half_w, half_h, chroma_stride, PATTERNS[1]);
        let v = drawn(half_w, half_h, chroma_stride, PATTERNS[2]);
        let uv = interleaved(&u, &v);
        let y = Plane { bytes: &y, stride: luma_stride };
        let chroma = |bytes| Plane { bytes, stride: chroma_stride };
        let i420 = Planes::I420 { y, u: chroma(&u), v: chroma(&v) };
        let nv12 = Planes::Nv12 { y, uv: Plane { bytes: &uv, stride: chroma_stride * 2 } };
        let mut letterbox = Letterbox::new(&spec(to_w, to_h));
        for (colorimetry, hash) in colorimetries.into_iter().zip(hashes) {
            for planes in [i420, nv12] {
                let picture = Picture::new(w, h, planes, colorimetry).unwrap();
                let (tensor, _) = letterbox.prepare(&picture);
                assert_eq!(fnv(bytes(tensor)), hash, "{w}x{h} {colorimetry:?}");
            }
        }
        let rgb = drawn_rgb(w, h);
        let (tensor, _) = letterbox.prepare(&Picture::rgb(w, h, &rgb).unwrap());
        assert_eq!(fnv(bytes(tensor)), hashes[3], "{w}x{h} RGB");
    }
}

#[test]
fn a_new_frame_size_leaves_nothing_of_the_old_one() {
    let mut letterbox = Letterbox::new(&spec(64, 64));
    let white = vec![255; 64 * 64 * 3];
    letterbox.prepare(&Picture::rgb(64, 64, &white).unwrap());
    let (tensor, fit) = letterbox.prepare(&Picture::rgb(64, 32, &white[..64 * 32 * 3]).unwrap());
    assert_eq!((fit.width, fit.height), (64, 32));
    assert!(bytes(tensor)[64 * 32 * 3..].iter().all(|b| *b == 114));
}

#[test]
fn floats_are_the_bytes_less_mean_times_scale_in_planes() {
    let rgb = drawn_rgb(40, 30);
    let picture = Picture::rgb(40, 30, &rgb).unwrap();
    let plain = spec(32, 24);
    let mut letterbox = Letterbox::new(&plain);
    let interleaved = bytes(letterbox.prepare(&picture).0);
    let floats = InputSpec {
        element: Element::F32,
        layout: Layout::Nchw,
        channels: Channels::Bgr,
        mean: [1.0, 2.0, 3.0],
        scale: [0.5, 0.25, 0.125],
        ..plain
    };
    let mut letterbox = Letterbox::new(&floats);
    let TensorView::F32 { shape, values } = letterbox.prepare(&picture).0.view() else { panic!("not floats") };
    assert_eq!(shape, [1, 3, 24, 32]);
    for (index, value) in values.iter().enumerate() {
        let (channel, pixel) = (index / (24 * 32), index % (24 * 32));
        let byte = f32::from(interleaved[pixel * 3 + 2 - channel]);
        let expected = (byte - floats.mean[channel]) * floats.scale[channel];
        assert!((value - expected).abs() < 1e-6);
    }
}

#[test]
fn a_centred_box_comes_back_to_where_it_was() {
    let letterbox = Resize::Letterbox { pad_value: 0, position: PadPosition::Centre };
    let fit = Fit::new(&InputSpec { resize: letterbox, ..spec(416, 416) }, 1280, 720);
    assert_eq!((fit.width, fit.height, fit.x, fit.y), (416, 234, 0, 91));
    let back = fit.back(Rect { x: 104.0, y: 91.0, w: 208.0, h: 234.0 });
    assert!((back.x - 320.0).abs() < 1e-3 && back.y.abs() < 1e-3, "{back:?}");
    assert!((back.w - 640.0).abs() < 1e-3 && (back.h - 720.0).abs() < 1e-2, "{back:?}");
}

proptest! {
    #[test]
    fn every_pixel_is_the_rounded_mean_of_its_rectangle(w in 1_u32..90, h in 1_u32..90, to in 8_u32..60, seed in 0_u32..200) {
        let plane = drawn(w, h, w as usize, [7, 13, seed]);
        let grey = Plane { bytes: &plane, stride: w as usize };
        let colorimetry = Colorimetry { matrix: Matrix::Bt601, range: Range::Full };
        let picture = Picture::new(w, h, Planes::Grey(grey), colorimetry).unwrap();
        let mut letterbox = Letterbox::new(&spec(to, to));
        let (tensor, fit) = letterbox.prepare(&picture);
        let out = bytes(tensor);
        for j in 0..fit.height {
            for i in 0..fit.width {
                let (x0, y0) = (i * w / fit.width, j * h / fit.height);
                let (x1, y1) = ((x0 + 1).max((i + 1) * w / fit.width), (y0 + 1).max((j + 1) * h / fit.height));
                let sum: u32 = (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y)))
                    .map(|(x, y)| u32::from(plane[(y * w + x) as usize])).sum();
                let n = (x1 - x0) * (y1 - y0);
                let grey = (sum + n / 2) / n;
                prop_assert_eq!(u32::from(out[((j * to + i) * 3) as usize]), grey);
            }
        }
    }
}
