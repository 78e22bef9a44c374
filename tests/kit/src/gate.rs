//! A gate with vehicles and plates of known texts, drawn once and kept below `target`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::program;
use crate::rtsp::{Access, Coding, Reel, RtspCamera};

/// Texts, fonts and background that no training has seen.
const SEED: &str = "50923";
const SECONDS: &str = "13";
/// Pictures a second, as the drawing program makes them unless told otherwise.
const FPS: u32 = 15;
/// What a camera's table says so that the plates are read.
pub const SETTINGS: &str = "plates = \"frame\"\nanalysed_fps = 15.0\nquota_bytes = 1073741824\n";

/// The drawn video and what can be read in it.
#[derive(Debug)]
pub struct Gate {
    /// H.264 without B-frames in an MP4.
    video: PathBuf,
    /// The texts, by their first moment.
    pub plates: Vec<String>,
}

impl Gate {
    /// A camera that stands at it.
    pub fn camera(&self, access: Access) -> RtspCamera {
        RtspCamera::start_with(Reel::file(&self.video, Coding::H264, FPS), access)
    }
}

/// The gate, drawn if it is not there yet; none, with a word why, where it cannot be drawn.
pub fn drawn() -> Option<Gate> {
    let folder = program("edge-agent").with_file_name("stories").join(format!("gate-{SEED}"));
    if !folder.join("gate.mp4").exists() {
        draw(&folder)?;
    }
    let truth = std::fs::read(folder.join("gate.json")).expect("the gate's truth");
    let truth: Value = serde_json::from_slice(&truth).expect("the gate's truth is JSON");
    let passes = truth["passes"].as_array().expect("passes");
    let plates = passes.iter().map(|pass| pass["plate"].as_str().expect("a plate").to_owned()).collect();
    Some(Gate { video: folder.join("gate.mp4"), plates })
}

fn draw(folder: &Path) -> Option<()> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let mut needs = Command::new("/usr/bin/python3");
    needs.args(["-c", "import numpy, PIL, cv2"]).stderr(Stdio::null());
    if !needs.status().is_ok_and(|status| status.success()) {
        let why = "no Python with numpy, PIL and cv2 to draw a gate with (edge-agent/setup/packages test)";
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
        eprintln!("SKIPPED: {why}");
        return None;
    }
    // Drawn elsewhere and moved, so that a folder of this name is whole whoever else draws at the same time.
    let parent = folder.parent().expect("a folder in a folder");
    std::fs::create_dir_all(parent).expect("a folder for drawn videos");
    let own = tempfile::tempdir_in(parent).expect("a folder to draw in");
    let mut draw = Command::new("/usr/bin/python3");
    draw.current_dir(models).args(["-m", "training", "gate", "--seed", SEED, "--seconds", SECONDS, "--out"]);
    let drawn = draw.arg(own.path().join("gate")).output().expect("run the drawing program");
    assert!(drawn.status.success(), "the gate cannot be drawn: {}", String::from_utf8_lossy(&drawn.stderr));
    if let Err(error) = std::fs::rename(own.path().join("gate"), folder) {
        assert!(folder.join("gate.mp4").exists(), "{}: {error}", folder.display());
    }
    Some(())
}
