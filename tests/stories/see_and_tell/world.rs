//! Broker, center and agent of one agency, each a real program, and the questions that a story asks them.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use edge_tests::broker::Broker;
use edge_tests::pki::{Identity, Pki};
use edge_tests::process::{Process, program};
use serde_json::Value;
use tempfile::TempDir;

const UNIT: &str = "pole-1";
const CAMERA: &str = "yard";
/// No step takes as long, even on a machine with other things to do.
const DEADLINE: Duration = Duration::from_mins(1);
/// Between two looks at something that changes by itself.
const LOOK: Duration = Duration::from_millis(50);

/// Everything that runs; dropping it ends everything, the agent first.
pub(crate) struct World {
    agent: Option<Process>,
    _center: Process,
    /// The broker between them.
    pub(crate) broker: Broker,
    address: String,
    http: ureq::Agent,
    person: Identity,
    folder: TempDir,
    pki: Pki,
}

/// How a program ended and what it said.
pub(crate) struct Ended {
    /// Exit status 0.
    pub(crate) succeeded: bool,
    /// Both outputs.
    pub(crate) said: String,
}

impl World {
    /// Broker and center of an agency, listening; no agent yet.
    pub(crate) fn start(agency: &str) -> World {
        let pki = Pki::new(agency);
        let identity = pki.center("center-1");
        let broker = Broker::start(&pki, &[&identity]);
        let folder = tempfile::Builder::new().prefix("edge-story-").tempdir().expect("folder for the story");
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).expect("a free port").port();
        let mut serve = Command::new(program("rtcc"));
        serve.args(["serve", "--agency", agency, "--broker", &format!("localhost:{}", broker.port())]);
        serve.arg("--data").arg(folder.path().join("center")).arg("--root").arg(pki.root_path());
        serve.arg("--cert").arg(&identity.certificate_path).arg("--key").arg(&identity.key_path);
        serve.args(["--listen", &format!("127.0.0.1:{port}")]);
        let center = Process::spawn("rtcc serve", &mut serve);
        let (unit, person) = (pki.unit(UNIT), pki.person("ada", "investigator"));
        let config = configuration(&pki, &unit, broker.port(), folder.path());
        std::fs::write(folder.path().join("edge-agent.toml"), config).expect("write the agent's configuration");
        let http = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().new_agent();
        let address = format!("http://127.0.0.1:{port}");
        let world = World { agent: None, _center: center, broker, address, http, person, folder, pki };
        world.wait("the center is connected", || {
            world.ask("/api/health").filter(|health| health["center"]["broker_connected"] == true)
        });
        world
    }

    /// Starts the agent, after a kill with what it left on its disk.
    pub(crate) fn start_agent(&mut self) {
        let mut run = Command::new(program("edge-agent"));
        run.arg("run").arg("--config").arg(self.folder.path().join("edge-agent.toml")).env("NO_COLOR", "1");
        self.agent = Some(Process::spawn("edge-agent", &mut run));
    }

    /// Ends the agent as a power cut does, while it runs.
    pub(crate) fn kill_agent(&mut self) {
        let mut agent = self.agent.take().expect("an agent to kill");
        assert!(agent.try_wait().is_none(), "the agent ended by itself:\n{}", agent.lines().join("\n"));
        let _status: std::process::ExitStatus = agent.kill();
    }

    /// What the center answers; none while it does not.
    pub(crate) fn ask(&self, question: &str) -> Option<Value> {
        let mut answer = self.http.get(format!("{}{question}", self.address)).call().ok()?;
        answer.body_mut().read_json().ok()
    }

    /// Looks until there is something to see.
    pub(crate) fn wait<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            let said = || self.agent.as_ref().map(Process::lines).unwrap_or_default().join("\n");
            assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}; the agent said:\n{}", said());
            std::thread::sleep(LOOK);
        }
    }

    /// All events of a lane in the order of their commit.
    pub(crate) fn events(&self, lane: &str) -> Option<Vec<Value>> {
        self.ask(&format!("/api/events?lane={lane}&limit=5000"))?["events"].as_array().cloned()
    }

    /// Waits until so many records of a lane are there.
    pub(crate) fn wait_for_records(&self, lane: &str, least: usize) -> Vec<Value> {
        self.wait(&format!("{least} records of lane {lane}"), || {
            self.events(lane).filter(|events| events.len() >= least)
        })
    }

    /// Waits for so many health records that were made after a moment, and gives all.
    pub(crate) fn wait_for_health_after(&self, moment: jiff::Timestamp, least: usize) -> Vec<Value> {
        let made_after = |event: &&Value| event["at_us"].as_i64().is_some_and(|at| at > moment.as_microsecond());
        self.wait(&format!("{least} health records made after {moment}"), || {
            self.events("health").filter(|events| events.iter().filter(made_after).count() >= least)
        })
    }

    /// Waits for a health record that was made within a time.
    pub(crate) fn wait_for_health_within(&self, from: jiff::Timestamp, to: jiff::Timestamp) {
        let within = from.as_microsecond()..to.as_microsecond();
        let made_within = |event: &Value| event["at_us"].as_i64().is_some_and(|at| within.contains(&at));
        self.wait(&format!("a health record of {from} to {to}"), || {
            self.events("health").filter(|events| events.iter().any(made_within))
        });
    }

    /// Waits until the ring, by the unit's own word, ends with so much video.
    pub(crate) fn wait_for_video(&self, length: Duration) {
        self.wait("video in the ring", || {
            let (oldest, newest) = self.ring()?;
            (newest.duration_since(oldest).unsigned_abs() >= length).then_some(())
        });
    }

    /// Waits until the ring's newest picture, by the unit's own word, is later than a moment.
    pub(crate) fn wait_for_video_after(&self, moment: jiff::Timestamp) {
        self.wait("new video in the ring", || self.ring().filter(|(_, newest)| *newest > moment));
    }

    /// The ring's oldest and newest picture by the unit's last health record.
    fn ring(&self) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
        let rings = self.ask("/api/ring")?;
        let time = |end: &str| rings[0]["ring"][end].as_str()?.parse::<jiff::Timestamp>().ok();
        Some((time("oldest")?, time("newest")?))
    }

    /// Whether a clip's file is there.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.folder.path().join(file).exists()
    }

    /// Asks as an investigator for all that the ring has.
    pub(crate) fn clip(&self, file: &str, purpose: &str, case: &str) -> Ended {
        let (from, newest) = self.ring().expect("a ring with video");
        let mut command = Command::new(program("rtcc"));
        command.args(["clip", "--center", &self.address, "--unit", UNIT, "--camera", CAMERA]);
        command.args(["--from", &from.to_string(), "--to", &newest.to_string()]);
        command.args(["--purpose", purpose, "--case", case]);
        command.arg("--cert").arg(&self.person.certificate_path).arg("--key").arg(&self.person.key_path);
        command.arg("--root").arg(self.pki.root_path()).arg("-o").arg(self.folder.path().join(file));
        ended("rtcc clip", &mut command)
    }

    /// Checks a clip as anybody with the agency's root can.
    pub(crate) fn verify(&self, file: &str) -> Ended {
        let mut command = Command::new(program("rtcc"));
        command.arg("verify").arg(self.folder.path().join(file)).arg("--root").arg(self.pki.root_path());
        ended("rtcc verify", &mut command)
    }

    /// Changes one bit of one byte in the middle of a clip, which is video.
    pub(crate) fn flip_a_byte(&self, file: &str) {
        let path = self.folder.path().join(file);
        let mut bytes = std::fs::read(&path).expect("read the clip");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("write the clip");
    }

    /// No sequence is missing or lost, none is there twice, and the counters know of no more than is there.
    pub(crate) fn nothing_is_missing_or_counted_twice(&self) {
        // A batch that died with its broker is missing until the unit has waited for its acknowledgement in vain.
        self.wait("no gap is left", || self.ask("/api/gaps").filter(|gaps| *gaps == Value::Array(Vec::new())));
        let units = self.wait("the center tells of units", || self.ask("/api/units"));
        assert_eq!(units[0]["epochs"], 1, "a new epoch is a lost outbox: {units}");
        let statistics = self.wait("the center tells numbers", || self.ask("/api/statistics"));
        let kept: i64 = statistics["records"].as_object().expect("lanes").values().filter_map(Value::as_i64).sum();
        assert_eq!(statistics["counters"]["records"], kept, "counted and kept: {statistics}");
    }
}

/// Runs a program to its end.
fn ended(name: &str, command: &mut Command) -> Ended {
    let mut process = Process::spawn(name, command);
    let status = process.wait(DEADLINE);
    Ended { succeeded: status.success(), said: process.lines().join("\n") }
}

/// A camera with a drawn picture, a health record every second, one agency's certificates.
fn configuration(pki: &Pki, unit: &Identity, port: u16, folder: &Path) -> String {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let (root, agency) = (pki.root_path(), pki.agency());
    format!(
        "profile = \"dev\"\ndata_dir = \"{data}\"\n\
         [unit]\nagency = \"{agency}\"\nid = \"{UNIT}\"\n\
         [uplink]\nhost = \"localhost\"\nport = {port}\nca = \"{root}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n\
         [control]\nagency_root = \"{root}\"\n\
         [models]\ndir = \"{models}\"\n{library}\
         [health]\nevery_s = 1\nmetrics_enabled = false\n\
         [[camera]]\nid = \"{CAMERA}\"\nname = \"Yard\"\nplates = \"off\"\nanalysed_fps = 2.0\nquota_bytes = 1073741824\n\
         [camera.source]\nkind = \"test\"\n",
        data = folder.join("unit").display(),
        root = root.display(),
        certificate = unit.certificate_path.display(),
        key = unit.key_path.display(),
        models = models.display(),
        library = library(),
    )
}

/// The line that names ONNX Runtime's library where it does not lie beside the agent.
fn library() -> String {
    if program("edge-agent").with_file_name("libonnxruntime.so").exists() {
        return String::new();
    }
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../edge-agent/setup/onnxruntime");
    let output = Command::new(setup).output().expect("run edge-agent/setup/onnxruntime");
    assert!(output.status.success(), "ONNX Runtime: {}", String::from_utf8_lossy(&output.stderr));
    format!("library = \"{}\"\n", String::from_utf8_lossy(&output.stdout).trim())
}
