use super::*;
use crate::class::ObjectClass;
use crate::geometry::Point;
use crate::infer::{Output, TensorView};
use crate::settings::{Polygon, Zone};
use crate::sighting::{PassId, Revision};

/// Finished rows for the objects model, one list per run; the last one is repeated.
struct Script(Vec<Vec<[f32; 6]>>, usize);

impl Infer for Script {
    fn run(&mut self, model: ModelRole, _: TensorView<'_>) -> Result<Vec<Output>, InferFault> {
        let rows = self.0.get(self.1).or(self.0.last()).cloned().unwrap_or_default();
        self.1 += 1;
        if rows.iter().flatten().any(|v| v.is_nan()) {
            return Err(InferFault { model, what: "broken".into() });
        }
        let shape = vec![rows.len(), 6];
        Ok(vec![Output { name: "o".into(), shape, values: rows.into_iter().flatten().collect() }])
    }
}

fn objects() -> ModelSpec {
    let json = serde_json::json!({
        "name": "o", "version": "1", "file": "o.onnx", "sha256": "0".repeat(64), "task": "objects",
        "input": {"width": 64, "height": 64, "channels": 3, "layout": "NCHW", "dtype": "float32",
            "colour": "RGB", "resize": {"mode": "stretch"}, "mean": 0, "scale": 1},
        "head": {"type": "end2end"}, "classes": ["person", "car"],
        "thresholds": {"score": {"person": 0.5, "car": 0.5}, "nms_iou": 0.5, "max_detections": 10}
    });
    ModelSpec::parse(json.to_string().as_bytes()).unwrap()
}

fn still_off() -> CameraSettings {
    CameraSettings { motion_gate: false, ..CameraSettings::default() }
}

/// Runs one 64x64 frame per script entry, ten a second.
fn run(settings: CameraSettings, rows: Vec<Vec<[f32; 6]>>) -> (CameraAnalytics, Vec<Sighting>) {
    let bytes = vec![100; 64 * 64 * 3];
    let picture = Picture::rgb(64, 64, &bytes).unwrap();
    let mut camera = CameraAnalytics::new(settings, &[objects()]).unwrap();
    let frames = i64::try_from(rows.len()).unwrap();
    let mut script = Script(rows, 0);
    let mut sightings = Vec::new();
    for frame in 0..frames {
        let media = MediaTime::from_nanos(frame * 100_000_000);
        sightings.extend(camera.frame(&picture, media, &mut script));
    }
    (camera, sightings)
}

fn outcomes(sightings: &[Sighting]) -> Vec<Outcome> {
    let frames = sightings.iter().filter_map(|s| if let Sighting::Frame(f) = s { Some(f.outcome) } else { None });
    frames.collect()
}

fn walker(x: f32) -> [f32; 6] {
    [x, 10.0, x + 10.0, 40.0, 0.9, 0.0]
}

#[test]
fn a_walker_is_followed_told_at_once_and_told_at_its_end() {
    let rows = (0..30_u8).map(|i| vec![walker(f32::from(i))]).collect();
    let (mut camera, mut sightings) = run(still_off(), rows);
    sightings.extend(camera.finish());
    let updates = sightings.iter().filter(|s| matches!(s, Sighting::TrackUpdate(_))).count();
    let ends: Vec<_> =
        sightings.iter().filter_map(|s| if let Sighting::TrackEnd(t) = s { Some(t) } else { None }).collect();
    assert_eq!((updates, ends.len()), (1, 1));
    assert_eq!((ends[0].class, ends[0].last), (ObjectClass::Person, MediaTime::from_nanos(2_900_000_000)));
    assert_eq!(outcomes(&sightings), vec![Outcome::Analysed; 30]);
}

#[test]
fn who_stands_in_a_mask_is_not_seen() {
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
    let settings = CameraSettings { masks: vec![Polygon(corners.to_vec())], ..still_off() };
    let (mut camera, mut sightings) = run(settings, vec![vec![walker(5.0)]; 5]);
    sightings.extend(camera.finish());
    assert!(!sightings.iter().any(|s| matches!(s, Sighting::TrackUpdate(_) | Sighting::TrackEnd(_))));
}

#[test]
fn counts_come_once_a_period_with_what_was_looked_at() {
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(x, y)| Point { x, y });
    let zone = Zone { id: "all".into(), outline: Polygon(corners.to_vec()) };
    let settings = CameraSettings { zones: vec![zone], counts_every_s: 2, ..still_off() };
    let (_, sightings) = run(settings, vec![vec![walker(5.0)]; 45]);
    let counts: Vec<_> =
        sightings.iter().filter_map(|s| if let Sighting::Counts(c) = s { Some(c) } else { None }).collect();
    assert_eq!(counts.len(), 2);
    assert_eq!((counts[0].frames_offered, counts[0].frames_analysed, counts[0].looked_ms), (20, 20, 1900));
    assert_eq!((counts[0].zones[0].entered, counts[0].zones[0].present), (1, 1));
    assert_eq!((counts[1].zones[0].entered, counts[1].zones[0].present), (0, 1));
}

#[test]
fn a_model_that_fails_fails_the_frame_and_nothing_else() {
    let mut rows = vec![vec![walker(5.0)]; 6];
    rows[3] = vec![[f32::NAN; 6]];
    let (camera, sightings) = run(still_off(), rows);
    let mut expected = vec![Outcome::Analysed; 6];
    expected[3] = Outcome::Failed;
    assert_eq!(outcomes(&sightings), expected);
    assert_eq!(camera.fault(), None);
}

#[test]
fn frames_beyond_the_rate_and_still_frames_are_passed_over() {
    let slow = CameraSettings { max_fps: Some(5.0), ..still_off() };
    let (_, sightings) = run(slow, vec![vec![]; 4]);
    assert_eq!(outcomes(&sightings), [Outcome::Analysed, Outcome::Rate, Outcome::Analysed, Outcome::Rate]);
    let (_, sightings) = run(CameraSettings::default(), vec![vec![]; 15]);
    assert!(outcomes(&sightings)[10..].iter().all(|o| *o == Outcome::Still));
}

#[test]
fn two_models_for_one_task_are_refused() {
    let refused = CameraAnalytics::new(still_off(), &[objects(), objects()]).unwrap_err();
    assert_eq!(refused, CameraError::TwoModels("o".into(), "o".into()));
}

/// A car that drives to the right with a plate on it, for all three models.
struct Drive {
    x: f32,
}

impl Infer for Drive {
    fn run(&mut self, model: ModelRole, _: TensorView<'_>) -> Result<Vec<Output>, InferFault> {
        let x = self.x;
        let (shape, values) = match model {
            ModelRole::Objects => (vec![1, 6], vec![x, 10.0, x + 30.0, 50.0, 0.9, 1.0]),
            ModelRole::Plates => (vec![1, 6], vec![x + 5.0, 35.0, x + 25.0, 45.0, 0.9, 0.0]),
            ModelRole::PlateText => {
                let slots = "AB12".chars().map(|c| "AB12".find(c).unwrap());
                let row = |index| (0..4).map(move |i| if i == index { 0.97 } else { 0.01 });
                (vec![1, 4, 4], slots.flat_map(row).collect())
            }
        };
        Ok(vec![Output { name: "o".into(), shape, values }])
    }
}

fn other_model(task: &str, head: &serde_json::Value) -> ModelSpec {
    let json = serde_json::json!({
        "name": task, "version": "1", "file": "m.onnx", "sha256": "0".repeat(64), "task": task,
        "input": {"width": 64, "height": 64, "channels": 3, "layout": "NCHW", "dtype": "float32",
            "colour": "RGB", "resize": {"mode": "stretch"}, "mean": 0, "scale": 1},
        "head": head, "classes": ["plate"], "alphabet": "AB12", "blank": 4,
        "thresholds": {"score": {"plate": 0.5}, "nms_iou": 0.5, "max_detections": 10}
    });
    ModelSpec::parse(json.to_string().as_bytes()).unwrap()
}

#[test]
fn a_car_with_a_plate_gives_a_preview_a_final_read_and_its_track() {
    let plates = other_model("plates", &serde_json::json!({"type": "end2end"}));
    let mut text = other_model("plate_text", &serde_json::json!({"type": "slots"}));
    let crate::manifest::Head::Slots(head) = &mut text.head else { panic!() };
    head.symbols.truncate(4);
    let settings = CameraSettings { plates: PlateSearch::WholeFrame, ..still_off() };
    let camera = CameraAnalytics::new(settings, &[objects(), plates, text]).unwrap();
    let mut camera = camera.numbered_from(700);
    let bytes = vec![100; 64 * 64 * 3];
    let picture = Picture::rgb(64, 64, &bytes).unwrap();
    let mut sightings = Vec::new();
    for frame in 0..8_u8 {
        let media = MediaTime::from_nanos(i64::from(frame) * 100_000_000);
        sightings.extend(camera.frame(&picture, media, &mut Drive { x: f32::from(frame) * 3.0 }));
    }
    sightings.extend(camera.finish());
    let plates: Vec<_> =
        sightings.iter().filter_map(|s| if let Sighting::Plate(p) = s { Some(p) } else { None }).collect();
    let told: Vec<_> = plates.iter().map(|p| (p.revision, p.text.as_str(), p.class)).collect();
    let car = Some(ObjectClass::Car);
    assert_eq!(told, [(Revision::Preview, "AB12", car), (Revision::Final, "AB12", car)]);
    let end = sightings.iter().find_map(|s| if let Sighting::TrackEnd(t) = s { Some(t) } else { None }).unwrap();
    assert_eq!((plates[1].track, end.heading), (Some(end.track), Some(crate::sighting::Heading::Right)));
    assert_eq!((plates[0].pass, plates[1].pass, end.track), (PassId(700), PassId(700), TrackId(700)));
    let counts = sightings.iter().find_map(|s| if let Sighting::Counts(c) = s { Some(c) } else { None }).unwrap();
    assert_eq!((counts.plate_reads, counts.frames_analysed), (1, 8));
}

#[test]
fn thinning_takes_a_share_of_the_rate_and_the_coverage_says_so() {
    let bytes = vec![100; 64 * 64 * 3];
    let picture = Picture::rgb(64, 64, &bytes).unwrap();
    let settings = CameraSettings { max_fps: Some(4.0), ..still_off() };
    let mut camera = CameraAnalytics::new(settings, &[objects()]).unwrap();
    let mut script = Script(vec![vec![]], 0);
    let mut second = 0_i64;
    let mut analysed = |camera: &mut CameraAnalytics| {
        let media = |frame| MediaTime::from_nanos((second * 20 + frame) * 50_000_000);
        let looks =
            (0..200_i64).flat_map(|frame| camera.frame(&picture, media(frame), &mut script)).collect::<Vec<_>>();
        second += 10;
        (
            outcomes(&looks).iter().filter(|outcome| **outcome == Outcome::Analysed).count(),
            camera.coverage.take().looked,
        )
    };
    assert_eq!(analysed(&mut camera).0, 40);
    // A new rate begins with a look.
    camera.thin_to(0.5);
    assert!((20..=21).contains(&analysed(&mut camera).0));
    camera.thin_to(0.1);
    let (frames, looked) = analysed(&mut camera);
    assert!((3..=5).contains(&frames), "{frames}");
    assert!(looked < Duration::from_secs(1), "looks 2.5 s apart are no coverage: {looked:?}");
    camera.thin_to(1.0);
    assert!((40..=41).contains(&analysed(&mut camera).0));
}
