//! What is missing costs what it is needed for and nothing else: the agent starts, records and says what is wrong.
//!
//! The real agent runs here without a broker, told to start by a service manager's notify socket.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts programs and reads the clock for deadlines")]

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edge_tests::pki::Pki;
use edge_tests::process::{Process, program};
use edge_tests::world::ended;
use nix::sys::signal::Signal;

/// No step takes as long, even on a machine with other things to do.
const DEADLINE: Duration = Duration::from_mins(1);

/// A unit whose models are elsewhere, one of whose cameras has no credentials, and another no ring.
fn configuration(folder: &Path, pki: &Pki) -> String {
    let (folder, tables) = (folder.display(), pki.agent_tables("pole-1", 1));
    format!(
        "data_dir = \"{folder}/unit\"\n{tables}\
         [models]\ndir = \"{folder}/nowhere\"\nlibrary = \"{folder}/no-such-library.so\"\n\
         [health]\nmetrics_enabled = false\n\
         [[camera]]\nid = \"yard\"\nname = \"Yard\"\n[camera.source]\nkind = \"test\"\n\
         [[camera]]\nid = \"dock\"\nname = \"Dock\"\n[camera.source]\nkind = \"test\"\n\
         [[camera]]\nid = \"lane\"\nname = \"Lane\"\n[camera.source]\nkind = \"rtsp\"\n\
         url = \"rtsp://127.0.0.1:1/stream\"\ncredentials = \"{folder}/no-such-credentials\"\n"
    )
}

#[test]
fn missing_models_library_credentials_and_ring_cost_themselves_alone() {
    let folder = tempfile::Builder::new().prefix("edge-story-").tempdir().expect("a folder");
    let pki = Pki::new("demo-city");
    let config = folder.path().join("edge-agent.toml");
    std::fs::write(&config, configuration(folder.path(), &pki)).expect("a written configuration");
    let unit = folder.path().join("unit");
    std::fs::create_dir_all(unit.join("ring")).expect("a folder");
    std::fs::write(unit.join("ring/dock"), "a file where the ring's folder should be").expect("an obstacle");

    let notices = UnixDatagram::bind(folder.path().join("notify")).expect("a notify socket");
    notices.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut run = Command::new(program("edge-agent"));
    run.arg("run").arg("--config").arg(&config).env("NO_COLOR", "1");
    let mut agent = Process::spawn("edge-agent", run.env("NOTIFY_SOCKET", folder.path().join("notify")));

    let mut notice = [0; 1024];
    let length = notices.recv(&mut notice).expect("a notice of the agent's start");
    let notice = String::from_utf8_lossy(&notice[..length]).into_owned();
    assert!(notice.contains("READY=1"), "started without eyes: {notice}");

    let said = |words: &str| {
        assert!(agent.find_line(DEADLINE, |line| line.contains(words)).is_some(), "{words:?} is not said");
    };
    said("no-such-library.so");
    said("no-such-credentials");
    said("video cannot be stored");
    // The camera that lacks nothing is recorded.
    let until = std::time::Instant::now() + DEADLINE;
    while !holds_video(&unit.join("ring/yard")) {
        assert!(std::time::Instant::now() < until, "no video of the healthy camera:\n{}", agent.lines().join("\n"));
        assert!(agent.try_wait().is_none(), "the agent ended:\n{}", agent.lines().join("\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut second = Command::new(program("edge-agent"));
    let refused = ended("edge-agent", second.arg("run").arg("--config").arg(&config).env("NO_COLOR", "1"));
    assert!(!refused.succeeded && refused.said.contains("another edge-agent runs on"), "{}", refused.said);
    assert!(agent.try_wait().is_none(), "the first one is not disturbed");
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(DEADLINE).success(), "{}", agent.lines().join("\n"));
}

fn holds_video(ring: &Path) -> bool {
    let files = std::fs::read_dir(ring).into_iter().flatten().flatten();
    files
        .filter(|file| file.file_name() != "index.sqlite")
        .any(|file| file.metadata().is_ok_and(|it| it.len() > 10_000))
}
