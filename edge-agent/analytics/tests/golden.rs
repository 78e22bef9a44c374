//! The shipped models' golden pictures: what this crate makes of the picture and of the model's outputs is, number for
//! number, what the training code made of them. No model runs here; its outputs come from the golden files.
#![cfg(test)]

use std::path::{Path, PathBuf};

use edge_analytics::detect::Detector;
use edge_analytics::geometry::Rect;
use edge_analytics::infer::{Infer, InferFault, ModelRole, Output, TensorView};
use edge_analytics::manifest::{Head, ModelSpec};
use edge_analytics::picture::Picture;
use edge_analytics::plate::PlateFinder;

fn folder(model: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(model)
}

fn spec(model: &str) -> ModelSpec {
    let path = folder(model).join("manifest.json");
    let json = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ModelSpec::parse(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Answers with the golden outputs after comparing what it is asked with the golden input.
struct Golden {
    input: Vec<f32>,
    outputs: Vec<Output>,
}

impl Golden {
    fn new(model: &str, outputs: &[(&str, Vec<usize>)]) -> Self {
        let golden = folder(model).join("golden");
        let output = |(name, shape): &(&str, Vec<usize>)| Output {
            name: (*name).to_owned(),
            shape: shape.clone(),
            values: floats(&golden.join(format!("{name}.f32"))),
        };
        Self { input: floats(&golden.join("input.f32")), outputs: outputs.iter().map(output).collect() }
    }
}

impl Infer for Golden {
    fn run(&mut self, _: ModelRole, input: TensorView<'_>) -> Result<Vec<Output>, InferFault> {
        let TensorView::F32 { values, .. } = input else { panic!("the shipped models take floats") };
        assert_eq!(values.len(), self.input.len());
        let differs = values.iter().zip(&self.input).position(|(is, should)| (is - should).abs() > 1e-6);
        assert_eq!(differs, None, "the tensor differs from the training code's");
        Ok(self.outputs.clone())
    }
}

fn check_detector(model: &str, role: ModelRole) {
    let spec = spec(model);
    let Head::LtrbAnchorFree { maps } = &spec.head else { panic!("{model} has another head") };
    let shape = |stride: u32| {
        let (columns, rows) = (spec.input.width / stride, spec.input.height / stride);
        vec![1, spec.classes.len() + 4, rows as usize, columns as usize]
    };
    let outputs: Vec<(&str, Vec<usize>)> = maps.iter().map(|(name, stride)| (name.as_str(), shape(*stride))).collect();
    let mut golden = Golden::new(model, &outputs);
    let picture = image::open(folder(model).join("golden/picture.png")).unwrap().to_rgb8();
    let view = Picture::rgb(picture.width(), picture.height(), picture.as_raw()).unwrap();
    let found = Detector::new(spec.clone(), role).find(&view, 1.0, &mut golden).unwrap();
    let expected = json(&folder(model).join("golden/detections.json"));
    let expected = expected.as_array().unwrap();
    assert!(!expected.is_empty(), "{model}: a golden picture without detections proves nothing");
    assert_eq!(found.len(), expected.len(), "{model}: {found:?}");
    for row in expected {
        let number = |value: &serde_json::Value| value.to_string().parse::<f32>().unwrap();
        let [x, y, w, h] = [0, 1, 2, 3].map(|side| number(&row["box"][side]));
        let near = found.iter().find(|found| {
            let same = spec.classes[found.class] == row["class"].as_str().unwrap();
            same && (found.score - number(&row["confidence"])).abs() < 1e-4
        });
        let Rect { x: fx, y: fy, w: fw, h: fh } = near.unwrap_or_else(|| panic!("{model}: {row} is missing")).rect;
        for (is, should) in [(fx, x), (fy, y), (fw, w), (fh, h)] {
            assert!((is - should).abs() < 0.02, "{model}: {row} came out at {fx} {fy} {fw} {fh}");
        }
    }
}

#[test]
fn the_object_detector_sees_what_training_saw() {
    check_detector("road-objects", ModelRole::Objects);
}

#[test]
fn the_plate_detector_sees_what_training_saw() {
    check_detector("plates", ModelRole::Plates);
}

#[test]
fn the_reader_reads_what_training_read() {
    let text = spec("plate-text");
    let steps = floats(&folder("plate-text").join("golden/logits.f32")).len() / 37;
    let mut golden = Golden::new("plate-text", &[("logits", vec![1, steps, 37])]);
    let picture = image::open(folder("plate-text").join("golden/picture.png")).unwrap().to_rgb8();
    let view = Picture::rgb(picture.width(), picture.height(), picture.as_raw()).unwrap();
    // A box as large as the picture: widening it changes nothing.
    let whole = Rect { x: -1000.0, y: -1000.0, w: 3000.0, h: 3000.0 };
    let mut finder = PlateFinder::new(spec("plates"), Some(text));
    let read = finder.read(&view, whole, &mut golden).unwrap().unwrap();
    let expected = json(&folder("plate-text").join("golden/reading.json"));
    assert_eq!(read.text(), expected["text"].as_str().unwrap());
    for (is, should) in read.characters().iter().zip(expected["probabilities"].as_array().unwrap()) {
        let should: f32 = should.to_string().parse().unwrap();
        assert!((is[0].probability - should).abs() < 1e-3, "{} instead of {should}", is[0].probability);
    }
}
