//! A camera that drops its connection again and again costs no memory: not one buffer, thread or socket per connection.
//!
//! The camera runs in a process of its own, so that what is measured is the unit's side alone; a proxy cuts the
//! connections. `CAMERA_RECONNECTS` says how many (500 unless told, 10,000 in the long run).
#![cfg(test)]

mod camera;

use std::process::Command;
use std::time::Duration;

use camera::{Watched, patient};
use edge_agent::capture::{Settings, Source, State, Transport, Trust};
use edge_agent::supervise::Backoff;
use edge_tests::process::Process;
use edge_tests::proxy::Proxy;
use edge_tests::rtsp::{Coding, Reel, RtspCamera};

/// Set for the process that is the camera.
const CAMERA: &str = "EDGE_STORY_IS_CAMERA";
/// Until here memory may grow: everything has been used once and the allocator has settled.
const WARM: u64 = 100;
const MOST_GROWTH_KIB: u64 = 2048;

/// Not a test of its own: the process that [`reconnecting_does_not_cost_memory`] starts. Ends with its parent.
#[test]
fn the_camera_in_a_process_of_its_own() {
    if std::env::var_os(CAMERA).is_none() {
        return;
    }
    let camera = RtspCamera::start(Reel::drawn(Coding::H264, (320, 240), 30, 30));
    println!("\ncamera on port {} .", camera.port());
    let parent = nix::unistd::getppid();
    while nix::unistd::getppid() == parent {
        std::thread::park_timeout(Duration::from_secs(1));
    }
}

#[test]
fn reconnecting_does_not_cost_memory() {
    let count = std::env::var("CAMERA_RECONNECTS").map_or(500, |count| count.parse().expect("a number"));
    let own = std::env::current_exe().expect("this program");
    let mut command = Command::new(own);
    command.args(["--exact", "the_camera_in_a_process_of_its_own", "--nocapture"]).env(CAMERA, "1");
    let process = Process::spawn("camera", &mut command);
    let said = process.wait_for_line("camera on port", Duration::from_mins(1));
    let port: u16 = said.split_whitespace().nth(3).and_then(|port| port.parse().ok()).expect("a port");

    let link = Proxy::to(([127, 0, 0, 1], port).into());
    let url = format!("rtsp://127.0.0.1:{}/stream", link.port());
    let source = Source::Rtsp { url, transport: Transport::Tcp, credentials: None, trust: Trust::System };
    // The waits between tries are not what is tried here.
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
    let watched = Watched::start_with("reconnecting", Settings { backoff, ..patient(source) }, drop);
    let (mut warm, mut threads) = (0, 0);
    for round in 0..count {
        let before = watched.health().units;
        watched.wait("a picture", |health| health.units > before && health.state == State::Receiving);
        // Not VmRSS, whose pages of files come and go with what else the machine does.
        if round == WARM.min(count / 2) {
            (warm, threads) = (status_kib("RssAnon:"), status_kib("Threads:"));
        }
        link.cut_now();
        watched.wait("the next try", |health| health.reconnects > round);
    }
    let before = watched.health().units;
    watched.wait("a picture", |health| health.units > before);
    let (end, end_threads) = (status_kib("RssAnon:"), status_kib("Threads:"));
    println!(
        "{count} reconnects: {warm} KiB and {threads} threads warm, {end} KiB and {end_threads} threads at the end"
    );
    assert!(end <= warm + MOST_GROWTH_KIB, "memory grew from {warm} to {end} KiB over {count} reconnects");
    assert!(end_threads <= threads + 2, "threads grew from {threads} to {end_threads} over {count} reconnects");
}

/// A number of this process's status.
fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the line is there");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
