//! The agent with the `/proc` that its service unit leaves it (`ProcSubset=pid`, `ProtectProc=invisible`): its models
//! run, its list of plugins is made once, and after it was killed it knows how its last life ended, though the kernel's own
//! files are hidden.
//!
//! Needs root, for namespaces of its own; the rest of the unit's sandbox is looked at on a board.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files, starts programs, and says aloud what it skips"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use edge_protocol::record::Health;
use edge_tests::pki::Pki;
use edge_tests::port;
use edge_tests::process::{Process, program};
use edge_tests::world::library;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Opening three models on a busy machine, with time to spare.
const DEADLINE: Duration = Duration::from_mins(3);
/// What the unit's sandbox makes of `/proc`, before it becomes what follows.
const HIDDEN: &str = "mount -t proc -o subset=pid,hidepid=invisible proc /proc && exec \"$@\"";

/// A program in namespaces of its own, under such a `/proc`. Whoever ends the first process ends all.
fn hidden() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", HIDDEN, "sh"]);
    command
}

/// Why this machine cannot tell, if it cannot.
fn lacking() -> Option<String> {
    match hidden().args(["test", "!", "-e", "/proc/sys"]).output() {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("no /proc of its own: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// A unit with one drawn picture and the shipped models; a service manager's notify socket.
struct Unit {
    folder: tempfile::TempDir,
    notices: UnixDatagram,
    metrics: u16,
    _pki: Pki,
}

impl Unit {
    fn new() -> Unit {
        let folder = tempfile::Builder::new().prefix("edge-story-").tempdir().expect("a folder");
        let pki = Pki::new("demo-city");
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let metrics = port::free();
        let text = format!(
            "data_dir = \"{place}/data\"\n{tables}[models]\ndir = \"{models}\"\n{library}\
             [health]\nmetrics = \"127.0.0.1:{metrics}\"\n\
             [[camera]]\nid = \"yard\"\nplates = \"off\"\nanalysed_fps = 2.0\n[camera.source]\nkind = \"test\"\n",
            tables = pki.agent_tables("pole-1", 1),
            place = folder.path().display(),
            models = models.display(),
            library = library(),
        );
        std::fs::write(folder.path().join("edge-agent.toml"), text).expect("a written configuration");
        // A board without a list of plugins, so slow that whatever would be started beside it is there by the end.
        let (scanner, scans) = (folder.path().join("scanner"), folder.path().join("scans"));
        let script = format!(
            "#!/bin/sh\nsleep 1\ngrep -lz vision-worker /proc/[0-9]*/cmdline >>{0}\n\
             echo scanned >>{0}\nexit 1\n",
            scans.display()
        );
        std::fs::write(&scanner, script).expect("a scanner");
        std::fs::set_permissions(&scanner, PermissionsExt::from_mode(0o755)).expect("a program");
        let notices = UnixDatagram::bind(folder.path().join("notify")).expect("a notify socket");
        notices.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Unit { folder, notices, metrics, _pki: pki }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the agent in this boot and waits until its models run.
    fn start(&self, boot: &str) -> Process {
        let mut run = hidden();
        run.arg(program("edge-agent")).arg("run").arg("--config").arg(self.path("edge-agent.toml"));
        run.env("EDGE_BOOT_ID", boot).env("NOTIFY_SOCKET", self.path("notify")).env("NO_COLOR", "1");
        run.env("GST_REGISTRY", self.path("plugins")).env("GST_PLUGIN_SCANNER", self.path("scanner"));
        let agent = Process::spawn("edge-agent", &mut run);
        let mut notice = [0; 1024];
        loop {
            let length = self.notices.recv(&mut notice).unwrap_or_else(|error| {
                panic!("no READY: {error}; it said:\n{}", agent.lines().join("\n"));
            });
            let told = String::from_utf8_lossy(&notice[..length]).into_owned();
            if told.contains("READY=1") {
                assert!(told.lines().any(|line| line == "STATUS=ready"), "{told}:\n{}", agent.lines().join("\n"));
                return agent;
            }
        }
    }

    /// Why the agent started, as its health tells it.
    fn cause(&self) -> String {
        let mut connection = TcpStream::connect(("127.0.0.1", self.metrics)).expect("the agent's port for numbers");
        connection.write_all(b"GET /health HTTP/1.0\r\n\r\n").expect("a question");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        let health: Health = serde_json::from_str(body).expect("health");
        assert_eq!(health.problems.iter().filter(|words| words.as_str().contains("worker")).count(), 0, "{body}");
        health.board.expect("what is told of the box").last_reset.to_string()
    }
}

/// The agent itself, which has another number within.
fn inner(agent: &Process) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", agent.pid());
    let children = std::fs::read_to_string(children).expect("children of unshare");
    Pid::from_raw(children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("the agent"))
}

#[test]
fn an_agent_that_was_killed_knows_it_although_the_kernel_s_files_are_hidden() {
    if let Some(why) = lacking() {
        return eprintln!("SKIPPED: {why}");
    }
    let unit = Unit::new();
    let mut killed = unit.start("00112233445566778899aabbccddeeff");
    assert_eq!(unit.cause(), "the agent had been stopped in order");
    let scans = std::fs::read_to_string(unit.path("scans")).expect("the scanner's own count");
    assert_eq!(scans, "scanned\n", "the vision worker finds the list of plugins that the agent has made");
    kill(inner(&killed), Signal::SIGKILL).expect("a living agent");
    killed.wait(DEADLINE);

    let mut again = unit.start("00112233445566778899aabbccddeeff");
    assert_eq!(unit.cause(), "the agent ended without being told to and was started again");
    kill(inner(&again), Signal::SIGKILL).expect("a living agent");
    again.wait(DEADLINE);

    let mut other_boot = unit.start("ffeeddccbbaa99887766554433221100");
    let cause = unit.cause();
    // A machine whose watchdog noted something says that instead.
    assert!(cause.starts_with("the unit "), "{cause}");
    kill(inner(&other_boot), Signal::SIGTERM).expect("a living agent");
    assert!(other_boot.wait(DEADLINE).success(), "{}", other_boot.lines().join("\n"));
}
