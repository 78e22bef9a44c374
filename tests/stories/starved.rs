//! A unit whose processor is taken from it: on a quarter of one core it looks at less, says so, and goes on recording
//! and telling. Unit, center and broker are the real programs; the unit's two processes alone are starved.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts programs and reads the clock for deadlines")]

use std::time::Duration;

use edge_tests::gate;
use edge_tests::ration::Ration;
use edge_tests::rtsp::Access;
use edge_tests::world::{CAMERA, CameraPlan, Plan, World, signal};
use nix::sys::signal::Signal;
use serde_json::Value;

/// The cameras, all at the gate; the first one's plates are read.
const CAMERAS: [&str; 3] = [CAMERA, "north", "south"];
/// A group of pictures is two seconds, and health comes as late as anything else: longer than this between two newest
/// pictures is a hole.
const HOLE_US: i64 = 6_000_000;
/// What main process and worker may take more of memory on the ration. A queue without a bound would take what nobody
/// looks at, and a decoded picture is 1.4 MB: more than this in two seconds.
const GROWTH_BYTES: u64 = 96 << 20;

#[test]
fn on_a_quarter_of_a_core_analysis_gives_way_and_says_so_and_recording_and_hits_do_not() {
    let Ok(seconds) = std::env::var("STARVED_SECONDS") else {
        eprintln!("SKIPPED: it takes a minute; make test-long, or STARVED_SECONDS=10, runs it");
        return;
    };
    // So much video is recorded on the ration.
    let starved = Duration::from_secs(seconds.parse().expect("a number"));
    let Some(mut ration) = Ration::new() else { return };
    let Some(gate) = gate::drawn() else { return };
    let cameras = CAMERAS.map(|id| (id, gate.camera(Access::default())));
    let listed: Vec<String> = gate.plates.iter().map(|plate| format!("\"{plate}\"")).collect();
    let plans = cameras.iter().map(|(id, camera)| CameraPlan::rtsp(id, &camera.url()));
    let mut plan = Plan { cameras: plans.collect(), started_by: ration.started_by(), ..Plan::default() };
    gate::SETTINGS.clone_into(&mut plan.cameras[0].settings);
    plan.settings = format!("[hotlist]\ntest_plates = [{}]\n", listed.join(", "));
    let mut world = World::with("metro", plan);
    world.start_agent();
    world.wait_for_event("health", "all cameras are looked at", |event| each(event, |camera| analysed(camera) > 0));
    let (agent, worker) = (world.agent().pid(), world.worker(None));
    let memory = || resident(agent) + resident(worker.unsigned_abs());
    let before = memory();

    ration.cut();
    let cut = jiff::Timestamp::now();
    for id in CAMERAS {
        world.wait_for_video_after(id, cut + starved);
    }
    let late = cut + starved / 2;
    world.wait_for_event("hit", "a plate that passed on the ration is a hit", |event| {
        at_us(event) > late.as_microsecond()
    });
    let health = world.wait_for_health_after(late, 2);
    nothing_ended(&mut world, (agent, worker), health.last().expect("a health record"));
    let grown = memory().saturating_sub(before);
    assert!(grown < GROWTH_BYTES, "the unit took {grown} bytes more on the ration");
    analysis_gave_way_and_says_so(&health, cut);
    for (place, id) in CAMERAS.iter().enumerate() {
        recording_is_whole(&health, place);
        a_clip_is_whole(&world, id);
    }
    another_worker_comes(&mut world, worker);
    world.nothing_is_missing_or_counted_twice();
}

/// One that loads its libraries and models on the ration takes long, and the stage that waits for it shows that it
/// lives.
fn another_worker_comes(world: &mut World, worker: i32) {
    let killed = jiff::Timestamp::now().as_microsecond();
    signal(worker, Signal::SIGKILL);
    world.wait_for_event("health", "another worker looks", |event| {
        at_us(event) > killed
            && event["record"]["worker"]["restarts"].as_u64() > Some(0)
            && analysed(&event["record"]["cameras"][0]) > 0
    });
    no_stage_was_late(world);
}

/// Late enough for the watchdog.
fn no_stage_was_late(world: &mut World) {
    let said = world.agent().lines();
    assert!(!said.iter().any(|line| line.contains("do not beat")), "{}", said.join("\n"));
}

/// Neither process was ended by anybody, and no stage was late enough for the watchdog.
fn nothing_ended(world: &mut World, (agent, worker): (u32, i32), health: &Value) {
    assert!(world.agent_lives() && world.agent().pid() == agent);
    assert_eq!(world.worker(None), worker, "a worker that is slow is not one that hangs");
    assert_eq!(health["record"]["worker"]["restarts"], 0, "{health}");
    no_stage_was_late(world);
}

/// Every camera is looked at less than all of the time, and still now and then.
fn analysis_gave_way_and_says_so(health: &[Value], cut: jiff::Timestamp) {
    let starved = health.iter().filter(|event| at_us(event) > cut.as_microsecond());
    let (mut looked, mut records) = ([0; CAMERAS.len()], 0);
    for event in starved {
        records += 1;
        for (place, looked) in looked.iter_mut().enumerate() {
            *looked += analysed(&event["record"]["cameras"][place]);
        }
    }
    assert!(looked.iter().all(|thousandths| *thousandths > 0), "frames looked at, in thousandths: {looked:?}");
    // It was told to look at fifteen frames a second.
    assert!(looked[0] < 15_000 * records / 2, "{looked:?} in {records} seconds is what a whole processor looks at");
    let last = health.last().expect("a health record");
    let coverage = last["record"]["cameras"][0]["coverage"].as_f64().expect("a share");
    assert!(coverage > 0.0 && coverage < 0.9, "the unit says that it looked at {coverage} of the time");
}

/// The ring of a camera grew steadily and knows of no gap, and all of the stream was received.
fn recording_is_whole(health: &[Value], place: usize) {
    let camera = &health.last().expect("a health record")["record"]["cameras"][place];
    assert!(camera["ring"]["newest"].is_string() && camera["ring"]["gaps"].is_null(), "{camera}");
    assert_eq!(camera["reconnects"], 0, "{camera}");
    let newest = |event: &Value| {
        let newest = event["record"]["cameras"][place]["ring"]["newest"].as_str()?;
        Some(newest.parse::<jiff::Timestamp>().ok()?.as_microsecond())
    };
    let newest: Vec<i64> = health.iter().filter_map(newest).collect();
    let longest = newest.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
    assert!(longest < HOLE_US, "the ring of {} stood still for {longest} us: {newest:?}", CAMERAS[place]);
}

/// All that was recorded of a camera can be had, from a unit that still has its ration alone.
fn a_clip_is_whole(world: &World, camera: &str) {
    let file = format!("{camera}.mp4");
    let clip = world.clip_of(camera, &file, "audit", "26-0001");
    assert!(clip.succeeded, "{camera}: rtcc clip:\n{}", clip.said);
    let verified = world.verify(&file);
    assert!(verified.succeeded && verified.said.contains("gaps:    none"), "{camera}: rtcc verify:\n{}", verified.said);
}

fn each(event: &Value, is: impl Fn(&Value) -> bool) -> bool {
    (0..CAMERAS.len()).all(|place| is(&event["record"]["cameras"][place]))
}

/// Frames looked at, in thousandths a second.
fn analysed(camera: &Value) -> u64 {
    camera["analysed_mfps"].as_u64().unwrap_or_default()
}

fn at_us(event: &Value) -> i64 {
    event["at_us"].as_i64().expect("a time")
}

/// Bytes of memory that a process has.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process that lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).expect("a number") * 1024
}
