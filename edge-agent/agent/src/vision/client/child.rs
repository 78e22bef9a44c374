//! The worker as a process: its start, its log, its end.

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread::{self, Scope};
use std::time::Duration;

/// What of the agent's environment a worker gets; secrets may be among the rest.
const PASSED_ON: [&str; 9] = [
    "HOME",
    "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_SYSTEM_PATH_1_0",
    "GST_REGISTRY",
    "GST_PLUGIN_FEATURE_RANK",
    "RUST_BACKTRACE",
    "RUST_LOG",
];

/// What every worker gets: no telemetry from ONNX Runtime, no scan for plug-ins (the agent has done it), and few
/// memory arenas, since most of its threads decode and hardly allocate.
const GIVEN: [(&str, &str); 3] =
    [("ORT_DISABLE_TELEMETRY", "1"), ("GST_REGISTRY_UPDATE", "no"), ("MALLOC_ARENA_MAX", "2")];

/// The longest line taken from a worker's log: it is not trusted.
const LINE: u64 = 2048;

/// A process closes its files a little before it can be waited for.
const ENDING_STEPS: u32 = 100;
const ENDING_STEP: Duration = Duration::from_millis(5);

/// A started worker. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts the agent's own binary with the socket as its standard input.
    pub(super) fn start(program: &Path, arguments: &[String], socket: UnixStream) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(GIVEN);
        command.envs(PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        command.stdin(Stdio::from(OwnedFd::from(socket))).stdout(Stdio::null()).stderr(Stdio::piped());
        // The command still holds our copy of the worker's end; dropping it here lets the end of the worker be seen.
        let process = command.spawn()?;
        Ok(Self { process, ended: None })
    }

    /// Passes the worker's standard error on to the log, line by line, from a thread that ends with the worker.
    pub(super) fn forward_log<'scope>(&mut self, scope: &'scope Scope<'scope, '_>) -> io::Result<()> {
        let Some(stderr) = self.process.stderr.take() else { return Ok(()) };
        let body = move || {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            while matches!(reader.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(1..)) {
                tracing::info!(target: "vision_worker", "{}", String::from_utf8_lossy(&line).trim_end());
                line.clear();
            }
        };
        thread::Builder::new().name("vision-log".to_owned()).spawn_scoped(scope, body)?;
        Ok(())
    }

    /// Gives a worker that is ending by itself a moment to be gone, so that its end can be told.
    pub(super) fn let_end(&mut self) {
        for _ in 0..ENDING_STEPS {
            if let Ok(Some(status)) = self.process.try_wait() {
                self.ended = Some(status);
                return;
            }
            thread::sleep(ENDING_STEP);
        }
    }

    /// Ends the worker and waits until it is gone.
    pub(super) fn kill(&mut self) {
        if self.ended.is_none() {
            // It may have ended just now, which is as good.
            drop(self.process.kill());
            drop(self.process.wait());
        }
    }

    /// Why it is gone: what the system says if it ended by itself, else what was noticed.
    pub(super) fn epitaph(&self, noticed: &str) -> String {
        let Some(status) = self.ended else { return format!("the vision worker {noticed}") };
        match status.signal() {
            Some(nix::libc::SIGSYS) => "the vision worker tried a forbidden system call and was killed".to_owned(),
            Some(nix::libc::SIGKILL) => "the vision worker was killed, by a person or for memory".to_owned(),
            Some(signal) => format!("the vision worker crashed with signal {signal}"),
            None => format!("the vision worker ended with {status}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
