//! `edge-agent doctor`: green on a healthy unit, and red with the right advice for each of the injected faults.
//!
//! The doctor is called as a library, so that a story can say what time it is and what a simulated board reads; one
//! story starts the program itself beside a running agent.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story writes plain files and starts threads")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use edge_agent::app::doctor::{Around, Machine, Report, Verdict, examine};
use edge_agent::peripherals::simulated::Bench;
use edge_agent::peripherals::{Amperes, Power, Tilt, Volts};
use edge_protocol::time::{ClockQuality, WallStamp, WallTime};
use edge_tests::pki::Pki;
use edge_tests::port;
use edge_tests::process::program;
use edge_tests::rtsp::{Access, Coding, Reel, RtspCamera};
use edge_tests::world::{CAMERA, CameraPlan, Plan, UNIT, World};

/// Enough video for a ring to tell of.
const VIDEO: Duration = Duration::from_secs(3);
/// Faults that are looked into at a time: each starts models of its own.
const AT_A_TIME: usize = 3;

/// A box that was never told the time.
const NEVER_SET: WallStamp = WallStamp { time: WallTime::from_millis(60_000), quality: ClockQuality::Free };
/// A supply below what the box needs.
const WEAK: Power = Power { voltage: Volts(9.0), current: Amperes(1.0) };

/// A camera that looks at a gate.
fn gate() -> RtspCamera {
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/check/gate_00.jpg");
    RtspCamera::start(Reel::still(&picture, (1280, 720), 10, 30))
}

/// That camera with a place, on a simulated board.
fn plan(gate: &RtspCamera) -> Plan {
    let place = "[camera.place]\nlatitude = 34.0195\nlongitude = -118.4912\n";
    let source = format!("kind = \"rtsp\"\n{}\n{place}", rtsp(&gate.url()));
    Plan {
        cameras: vec![CameraPlan { source, ..CameraPlan::test(CAMERA) }],
        head: "board = \"sim\"\n".to_owned(),
        metrics: Some(port::free()),
        ..Plan::default()
    }
}

fn around() -> Around {
    let now = WallTime::from_micros(jiff::Timestamp::now().as_microsecond());
    Around {
        now: WallStamp { time: now, quality: ClockQuality::Synchronised { bound_ms: 20 } },
        program: program("edge-agent"),
        bench: Bench::default(),
        machine: Machine::default(),
        running: None,
    }
}

/// A unit that has recorded, told and been acknowledged, and then was stopped.
fn healthy(gate: &RtspCamera) -> World {
    let mut world = World::with("metro", plan(gate));
    world.start_agent();
    world.wait_for_video(VIDEO);
    world.wait_for_records("health", 3);
    world.nothing_is_missing_or_counted_twice();
    world.stop_agent();
    world
}

/// A fault: its name, what it makes of the configuration, what it does to the surroundings, which check must be red,
/// and a piece of its advice.
struct Fault<'f> {
    name: &'f str,
    config: Box<dyn Fn(&str) -> String + Sync + 'f>,
    around: fn(&mut Around),
    check: &'f str,
    advice: &'f str,
}

/// A fault of the configuration: a line that begins so becomes another.
fn line<'f>(name: &'f str, begin: &'f str, becomes: String, check: &'f str, advice: &'f str) -> Fault<'f> {
    let config = move |text: &str| {
        let lines = text.lines().map(|line| if line.starts_with(begin) { becomes.as_str() } else { line });
        let changed = lines.collect::<Vec<_>>().join("\n");
        assert_ne!(changed, text, "{name}: no line begins with {begin:?}");
        changed
    };
    Fault { name, config: Box::new(config), around: |_| {}, check, advice }
}

/// A fault of the surroundings.
fn place<'f>(name: &'f str, around: fn(&mut Around), check: &'f str, advice: &'f str) -> Fault<'f> {
    Fault { name, config: Box::new(str::to_owned), around, check, advice }
}

fn rtsp(url: &str) -> String {
    format!("url = \"{url}\"")
}

/// The models with one whose manifest names another hash.
fn wrong_models(folder: &Path) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let models = folder.join("wrong-models");
    std::fs::create_dir_all(models.join("plates")).expect("folder");
    for name in ["road-objects", "plate-text"] {
        std::os::unix::fs::symlink(shipped.join(name), models.join(name)).expect("link");
    }
    std::fs::copy(shipped.join("plates/plates.onnx"), models.join("plates/plates.onnx")).expect("copy");
    let manifest = std::fs::read_to_string(shipped.join("plates/manifest.json")).expect("manifest");
    let (before, rest) = manifest.split_once("\"sha256\": \"").expect("a hash");
    let (hash, after) = rest.split_once('"').expect("its end");
    let turned: String = hash.chars().rev().collect();
    std::fs::write(models.join("plates/manifest.json"), format!("{before}\"sha256\": \"{turned}\"{after}"))
        .expect("write");
    models
}

/// A configuration that names a library which is not there.
fn without_runtime<'f>() -> Fault<'f> {
    let config = |text: &str| {
        let kept = text.lines().filter(|line| !line.starts_with("library = "));
        let named =
            |line: &str| if line == "[models]" { "[models]\nlibrary = \"/nowhere/lib.so\"" } else { line }.to_owned();
        kept.map(named).collect::<Vec<_>>().join("\n")
    };
    let advice = "[models] library";
    Fault { name: "runtime", config: Box::new(config), around: |_| {}, check: "runtime library", advice }
}

fn faults_of_the_line<'f>(world: &World, other: &Pki) -> Vec<Fault<'f>> {
    let expired = world.pki.expired_unit(UNIT).certificate_path;
    let closed = port::free();
    vec![
        line("broker down", "port = ", format!("port = {closed}"), "broker", "the broker may be down"),
        line("other authority", "ca = ", format!("ca = {:?}", other.root_path()), "broker", "another authority"),
        line("expired", "certificate = ", format!("certificate = {expired:?}"), "certificate", "renew"),
        line("no key", "key = ", "key = \"/nowhere/unit.key\"".to_owned(), "broker", "where [uplink] names them"),
        line("mistake", "every_s = ", "every_s = 0".to_owned(), "configuration", "correct the lines"),
        place("1970", |around| around.now = NEVER_SET, "clock", "time server"),
    ]
}

fn faults_of_the_unit<'f>(world: &World, guarded: &str) -> Vec<Fault<'f>> {
    let models = wrong_models(&world.file("."));
    let nobody = rtsp(&format!("rtsp://127.0.0.1:{}/s", port::free()));
    vec![
        line("wrong camera", "url = ", nobody, "camera", "check the port"),
        line("password", "url = ", rtsp(guarded), "camera", "source.credentials"),
        line("no disk", "data_dir = ", "data_dir = \"/proc/edge-agent\"".to_owned(), "disk", "writable"),
        line("model", "dir = ", format!("dir = {models:?}"), "model", "install the models anew"),
        without_runtime(),
        place("tilted", |around| around.bench.tilt = Tilt { x_mg: 500, y_mg: 0, z_mg: 866 }, "tilt", "straighten"),
        place("weak", |around| around.bench.power = Some(WEAK), "power", "terminals"),
        place("dead sensor", |around| around.bench.celsius = None, "board part", "plug"),
    ]
}

fn check(world: &World, fault: &Fault<'_>) -> Result<(), String> {
    let text = std::fs::read_to_string(world.configuration()).expect("the configuration");
    let path = world.file(&format!("{}.toml", fault.name.replace(' ', "-")));
    std::fs::write(&path, (fault.config)(&text)).expect("write");
    let mut around = around();
    (fault.around)(&mut around);
    let report = examine(&path, &around);
    let found = report.findings.iter().any(|finding| {
        let advice = finding.advice.as_deref().unwrap_or_default();
        finding.check == fault.check && finding.verdict == Verdict::Failed && advice.contains(fault.advice)
    });
    let (name, check, advice) = (fault.name, fault.check, fault.advice);
    if found && report.verdict == Verdict::Failed {
        Ok(())
    } else {
        Err(format!("{name}: no red check of {check} that advises {advice:?} in\n{report}\n"))
    }
}

/// What a machine of any kind may not have, so that nothing is checked there.
const OF_BOARDS: [&str; 4] = ["disk wear", "storage key", "watchdog", "slots"];

/// Everything is well but, on a machine that others use too, the speed of its disk.
fn assert_green(report: &Report) {
    let slow = |advice: &str| advice.contains("too slow");
    for finding in &report.findings {
        let excused = finding.check == "disk" && finding.advice.as_deref().is_some_and(slow);
        let absent = finding.verdict == Verdict::Unchecked && OF_BOARDS.contains(&finding.check.as_str());
        assert!(finding.verdict == Verdict::Ok || excused || absent, "not green:\n{report}");
    }
}

#[test]
fn a_healthy_unit_is_green_and_each_fault_is_red_with_its_advice() {
    let gate = gate();
    let world = healthy(&gate);
    let report = examine(&world.configuration(), &around());
    assert_green(&report);
    for check in ["camera", "picture", "clock", "disk", "ring", "runtime library", "model", "self-test", "broker"] {
        assert!(report.findings.iter().any(|finding| finding.check == check), "no check of {check}:\n{report}");
    }
    for check in ["certificate", "center", "position", "tilt", "power", "heat", "inference"].iter().chain(&OF_BOARDS) {
        assert!(report.findings.iter().any(|finding| finding.check == *check), "no check of {check}:\n{report}");
    }

    let digest = Some(("viewer".to_owned(), "secret".to_owned()));
    let guarded = RtspCamera::start_with(Reel::drawn(Coding::H264, (320, 180), 10, 30), Access { digest, tls: None });
    let other = Pki::new("metro");
    let mut faults = faults_of_the_line(&world, &other);
    faults.extend(faults_of_the_unit(&world, &guarded.url()));
    let mut wrong = Vec::new();
    for some in faults.chunks(AT_A_TIME) {
        std::thread::scope(|scope| {
            let world = &world;
            let checks: Vec<_> = some.iter().map(|fault| scope.spawn(move || check(world, fault))).collect();
            wrong.extend(checks.into_iter().filter_map(|thread| thread.join().expect("the doctor").err()));
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} faults, each red with its advice", faults.len());
}

#[test]
fn beside_a_running_agent_the_doctor_asks_it_and_leaves_its_connection_alone() {
    let gate = gate();
    let mut world = World::with("metro", plan(&gate));
    world.start_agent();
    world.wait_for_video(VIDEO);
    world.wait_for_records("health", 3);
    let mut command = Command::new(program("edge-agent"));
    let output = command.arg("doctor").arg("--json").arg("--config").arg(world.configuration()).output();
    let output = output.expect("run the doctor");
    let report: Report = serde_json::from_slice(&output.stdout).expect("a report as JSON");
    assert_eq!(output.status.code(), Some(report.verdict as i32), "{report}");
    // Whether this machine's clock follows a source is its own affair.
    let others = report.findings.iter().filter(|finding| finding.check != "clock").cloned().collect();
    assert_green(&Report::new(others));
    let measured = |check: &str| {
        let found = report.findings.iter().find(|finding| finding.check == check);
        found.map(|finding| finding.measured.clone()).unwrap_or_default()
    };
    assert!(measured("agent").contains("runs for"), "{report}");
    assert!(measured("broker").contains("the agent is connected"), "{report}");
    assert!(world.agent_lives());
    let said = world.stop_agent().join("\n");
    assert!(!said.contains("the connection to the broker ended"), "the doctor took the agent's connection:\n{said}");
}
