use super::*;
use crate::infer::{ModelRole, Output, TensorView};
use crate::manifest::ModelSpec;

/// What the two plate models answer next: boxes in the frame, and the texts of the reads in order.
#[derive(Default)]
struct Script {
    plates: Vec<Rect>,
    texts: Vec<&'static str>,
    reads: usize,
    /// How unsure each character is.
    doubt: f32,
}

impl Infer for Script {
    fn run(&mut self, model: ModelRole, _: TensorView<'_>) -> Result<Vec<Output>, InferFault> {
        if model == ModelRole::Plates {
            let rows = self.plates.iter().flat_map(|r| [r.x, r.y, r.right(), r.bottom(), 0.9, 0.0]);
            let (shape, values) = (vec![self.plates.len(), 6], rows.collect());
            return Ok(vec![Output { name: "o".into(), shape, values }]);
        }
        // Each plate is looked at twice.
        let text = self.texts[self.reads / 2 % self.texts.len()];
        self.reads += 1;
        let slot = |c: Option<char>| {
            let index = c.map_or(36, |c| ALPHABET.find(c).unwrap());
            let sure = 0.9 - self.doubt;
            (0..37).map(move |i| if i == index { sure } else { (1.0 - sure) / 36.0 })
        };
        let values = (0..10).flat_map(|i| slot(text.chars().nth(i))).collect();
        Ok(vec![Output { name: "o".into(), shape: vec![1, 10, 37], values }])
    }
}

const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SIZE: u32 = 512;

fn finder() -> PlateFinder {
    let input = |w: u32, h: u32| {
        serde_json::json!({"width": w, "height": h, "channels": 3, "layout": "NHWC", "dtype": "uint8",
            "colour": "RGB", "resize": {"mode": "stretch"}, "mean": 0, "scale": 1})
    };
    let plates = serde_json::json!({
        "name": "p", "version": "1", "file": "p.onnx", "sha256": "0".repeat(64), "task": "plates",
        "input": input(SIZE, SIZE), "head": {"type": "end2end"}, "classes": ["plate"],
        "thresholds": {"score": {"plate": 0.5}, "nms_iou": 0.5, "max_detections": 10}});
    let text = serde_json::json!({
        "name": "t", "version": "1", "file": "t.onnx", "sha256": "0".repeat(64), "task": "plate_text",
        "input": input(128, 64), "head": {"type": "slots"}, "alphabet": ALPHABET, "blank": 36});
    let parse = |json: serde_json::Value| ModelSpec::parse(json.to_string().as_bytes()).unwrap();
    PlateFinder::new(parse(plates), Some(parse(text)))
}

fn at(ms: i64) -> MediaTime {
    MediaTime::from_nanos(ms * 1_000_000)
}

fn car(track: u64, x: f32) -> Vehicle {
    let rect = Rect { x, y: 100.0, w: 200.0, h: 150.0 };
    Vehicle { track: TrackId(track), class: ObjectClass::Car, rect, heading: Some(Heading::Right), colour: None }
}

/// Where the car at `x` has its plate.
fn plate(x: f32) -> Rect {
    Rect { x: x + 60.0, y: 200.0, w: 80.0, h: 24.0 }
}

fn look(passes: &mut Passes, script: &mut Script, ms: i64, vehicles: &[Vehicle]) -> Vec<PlateRead> {
    let bytes = vec![90; (SIZE * SIZE * 3) as usize];
    let picture = Picture::rgb(SIZE, SIZE, &bytes).unwrap();
    passes.look(&Look { picture: &picture, media: at(ms), vehicles, masks: &[] }, script).unwrap()
}

fn gate() -> Passes {
    Passes::new(finder(), PlateSearch::WholeFrame)
}

/// A car drives through in ten frames, is read as `texts` in turn, and is gone.
fn drive(passes: &mut Passes, texts: &[&'static str], from_ms: i64, track: u64) -> Vec<PlateRead> {
    let mut script = Script { texts: texts.to_vec(), ..Script::default() };
    let mut told = Vec::new();
    for frame in 0..10_u8 {
        let x = f32::from(frame) * 20.0;
        script.plates = vec![plate(x)];
        told.extend(look(passes, &mut script, from_ms + i64::from(frame) * 100, &[car(track, x)]));
    }
    script.plates.clear();
    told.extend(look(passes, &mut script, from_ms + 3000, &[]));
    told
}

fn summary(read: &PlateRead) -> (Revision, &str, u64) {
    (read.revision, read.text.as_str(), read.pass.0)
}

#[test]
fn one_pass_gives_one_preview_and_one_final() {
    let told = drive(&mut gate(), &["AB123CD"], 0, 7);
    assert_eq!(
        told.iter().map(summary).collect::<Vec<_>>(),
        [(Revision::Preview, "AB123CD", 1), (Revision::Final, "AB123CD", 1),]
    );
    let last = &told[1];
    assert_eq!(
        (last.track, last.class, last.heading),
        (Some(TrackId(7)), Some(ObjectClass::Car), Some(Heading::Right))
    );
    assert_eq!((last.first, last.last), (at(0), at(900)));
    assert!(last.is_agreed() && last.plate_crop.is_some() && last.vehicle_crop.is_some());
    assert!(last.vehicle_rect.unwrap().contains(last.plate_rect.centre()));
}

#[test]
fn wrong_reads_are_outvoted() {
    let told = drive(&mut gate(), &["AB123CD", "A8123CD", "AB123CD", "AB123C0", "AB123CD"], 0, 7);
    assert_eq!(told.last().unwrap().text, "AB123CD");
    assert!(told.last().unwrap().alternates.iter().any(|a| a.text == "A8123CD"));
}

#[test]
fn a_plate_outside_every_vehicle_is_bound_to_none() {
    let mut passes = gate();
    let mut script = Script { texts: vec!["AB123CD"], ..Script::default() };
    for frame in 0..6 {
        // The car stands beside the plate, its box touching it by half.
        script.plates = vec![plate(100.0)];
        look(&mut passes, &mut script, frame * 100, &[car(7, -20.0)]);
    }
    let told = passes.finish();
    assert_eq!((told.len(), told[0].track, told[0].class), (1, None, None));
}

#[test]
fn a_plate_of_the_car_in_front_is_not_bound_to_the_truck_behind() {
    let mut passes = gate();
    let mut script = Script { texts: vec!["AB123CD"], plates: vec![plate(100.0)], ..Script::default() };
    let behind = Vehicle { rect: Rect { x: 50.0, y: 20.0, w: 400.0, h: 300.0 }, ..car(9, 0.0) };
    for frame in 0..4 {
        look(&mut passes, &mut script, frame * 100, &[behind, car(7, 100.0)]);
    }
    assert_eq!(passes.finish()[0].track, Some(TrackId(7)));
}

#[test]
fn a_pass_torn_by_a_gap_is_told_once() {
    let mut passes = gate();
    let mut script = Script { texts: vec!["AB123CD"], ..Script::default() };
    let mut told = Vec::new();
    for ms in (0..500).step_by(100).chain((2200..2800).step_by(100)) {
        script.plates = vec![plate(10.0)];
        told.extend(look(&mut passes, &mut script, ms, &[]));
    }
    told.extend(passes.finish());
    assert_eq!(
        told.iter().map(summary).collect::<Vec<_>>(),
        [(Revision::Preview, "AB123CD", 1), (Revision::Final, "AB123CD", 1),]
    );
}

#[test]
fn the_same_plate_soon_after_is_the_same_pass_and_later_is_another() {
    let mut passes = gate();
    assert_eq!(drive(&mut passes, &["AB123CD"], 0, 1).len(), 2);
    assert!(drive(&mut passes, &["AB123CD"], 5_000, 2).is_empty());
    assert_eq!(drive(&mut passes, &["AB123CD"], 60_000, 3).len(), 2);
}

#[test]
fn two_cars_one_after_the_other_are_two_passes_even_with_plates_alike() {
    let mut passes = gate();
    let mut told = drive(&mut passes, &["AB123CD"], 0, 1);
    told.extend(drive(&mut passes, &["AB124CD"], 3_100, 2));
    let finals: Vec<&str> = told.iter().filter(|r| r.revision == Revision::Final).map(|r| r.text.as_str()).collect();
    assert_eq!(finals, ["AB123CD", "AB124CD"]);
}

#[test]
fn a_single_read_is_told_with_its_mark_only_if_it_is_sure() {
    let single = |text| {
        let mut passes = gate();
        let mut script = Script { texts: vec![text], plates: vec![plate(10.0)], ..Script::default() };
        look(&mut passes, &mut script, 0, &[]);
        passes.finish()
    };
    let told = single("AB12");
    assert_eq!((told.len(), told[0].agreeing, told[0].is_agreed()), (1, 1, false));
    assert!(single("AB").is_empty());
}

#[test]
fn crops_of_vehicles_are_searched_where_the_whole_frame_is_not() {
    let mut passes = Passes::new(finder(), PlateSearch::Vehicles);
    // The model sees the widened crop of the vehicle stretched to its input: the plate is in its middle.
    let mut script = Script { texts: vec!["AB123CD"], ..Script::default() };
    script.plates = vec![Rect { x: 156.0, y: 330.0, w: 200.0, h: 80.0 }];
    for frame in 0..4 {
        assert!(look(&mut passes, &mut script, frame * 100, &[car(7, 100.0)]).len() <= 1);
    }
    let told = passes.finish();
    assert_eq!((told.len(), told[0].track), (1, Some(TrackId(7))));
    let plate = told[0].plate_rect;
    assert!(car(7, 100.0).rect.contains(plate.centre()), "{plate:?}");
    let before = script.reads;
    look(&mut passes, &mut script, 1000, &[]);
    assert_eq!(script.reads, before);
}

#[test]
fn what_reads_like_a_plate_but_never_surely_is_not_told() {
    let mut passes = gate();
    let mut script = Script { texts: vec!["DD0D0"], plates: vec![plate(10.0)], doubt: 0.5, ..Script::default() };
    for frame in 0..20 {
        assert!(look(&mut passes, &mut script, frame * 100, &[]).is_empty());
    }
    assert!(passes.finish().is_empty());
    assert_eq!(passes.take_finals(), 0);
}

#[test]
fn a_pass_that_is_not_sure_yet_is_not_previewed() {
    let mut passes = gate();
    let mut script = Script { texts: vec!["AB123CD"], plates: vec![plate(10.0)], doubt: 0.2, ..Script::default() };
    for frame in 0..4 {
        assert!(look(&mut passes, &mut script, frame * 100, &[]).is_empty());
    }
    assert_eq!(passes.finish().len(), 1);
}
