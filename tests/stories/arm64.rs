//! The agent and the center for aarch64, run under qemu's user emulation: on the same short film the agent of the box
//! and the agent of this machine tell the same events. `make arm64` builds what this runs.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files and says aloud what it skips and what it found"
)]

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

/// Vector units of two kinds add in another order, so scores differ in their last places.
const MOST_DIFFERENCE: f64 = 0.02;
/// Boxes' middles, in thousandths of the picture.
const MOST_SHIFT: f64 = 3.0;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder that cargo builds into: `target`, or what `CARGO_TARGET_DIR` says.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().to_path_buf()
}

/// A program for the box, or why the story is skipped.
fn arm64(program: &str) -> Option<PathBuf> {
    let path = target().join("arm64/aarch64-unknown-linux-gnu/release").join(program);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there: run `make arm64`, which says what it needs", path.display());
    None
}

/// This machine's own agent: the newest that was built beside this test.
fn native() -> Option<PathBuf> {
    let found = newest(&target());
    if found.is_none() {
        eprintln!("SKIPPED: no edge-agent of this machine to compare with: run `make build`");
    }
    found
}

/// The agent that was built last into a target folder, of whichever profile.
fn newest(target: &Path) -> Option<PathBuf> {
    let built = |path: PathBuf| Some((path.metadata().ok().filter(Metadata::is_file)?.modified().ok()?, path));
    let found = ["release", "debug"].map(|profile| target.join(profile).join("edge-agent"));
    found.into_iter().filter_map(built).max().map(|(_, path)| path)
}

fn setup(words: &[&str]) -> Command {
    let mut command = Command::new(repository().join("edge-agent/setup/arm64"));
    command.args(words);
    command
}

fn text(output: Output, what: &str) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{what}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Twelve frames of drawn gate pictures: emulated floating point takes some five seconds for each.
fn film(folder: &Path) -> PathBuf {
    use std::fmt::Write as _;
    let mut list = String::new();
    for number in 0..5 {
        let picture = repository().join(format!("models/check/gate_{number:02}.jpg")).canonicalize().unwrap();
        writeln!(list, "file '{}'\nduration 0.8", picture.display()).unwrap();
    }
    let (names, film) = (folder.join("list"), folder.join("gate.mp4"));
    std::fs::write(&names, list).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "concat", "-safe", "0", "-i"]).arg(names);
    command.args([
        "-r",
        "10",
        "-ss",
        "1.4",
        "-frames:v",
        "12",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "18",
        "-g",
        "10",
        "-bf",
        "0",
    ]);
    command.args(["-threads", "1", "-pix_fmt", "yuv420p"]).arg(&film);
    text(command.output().unwrap(), "ffmpeg");
    film
}

/// The events that an agent tells about the film.
fn replay(mut agent: Command, library: &str, film: &Path) -> Vec<Value> {
    agent.args(["replay", "--json", "--plates", "frame", "--publish", "all", "--library", library, "--models"]);
    agent.arg(repository().join("models")).arg(film).env("ORT_DISABLE_TELEMETRY", "1");
    let told = text(agent.output().unwrap(), "replay");
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where two values differ by more than arithmetic explains.
fn differences(path: &str, box_s: &Value, ours: &Value, found: &mut Vec<String>) {
    match (box_s, ours) {
        (Value::Object(one), Value::Object(other)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            if keys(one) != keys(other) {
                found.push(format!("{path}: fields {:?} and {:?}", keys(one), keys(other)));
            }
            for (key, value) in one {
                differences(&format!("{path}.{key}"), value, other.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differences(&format!("{path}[{index}]"), one, other, found);
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            let is_place = matches!(path.rsplit('.').next(), Some("x" | "y"));
            let most = if is_place { MOST_SHIFT } else { MOST_DIFFERENCE };
            if (one - other).abs() > most {
                found.push(format!("{path}: {one} and {other}"));
            }
        }
        // The hash of a picture whose edge may fall on another pixel.
        _ if path.rsplit('.').next() == Some("crop") => {}
        _ if box_s == ours => {}
        _ => found.push(format!("{path}: {box_s} and {ours}")),
    }
}

#[test]
fn the_box_tells_the_same_events_as_this_machine() {
    let (Some(agent), Some(own)) = (arm64("edge-agent"), native()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path());
    let library = text(setup(&["onnxruntime"]).output().unwrap(), "ONNX Runtime for arm64");
    let mut emulated = setup(&["exec"]);
    emulated.arg(agent);
    let box_s = replay(emulated, library.trim(), &film);
    let library = Command::new(repository().join("edge-agent/setup/onnxruntime")).output().unwrap();
    let ours = replay(Command::new(own), text(library, "ONNX Runtime").trim(), &film);
    assert!(ours.len() >= 5, "too little happens in the film to compare: {} events", ours.len());
    assert_eq!(box_s.len(), ours.len(), "events of the box and of this machine");
    let mut found = Vec::new();
    for (number, (one, other)) in box_s.iter().zip(&ours).enumerate() {
        differences(&format!("event {number}"), one, other, &mut found);
    }
    let equal = box_s.iter().zip(&ours).filter(|(one, other)| one == other).count();
    eprintln!("{} events, {equal} of them equal in every digit", ours.len());
    assert!(found.is_empty(), "the box and this machine differ:\n{}", found.join("\n"));
}

#[test]
fn agent_and_center_for_the_box_start() {
    for program in ["edge-agent", "rtcc"] {
        let Some(path) = arm64(program) else { return };
        let told = text(setup(&["exec"]).arg(path).arg("--version").output().unwrap(), program);
        assert_eq!(told.trim(), format!("{program} {}", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_difference_that_arithmetic_does_not_explain_is_found() {
    let event = |text: &str, score: f64, x: i64| serde_json::json!({ "text": text, "confidence": score, "x": x });
    let found = |one: Value, other: Value| {
        let mut found = Vec::new();
        differences("event", &one, &other, &mut found);
        found.len()
    };
    assert_eq!(found(event("AB1", 0.91, 500), event("AB1", 0.92, 502)), 0);
    assert_eq!(found(event("AB1", 0.91, 500), event("AB7", 0.91, 500)), 1);
    assert_eq!(found(event("AB1", 0.91, 500), event("AB1", 0.95, 504)), 2);
    assert_eq!(found(serde_json::json!([1, 2]), serde_json::json!([1])), 1);
}

#[test]
fn of_two_agents_of_this_machine_the_one_built_last_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(newest(folder.path()), None);
    let build = |profile: &str, second: u64| {
        let path = folder.path().join(profile).join("edge-agent");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
        path
    };
    let release = build("release", 1);
    assert_eq!(newest(folder.path()), Some(release));
    let debug = build("debug", 2);
    assert_eq!(newest(folder.path()), Some(debug));
    let release = build("release", 3);
    assert_eq!(newest(folder.path()), Some(release));
}
