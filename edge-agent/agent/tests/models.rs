#![cfg(test)]
//! The agent's binary on the shipped models, on models of other makers, and on models that are not what they claim to
//! be.

mod foreign;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use edge_agent::app::vision::model_bytes;
use edge_agent::inference::library::{Surroundings, find};
use edge_agent::vision::engine::Engine;
use image::{Rgb, RgbImage};
use serde_json::Value;

fn inspect(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-agent"));
    // As a person would start it: the program itself sees to it that telemetry is off.
    command.arg("inspect").args(arguments).env_remove("ORT_DISABLE_TELEMETRY");
    command.output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where the product's models are; none, with a word why, where ONNX Runtime is absent.
fn shipped() -> Option<PathBuf> {
    foreign::runtime_is_here().then(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models"))
}

/// The product's detector of road users, as an argument.
fn road_objects() -> Option<String> {
    Some(shipped()?.join("road-objects").to_string_lossy().into_owned())
}

/// Cars that a camera drives past: two seconds at twenty pictures each, coded as by a file's maker.
fn drive(folder: &Path) -> PathBuf {
    let (street, film) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/check/gate_00.jpg"), folder.join("drive.mp4"));
    let mut draw = Command::new("ffmpeg");
    draw.args(["-v", "error", "-loop", "1", "-framerate", "20", "-i"]).arg(street);
    draw.args(["-vf", "crop=480:320:2*n:20", "-frames:v", "40", "-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p"]);
    assert!(draw.arg(&film).status().expect("ffmpeg, see setup-test").success());
    film
}

fn frame(folder: &Path, name: &str) -> Option<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let video = here.join("../../../shared/data/video").join(name);
    if !video.is_file() {
        eprintln!("SKIPPED: {} is not there", video.display());
        return None;
    }
    let picture = folder.join(format!("{name}.png"));
    let status = Command::new("ffmpeg")
        .args(["-y", "-v", "error", "-ss", "12", "-i"])
        .arg(&video)
        .args(["-frames:v", "1"])
        .arg(&picture)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: ffmpeg could not take a picture out of {}", video.display());
        return None;
    }
    Some(picture.to_string_lossy().into_owned())
}

#[test]
fn detectors_of_two_makers_find_the_person_through_their_manifests_alone() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["fastestdet", "yolox-nano"] {
        let Some(model) = foreign::model(name) else { return };
        let Some(picture) = frame(folder.path(), "one-by-one-person-detection.mp4") else { return };
        let output = inspect(&["detect", "--json", "--objects-model", model.to_str().unwrap(), &picture]);
        let lines = lines(&output);
        let objects = lines[0]["objects"].as_array().unwrap();
        println!("{name}: {objects:?}");
        let person = |object: &Value| object["class"] == "person" && object["box"][3].as_f64().unwrap() > 50.0;
        assert!(objects.iter().any(person), "{name}: {objects:?}");
    }
}

#[test]
fn a_picture_that_cannot_be_read_is_named_and_does_not_end_the_others() {
    let Some(model) = road_objects() else { return };
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.png");
    RgbImage::from_pixel(64, 48, Rgb([90, 90, 90])).save(&good).unwrap();
    let bad = folder.path().join("bad.jpg");
    std::fs::File::create(&bad).unwrap();
    let pictures = [bad.to_str().unwrap(), good.to_str().unwrap()];
    let output = inspect(&[&["detect", "--json", "--objects-model", &model], &pictures[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["error"].as_str().unwrap().contains("bad.jpg"), "{text}");
    assert!(lines[1]["objects"].is_array(), "{text}");
}

#[test]
fn a_variant_or_provider_that_there_is_not_comes_with_those_that_there_are() {
    let Some(model) = road_objects() else { return };
    for (wrong, there) in
        [("--variant", "no variant `nope`; there is: int8"), ("--providers", "`nope`; there are: cpu, ")]
    {
        let output = inspect(&["detect", "--objects-model", &model, wrong, "nope", "none.png"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(there) && !said.contains("by --models"), "{said}");
    }
    let output = inspect(&["detect", "--models", "/nowhere", "none.png"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("give the models' folder by --models"), "{said}");
}

/// The file of the detector's graph.
const GRAPH: &str = "road-objects.onnx";

/// Changes a copy of a model and returns what the agent says to it.
fn refusal(change: impl FnOnce(&mut Value, &Path)) -> Option<String> {
    let source = shipped()?.join("road-objects");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("golden")).unwrap();
    let golden = ["golden/input.f32", "golden/p8.f32", "golden/p16.f32", "golden/p32.f32"];
    for file in ["manifest.json", GRAPH].iter().chain(&golden) {
        std::fs::copy(source.join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut manifest, folder.path());
    serde_json::to_writer(std::fs::File::create(&path).unwrap(), &manifest).unwrap();
    let output = inspect(&["detect", "--objects-model", folder.path().to_str().unwrap(), "none.png"]);
    assert!(!output.status.success());
    Some(String::from_utf8(output.stderr).unwrap())
}

fn cut(file: &Path, bytes: u64) {
    std::fs::File::options().write(true).open(file).unwrap().set_len(bytes).unwrap();
}

#[test]
fn a_model_that_is_not_what_its_manifest_says_is_refused_by_file_and_field() {
    type Change = fn(&mut Value, &Path);
    let changes: [(&str, Change); 9] = [
        ("sha256", |m, _| m["sha256"] = "0".repeat(64).into()),
        ("input", |m, _| m["input"]["width"] = 320.into()),
        ("input.dtype", |m, _| m["input"]["dtype"] = "uint8".into()),
        ("thresholds.score", |m, _| drop(m["classes"].as_array_mut().unwrap().pop())),
        ("classes", |m, _| {
            m["classes"].as_array_mut().unwrap().pop();
            m["thresholds"]["score"].as_object_mut().unwrap().remove("truck");
        }),
        ("self-test: golden/input.f32", |_, folder| cut(&folder.join("golden/input.f32"), 8)),
        ("golden/p16.f32", |_, folder| cut(&folder.join("golden/p16.f32"), 7)),
        ("output `p16` has", |_, folder| cut(&folder.join("golden/p16.f32"), 8)),
        ("output `p16` deviates", |_, folder| {
            std::fs::copy(folder.join("golden/p8.f32"), folder.join("golden/p16.f32")).unwrap();
            cut(&folder.join("golden/p16.f32"), std::fs::metadata(folder.join("golden/p16.f32")).unwrap().len() / 4);
        }),
    ];
    for (field, change) in changes {
        let Some(said) = refusal(change) else { return };
        assert!(said.contains(field), "{field}: {said}");
    }
    let Some(said) = refusal(|_, folder| std::fs::remove_file(folder.join(GRAPH)).unwrap()) else { return };
    assert!(said.contains(GRAPH), "{said}");
}

#[test]
fn a_provider_that_is_absent_does_not_keep_the_model_from_running() {
    let Some(model) = road_objects() else { return };
    let output = inspect(&["detect", "--providers", "cuda,openvino,cpu", "--objects-model", &model, "none.png"]);
    // The picture is missing, the model opens.
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("none.png"));
}

#[test]
fn the_shipped_models_pass_their_own_golden_test_here_in_every_format() {
    let Some(models) = shipped() else { return };
    for name in ["road-objects", "plates", "plate-text"] {
        let mut runner = foreign::runner();
        for variant in [None, Some("int8")] {
            let bytes = model_bytes(&models.join(name), variant).unwrap();
            assert!(!bytes.golden_input.is_empty() && !bytes.golden_outputs.is_empty());
            runner.open(&bytes, &["cpu".to_owned()]).unwrap();
        }
    }
}

/// ONNX Runtime's wheel keeps what it wants to send in a database in the user's cache; there must be none.
#[test]
fn a_command_that_runs_models_leaves_no_telemetry_behind() {
    let Some(model) = road_objects() else { return };
    let library = find(None, &Surroundings::of_this_process()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let picture = home.path().join("grey.png");
    RgbImage::from_pixel(64, 48, Rgb([90, 90, 90])).save(&picture).unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_edge-agent"))
        .args(["inspect", "detect", "--library"])
        .arg(library)
        .arg("--objects-model")
        .arg(&model)
        .arg(&picture)
        .env_remove("ORT_DISABLE_TELEMETRY")
        .env_remove("XDG_CACHE_HOME")
        .env("HOME", home.path())
        .status()
        .unwrap();
    assert!(status.success());
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["grey.png"]);
}

#[test]
fn every_frame_of_a_video_is_analysed_and_the_cars_are_tracks() {
    let Some(model) = road_objects() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (film, mot) = (drive(folder.path()), folder.path().join("mot.txt"));
    let files = ["--mot", mot.to_str().unwrap(), "--objects-model", &model];
    let output = inspect(&[&["track", film.to_str().unwrap()], &files[..]].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("40 frames, "), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let rows = std::fs::read_to_string(&mot).unwrap();
    let tracks: BTreeSet<&str> = rows.lines().filter_map(|row| row.split(',').nth(1)).collect();
    assert!((2..=4).contains(&tracks.len()) && rows.lines().count() > 60, "{rows}");
}

#[test]
fn a_video_that_is_none_is_named() {
    let Some(model) = road_objects() else { return };
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("noise.mp4");
    std::fs::File::create(&video).unwrap().set_len(5000).unwrap();
    let mot = folder.path().join("mot.txt");
    let files = ["--mot", mot.to_str().unwrap(), "--objects-model", &model];
    let output = inspect(&[&["track", video.to_str().unwrap()], &files[..]].concat());
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("noise.mp4"), "{said}");
}

#[test]
fn plates_of_a_picture_come_with_text_alternates_and_box() {
    let Some(models) = shipped() else { return };
    let picture = models.join("plates/golden/picture.png");
    let boxes = tempfile::tempdir().unwrap();
    let arguments = ["plates", "--json", "-o", boxes.path().to_str().unwrap(), "--models", models.to_str().unwrap()];
    let output = inspect(&[&arguments[..], &[picture.to_str().unwrap()]].concat());
    let lines = lines(&output);
    let plates = lines[0]["plates"].as_array().unwrap();
    assert!(!plates.is_empty(), "{lines:?}");
    for plate in plates {
        assert!(plate["text"].is_string() && plate["alternates"].is_array(), "{plate}");
        assert_eq!(plate["box"].as_array().map(Vec::len), Some(4), "{plate}");
        assert!(plate["confidence"].as_f64().is_some_and(|p| (0.0..=1.0).contains(&p)), "{plate}");
    }
    assert!(boxes.path().join("picture.png").is_file());
}

#[test]
fn a_replay_gives_the_same_events_every_time() {
    let Some(model) = road_objects() else { return };
    let folder = tempfile::tempdir().unwrap();
    let film = drive(folder.path());
    let replay = || {
        let output = Command::new(env!("CARGO_BIN_EXE_edge-agent"))
            .args(["replay", "--json", "--plates", "off", "--start", "2030-01-02T03:04:05Z", "--objects-model"])
            .arg(&model)
            .arg(&film)
            .output()
            .unwrap();
        lines(&output)
    };
    let events = replay();
    let tracks: Vec<&Value> = events.iter().filter(|event| event["lane"] == "object").collect();
    assert!(!tracks.is_empty(), "{events:?}");
    assert!(serde_json::to_string(&tracks).unwrap().contains("car"), "{tracks:?}");
    assert_eq!(events, replay());
}

/// A street that a camera sees for 75 s at two frames a second, a key frame every ten, each coded alike.
fn film(folder: &Path, name: &str, filter: &str) -> PathBuf {
    let film = folder.join(name);
    let mut draw = Command::new("ffmpeg");
    draw.args(["-v", "error", "-f", "lavfi", "-i", filter, "-frames:v", "150", "-c:v", "libx264", "-qp", "24"]);
    let drawn = draw.args(["-g", "10", "-pix_fmt", "yuv420p"]).arg(&film).status().expect("ffmpeg, see setup-test");
    assert!(drawn.success(), "{filter}");
    film
}

#[test]
fn a_picture_that_stands_still_for_a_minute_is_an_alert_and_one_with_noise_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let one = "testsrc2=size=640x360:rate=2,loop=loop=-1:size=1:start=0";
    let still = film(folder.path(), "still.mp4", one);
    let alive = film(folder.path(), "alive.mp4", &format!("{one},noise=alls=12:allf=t"));
    let Some(models) = shipped() else { return };
    let alerts = |film: &Path| {
        let mut replay = Command::new(env!("CARGO_BIN_EXE_edge-agent"));
        replay.args(["replay", "--json", "--plates", "off", "--start", "2030-01-02T03:04:05Z", "--models"]);
        let output = replay.arg(&models).arg(film).output().unwrap();
        lines(&output).into_iter().filter(|event| event["lane"] == "alert").collect::<Vec<Value>>()
    };
    let told = alerts(&still);
    assert_eq!(told.len(), 2, "{told:?}");
    let record = |place: usize| told[place]["record"].to_string();
    assert!(record(0).contains("frozen") && record(0).contains("03:05:0"), "{told:?}");
    assert!(record(1).contains("no longer frozen"), "{told:?}");
    assert_eq!(alerts(&alive), Vec::<Value>::new());
}
