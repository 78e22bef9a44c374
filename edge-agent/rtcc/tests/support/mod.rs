//! A real broker, real receivers as processes, and a unit that keeps what is not acknowledged.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_protocol::ack::Ack;
use edge_protocol::batch::{Batch, Encoding};
use edge_protocol::id::{CenterId, Epoch, IdError, Sequence};
use edge_protocol::record::{Alert, AlertKind, Record, Sentence, Word};
use edge_protocol::time::{ClockQuality, Moment};
use rtcc::broker::tls::Identity;
use rtcc::clock::Stopwatch;
use rtcc::pki::{Authority, Subject};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use serde_json::Value;

const STEP: Duration = Duration::from_millis(20);
const START: Duration = Duration::from_secs(20);

fn name<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().unwrap()
}

/// Looks again until it is so.
fn until(what: &str, patience: Duration, mut so: impl FnMut() -> bool) {
    let waited = Stopwatch::start();
    while !so() {
        assert!(waited.elapsed() < patience, "{what} did not happen in {patience:?}");
        std::thread::sleep(STEP);
    }
}

/// Certificates, folders and ports of one test.
pub(crate) struct World {
    folder: tempfile::TempDir,
    port: u16,
}

impl World {
    /// None where there is no Mosquitto, which is said.
    pub(crate) fn new() -> Option<Self> {
        if Command::new("mosquitto").arg("-h").output().is_err() {
            println!("SKIPPED: mosquitto is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let now = rtcc::clock::wall_us();
        let authority = Authority::create(&folder.path().join("pki"), &name("metro"), now).unwrap();
        let centers: [CenterId; 2] = [name("center-1"), name("center-2")];
        let mut subjects = vec![Subject::Broker(vec!["localhost".into()]), Subject::Unit(name("gate-1"))];
        subjects.extend(centers.iter().cloned().map(Subject::Center));
        for subject in subjects {
            authority.issue(&subject, now).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        authority.write_broker_files(port, &centers, rtcc::clock::wall_us()).unwrap();
        Some(Self { folder, port })
    }

    /// `rtcc pki center`.
    pub(crate) fn makes_receiver(&self, name: &str) {
        let mut rtcc = Command::new(env!("CARGO_BIN_EXE_rtcc"));
        let made = rtcc.args(["pki", "center", "--name", name, "--dir"]).arg(self.pki("")).output().unwrap();
        let said = String::from_utf8_lossy(&made.stdout);
        assert!(made.status.success() && said.contains("lets it in; the broker has to read it again"), "{made:?}");
    }

    fn pki(&self, file: &str) -> PathBuf {
        self.folder.path().join("pki").join(file)
    }
}

/// A process that ends with its owner.
struct Owned(Child);

impl Owned {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself; that is looked at elsewhere.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Mosquitto without persistence: whoever kills it wipes it.
pub(crate) struct Broker {
    process: Owned,
    configuration: PathBuf,
    port: u16,
}

impl Broker {
    pub(crate) fn start(world: &World) -> Self {
        let configuration = world.pki("mosquitto.conf");
        let broker = Self { process: spawn_broker(&configuration), configuration, port: world.port };
        broker.wait_listening();
        broker
    }

    pub(crate) fn kill_and_start_empty(&mut self) {
        self.process.kill();
        self.process = spawn_broker(&self.configuration);
        self.wait_listening();
    }

    /// SIGHUP, on which it reads its access list again.
    pub(crate) fn reads_again(&self) {
        let told = Command::new("kill").args(["-HUP", &self.process.0.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    fn wait_listening(&self) {
        let address = ("127.0.0.1", self.port);
        until("the broker listens", START, || std::net::TcpStream::connect(address).is_ok());
    }
}

fn spawn_broker(configuration: &Path) -> Owned {
    let mut command = Command::new("mosquitto");
    Owned(command.arg("-c").arg(configuration).stderr(Stdio::null()).spawn().unwrap())
}

/// `rtcc serve`.
pub(crate) struct Center {
    process: Mutex<Owned>,
    base: String,
}

impl Center {
    pub(crate) fn start(world: &World, name: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rtcc"))
            .args(["serve", "--agency", "metro", "--listen", "127.0.0.1:0"])
            .args(["--broker", &format!("localhost:{}", world.port)])
            .arg("--data")
            .arg(world.folder.path().join("center"))
            .arg("--root")
            .arg(world.pki("root.pem"))
            .arg("--cert")
            .arg(world.pki(&format!("{name}.pem")))
            .arg("--key")
            .arg(world.pki(&format!("{name}.key")))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let address = listening(process.stderr.take().unwrap());
        let address = address.recv_timeout(START).expect("rtcc serve says where it listens");
        Self { process: Mutex::new(Owned(process)), base: format!("http://{address}") }
    }

    pub(crate) fn wait_connected(&self) {
        until("the receiver connects", START, || self.get("/api/health")["center"]["broker_connected"] == true);
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        ureq::get(format!("{}{path}", self.base)).call().unwrap().body_mut().read_json().unwrap()
    }

    /// How many messages this receiver took.
    pub(crate) fn received(&self) -> u64 {
        let text = ureq::get(format!("{}/metrics", self.base)).call().unwrap().body_mut().read_to_string().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("rtcc_receiver_messages_total "));
        line.unwrap().parse().unwrap()
    }

    pub(crate) fn kill(&self) {
        self.process.lock().unwrap().kill();
    }
}

/// Passes the log on and finds the address in it.
fn listening(log: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (found, address) = sync_channel(1);
    let read = move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("the interface listens address=") {
                found.send(address.trim().to_owned()).unwrap();
            }
            println!("{line}");
        }
    };
    std::thread::Builder::new().spawn(read).unwrap();
    address
}

/// What a unit has not had acknowledged.
#[derive(Default)]
struct Outbox {
    batches: Vec<(u64, Vec<u8>)>,
    last: u64,
    settled: u64,
}

/// A unit that sends everything beyond its cursor again on every connection, as the contract wants.
pub(crate) struct Unit {
    epoch: Epoch,
    outbox: Arc<Mutex<Outbox>>,
    client: AsyncClient,
    runtime: tokio::runtime::Runtime,
}

const UP: &str = "rtcc/v1/metro/gate-1/up/alert";

impl Unit {
    pub(crate) fn connect(world: &World, epoch: u64) -> Self {
        let identity = Identity {
            root: world.pki("root.pem"),
            certificate: world.pki("unit-gate-1.pem"),
            key: world.pki("unit-gate-1.key"),
        };
        let tls = TlsConfiguration::Rustls(identity.client_configuration().unwrap());
        let mut options = MqttOptions::new("gate-1", "localhost", world.port);
        options.set_transport(Transport::tls_with_config(tls)).set_outgoing_inflight_upper_limit(50);
        let (client, events) = AsyncClient::new(options, 10_000);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let outbox = Arc::new(Mutex::new(Outbox::default()));
        let mut tasks = tokio::task::JoinSet::new();
        let epoch = Epoch::new(epoch);
        tasks.spawn_on(follow(client.clone(), events, Arc::clone(&outbox), epoch), runtime.handle());
        tasks.detach_all();
        Self { epoch, outbox, client, runtime }
    }

    /// Sends batches of records of the next sequences.
    pub(crate) fn send(&self, batches: u64, records: u64) {
        for _ in 0..batches {
            let mut outbox = self.outbox.lock().unwrap();
            let first = outbox.last + 1;
            outbox.last += records;
            let records = (0..records).map(|_| record()).collect();
            let batch = Batch::new(self.epoch, Sequence::new(first), records).unwrap().encode(Encoding::Cbor);
            let last = outbox.last;
            outbox.batches.push((last, batch.clone()));
            drop(outbox);
            self.runtime.block_on(self.client.publish(UP, QoS::AtLeastOnce, false, batch)).unwrap();
        }
    }

    fn settled(&self) -> u64 {
        self.outbox.lock().unwrap().settled
    }

    pub(crate) fn wait_settled(&self, sequence: u64, patience: Duration) {
        until(&format!("acknowledgement of {sequence}"), patience, || self.settled() == sequence);
    }

    /// Waits for one more acknowledgement than there was.
    pub(crate) fn wait_some_settled(&self, patience: Duration) {
        let before = self.settled();
        until("an acknowledgement", patience, || self.settled() > before);
    }
}

fn record() -> Record {
    Record::Alert(Box::new(Alert {
        at: Moment::from_millis(1_795_219_200_000),
        clock: ClockQuality::Free,
        camera: None,
        kind: AlertKind::Fault(Word::cut("test")),
        over: false,
        text: Sentence::cut("words"),
    }))
}

async fn follow(client: AsyncClient, mut events: EventLoop, outbox: Arc<Mutex<Outbox>>, epoch: Epoch) {
    let unanswered = Duration::from_secs(2);
    loop {
        let event = match tokio::time::timeout(unanswered, events.poll()).await {
            Ok(Ok(Event::Incoming(packet))) => packet,
            Ok(Ok(Event::Outgoing(_))) => continue,
            Ok(Err(_)) => {
                tokio::time::sleep(STEP).await;
                continue;
            }
            Err(_) => {
                // No acknowledgement for a while although something is open: the center may never have had it.
                if !send_again(&client, &outbox) {
                    return;
                }
                continue;
            }
        };
        if let Packet::ConnAck(_) = &event {
            client.try_subscribe("rtcc/v1/metro/gate-1/down/ack", QoS::AtLeastOnce).unwrap();
            assert!(send_again(&client, &outbox), "the client takes what is sent again");
        }
        if let Packet::Publish(publish) = event {
            let ack = Ack::decode(&publish.payload).unwrap();
            if ack.epoch != epoch {
                // Of the life before: it says nothing about this outbox.
                continue;
            }
            let mut outbox = outbox.lock().unwrap();
            outbox.settled = outbox.settled.max(ack.settled.get());
            let settled = outbox.settled;
            outbox.batches.retain(|(last, _)| *last > settled);
        }
    }
}

/// False when the client takes nothing more.
fn send_again(client: &AsyncClient, outbox: &Mutex<Outbox>) -> bool {
    let outbox = outbox.lock().unwrap();
    outbox.batches.iter().all(|(_, batch)| client.try_publish(UP, QoS::AtLeastOnce, false, batch.clone()).is_ok())
}
