use super::*;
use crate::infer::{Output, TensorView};

/// A model that answers the same whatever it is shown.
struct Fixed(Vec<Output>);

impl Infer for Fixed {
    fn run(&mut self, _: ModelRole, _: TensorView<'_>) -> Result<Vec<Output>, InferFault> {
        Ok(self.0.clone())
    }
}

fn spec(head: &serde_json::Value, resize: &str, side: u32, classes: &[&str]) -> ModelSpec {
    let score: serde_json::Map<String, serde_json::Value> =
        classes.iter().map(|c| ((*c).to_owned(), 0.5.into())).collect();
    let json = serde_json::json!({
        "name": "m", "version": "1", "file": "m.onnx", "sha256": "0".repeat(64), "task": "objects",
        "input": {"width": side, "height": side, "channels": 3, "layout": "NCHW", "dtype": "float32",
            "colour": "RGB", "resize": {"mode": resize, "pad_value": 114, "pad_position": "top-left"},
            "mean": 0, "scale": 1},
        "head": head, "classes": classes,
        "thresholds": {"score": score, "nms_iou": 0.5, "max_detections": 10}
    });
    ModelSpec::parse(json.to_string().as_bytes()).unwrap()
}

/// Runs the head on a grey frame of `w` x `h` and returns the found road users.
fn find(spec: ModelSpec, outputs: Vec<Output>, (w, h): (u32, u32)) -> Result<Vec<Detection>, InferFault> {
    let bytes = vec![128; (w * h * 3) as usize];
    let picture = Picture::rgb(w, h, &bytes).unwrap();
    Detector::new(spec, ModelRole::Objects).road_users(&picture, 1.0, &mut Fixed(outputs))
}

fn output(name: &str, shape: &[usize], values: Vec<f32>) -> Output {
    assert_eq!(shape.iter().product::<usize>(), values.len());
    Output { name: name.into(), shape: shape.into(), values }
}

fn assert_near(rect: Rect, [x, y, w, h]: [f32; 4]) {
    for (is, should) in [(rect.x, x), (rect.y, y), (rect.w, w), (rect.h, h)] {
        assert!((is - should).abs() < 0.01, "{rect:?}, not {x} {y} {w} {h}");
    }
}

#[test]
fn the_grid_head_gives_boxes_in_pixels_of_the_frame() {
    let head = serde_json::json!({"type": "ltrb-anchor-free", "strides": [16], "outputs": ["p16"]});
    // 64x64 canvas, 4x4 cells, two classes; only cell (1, 2) is sure of class 1.
    let mut values = vec![-9.0; 6 * 16];
    let cell = 2 * 4 + 1;
    values[16 + cell] = 2.0;
    for (side, strides) in [(0, 1.0_f32), (1, 0.5), (2, 2.0), (3, 0.5)] {
        values[(2 + side) * 16 + cell] = strides.ln();
    }
    let spec = spec(&head, "letterbox", 64, &["person", "car"]);
    let found = find(spec, vec![output("p16", &[1, 6, 4, 4], values)], (128, 128)).unwrap();
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(one.class, ObjectClass::Car);
    assert!((one.score - 1.0 / (1.0 + (-2.0_f32).exp())).abs() < 1e-6);
    // Centre (24, 40) on the canvas; the frame is twice as large.
    assert_near(one.rect, [16.0, 64.0, 96.0, 32.0]);
}

#[test]
fn yolox_rows_run_over_the_strides() {
    let head = serde_json::json!({"type": "yolox", "strides": [32, 64]});
    // 64x64 canvas: 4 cells at 32, 1 at 64; the last row is the one at 64.
    let mut values = vec![0.0; 5 * 6];
    values[4 * 6..].copy_from_slice(&[0.5, 0.25, 0.5_f32.ln(), 0.25_f32.ln(), 0.9, 0.8]);
    let spec = spec(&head, "letterbox", 64, &["bus"]);
    let found = find(spec, vec![output("output", &[1, 5, 6], values)], (64, 64)).unwrap();
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert!((one.score - 0.72).abs() < 1e-6);
    assert_near(one.rect, [16.0, 8.0, 32.0, 16.0]);
}

#[test]
fn fastestdet_offsets_are_shares_of_the_picture() {
    let head = serde_json::json!({"type": "fastestdet"});
    let mut values = vec![0.0; 7 * 4];
    let cell = 3;
    // Objectness, offsets, size (sigmoid of 0 is a half), class 1.
    values[cell] = 0.9;
    values[6 * 4 + cell] = 0.8;
    let spec = spec(&head, "stretch", 64, &["person", "truck"]);
    let found = find(spec, vec![output("758", &[1, 7, 2, 2], values)], (200, 100)).unwrap();
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(one.class, ObjectClass::Truck);
    assert!((one.score - 0.9_f32.powf(0.6) * 0.8_f32.powf(0.4)).abs() < 1e-6);
    assert_near(one.rect, [50.0, 25.0, 100.0, 50.0]);
}

#[test]
fn yolov8_columns_are_cells() {
    let head = serde_json::json!({"type": "yolov8"});
    let values = vec![10.0, 32.0, 10.0, 32.0, 4.0, 16.0, 4.0, 8.0, 0.1, 0.7, 0.2, 0.3];
    let spec = spec(&head, "letterbox", 64, &["person", "car"]);
    let found = find(spec, vec![output("output0", &[1, 6, 2], values)], (64, 64)).unwrap();
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(one.class, ObjectClass::Person);
    assert_near(one.rect, [24.0, 28.0, 16.0, 8.0]);
}

#[test]
fn finished_rows_are_not_suppressed_again() {
    let head = serde_json::json!({"type": "end2end"});
    let row = [0.0, 8.0, 8.0, 24.0, 16.0, 0.0, 0.9];
    let mut second = row;
    second[1] = 9.0;
    let values: Vec<f32> = row.into_iter().chain(second).collect();
    let spec = spec(&head, "letterbox", 64, &["car"]);
    let found = find(spec, vec![output("output0", &[2, 7], values)], (64, 64)).unwrap();
    assert_eq!(found.len(), 2);
    assert_near(found[0].rect, [8.0, 8.0, 16.0, 8.0]);
}

#[test]
fn classes_that_are_none_of_ours_are_left_out() {
    let head = serde_json::json!({"type": "end2end"});
    let row = vec![0.0, 8.0, 8.0, 24.0, 16.0, 0.0, 0.9];
    let spec = spec(&head, "letterbox", 64, &["bench", "car"]);
    assert!(find(spec, vec![output("o", &[1, 7], row)], (64, 64)).unwrap().is_empty());
}

#[test]
fn outputs_of_the_wrong_shape_are_named_not_trusted() {
    let ltrb = serde_json::json!({"type": "ltrb-anchor-free", "strides": [16], "outputs": ["p16"]});
    let cases = [
        (ltrb.clone(), output("p16", &[1, 6, 4, 3], vec![9.0; 72])),
        (ltrb, output("p8", &[1, 6, 4, 4], vec![9.0; 96])),
        (serde_json::json!({"type": "yolox", "strides": [32]}), output("o", &[1, 3, 7], vec![9.0; 21])),
        (serde_json::json!({"type": "fastestdet"}), output("o", &[1, 5, 2, 2], vec![9.0; 20])),
        (serde_json::json!({"type": "yolov8"}), output("o", &[6, 2], vec![9.0; 12])),
        (serde_json::json!({"type": "end2end"}), output("o", &[1, 5], vec![9.0; 5])),
    ];
    for (head, output) in cases {
        let fault = find(spec(&head, "letterbox", 64, &["person", "car"]), vec![output], (64, 64)).unwrap_err();
        assert!(fault.what.contains("output"), "{fault}");
    }
}

#[test]
fn numbers_that_are_none_give_no_boxes() {
    for broken in [f32::NAN, f32::INFINITY] {
        let head = serde_json::json!({"type": "ltrb-anchor-free", "strides": [16], "outputs": ["p16"]});
        let output = output("p16", &[1, 6, 4, 4], vec![broken; 96]);
        let found = find(spec(&head, "letterbox", 64, &["person", "car"]), vec![output], (64, 64)).unwrap();
        assert!(found.iter().all(|d| d.rect.is_sound() && d.score <= 1.0), "{found:?}");
    }
}
