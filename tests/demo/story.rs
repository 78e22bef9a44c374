//! What happens in the demo, in order.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use edge_tests::process::Process;
use nix::sys::signal::Signal;

use crate::Arguments;
use crate::cameras::{Began, Cameras};
use crate::center::Center;
use crate::report;
use crate::score::Gate;
use crate::steps::Steps;
use crate::summary::{Clip, Summary};
use crate::world::{CameraLine, Places, UNIT, World, output_of};

/// When the link is cut, and for how long.
const CUT_AFTER: Duration = Duration::from_secs(20);
const CUT_FOR: Duration = Duration::from_secs(10);
/// The gate that is drawn: a seed, fonts and texts that no training has seen.
const GATE_SEED: &str = "20261";
const GATE_SECONDS: &str = "60";
/// How far back the clip goes.
const CLIP: Duration = Duration::from_secs(15);

/// What is watched.
pub(crate) struct Scene {
    /// The cameras as the agent is told.
    pub(crate) cameras: Vec<CameraLine>,
    /// The gate's truth and when it began to play; absent with a visitor's own camera.
    pub(crate) gate: Option<(Gate, Began)>,
}

/// Plays the whole demo.
pub(crate) fn play(arguments: &Arguments) -> Result<Summary> {
    let steps = Steps::begin();
    let interrupted = until_interrupted()?;
    let places = places(&arguments.folder)?;
    let server = Cameras::start()?;
    let scene = scene(arguments, &places, &server, &steps)?;
    let test_plate = scene.gate.as_ref().and_then(|(gate, _)| gate.passes.first()).map(|pass| pass.plate.clone());
    let mut world = World::start(&places, &scene.cameras, test_plate.as_deref(), &|words| steps.say(words))?;
    let center = Center::at(world.center_port);
    steps.say("what the center receives (rtcc watch):");
    let mut watch = watch(&places, &center)?;
    let began = Instant::now();
    let wait = |world: &mut World, until: Duration| wait(world, &interrupted, began, until);
    let end = if arguments.seconds == 0 { Duration::MAX } else { Duration::from_secs(arguments.seconds) };
    wait(&mut world, CUT_AFTER.min(end));
    if end > CUT_AFTER + CUT_FOR && !interrupted.load(Ordering::SeqCst) {
        steps.say("*** the link to the broker is cut: the unit goes on alone ***");
        world.set_link(false);
        wait(&mut world, CUT_AFTER + CUT_FOR);
        world.set_link(true);
        steps.say("*** the link is healed: everything that was kept now arrives ***");
    }
    wait(&mut world, end);
    let clip = clip(&places, &center, scene.cameras.first().map_or("street", |camera| camera.id), &steps);
    // The unit says what it has still to say when it stops; the center takes it before it is asked.
    steps.say("the agent stops, in the order of the data");
    let watched_s = began.elapsed().as_secs_f64();
    let ended = SystemTime::now();
    world.agent.signal(Signal::SIGTERM);
    world.agent.wait(Duration::from_secs(30));
    let mut summary = report::gather(&center, &scene, watched_s, ended)?;
    match clip {
        Ok(clip) => summary.clip = Some(clip),
        Err(error) => summary.broken.push(format!("a verified clip: {error:#}")),
    }
    end_child(&mut watch);
    world.stop()?;
    report::judge(&mut summary, arguments.seconds);
    report::show(&summary, &places.folder)?;
    Ok(summary)
}

/// Set by ^C or a polite kill.
fn until_interrupted() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&interrupted);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                () = async { match terminate.as_mut() { Some(signal) => { signal.recv().await; } None => std::future::pending().await } } => {}
            }
        });
        noted.store(true, Ordering::SeqCst);
    })?;
    Ok(interrupted)
}

/// Waits until `until` after `began`, or until somebody interrupts or a program ends.
fn wait(world: &mut World, interrupted: &AtomicBool, began: Instant, until: Duration) {
    while began.elapsed() < until && !interrupted.load(Ordering::SeqCst) {
        if world.agent.try_wait().is_some() || world.center.try_wait().is_some() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn places(folder: &Path) -> Result<Places> {
    std::fs::create_dir_all(folder)?;
    let programs = std::env::current_exe()?.parent().map(Path::to_owned).context("where am I?")?;
    let models = Path::new("models").canonicalize().context("the demo runs in the repository's root")?;
    Ok(Places { programs, folder: folder.canonicalize()?, models })
}

fn scene(arguments: &Arguments, places: &Places, server: &Cameras, steps: &Steps) -> Result<Scene> {
    if !arguments.source.is_empty() {
        let source = own_source(&arguments.source);
        let camera = CameraLine { id: "own", name: "your own camera", source, plates: "vehicles" };
        return Ok(Scene { cameras: vec![camera], gate: None });
    }
    let street = output_of(Path::new("edge-agent/setup/street-video"), &[])?;
    steps.say("street: a real surveillance clip, 768x576, 10 frames a second, played in a loop");
    let gate = draw_gate(places, steps)?;
    let truth: Gate = serde_json::from_slice(&std::fs::read(gate.join("gate.json"))?)?;
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

fn own_source(source: &str) -> String {
    if source.starts_with("rtsp://") || source.starts_with("rtsps://") {
        format!("kind = \"rtsp\"\nurl = \"{source}\"")
    } else if source.starts_with("/dev/") {
        format!("kind = \"v4l2\"\ndevice = \"{source}\"")
    } else {
        format!("kind = \"file\"\npath = \"{source}\"\nrepeat = true")
    }
}

/// Draws the gate once; the folder with the video and its truth.
fn draw_gate(places: &Places, steps: &Steps) -> Result<PathBuf> {
    let folder = places.folder.join("gate");
    if !folder.join("gate.json").exists() {
        steps.say("drawing the gate (once, about a minute)");
        let folder = folder.to_string_lossy();
        let program = "cd models && exec /usr/bin/python3 -m training gate \"$@\"";
        let arguments = ["-c", program, "gate", "--out", &folder, "--seed", GATE_SEED, "--seconds", GATE_SECONDS];
        output_of(Path::new("/bin/bash"), &arguments)?;
    }
    Ok(folder)
}

/// Shows live what the center receives.
fn watch(places: &Places, center: &Center) -> Result<Child> {
    let mut watch = Command::new(places.programs.join("rtcc"))
        .args(["watch", "--center", center.address()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start rtcc watch")?;
    let lines = watch.stdout.take().context("no output of rtcc watch")?;
    thread::Builder::new().name("watch".to_owned()).spawn(move || {
        for line in BufReader::new(lines).lines().map_while(std::result::Result::ok) {
            println!("    {line}");
        }
    })?;
    Ok(watch)
}

/// Asks for the last seconds of a camera with purpose and case, as an investigator would.
fn clip(places: &Places, center: &Center, camera: &str, steps: &Steps) -> Result<Clip> {
    let to = jiff::Timestamp::now() - Duration::from_secs(2);
    let from = to - CLIP;
    let file = places.folder.join("clip.mp4");
    let pki = places.folder.join("pki");
    steps.say(&format!(
        "asking unit {UNIT} for {} s of camera {camera}, purpose investigation, case DEMO-2026-1",
        CLIP.as_secs()
    ));
    let mut command = Command::new(places.programs.join("rtcc"));
    command.args(["clip", "--center", center.address(), "--unit", UNIT, "--camera", camera]);
    command.args(["--from", &from.to_string(), "--to", &to.to_string()]);
    command.args(["--purpose", "investigation", "--case", "DEMO-2026-1"]);
    command
        .arg("--cert")
        .arg(pki.join("person-investigator.pem"))
        .arg("--key")
        .arg(pki.join("person-investigator.key"));
    command.arg("--root").arg(pki.join("root.pem")).arg("-o").arg(&file);
    let mut asking = Process::spawn("rtcc clip", &mut command);
    let status = asking.wait(Duration::from_mins(1));
    let said = asking.lines();
    for line in &said {
        println!("    {line}");
    }
    anyhow::ensure!(status.success(), "rtcc clip ended with {status}");
    let decoded =
        Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(&file).args(["-f", "null", "-"]).output()?;
    anyhow::ensure!(
        decoded.status.success() && decoded.stderr.is_empty(),
        "ffmpeg finds fault with the clip: {}",
        String::from_utf8_lossy(&decoded.stderr)
    );
    steps.say(&format!("clip verified, and ffmpeg decodes it without a word: {}", file.display()));
    let line = |word: &str| said.iter().find(|line| line.contains(word)).cloned().unwrap_or_default();
    Ok(Clip {
        asked: format!("{from}..{to}"),
        actual: line("actual"),
        bytes: std::fs::metadata(&file)?.len(),
        gaps: said.iter().filter(|line| line.contains("gap:")).count() as u64,
        verified: true,
        file: file.display().to_string(),
    })
}

fn end_child(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
        eprintln!("demo: rtcc watch did not end: {error}");
    }
}
