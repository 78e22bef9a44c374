//! Broker, link, center and agent of one agency, each a real program, and the questions that a story asks them.

mod ask;
mod plan;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::pki::{Identity, Pki};
use crate::port;
use crate::process::{Process, program};
use crate::proxy::Proxy;

use plan::started;
pub use plan::{CameraPlan, Plan, library};

/// The unit of every story.
pub const UNIT: &str = "pole-1";
/// The camera of a unit of which nothing else is said.
pub const CAMERA: &str = "yard";
/// No step takes as long, even on a machine with other things to do.
pub const DEADLINE: Duration = Duration::from_secs(90);
/// Between two looks at something that changes by itself.
const LOOK: Duration = Duration::from_millis(50);

/// Everything that runs; dropping it ends everything, the agent first.
#[derive(Debug)]
pub struct World {
    agent: Option<Process>,
    center: Option<Process>,
    /// The link between agent and broker.
    pub link: Proxy,
    /// The broker.
    pub broker: Broker,
    plan: Plan,
    listen: u16,
    http: ureq::Agent,
    person: Identity,
    center_identity: Identity,
    folder: TempDir,
    /// The agency's certificates.
    pub pki: Pki,
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Exit status 0.
    pub succeeded: bool,
    /// Both outputs.
    pub said: String,
}

impl World {
    /// Broker and center of an agency, listening; no agent yet.
    pub fn start(agency: &str) -> World {
        World::with(agency, Plan::default())
    }

    /// Broker and center of an agency for a unit that is set up as planned; no agent yet.
    pub fn with(agency: &str, plan: Plan) -> World {
        let pki = Pki::new(agency);
        let (center_identity, other) = (pki.center("center-1"), pki.center("center-2"));
        let broker = Broker::start(&pki, &[&center_identity, &other]);
        let link = Proxy::to(SocketAddr::from(([127, 0, 0, 1], broker.port())));
        let folder = tempfile::Builder::new().prefix("edge-story-").tempdir().expect("folder for the story");
        let listen = port::free();
        let http = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().new_agent();
        let (person, agent, center) = (pki.person("ada", "investigator"), None, None);
        let mut world = World { agent, center, link, broker, plan, listen, http, person, center_identity, folder, pki };
        world.configure();
        world.start_center();
        world
    }

    /// Where the unit keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        self.plan.data_dir.clone().unwrap_or_else(|| self.folder.path().join("unit"))
    }

    /// The center's folder.
    pub fn center_dir(&self) -> PathBuf {
        self.folder.path().join("center")
    }

    /// A file of the story.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A second center's identity, which may read and write what a center may.
    pub fn other_center(&self) -> Identity {
        self.pki.center("center-2")
    }

    fn configure(&self) {
        let text = self.plan.configuration(&self.pki, self.link.port(), &self.data_dir());
        std::fs::write(self.configuration(), text).expect("write the agent's configuration");
    }

    /// The agent's configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.file("edge-agent.toml")
    }

    /// Starts the center, or starts it again with what it has.
    pub fn start_center(&mut self) {
        let mut serve = started(&self.plan.center_started_by, &program("rtcc"));
        serve.args(["serve", "--agency", self.pki.agency()]);
        serve.args(["--broker", &format!("localhost:{}", self.broker.port())]);
        serve.arg("--data").arg(self.center_dir()).arg("--root").arg(self.pki.root_path());
        serve
            .arg("--cert")
            .arg(&self.center_identity.certificate_path)
            .arg("--key")
            .arg(&self.center_identity.key_path);
        serve.args(["--listen", &format!("127.0.0.1:{}", self.listen)]).env("NO_COLOR", "1");
        serve.env("RTCC_LOG", self.plan.log);
        self.center = Some(Process::spawn("rtcc serve", &mut serve));
        self.wait("the center is connected", || {
            self.ask("/api/health").filter(|health| health["center"]["broker_connected"] == true)
        });
    }

    /// Ends the center in order; what it had said comes back.
    pub fn stop_center(&mut self) -> Vec<String> {
        let mut center = self.center.take().expect("a center to stop");
        let status = center.terminate(DEADLINE);
        assert!(status.success(), "the center ended with {status}:\n{}", center.lines().join("\n"));
        center.lines()
    }

    /// Ends the center as a power cut does.
    pub fn kill_center(&mut self) {
        let _status: std::process::ExitStatus = self.center.take().expect("a center to kill").kill();
    }

    /// What the center's program has said.
    pub fn center_said(&self) -> Vec<String> {
        self.center.as_ref().map(Process::lines).unwrap_or_default()
    }

    /// Starts the agent, after a kill with what it left on its disk.
    pub fn start_agent(&mut self) {
        self.agent = Some(Process::spawn("edge-agent", &mut self.plan.command(&self.configuration())));
    }

    /// The agent, which must have been started.
    pub fn agent(&mut self) -> &mut Process {
        self.agent.as_mut().expect("an agent that was started")
    }

    /// Ends the agent as a power cut does, while it runs; what it had said comes back.
    pub fn kill_agent(&mut self) -> Vec<String> {
        let mut agent = self.agent.take().expect("an agent to kill");
        assert!(agent.try_wait().is_none(), "the agent ended by itself:\n{}", agent.lines().join("\n"));
        let _status: std::process::ExitStatus = agent.kill();
        agent.lines()
    }

    /// Ends the agent in order; what it had said comes back.
    pub fn stop_agent(&mut self) -> Vec<String> {
        let mut agent = self.agent.take().expect("an agent to stop");
        let status = agent.terminate(DEADLINE);
        assert!(status.success(), "the agent ended with {status}:\n{}", agent.lines().join("\n"));
        agent.lines()
    }

    /// Whether the agent is still the process that was started.
    pub fn agent_lives(&mut self) -> bool {
        self.agent().try_wait().is_none()
    }

    /// The process id of the vision worker, once there is one other than `not`.
    pub fn worker(&mut self, not: Option<i32>) -> i32 {
        let agent = self.agent().pid();
        self.wait("a vision worker", || workers(agent).into_iter().find(|pid| Some(*pid) != not))
    }

    /// Looks until there is something to see.
    pub fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}; the agent said:\n{}", self.agent_said());
            std::thread::sleep(LOOK);
        }
    }

    fn agent_said(&self) -> String {
        self.agent.as_ref().map(Process::lines).unwrap_or_default().join("\n")
    }

    /// Changes one bit of one byte in the middle of a clip, which is video.
    pub fn flip_a_byte(&self, file: &str) {
        let path = self.file(file);
        let mut bytes = std::fs::read(&path).expect("read the clip");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("write the clip");
    }
}

/// Sends a signal to a process that the story's agent has started.
pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}

/// The vision workers that a process has started.
fn workers(agent: u32) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").expect("list processes");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    // One that ends while it is looked at is none.
    let read = |pid: i32, what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let is_child = |pid: &i32| {
        read(*pid, "status")
            .lines()
            .any(|line| line.strip_prefix("PPid:").is_some_and(|id| id.trim() == agent.to_string()))
    };
    let is_worker = |pid: &i32| read(*pid, "cmdline").split('\0').any(|argument| argument == "vision-worker");
    pids.filter(is_child).filter(is_worker).collect()
}

/// Runs a program to its end.
pub fn ended(name: &str, command: &mut Command) -> Ended {
    let mut process = Process::spawn(name, command);
    let status = process.wait(DEADLINE);
    Ended { succeeded: status.success(), said: process.lines().join("\n") }
}

/// Whether a JSON array is there and empty.
fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}
