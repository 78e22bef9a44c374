//! What the demo's cameras look at: the street and the gate, or the visitor's own source.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cameras::{Began, Cameras};
use crate::score::Gate;
use crate::steps::Steps;
use crate::world::{CameraLine, Places, output_of};

/// The gate that is drawn: texts, fonts and backgrounds that no training has seen, and a seed that no rule was made on.
const GATE_SEED: &str = "40417";
const GATE_SECONDS: &str = "60";

/// What is watched.
pub(crate) struct Scene {
    /// The cameras as the agent is told.
    pub(crate) cameras: Vec<CameraLine>,
    /// The gate's truth and when it began to play; absent with a visitor's own camera.
    pub(crate) gate: Option<(Gate, Began)>,
}

/// The demo's two cameras, or the visitor's own.
pub(crate) fn set(source: &str, places: &Places, server: &Cameras, steps: &Steps) -> Result<Scene> {
    if !source.is_empty() {
        let source = own_source(source, &places.folder)?;
        let camera = CameraLine { id: "own", name: "your own camera", source, plates: "vehicles" };
        return Ok(Scene { cameras: vec![camera], gate: None });
    }
    let street = output_of(&mut Command::new("edge-agent/setup/street-video"))?;
    steps.say("street: a real surveillance clip, 768x576, 10 frames a second, played in a loop");
    let gate = draw_gate(places, steps)?;
    let truth: Gate = serde_json::from_slice(&fs::read(gate.join("gate.json"))?)?;
    steps.say(&format!("gate: a drawn scene with {} passes of known plates a minute", truth.passes.len()));
    let (street_url, _) = server.play("street", Path::new(street.trim()))?;
    let (gate_url, began) = server.play("gate", &gate.join("gate.mp4"))?;
    steps.say(&format!("cameras: {street_url} and {gate_url}"));
    let rtsp = |url: &str| format!("kind = \"rtsp\"\nurl = \"{url}\"");
    let cameras = vec![
        CameraLine { id: "street", name: "Main St, looking north", source: rtsp(&street_url), plates: "vehicles" },
        CameraLine { id: "gate", name: "Depot gate", source: rtsp(&gate_url), plates: "frame" },
    ];
    Ok(Scene { cameras, gate: Some((truth, began)) })
}

/// Draws the gate once for its seed; the folder with the video and its truth.
fn draw_gate(places: &Places, steps: &Steps) -> Result<PathBuf> {
    let folder = places.folder.join(format!("gate-{GATE_SEED}"));
    if !folder.join("gate.mp4").exists() {
        steps.say("drawing the gate (once, about a minute)");
        let mut draw = Command::new("/usr/bin/python3");
        draw.current_dir(&places.models).args(["-m", "training", "gate", "--seed", GATE_SEED]);
        output_of(draw.args(["--seconds", GATE_SECONDS, "--out"]).arg(&folder)).context("the gate cannot be drawn")?;
    }
    Ok(folder)
}

/// The lines of `[camera.source]` for what the visitor named.
fn own_source(source: &str, folder: &Path) -> Result<String> {
    if source.starts_with("rtsp://") || source.starts_with("rtsps://") {
        return own_camera(source, folder);
    }
    let path = Path::new(source);
    let kind = fs::metadata(path)
        .with_context(|| format!("SOURCE={source} is neither rtsp://…, nor a file, nor a device like /dev/video0"))?
        .file_type();
    let path = quoted(&path.canonicalize()?.display().to_string());
    if kind.is_char_device() {
        return Ok(format!("kind = \"v4l2\"\ndevice = {path}"));
    }
    ensure!(kind.is_file(), "SOURCE={source} is neither a file nor a camera device");
    Ok(format!("kind = \"file\"\npath = {path}\nrepeat = true"))
}

/// An address as people type it, with user and password in it: they go into a file of their own, as on a unit.
fn own_camera(address: &str, folder: &Path) -> Result<String> {
    let Some((scheme, rest)) = address.split_once("://") else { bail!("SOURCE={address} is no address") };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let Some((login, host)) = authority.rsplit_once('@') else {
        return Ok(format!("kind = \"rtsp\"\nurl = {}", quoted(address)));
    };
    ensure!(login.contains(':'), "SOURCE names a user without a password: write rtsp://user:password@{host}{path}");
    let file = folder.join("own.credentials");
    if file.exists() {
        fs::remove_file(&file)?;
    }
    let mut open = fs::OpenOptions::new();
    let mut opened = open.write(true).create_new(true).mode(0o600).open(&file)?;
    std::io::Write::write_all(&mut opened, login.as_bytes())?;
    let (url, credentials) = (quoted(&format!("{scheme}://{host}{path}")), quoted(&file.display().to_string()));
    Ok(format!("kind = \"rtsp\"\nurl = {url}\ncredentials = {credentials}"))
}

/// A TOML string; JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_goes_into_a_private_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let lines = own_source("rtsp://ada:p@ss@192.0.2.10:554/main", folder.path()).unwrap();
        assert!(lines.contains("url = \"rtsp://192.0.2.10:554/main\""), "{lines}");
        assert!(!lines.contains("p@ss"), "{lines}");
        let file = folder.path().join("own.credentials");
        assert_eq!(fs::read_to_string(&file).unwrap(), "ada:p@ss");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_source_that_is_not_there_is_said_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let said = own_source("/nowhere/street.mp4", folder.path()).unwrap_err().to_string();
        assert!(said.contains("SOURCE=/nowhere/street.mp4"), "{said}");
        let film = folder.path().join("a \"film\".mp4");
        fs::write(&film, "x").unwrap();
        let lines = own_source(&film.display().to_string(), folder.path()).unwrap();
        assert!(lines.contains(r#"a \"film\".mp4""#) && lines.contains("repeat = true"), "{lines}");
    }
}
