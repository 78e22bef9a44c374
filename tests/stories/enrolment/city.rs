//! An agency: its root, a real broker as `rtcc pki` configures it, a center that issues certificates, and its units.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::{Duration, Instant};

use edge_agent::keys::Keys;
use edge_agent::supervise::Clock;
use edge_agent::uplink::tls::client_config;
use edge_agent::uplink::{ClaimLine, Heard};
use edge_protocol::command::Role;
use edge_protocol::enrolment::{Answer, Outcome};
use edge_protocol::id::IdError;
use edge_tests::label::code_on;
use edge_tests::port;
use edge_tests::process::{Process, program};
use edge_tests::world::{Ended, ended};
use rtcc::pki::{Authority, Subject};
use serde_json::Value;
use tempfile::TempDir;

use crate::factory::FromFactory;
use crate::peer::Peer;

/// Far beyond what anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// Between two looks at something that changes by itself.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn name<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().unwrap()
}

/// The agency `metro`.
pub(crate) struct City {
    // Ended in this order.
    center: Option<Process>,
    broker: Process,
    pub(crate) authority: Authority,
    pub(crate) port: u16,
    listen: u16,
    folder: TempDir,
}

impl City {
    /// Broker and center; the center tells the broker of revoked certificates.
    pub(crate) fn start() -> Self {
        Self::start_with(true)
    }

    /// Broker and center, with or without the broker's process id.
    pub(crate) fn start_with(hangs_up: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("edge-city-").tempdir().unwrap();
        let pki = folder.path().join("pki");
        let now = rtcc::clock::wall_us();
        let authority = Authority::create(&pki, &name("metro"), now).unwrap();
        authority.issue(&Subject::Broker(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]), now).unwrap();
        authority.issue(&Subject::Center(name("center-1")), now).unwrap();
        let port = port::free();
        let config = authority.write_broker_files(port, &[name("center-1"), name("center-2")], now).unwrap();
        let broker = Process::spawn("mosquitto", Command::new(mosquitto()).arg("-v").arg("-c").arg(config));
        broker.wait_for_line("running", DEADLINE);
        let mut city = Self { center: None, broker, authority, port, listen: port::free(), folder };
        city.start_center(hangs_up);
        city
    }

    fn receiver(&self, name: &str, port: u16) -> Command {
        let mut serve = Command::new(program("rtcc"));
        serve.args(["serve", "--agency", "metro", "--broker", &format!("localhost:{}", self.port)]);
        serve.arg("--data").arg(self.folder.path().join("center")).arg("--root").arg(self.pki("root.pem"));
        serve.arg("--cert").arg(self.pki(&format!("{name}.pem"))).arg("--key").arg(self.pki(&format!("{name}.key")));
        serve.arg("--issuer").arg(self.authority.folder());
        serve.args(["--listen", &format!("127.0.0.1:{port}")]).env("NO_COLOR", "1");
        serve
    }

    /// A second receiver on the same database, which the broker gives its share.
    pub(crate) fn second_receiver(&self) -> Process {
        self.authority.issue(&Subject::Center(name("center-2")), rtcc::clock::wall_us()).unwrap();
        let receiver = Process::spawn("the second rtcc serve", &mut self.receiver("center-2", 0));
        self.broker.wait_for_line("Sending SUBACK to metro/center-2", DEADLINE);
        receiver
    }

    fn start_center(&mut self, hangs_up: bool) {
        let mut serve = self.receiver("center-1", self.listen);
        if hangs_up {
            serve.arg("--broker-pid").arg(self.pki("mosquitto.pid"));
        }
        self.center = Some(Process::spawn("rtcc serve", &mut serve));
        self.wait("the center is connected", |city| {
            city.ask("/api/health").filter(|health| health["center"]["broker_connected"] == true)
        });
    }

    pub(crate) fn pki(&self, file: &str) -> PathBuf {
        self.authority.folder().join(file)
    }

    /// What the center answers; none while it does not.
    pub(crate) fn ask(&self, question: &str) -> Option<Value> {
        let mut answer = ureq::get(format!("http://127.0.0.1:{}{question}", self.listen)).call().ok()?;
        answer.body_mut().read_json().ok()
    }

    /// Looks until there is something to see.
    pub(crate) fn wait<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            let center = self.center.as_ref().map(Process::lines).unwrap_or_default().join("\n");
            assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}; the center said:\n{center}");
            std::thread::sleep(LOOK);
        }
    }

    /// Runs `rtcc`, with the center where it asks one.
    pub(crate) fn rtcc(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(program("rtcc"));
        command.args(arguments).env("NO_COLOR", "1").env("USER", "ada");
        if !matches!(arguments.first(), Some(&"factory")) {
            command.args(["--center", &format!("http://127.0.0.1:{}", self.listen)]);
        }
        ended("rtcc", &mut command)
    }

    /// Runs `rtcc`, which must succeed.
    pub(crate) fn rtcc_does(&self, arguments: &[&str]) -> String {
        let Ended { succeeded, said } = self.rtcc(arguments);
        assert!(succeeded, "{arguments:?}: {said}");
        said
    }

    /// `rtcc factory`, and the code that stands on the label.
    pub(crate) fn factory(&self, serial: &str) -> FromFactory {
        let home = self.folder.path().join(serial);
        let (pki, out) = (self.authority.folder().display().to_string(), home.display().to_string());
        let broker = format!("localhost:{}", self.port);
        self.rtcc_does(&["factory", "--serial", serial, "--broker", &broker, "--pki", &pki, "-o", &out]);
        let unit = FromFactory {
            serial: serial.parse().unwrap(),
            code: code_on(&home.join("label.pdf")).parse().unwrap(),
            claim: home.join("persist/claim"),
            home,
        };
        std::fs::write(unit.config(), unit.configuration()).unwrap();
        unit
    }

    pub(crate) fn expect(&self, unit: &FromFactory, called: &str) {
        let (serial, code) = (unit.serial.to_string(), unit.code.on_the_label());
        self.rtcc_does(&[
            "enroll", "expect", "--serial", &serial, "--unit", called, "--place", "Main St", "--code", &code,
        ]);
    }

    /// Pulls the last seconds of video of `gate-1` as a supervisor, and verifies the clip under the agency's root.
    pub(crate) fn pulls_a_clip_that_verifies(&self) {
        let supervisor = Subject::Person(name("sue"), Role::Supervisor);
        let issued = self.authority.issue(&supervisor, rtcc::clock::wall_us()).unwrap();
        let [file, certificate, key, root] =
            [self.folder.path().join("clip.mp4"), issued.certificate, issued.key, self.pki("root.pem")]
                .map(|path| path.display().to_string());
        let to = jiff::Timestamp::now();
        let (from, to) = ((to - Duration::from_secs(5)).to_string(), to.to_string());
        self.rtcc_does(&[
            "clip",
            "--unit",
            "gate-1",
            "--camera",
            "yard",
            "--from",
            &from,
            "--to",
            &to,
            "--purpose",
            "audit",
            "--case",
            "26-0001",
            "--cert",
            &certificate,
            "--key",
            &key,
            "--root",
            &root,
            "-o",
            &file,
        ]);
        let verified = ended("rtcc", Command::new(program("rtcc")).args(["verify", &file, "--root", &root]));
        assert!(verified.succeeded, "{}", verified.said);
    }

    /// Waits until a serial number waits for approval, and approves it.
    pub(crate) fn approve(&self, unit: &FromFactory) {
        let serial = unit.serial.as_str();
        self.wait("the unit waits for approval", |city| {
            let overview = city.ask("/api/enrolments")?;
            let requests = overview["requests"].as_array()?;
            requests.iter().find(|each| each["serial"] == serial && each["state"] == "waiting").map(drop)
        });
        self.rtcc_does(&["enroll", "approve", "--serial", serial]);
    }

    /// Enrols a unit from the factory on, as a technician and an operator do.
    pub(crate) fn enrol(&self, serial: &str, called: &str) -> FromFactory {
        let unit = self.factory(serial);
        self.expect(&unit, called);
        let mut enrolling = Process::spawn("edge-agent enroll", &mut unit.enroll_command(&unit.code));
        self.approve(&unit);
        let status = enrolling.wait(DEADLINE);
        assert!(status.success(), "{}", enrolling.lines().join("\n"));
        unit
    }

    /// The center's own alarms as `rtcc watch` shows them.
    pub(crate) fn alarms(&self) -> String {
        self.rtcc_does(&["watch", "--unit", "center", "--lane", "alert", "--all", "--no-follow"])
    }

    /// What was decided, oldest first, as who and what.
    pub(crate) fn decisions(&self) -> Vec<(String, String)> {
        let overview = self.ask("/api/enrolments").expect("the center answers");
        let decisions = overview["decisions"].as_array().unwrap().iter().rev();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        decisions.map(|each| (text(&each["who"]), text(&each["what"]))).collect()
    }

    /// Sends bytes under a claim certificate, and says what comes back.
    pub(crate) fn ask_as(&self, unit: &FromFactory, sealed: &[u8], nonce: [u8; 16]) -> Outcome {
        let [root, certificate, key] = ["root.pem", "claim.pem", "claim.key"].map(|file| unit.claim.join(file));
        let line = ClaimLine {
            host: "localhost".to_owned(),
            port: self.port,
            tls: client_config(&root, &certificate, &key, &Keys::default()).unwrap(),
            serial: unit.serial.clone(),
        };
        let mut outcome = None;
        let heard = line.ask(sealed, DEADLINE, &Clock::system(), &mut |heard| {
            if let Heard::Answer(answer) = heard {
                let key = unit.code.proof_key(&unit.serial);
                outcome = Some(Answer::read(answer, nonce, &key).expect("an answer of the contract"));
            }
            outcome.is_some()
        });
        assert!(heard.unwrap(), "the center answers");
        outcome.unwrap()
    }

    /// Gives an enrolled unit a pair that was issued 300 of its 397 days ago.
    pub(crate) fn make_old(&self, unit: &FromFactory, called: &str) {
        let identity: toml_file::Table = toml_file::read(&unit.identity());
        let long_ago = rtcc::clock::wall_us() - 300 * 24 * 3_600_000_000;
        let old = self.authority.make(&Subject::Unit(name(called)), long_ago).unwrap();
        std::fs::write(&identity["certificate"], old.certificate).unwrap();
        std::fs::write(&identity["key"], old.key).unwrap();
    }

    /// Approves a unit as soon as it waits; one that ends before that is let be.
    pub(crate) fn approve_if_asked(&self, unit: &FromFactory, enrolling: &mut Process) {
        let serial = unit.serial.as_str();
        let until = Instant::now() + DEADLINE;
        while enrolling.try_wait().is_none() {
            assert!(Instant::now() < until, "{}", enrolling.lines().join("\n"));
            let overview = self.ask("/api/enrolments").expect("the center answers");
            let mut requests = overview["requests"].as_array().unwrap().iter();
            if requests.any(|each| each["serial"] == serial && each["state"] == "waiting") {
                self.rtcc_does(&["enroll", "approve", "--serial", serial]);
                return;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// A connection with a certificate that the root issues on the spot.
    pub(crate) fn issued(&self, called: &str) -> Peer {
        let issued = self.authority.issue(&Subject::Center(name(called)), rtcc::clock::wall_us()).unwrap();
        let tls = client_config(&self.pki("root.pem"), &issued.certificate, &issued.key, &Keys::default()).unwrap();
        Peer::connect(self.port, &format!("metro/{called}"), tls).expect("the broker takes the certificate")
    }

    /// A connection under an enrolled unit's identity; none where the broker does not want it.
    pub(crate) fn connect(&self, unit: &FromFactory, called: &str) -> Option<Peer> {
        let identity: toml_file::Table = toml_file::read(&unit.identity());
        let [root, certificate, key] = ["ca", "certificate", "key"].map(|what| PathBuf::from(&identity[what]));
        Peer::connect(
            self.port,
            &format!("metro/{called}"),
            client_config(&root, &certificate, &key, &Keys::default()).unwrap(),
        )
    }
}

/// Reads the one table of `identity.toml` that a peer needs.
mod toml_file {
    use std::collections::BTreeMap;
    use std::path::Path;

    pub(super) type Table = BTreeMap<String, String>;

    pub(super) fn read(path: &Path) -> Table {
        let text = std::fs::read_to_string(path).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once(" = "));
        pairs.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect()
    }
}

fn mosquitto() -> &'static str {
    ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("mosquitto")
}
