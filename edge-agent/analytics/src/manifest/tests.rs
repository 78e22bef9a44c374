use serde_json::{Value, json};

use super::*;
use crate::preprocess::{Channels, Element, Layout, PadPosition, Resize};

fn detector() -> Value {
    json!({
        "name": "road-objects", "version": "1", "file": "road-objects.onnx",
        "sha256": "0123456789abcdef".repeat(4), "task": "objects",
        "input": {"width": 416, "height": 256, "channels": 3, "layout": "NCHW", "dtype": "float32",
            "colour": "RGB", "resize": {"type": "letterbox", "pad_value": 114, "pad_position": "top-left"},
            "mean": 0, "scale": 0.003_921_569},
        "head": {"type": "ltrb-anchor-free", "strides": [8, 16], "outputs": ["p8", "p16"]},
        "classes": ["person", "car"],
        "thresholds": {"score": {"person": 0.4, "car": 0.5}, "nms_iou": 0.5, "max_detections": 100},
        "variants": [{"name": "int8", "file": "road-objects.int8.onnx", "sha256": "f".repeat(64)}],
        "provenance": {"commit": "c", "anything": [1, 2]}, "opset": 17, "created": "today"
    })
}

fn reader() -> Value {
    json!({
        "name": "plate-text", "version": "1", "file": "plate-text.onnx",
        "sha256": "0123456789abcdef".repeat(4), "task": "plate_text",
        "input": {"width": 128, "height": 32, "channels": 1, "layout": "NCHW", "dtype": "float32",
            "colour": "GREY", "resize": {"type": "stretch"}, "mean": [127.5], "scale": [0.007_843_137]},
        "head": {"type": "ctc", "outputs": ["logits"], "temperature": 1.5},
        "alphabet": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "blank": 36, "max_length": 10
    })
}

fn parse(value: &Value) -> Result<ModelSpec, ManifestError> {
    ModelSpec::parse(value.to_string().as_bytes())
}

#[test]
fn a_detector_is_read_wholly() {
    let spec = parse(&detector()).unwrap();
    assert_eq!(spec.task, Task::Objects);
    assert_eq!(spec.input_shape(), [1, 3, 256, 416]);
    assert_eq!(spec.input.channels, Channels::Rgb);
    assert_eq!((spec.input.layout, spec.input.element), (Layout::Nchw, Element::F32));
    let letterbox = Resize::Letterbox { pad_value: 114, position: PadPosition::TopLeft };
    assert_eq!(spec.input.resize, letterbox);
    let maps = vec![("p8".to_owned(), 8), ("p16".to_owned(), 16)];
    assert_eq!(spec.head, Head::LtrbAnchorFree { maps });
    assert_eq!(spec.thresholds.score, [0.4, 0.5]);
    assert_eq!(spec.variants.len(), 1);
}

#[test]
fn a_reader_is_read_wholly() {
    let spec = parse(&reader()).unwrap();
    assert_eq!(spec.input_shape(), [1, 1, 32, 128]);
    let Head::Ctc(text) = spec.head else { panic!("not a ctc head") };
    assert_eq!(text.symbols.len(), 37);
    assert_eq!((text.symbols[10], text.symbols[36]), (Some('A'), None));
    assert!(text.logits);
    assert!((text.temperature - 1.5).abs() < 1e-6);
}

#[test]
fn a_padding_sign_inside_the_alphabet_stands_for_nothing() {
    let mut value = reader();
    value["head"] = json!({"type": "slots", "activation": "none"});
    value["alphabet"] = json!("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    let Head::Slots(text) = parse(&value).unwrap().head else { panic!("not a slots head") };
    assert_eq!((text.symbols.len(), text.symbols[36]), (37, None));
    assert!(!text.logits);
}

/// Each broken manifest and the key that the refusal must name.
#[test]
fn every_broken_rule_is_refused_by_its_key() {
    let cases: [(&str, Value, &str); 17] = [
        ("/name", json!(" "), "name"),
        ("/file", json!("../x.onnx"), "file"),
        ("/sha256", json!("ABCDEF"), "sha256"),
        ("/task", json!("faces"), "task"),
        ("/input/width", json!(0), "input.width"),
        ("/input/channels", json!(1), "input.channels"),
        ("/input/layout", json!("CHWN"), "input.layout"),
        ("/input/scale", json!(0), "input.scale"),
        ("/input/mean", json!([1, 2]), "input.mean"),
        ("/input/resize/pad_position", json!("left"), "input.resize.pad_position"),
        ("/head/type", json!("magic"), "head.type"),
        ("/head/strides", json!([8]), "head.outputs"),
        ("/head/strides", json!([8, 24]), "head.strides"),
        ("/head/strides", json!([0, 16]), "head.strides"),
        ("/classes", json!(["car", "car"]), "classes"),
        ("/thresholds/score/car", json!(1.5), "thresholds.score"),
        ("/variants/0/sha256", json!("0"), "variants.sha256"),
    ];
    for (pointer, broken, field) in cases {
        let mut value = detector();
        *value.pointer_mut(pointer).unwrap() = broken;
        let Err(ManifestError::Wrong(mistakes)) = parse(&value) else {
            panic!("{pointer} was accepted");
        };
        assert!(mistakes.iter().any(|m| m.field == field), "{pointer}: {mistakes:?}");
    }
}

#[test]
fn all_mistakes_come_together() {
    let mut value = detector();
    value["name"] = json!("");
    value["sha256"] = json!("");
    value["thresholds"]["nms_iou"] = json!(2);
    let shown = parse(&value).unwrap_err().to_string();
    for field in ["name", "sha256", "thresholds.nms_iou"] {
        assert!(shown.contains(field), "{shown}");
    }
}

#[test]
fn an_unknown_key_is_refused_where_it_could_change_the_meaning() {
    for part in ["input", "head", "thresholds"] {
        let mut value = detector();
        value[part]["surprise"] = json!(1);
        assert!(matches!(parse(&value), Err(ManifestError::Unreadable(_))), "{part}");
    }
}
