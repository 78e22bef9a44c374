//! ^C of the demo: it ends everything that it has started, and nothing else, and says that it was interrupted.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts programs and reads the clock for deadlines")]

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use edge_tests::broker::Broker;
use edge_tests::pki::Pki;
use edge_tests::process::{Process, program};
use edge_tests::rtsp::{Coding, Reel, RtspCamera};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// What the demo says once everything runs.
const RUNS: &str = "what the center receives";
/// Agent, vision worker, center, broker and `rtcc watch`.
const PROGRAMS: usize = 5;
/// No start takes as long, even on a machine with other things to do.
const START: Duration = Duration::from_mins(2);
/// A person waits no longer for a ^C.
const END: Duration = Duration::from_mins(1);
/// What a shell says of a program that SIGINT has ended.
const INTERRUPTED: i32 = 130;

#[test]
fn an_interrupted_demo_ends_what_it_started_and_only_that() {
    ends_when_interrupted(|demo| kill(demo, Signal::SIGINT));
}

#[test]
fn a_terminal_that_interrupts_the_whole_group_ends_the_same() {
    ends_when_interrupted(|demo| killpg(demo, Signal::SIGINT));
}

fn ends_when_interrupted(interrupt: impl Fn(Pid) -> nix::Result<()>) {
    if !program("demo").with_file_name("libonnxruntime.so").exists() {
        return eprintln!("SKIPPED: no libonnxruntime.so beside the demo: run make test, which puts it there");
    }
    // Another broker, as one that is looked for by name would be taken for the demo's, and a program without a part in
    // it.
    let mut bystanders = (Broker::start(&Pki::new("metro"), &[]), sleeper());
    let camera = RtspCamera::start(Reel::drawn(Coding::H264, (320, 240), 10, 40));
    let folder = tempfile::Builder::new().prefix("edge-demo-").tempdir().expect("a folder");
    let mut demo = start(&camera.url(), folder.path());
    let begun = demo.find_line(START, |line| line.contains(RUNS) || line.contains("disk is nearly full"));
    assert!(begun.is_some(), "the demo does not start; it said:\n{}", demo.lines().join("\n"));
    if demo.lines().iter().any(|line| line.contains("disk is nearly full")) {
        return eprintln!("SKIPPED: {}", demo.lines().join(" "));
    }
    let id = Pid::from_raw(i32::try_from(demo.pid()).expect("a process id"));
    let started = until("the demo's programs", || Some(descendants(id)).filter(|found| found.len() >= PROGRAMS));
    interrupt(id).expect("a signal");
    let status = demo.wait(END);
    assert_eq!(status.code(), Some(INTERRUPTED), "{status}; it said:\n{}", demo.lines().join("\n"));
    until("the end of what it started", || {
        let is_left = |one: &Being| names(one.id, folder.path()) || started.iter().any(|other| one.is(other));
        (!living().any(|one| is_left(&one))).then_some(())
    });
    assert!(bystanders.1.try_wait().is_none(), "a program that is not the demo's was ended");
    TcpStream::connect(bystanders.0.address()).expect("a broker that is not the demo's");
}

fn sleeper() -> Process {
    Process::spawn("sleep", Command::new("sleep").arg("600").process_group(0))
}

/// Starts the demo as a terminal does: in a process group of its own, in the repository's root.
fn start(source: &str, folder: &Path) -> Process {
    let mut demo = Command::new(program("demo"));
    demo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).process_group(0);
    demo.args(["--source", source, "--folder"]).arg(folder);
    // Debian keeps mosquitto where a plain user's path does not look.
    let path = std::env::var("PATH").unwrap_or_default();
    Process::spawn("demo", demo.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin")))
}

/// A process, and what tells it from a later one of the same id.
#[derive(Debug, Clone)]
struct Being {
    id: i32,
    parent: i32,
    began: u64,
}

impl Being {
    /// The same process; whose parent has ended has another one.
    fn is(&self, other: &Self) -> bool {
        (self.id, self.began) == (other.id, other.began)
    }
}

/// Every process that has not ended.
fn living() -> impl Iterator<Item = Being> {
    let ids = fs::read_dir("/proc").expect("/proc").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(being)
}

fn being(id: i32) -> Option<Being> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Behind the name, which may have anything in it: state, parent and, nineteen on, when it began.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let has_ended = matches!(*fields.first()?, "Z" | "X");
    let being = Being { id, parent: fields.get(1)?.parse().ok()?, began: fields.get(19)?.parse().ok()? };
    (!has_ended).then_some(being)
}

/// Everything that descends from a process.
fn descendants(of: Pid) -> Vec<Being> {
    let all: Vec<Being> = living().collect();
    let mut found: Vec<Being> = Vec::new();
    loop {
        let knows = |id: i32| id == of.as_raw() || found.iter().any(|one| one.id == id);
        let more: Vec<Being> = all.iter().filter(|one| knows(one.parent) && !knows(one.id)).cloned().collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// Whether a process was told this folder.
fn names(id: i32, folder: &Path) -> bool {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(&*folder.to_string_lossy())
}

fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}
