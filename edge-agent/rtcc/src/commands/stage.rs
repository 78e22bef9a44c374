//! A center without a broker, and units whose words the test speaks: what tests of subcommands share.

pub(super) mod maker;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use edge_protocol::command::{Challenge, Command, Role};
use edge_protocol::sign::Root;
use edge_protocol::time::WallTime;
use rtcc::broker::{Departure, LinkStatus};
use rtcc::clock::wall_us;
use rtcc::database::Database;
use rtcc::database::requests::{Offer, RequestStatus};
use rtcc::enrolment::{Desk, Told};
use rtcc::http::{Center as Site, Readers, local_router};
use rtcc::pki::{Authority, Subject};
use rtcc::receiver::apply::{Received, apply};
use rtcc::receiver::clips::Files;
use rtcc::receiver::message::{Answer, Batch, Effect, Item, Message};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::Arguments;

/// No step takes as long, even on a machine with other things to do.
const DEADLINE: Duration = Duration::from_mins(1);

/// A center without a broker, and the keys of a unit and a person.
pub(super) struct World {
    pub(super) folder: tempfile::TempDir,
    pub(super) address: SocketAddr,
    pub(super) commands: mpsc::Receiver<Departure>,
    site: Arc<Site>,
    listener: TcpListener,
    /// What answers; none while the center is away.
    runtime: Option<Runtime>,
}

impl World {
    /// An agency with the unit gate-1 and a person.
    pub(super) fn new(person: &str, role: Role) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(&folder.path().join("pki"), &"metro".parse().unwrap(), wall_us()).unwrap();
        let person = Subject::Person(person.parse().unwrap(), role);
        for subject in [Subject::Unit("gate-1".parse().unwrap()), person] {
            authority.issue(&subject, wall_us()).unwrap();
        }
        let root = Root::from_pem(authority.certificate().as_bytes()).unwrap();
        let told = Told { broker_host: "localhost".into(), broker_port: 8883, purposes: Vec::new() };
        let database = folder.path().join("center.db");
        drop(Database::open(&database, Duration::from_secs(5)).unwrap());
        let link = Arc::new(LinkStatus::default());
        link.begin();
        let (departures, commands) = mpsc::channel(8);
        let site = Arc::new(Site {
            agency: "metro".into(),
            folder: folder.path().into(),
            database,
            link,
            receiver: Arc::default(),
            desk: Arc::new(Desk { agency: "metro".parse().unwrap(), root, issuer: None, told, broker_pid: None }),
            news: watch::channel(0).1,
            stop: watch::channel(false).1,
            departures,
            now_us: wall_us,
            readers: Readers::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut world = Self { folder, address, commands, site, listener, runtime: None };
        world.starts();
        world
    }

    fn starts(&mut self) {
        let runtime = Runtime::new().unwrap();
        self.listener.set_nonblocking(true).unwrap();
        let (listener, site) = (self.listener.try_clone().unwrap(), Arc::clone(&self.site));
        drop(runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, local_router(site)).await.unwrap();
        }));
        self.runtime = Some(runtime);
    }

    /// The center ends with every connection, is missed by whoever asks it next, and starts again.
    pub(super) fn is_started_again(&mut self) {
        self.ends();
        self.is_missed();
        self.starts();
    }

    /// The center ends with every connection; its address answers no more.
    pub(super) fn ends(&mut self) {
        drop(self.runtime.take());
    }

    /// Waits until somebody asks the center that has ended, and hangs up.
    pub(super) fn is_missed(&self) {
        self.listener.set_nonblocking(false).unwrap();
        drop(self.listener.accept().unwrap());
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `rtcc` as a person types it.
    pub(super) fn run(words: Vec<String>) -> std::thread::JoinHandle<anyhow::Result<()>> {
        let arguments = Arguments::parse_from(words);
        let run = move || arguments.run().inspect_err(|error| eprintln!("rtcc: {error:#}"));
        std::thread::Builder::new().spawn(run).unwrap()
    }

    pub(super) fn unit(&self, name: &'static str) -> Unit {
        Unit {
            name,
            database: Database::open(&self.path("center.db"), Duration::from_secs(5)).unwrap(),
            files: Files::open(self.folder.path()).unwrap(),
            pki: self.path("pki"),
            sequence: 1,
        }
    }
}

/// What a unit says, as the receiver hears it.
pub(super) struct Unit {
    name: &'static str,
    database: Database,
    files: Files,
    pub(super) pki: PathBuf,
    sequence: u64,
}

impl Unit {
    pub(super) fn say(&mut self, message: Message) {
        let received = [Received { message, received_us: wall_us() }];
        apply(&mut self.database, &mut self.files, &received, wall_us()).unwrap();
    }

    pub(super) fn is_born(&mut self, challenge: u8) {
        let challenge = Challenge::from_bytes([challenge; 16]);
        let birth = Some(format!("{{\"state\":\"online\",\"challenge\":\"{challenge}\"}}"));
        self.say(Message::State { unit: self.name.into(), epoch: Some(7), birth });
    }

    pub(super) fn dies(&mut self) {
        self.say(Message::State { unit: self.name.into(), epoch: Some(7), birth: None });
    }

    pub(super) fn send(&mut self, lane: &'static str, effect: Effect) {
        let items = vec![Item { sequence: self.sequence, record: None, effect }];
        self.sequence += 1;
        self.say(Message::Batch(Batch { unit: self.name.into(), epoch: 7, lane, items, settled: None }));
    }

    pub(super) fn answer(&mut self, command: &Command, status: RequestStatus, offer: Option<Offer>) {
        let words = "the unit's words".to_owned();
        let request = command.request.to_string();
        self.send("answer", Effect::Answer(Answer { request, status: Some(status), words, offer }));
    }

    /// The next command, which must be signed by somebody of the agency and for this unit.
    pub(super) fn hear(&self, commands: &mut mpsc::Receiver<Departure>) -> Command {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let next = runtime.block_on(async { tokio::time::timeout(DEADLINE, commands.recv()).await });
        let Ok(Some(Departure::Publish { topic, payload })) = next else { panic!("no command for {}", self.name) };
        assert_eq!(topic, format!("rtcc/v1/metro/{}/down/cmd", self.name));
        let root = Root::from_pem(&std::fs::read(self.pki.join("root.pem")).unwrap()).unwrap();
        Command::open(&payload, &root, Some(WallTime::from_micros(wall_us()))).unwrap().command().clone()
    }
}
