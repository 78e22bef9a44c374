//! A program under test: started, listened to, ended.
//!
//! Every line of its standard output and error is kept in order and can be waited for with a deadline. Dropping a
//! [`Process`] kills and reaps it, so a failed test leaves nothing behind.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long an ended process may take to close its pipes and be reaped.
const REAP: Duration = Duration::from_secs(10);

/// A running (or ended) child process and what it has said so far.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
}

/// Lines in the order in which they arrived, from both pipes.
#[derive(Debug, Default)]
struct Log {
    state: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    open: usize,
}

impl Process {
    /// Starts `command` with both outputs piped into the log and standard input closed.
    pub fn spawn(name: &str, command: &mut Command) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: cannot start {command:?}: {error}"));
        let log = Arc::new(Log::default());
        log.lock().open = 2;
        let out = child.stdout.take().expect("stdout is piped");
        let err = child.stderr.take().expect("stderr is piped");
        let readers = vec![read_lines(Arc::clone(&log), out), read_lines(Arc::clone(&log), err)];
        Process { name: name.to_owned(), child, status: None, log, readers }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().lines.clone()
    }

    /// Waits for the first line that contains `text`, also among those already said.
    ///
    /// Panics with the whole log when the deadline passes or the process ends without saying it.
    pub fn wait_for_line(&self, text: &str, deadline: Duration) -> String {
        self.find_line(deadline, |line| line.contains(text)).unwrap_or_else(|| {
            panic!("{}: no line with {text:?} within {deadline:?}; it said:\n{}", self.name, self.lines().join("\n"))
        })
    }

    /// The first line that satisfies `wanted`, or `None` at the deadline or the end of all output.
    pub fn find_line(&self, deadline: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let until = Instant::now() + deadline;
        let mut state = self.log.lock();
        let mut seen = 0;
        loop {
            if let Some(line) = state.lines.iter().skip(seen).find(|line| wanted(line)) {
                return Some(line.clone());
            }
            seen = state.lines.len();
            let left = until.saturating_duration_since(Instant::now());
            if state.open == 0 || left.is_zero() {
                return None;
            }
            state = self.log.changed.wait_timeout(state, left).expect("log lock").0;
        }
    }

    /// Sends a signal; a process that has ended is left alone.
    pub fn signal(&mut self, signal: Signal) {
        if self.try_wait().is_none() {
            let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("pid fits"));
            if let Err(error) = kill(pid, signal) {
                eprintln!("{}: {signal} not delivered: {error}", self.name);
            }
        }
    }

    /// The exit status if it has ended, without waiting.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("wait for child");
        }
        self.status
    }

    /// Waits for the end; panics with the log when the deadline passes first.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let until = Instant::now() + deadline;
        let mut state = self.log.lock();
        // The pipes close when the process ends, so the log's condition variable tells of it.
        while state.open > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let said = state.lines.join("\n");
                // Others read the log, and a lock that is held in a panic is broken for them.
                drop(state);
                panic!("{}: still running after {deadline:?}; it said:\n{said}", self.name);
            }
            state = self.log.changed.wait_timeout(state, left).expect("log lock").0;
        }
        drop(state);
        self.reap()
    }

    /// Kills with SIGKILL and reaps.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::SIGKILL);
        self.reap()
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait(deadline)
    }

    fn reap(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        let status = self.child.wait().expect("wait for child");
        self.status = Some(status);
        // A grandchild may hold the pipes open; its lines are not waited for for ever.
        let until = Instant::now() + REAP;
        for reader in self.readers.drain(..) {
            while !reader.is_finished() && Instant::now() < until {
                std::thread::yield_now();
            }
            if reader.is_finished() {
                reader.join().expect("log reader");
            }
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.try_wait().is_none() {
            let _status: ExitStatus = self.kill();
        }
    }
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.state.lock().expect("log lock")
    }
}

fn read_lines(log: Arc<Log>, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            log.lock().lines.push(line);
            log.changed.notify_all();
        }
        log.lock().open -= 1;
        log.changed.notify_all();
    })
}

/// One of the product's programs as this test's own build left it, or another that stands in for it: the one that a
/// variable with the program's name names, `EDGE_AGENT` or `RTCC`, which is how one that breaks a promise is tried.
///
/// # Panics
/// When it was not built.
pub fn program(name: &str) -> PathBuf {
    if let Some(other) = std::env::var_os(name.to_ascii_uppercase().replace('-', "_")) {
        return PathBuf::from(other);
    }
    let own = std::env::current_exe().expect("the test's own path");
    let path = own.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>").join(name);
    assert!(path.exists(), "{} is missing: run make test, which builds them first", path.display());
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        Process::spawn("shell", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_of_both_outputs_are_kept_and_the_status_is_reported() {
        let mut process = shell("echo one; echo two >&2; exit 3");
        assert_eq!(process.wait(SOON).code(), Some(3));
        let mut lines = process.lines();
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_line_that_never_comes_ends_with_the_output() {
        let process = shell("echo only this");
        assert_eq!(process.find_line(SOON, |line| line.contains("that")), None);
    }

    #[test]
    fn dropping_kills_and_reaps() {
        let process = shell("echo ready; exec sleep 600");
        process.wait_for_line("ready", SOON);
        let pid = process.pid();
        drop(process);
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_signal_reaches_the_process() {
        let mut process = shell("echo ready; exec sleep 600");
        process.wait_for_line("ready", SOON);
        assert_eq!(process.terminate(SOON).code(), None, "ended by a signal, not by itself");
    }
}
