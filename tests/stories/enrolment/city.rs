//! An agency: its root, a real broker as `rtcc pki` configures it, a center that issues certificates, and its units.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_agent::supervise::Clock;
use edge_agent::uplink::tls::client_config;
use edge_agent::uplink::{ClaimLine, Heard};
use edge_protocol::batch::{Batch, CONTRACT_VERSION, Encoding};
use edge_protocol::command::Challenge;
use edge_protocol::enrolment::{Answer, Outcome, Request, Serial, SetupCode};
use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::record::{Alert, AlertKind, Record};
use edge_protocol::sign::{Chain, SigningKey};
use edge_protocol::state::{AckMode, Birth, ReadsPublished, State};
use edge_protocol::time::{ClockQuality, Moment, WallStamp, WallTime};
use edge_tests::label::code_on;
use edge_tests::process::{Process, program};
use edge_tests::world::{Ended, ended, library};
use rtcc::pki::{Authority, Name, Subject};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use serde_json::Value;
use tempfile::TempDir;

/// Far beyond what anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// Between two looks at something that changes by itself.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The agency `metro`.
pub(crate) struct City {
    // Ended in this order.
    center: Option<Process>,
    _broker: Process,
    pub(crate) authority: Authority,
    pub(crate) port: u16,
    listen: u16,
    folder: TempDir,
}

/// A unit as it comes from the factory, with the code on its label.
pub(crate) struct FromFactory {
    pub(crate) serial: Serial,
    pub(crate) code: SetupCode,
    pub(crate) claim: PathBuf,
    /// Its own folder, for everything else.
    pub(crate) home: PathBuf,
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
        let port = free_port();
        let config = authority.write_broker_files(port, &[name("center-1"), name("center-2")], now).unwrap();
        let broker = Process::spawn("mosquitto", Command::new(mosquitto()).arg("-v").arg("-c").arg(config));
        broker.wait_for_line("running", DEADLINE);
        let mut city = Self { center: None, _broker: broker, authority, port, listen: free_port(), folder };
        city.start_center(hangs_up);
        city
    }

    fn start_center(&mut self, hangs_up: bool) {
        let mut serve = Command::new(program("rtcc"));
        serve.args(["serve", "--agency", "metro", "--broker", &format!("localhost:{}", self.port)]);
        serve.arg("--data").arg(self.folder.path().join("center")).arg("--root").arg(self.pki("root.pem"));
        serve.arg("--cert").arg(self.pki("center-1.pem")).arg("--key").arg(self.pki("center-1.key"));
        serve.arg("--issuer").arg(self.authority.folder());
        if hangs_up {
            serve.arg("--broker-pid").arg(self.pki("mosquitto.pid"));
        }
        serve.args(["--listen", &format!("127.0.0.1:{}", self.listen)]).env("NO_COLOR", "1");
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
            claim: home.join("unit"),
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
            tls: client_config(&root, &certificate, &key).unwrap(),
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
        let tls = client_config(&self.pki("root.pem"), &issued.certificate, &issued.key).unwrap();
        Peer::connect(self.port, &format!("metro/{called}"), tls).expect("the broker takes the certificate")
    }

    /// A connection under an enrolled unit's identity; none where the broker does not want it.
    pub(crate) fn connect(&self, unit: &FromFactory, called: &str) -> Option<Peer> {
        let identity: toml_file::Table = toml_file::read(&unit.identity());
        let [root, certificate, key] = ["ca", "certificate", "key"].map(|what| PathBuf::from(&identity[what]));
        Peer::connect(self.port, &format!("metro/{called}"), client_config(&root, &certificate, &key).unwrap())
    }
}

impl FromFactory {
    /// `edge-agent enroll` as a technician types it.
    pub(crate) fn enroll_command(&self, code: &SetupCode) -> Command {
        let mut command = Command::new(program("edge-agent"));
        command.arg("enroll").arg("--config").arg(self.config()).arg("--claim").arg(&self.claim);
        command.args(["--code", &code.on_the_label(), "--wait", "5"]).env("NO_COLOR", "1");
        command
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home.join("edge-agent.toml")
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.home.join("identity/identity.toml")
    }

    /// The agent's configuration, as it is before the unit is anybody's.
    fn configuration(&self) -> String {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        format!(
            "profile = \"dev\"\ndata_dir = \"{home}/data\"\nenrolment = \"{home}/identity\"\n\
             [models]\ndir = \"{models}\"\n{library}[health]\nevery_s = 1\nmetrics_enabled = false\n\
             [[camera]]\nid = \"yard\"\nplates = \"off\"\nanalysed_fps = 1.0\nquota_bytes = 1073741824\n\
             [camera.source]\nkind = \"test\"\n",
            home = self.home.display(),
            models = models.display(),
            library = library(),
        )
    }

    /// Gives its configuration a page at a port.
    pub(crate) fn with_a_page(&self, port: u16) {
        let page = format!("[page]\nlisten = \"127.0.0.1:{port}\"\nclaim = \"{}\"\n", self.claim.display());
        std::fs::write(self.config(), self.configuration().replace("[health]", &format!("{page}[health]"))).unwrap();
    }

    /// A request of this unit's claim for a key that is made on the spot.
    pub(crate) fn request(&self, nonce: [u8; 16], code: &SetupCode) -> Vec<u8> {
        let read = |file: &str| std::fs::read(self.claim.join(file)).unwrap();
        let (key, chain) = (SigningKey::from_pem(&read("claim.key")), Chain::from_pem(&read("claim.pem")));
        let own = rcgen::KeyPair::generate().unwrap();
        let asked = rcgen::CertificateParams::default().serialize_request(&own).unwrap().der().to_vec();
        let request = Request::new(self.serial.clone(), nonce, asked, &code.proof_key(&self.serial));
        request.seal(&key.unwrap(), &chain.unwrap()).unwrap()
    }

    /// The same unit's claim as somebody else copied it before.
    pub(crate) fn copy(&self, place: &str) -> FromFactory {
        let home = self.home.join(place);
        std::fs::create_dir_all(home.join("unit")).unwrap();
        for entry in std::fs::read_dir(&self.claim).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, home.join("unit").join(path.file_name().unwrap())).unwrap();
        }
        let copy = FromFactory { serial: self.serial.clone(), code: self.code.clone(), claim: home.join("unit"), home };
        std::fs::write(copy.config(), copy.configuration()).unwrap();
        copy
    }
}

/// One alert under this sequence.
pub(crate) fn alert(sequence: u64) -> Vec<u8> {
    let alert = Record::Alert(Box::new(Alert {
        at: Moment::from_millis(0),
        clock: ClockQuality::Free,
        camera: None,
        kind: AlertKind::Fault("disk".parse().unwrap()),
        over: false,
        text: "the disk fails".parse().unwrap(),
    }));
    Batch::new(Epoch::new(1), Sequence::new(sequence), vec![alert]).unwrap().encode(Encoding::Cbor)
}

/// The birth of a unit's program that started at this second.
pub(crate) fn birth(unit: &str, second: i64) -> Vec<u8> {
    let started = WallStamp { time: WallTime::from_millis(second * 1000), quality: ClockQuality::Free };
    State::Birth(Birth {
        version: CONTRACT_VERSION,
        agency: "metro".parse().unwrap(),
        unit: unit.parse().unwrap(),
        epoch: Epoch::new(1),
        started,
        software: "edge-agent 0".parse().unwrap(),
        cameras: Vec::new(),
        reads: ReadsPublished::Counts,
        encoding: Encoding::Cbor,
        challenge: Challenge::from_bytes([1; 16]),
        challenge_id: 1,
        ack: AckMode::Center,
    })
    .encode(Encoding::Cbor)
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

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn mosquitto() -> &'static str {
    ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("mosquitto")
}

/// A connection under a unit's name, in the hands of a test.
pub(crate) struct Peer {
    runtime: tokio::runtime::Runtime,
    client: AsyncClient,
    events: EventLoop,
}

impl Peer {
    fn connect(port: u16, id: &str, tls: Arc<rustls::ClientConfig>) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut options = MqttOptions::new(id, "localhost", port);
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
        let (client, events) = AsyncClient::new(options, 100);
        let mut peer = Self { runtime, client, events };
        // TLS 1.3 tells a client that it is not wanted only after the client believes to be connected.
        peer.next(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).map(|()| peer)
    }

    /// The next packet of the wanted kind; none when the connection ends.
    fn next<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> Option<T> {
        let events = &mut self.events;
        let found = async {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(packet)) => {
                        if let Some(found) = wanted(&packet) {
                            return Some(found);
                        }
                    }
                    Ok(Event::Outgoing(_)) => {}
                    Err(_) => return None,
                }
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(DEADLINE, found).await }).expect("the broker answers")
    }

    /// Whether the broker lets a message through; none when the connection ends.
    pub(crate) fn may_publish(&mut self, topic: &str, payload: &[u8]) -> Option<bool> {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload.to_vec()).unwrap();
        let reason = self.next(|packet| if let Packet::PubAck(ack) = packet { Some(ack.reason) } else { None })?;
        assert!(
            matches!(reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers | PubAckReason::NotAuthorized),
            "{topic}: {reason:?}"
        );
        Some(reason != PubAckReason::NotAuthorized)
    }

    pub(crate) fn subscribe(&mut self, filter: &str) {
        self.client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
        self.next(|packet| matches!(packet, Packet::SubAck(_)).then_some(())).expect("the connection stays");
    }

    /// As [`Peer::may_publish`], but a message that comes before the answer is the end of the test.
    pub(crate) fn hears_or_may_publish(&mut self, topic: &str, payload: &[u8]) -> Option<bool> {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload.to_vec()).unwrap();
        self.next(|packet| {
            assert!(!matches!(packet, Packet::Publish(_)), "it hears {packet:?}");
            if let Packet::PubAck(ack) = packet { Some(ack.reason != PubAckReason::NotAuthorized) } else { None }
        })
    }

    /// Waits for the broker to end the connection.
    pub(crate) fn ends(mut self) -> bool {
        self.next(|packet| matches!(packet, Packet::Publish(_)).then_some(())).is_none()
    }
}
