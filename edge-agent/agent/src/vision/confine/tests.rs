//! Each probe runs in a process of its own: this test binary started again, confined, trying to get out.

use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// Set in the child only: which escape to try, and whether to confine first.
const PROBE: &str = "EDGE_CONFINE_PROBE";
const FREE: &str = "EDGE_CONFINE_FREE";

/// A way out; it returns whether the system let it.
type Probe = (&'static str, fn() -> bool);

/// Every way out that is tried.
const PROBES: [Probe; 12] = [
    ("open-read", || std::fs::File::open("/etc/hostname").is_ok()),
    ("open-library", || std::fs::File::open("/usr/bin/env").is_ok()),
    ("open-write", || std::fs::File::create("/dev/null").is_ok()),
    ("list-folder", || std::fs::read_dir("/proc/self/fd").is_ok()),
    ("inet-stream", || TcpStream::connect(("127.0.0.1", 9)).is_err_and(|e| e.raw_os_error() == Some(111))),
    ("inet-datagram", || UdpSocket::bind(("127.0.0.1", 0)).is_ok()),
    ("unix-socket", || {
        let refused = UnixStream::connect("/nonexistent").map_err(|e| e.raw_os_error());
        matches!(refused, Err(Some(nix::libc::ENOENT)))
    }),
    ("execute", || Command::new("/usr/bin/true").status().is_ok()),
    ("memfd", || nix::sys::memfd::memfd_create(c"x", nix::sys::memfd::MFdFlags::empty()).is_ok()),
    ("signal-parent", || kill(Pid::parent(), None::<Signal>).is_ok()),
    ("unshare", || nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS).is_ok()),
    ("raise-limit", || nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 64, 64).is_ok()),
];

/// Runs in the child; does nothing when the suite runs it by itself.
#[test]
fn probe_child() {
    let Ok(name) = std::env::var(PROBE) else { return };
    if std::env::var_os(FREE).is_none() {
        // The harness has a thread of its own, so the check for one thread is left out here.
        let layers = early::give_up(resolve_identity(), &[]).unwrap();
        println!("held: {:?}; missing: {:?}", layers.held, layers.missing);
        late().unwrap();
    }
    if name == "threads" {
        // What the worker does need: a thread, memory, time, its own socket pair.
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        #[allow(clippy::disallowed_methods, reason = "the probe is about a bare thread")]
        std::thread::spawn(move || drop((theirs, vec![1_u8; 1 << 20]))).join().unwrap();
        let mut rest = Vec::new();
        ours.read_to_end(&mut rest).unwrap();
        println!("WORKS");
        return;
    }
    let (_, probe) = PROBES.iter().find(|(probe, _)| *probe == name).unwrap();
    println!("{}", if probe() { "ESCAPED" } else { "REFUSED" });
}

fn child(probe: &str, free: bool) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "vision::confine::tests::probe_child", "--test-threads=1", "--nocapture"]);
    command.env(PROBE, probe).stdin(Stdio::null());
    if free {
        command.env(FREE, "1");
    }
    command.output().unwrap()
}

fn says(output: &Output, word: &str) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(word)
}

#[test]
fn no_way_out_of_the_worker_is_left_open() {
    for (name, _) in PROBES {
        let output = child(name, false);
        let killed = output.status.signal() == Some(nix::libc::SIGSYS);
        assert!(killed || says(&output, "REFUSED"), "{name}: {output:?}");
        assert!(!says(&output, "ESCAPED"), "{name}: {output:?}");
    }
}

/// The same probes succeed without confinement, so that a refusal above means something.
#[test]
fn the_probes_succeed_where_nothing_is_confined() {
    for (name, _) in PROBES {
        let output = child(name, true);
        assert!(says(&output, "ESCAPED"), "{name} proves nothing here: {output:?}");
    }
}

#[test]
fn what_the_worker_needs_still_works() {
    let output = child("threads", false);
    assert!(output.status.success() && says(&output, "WORKS"), "{output:?}");
}

#[test]
fn a_process_with_a_second_thread_is_refused() {
    // The test harness itself has several.
    let (release, hold) = std::sync::mpsc::sync_channel::<()>(0);
    #[allow(clippy::disallowed_methods, reason = "a bare second thread is the point")]
    let second = std::thread::spawn(move || hold.recv());
    assert!(matches!(early(resolve_identity(), &[]), Err(ConfineError::Threads(2..))));
    drop(release);
    drop(second.join());
}
