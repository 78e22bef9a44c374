//! An agent that keeps crashing, and a configuration that cannot be used: it records and reports all the same, and the
//! audit log says why. The real agent, killed with SIGABRT as a failed assertion would, without a broker.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts programs and reads the clock for deadlines")]

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use edge_agent::update::Evidence;
use edge_protocol::lane::Lane;
use edge_protocol::record::Record;
use edge_store::audit::Audit;
use edge_tests::pki::Pki;
use edge_tests::process::{Process, program};
use nix::sys::signal::Signal;

/// No step takes as long, even on a machine with other things to do.
const DEADLINE: Duration = Duration::from_secs(90);

/// Without cameras and without a unit.
const BROKEN: &str = "data_dir = 7\n[unit]\nid = \"\"\n";
/// `EX_CONFIG` of sysexits.h.
const CONFIGURATION: i32 = 78;

/// `WatchdogSec` of the service unit: after so long without a sign of life systemd kills the agent.
const WATCHDOG: Duration = Duration::from_secs(20);

/// A unit with one drawn picture, no models and no broker; a service manager's folders and notify socket.
struct Unit {
    folder: tempfile::TempDir,
    notices: UnixDatagram,
    _pki: Pki,
}

impl Unit {
    fn new() -> Unit {
        let folder = tempfile::Builder::new().prefix("edge-story-").tempdir().expect("a folder");
        let pki = Pki::new("demo-city");
        let (place, tables) = (folder.path().display(), pki.agent_tables("pole-1", 1));
        let text = format!(
            "data_dir = \"{place}/state\"\n{tables}\
             [models]\ndir = \"{place}/nowhere\"\nlibrary = \"{place}/no-such-library.so\"\n\
             [health]\nevery_s = 1\nmetrics_enabled = false\n\
             [[camera]]\nid = \"yard\"\nname = \"Yard\"\n[camera.source]\nkind = \"test\"\n"
        );
        std::fs::write(folder.path().join("edge-agent.toml"), text).expect("a written configuration");
        std::fs::create_dir_all(folder.path().join("run")).expect("a folder");
        let notices = UnixDatagram::bind(folder.path().join("notify")).expect("a notify socket");
        notices.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Unit { folder, notices, _pki: pki }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the agent.
    fn spawn(&self) -> Process {
        let mut run = Command::new(program("edge-agent"));
        run.arg("run").arg("--config").arg(self.path("edge-agent.toml")).env("NO_COLOR", "1");
        run.env("STATE_DIRECTORY", self.path("state")).env("RUNTIME_DIRECTORY", self.path("run"));
        Process::spawn("edge-agent", run.env("NOTIFY_SOCKET", self.path("notify")))
    }

    /// What another command ends with, given the configuration after these arguments.
    fn status_of(&self, command: &[&str], option: &[&str]) -> Option<i32> {
        let mut run = Command::new(program("edge-agent"));
        run.args(command).args(option).arg(self.path("edge-agent.toml")).env("STATE_DIRECTORY", self.path("state"));
        run.output().expect("run edge-agent").status.code()
    }

    /// Starts the agent and waits for READY.
    fn start(&self) -> Process {
        let agent = self.spawn();
        let mut notice = [0; 1024];
        loop {
            let length = self.notices.recv(&mut notice).unwrap_or_else(|error| {
                panic!("no READY: {error}; it said:\n{}", agent.lines().join("\n"));
            });
            if String::from_utf8_lossy(&notice[..length]).contains("READY=1") {
                return agent;
            }
        }
    }

    /// Watches as the service manager does, for longer than a stage that hangs from the start is waited for.
    fn is_fed(&self, agent: &Process) {
        self.notices.set_read_timeout(Some(WATCHDOG)).expect("a timeout");
        let until = Instant::now() + WATCHDOG;
        let (mut signs, mut notice) = (0, [0; 1024]);
        while signs < 3 || Instant::now() < until {
            let length = self.notices.recv(&mut notice).unwrap_or_else(|error| {
                let said = agent.lines().join("\n");
                panic!("the watchdog is no longer fed, after {signs} times: {error}; the agent said:\n{said}");
            });
            signs += usize::from(String::from_utf8_lossy(&notice[..length]).contains("WATCHDOG=1"));
        }
        self.notices.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    }

    /// Waits until the ring has grown since the call.
    fn wait_for_video(&self) {
        let before = size(&self.path("state/ring/yard"));
        wait("more video", || (size(&self.path("state/ring/yard")) > before + 10_000).then_some(()));
    }

    /// What the audit log says.
    fn audit(&self) -> Vec<String> {
        let audit = Audit::open(&self.path("state/audit.sqlite")).expect("an audit log").audit;
        let entries = audit.entries(0, 1000).expect("entries");
        let text = |body: &[u8]| {
            let Record::Audit(entry) = Record::from_payload(Lane::Audit, body).expect("a record") else {
                panic!("something else in the audit log")
            };
            entry.text.to_string()
        };
        entries.iter().map(|entry| text(&entry.body)).collect()
    }
}

fn size(ring: &Path) -> u64 {
    let files = std::fs::read_dir(ring).into_iter().flatten().flatten();
    let segments = files.filter(|file| !file.file_name().to_string_lossy().starts_with("index"));
    segments.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

fn wait<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn said(agent: &Process, words: &str) -> bool {
    agent.lines().iter().any(|line| line.contains(words))
}

#[test]
fn three_crashes_make_a_safe_life_and_an_end_in_order_makes_an_ordinary_one() {
    let unit = Unit::new();
    for crash in 1..=3 {
        let mut agent = unit.start();
        assert!(!said(&agent, "safe mode"), "before crash {crash}:\n{}", agent.lines().join("\n"));
        agent.signal(Signal::SIGABRT);
        assert_eq!(agent.wait(DEADLINE).code(), None, "ended by the signal");
    }
    let mut safe = unit.start();
    safe.wait_for_line("safe mode after three crashes", DEADLINE);
    assert!(!said(&safe, "no-such-library.so"), "nothing is looked at:\n{}", safe.lines().join("\n"));
    unit.is_fed(&safe);
    assert!(said(&safe, "told to, and is not started"), "nothing is looked at:\n{}", safe.lines().join("\n"));
    unit.wait_for_video();
    wait("the entry", || unit.audit().iter().any(|text| text.starts_with("safe mode")).then_some(()));
    safe.signal(Signal::SIGTERM);
    assert!(safe.wait(DEADLINE).success(), "{}", safe.lines().join("\n"));

    let mut ordinary = unit.start();
    assert!(!said(&ordinary, "safe mode"), "{}", ordinary.lines().join("\n"));
    ordinary.signal(Signal::SIGTERM);
    assert!(ordinary.wait(DEADLINE).success(), "{}", ordinary.lines().join("\n"));
}

#[test]
fn the_watchdog_is_fed_while_every_stage_beats() {
    let unit = Unit::new();
    let mut agent = unit.start();
    unit.is_fed(&agent);
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(DEADLINE).success(), "{}", agent.lines().join("\n"));
}

#[test]
fn a_configuration_that_cannot_be_used_gives_way_to_the_last_good_one_and_says_so() {
    let unit = Unit::new();
    let mut agent = unit.start();
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(DEADLINE).success(), "{}", agent.lines().join("\n"));
    std::fs::write(unit.path("edge-agent.toml"), BROKEN).expect("a broken configuration");

    let mut again = unit.start();
    assert!(said(&again, "the last good configuration is in force"), "{}", again.lines().join("\n"));
    unit.wait_for_video();
    wait("the entry", || unit.audit().iter().any(|text| text.contains("cannot be used")).then_some(()));
    again.signal(Signal::SIGTERM);
    assert!(again.wait(DEADLINE).success(), "{}", again.lines().join("\n"));

    std::fs::remove_file(unit.path("edge-agent.toml")).expect("no configuration any more");
    let mut without = unit.start();
    assert!(said(&without, "the last good configuration is in force"), "{}", without.lines().join("\n"));
    without.signal(Signal::SIGTERM);
    assert!(without.wait(DEADLINE).success(), "{}", without.lines().join("\n"));
    let kept = std::fs::read_to_string(unit.path("state/last-good.toml")).expect("the copy");
    assert!(kept.contains("pole-1"), "the broken one must not become the last good one");
}

/// Two files that cannot be used: what is wrong with each is said, and what to do. A file that is wrong stays so, whatever
/// the disk says of its copy: to start again for that would boot the unit for ever.
#[test]
fn where_the_last_good_configuration_cannot_stand_in_both_reasons_are_said() {
    let unit = Unit::new();
    std::fs::write(unit.path("edge-agent.toml"), BROKEN).expect("a broken configuration");
    std::fs::create_dir_all(unit.path("state")).expect("a folder");
    std::fs::write(unit.path("state/last-good.toml"), "profile = \"moon\"\n[").expect("a spoilt copy");
    let mut agent = unit.spawn();
    assert_eq!(agent.wait(DEADLINE).code(), Some(CONFIGURATION), "{}", agent.lines().join("\n"));
    for words in
        ["unit.id: is ", "cannot stand in for it: the configuration is not valid TOML", "edge-agent check-config"]
    {
        assert!(said(&agent, words), "no word of {words:?}:\n{}", agent.lines().join("\n"));
    }
    let copy = unit.path("state/last-good.toml");
    std::fs::remove_file(&copy).expect("no copy");
    // Not even whether it is there can be found out, as on a disk that fails.
    std::os::unix::fs::symlink(&copy, &copy).expect("a link to itself");
    let mut agent = unit.spawn();
    assert_eq!(agent.wait(DEADLINE).code(), Some(CONFIGURATION), "{}", agent.lines().join("\n"));
    assert!(said(&agent, "cannot stand in for it: cannot read"), "{}", agent.lines().join("\n"));
    std::fs::remove_file(unit.path("edge-agent.toml")).expect("no configuration");
    std::fs::create_dir(unit.path("edge-agent.toml")).expect("what cannot be read");
    let mut agent = unit.spawn();
    assert_eq!(agent.wait(DEADLINE).code(), Some(1), "it may pass:\n{}", agent.lines().join("\n"));
}

/// The status that the service unit does not start again after, lest the unit boot for ever.
#[test]
fn a_first_start_without_a_configuration_that_can_be_used_ends_with_78_and_all_mistakes() {
    let unit = Unit::new();
    std::fs::write(unit.path("edge-agent.toml"), BROKEN).expect("a broken configuration");
    let mut agent = unit.spawn();
    let status = agent.wait(DEADLINE);
    assert_eq!(status.code(), Some(CONFIGURATION), "{}", agent.lines().join("\n"));
    for key in ["data_dir", "unit.id", "unit.agency", "camera"] {
        assert!(said(&agent, &format!("{key}: is ")), "no word of {key}:\n{}", agent.lines().join("\n"));
    }
    std::fs::remove_file(unit.path("edge-agent.toml")).expect("no configuration");
    let mut agent = unit.spawn();
    assert_eq!(agent.wait(DEADLINE).code(), Some(CONFIGURATION), "{}", agent.lines().join("\n"));

    // Other commands have statuses of their own.
    std::fs::write(unit.path("edge-agent.toml"), BROKEN).expect("a broken configuration");
    assert_eq!(unit.status_of(&["check-config"], &[]), Some(CONFIGURATION));
    assert_eq!(unit.status_of(&["networks"], &["--config"]), Some(CONFIGURATION));
    assert_eq!(unit.status_of(&["update", "carry-out"], &["--config"]), Some(1));
    assert_eq!(unit.status_of(&["doctor"], &["--config"]), Some(2));

    // Another trouble may pass: the service manager tries again. So may what is not there to read just now.
    std::fs::remove_file(unit.path("edge-agent.toml")).expect("no configuration");
    std::fs::create_dir(unit.path("edge-agent.toml")).expect("what cannot be read");
    let mut agent = unit.spawn();
    assert_eq!(agent.wait(DEADLINE).code(), Some(1), "{}", agent.lines().join("\n"));
    assert_eq!(unit.status_of(&["check-config"], &[]), Some(1));
    let good = Unit::new();
    let text = std::fs::read_to_string(good.path("edge-agent.toml")).expect("the configuration");
    std::fs::write(good.path("edge-agent.toml"), text.replace("key = \"", "key = \"/nowhere")).expect("another key");
    let mut agent = good.spawn();
    assert_eq!(agent.wait(DEADLINE).code(), Some(1), "{}", agent.lines().join("\n"));
}

/// What an update would see of this agent, which has no eyes and no broker.
#[test]
fn a_running_agent_says_what_it_does_where_an_update_looks() {
    let unit = Unit::new();
    let mut agent = unit.start();
    let seen = wait("evidence", || {
        let seen: Evidence = serde_json::from_slice(&std::fs::read(unit.path("run/evidence")).ok()?).ok()?;
        (seen.ready && seen.outbox).then_some(seen)
    });
    assert!(seen.fed && seen.audit && seen.clock, "{seen:?}");
    assert!(!seen.inferred && seen.cameras.is_empty() && !seen.reached && !seen.acknowledged, "{seen:?}");
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(DEADLINE).success(), "{}", agent.lines().join("\n"));
}
