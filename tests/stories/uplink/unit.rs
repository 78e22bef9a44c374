//! A unit's uplink with an outbox in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use edge_agent::supervise::queue::{self, Bounds, Overflow};
use edge_agent::supervise::{Clock, Heartbeats, Stop};
use edge_agent::uplink::{Announcement, Bell, Ends, Outbox, OutboxFault, Renewals, Settings, Stored, Uplink};
use edge_protocol::batch::{CONTRACT_VERSION, Encoding};
use edge_protocol::command::Challenge;
use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::Lane;
use edge_protocol::record::{Alert, AlertKind, LossCause, Record, UplinkHealth};
use edge_protocol::state::{AckMode, Birth, ReadsPublished};
use edge_protocol::time::{ClockQuality, Moment, WallStamp};
use edge_store::outbox::{Backlog, Spent};
use edge_tests::pki::Pki;

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(90);

#[derive(Default)]
struct Held {
    last: HashMap<Lane, u64>,
    settled: HashMap<Lane, u64>,
    records: HashMap<Lane, BTreeMap<u64, Vec<u8>>>,
}

#[derive(Clone)]
struct Memory {
    held: Arc<Mutex<Held>>,
    bell: Bell,
}

impl Memory {
    fn put(&self, record: &Record) {
        let mut held = self.held.lock().unwrap();
        let lane = record.lane();
        let last = held.last.entry(lane).or_default();
        *last += 1;
        let sequence = *last;
        held.records.entry(lane).or_default().insert(sequence, record.to_payload());
        drop(held);
        self.bell.ring(lane, Sequence::new(sequence));
    }
}

impl Outbox for Memory {
    fn epoch(&self) -> Epoch {
        Epoch::new(0xe0e0)
    }

    fn backlog(&mut self, lane: Lane) -> Result<Backlog, OutboxFault> {
        let held = self.held.lock().unwrap();
        let number = |of: &HashMap<Lane, u64>| Sequence::new(of.get(&lane).copied().unwrap_or(0));
        let records = held.records.get(&lane).map_or(0, BTreeMap::len) as u64;
        Ok(Backlog { last: number(&held.last), settled: number(&held.settled), records, bytes: 0 })
    }

    fn read(&mut self, lane: Lane, after: Sequence, records: u32, _: usize) -> Result<Vec<Stored>, OutboxFault> {
        let held = self.held.lock().unwrap();
        let Some(lane) = held.records.get(&lane) else { return Ok(Vec::new()) };
        let stored = |(&sequence, payload): (&u64, &Vec<u8>)| Stored {
            sequence: Sequence::new(sequence),
            payload: Some(payload.clone()),
        };
        Ok(lane.range(after.get() + 1..).take(records as usize).map(stored).collect())
    }

    fn settle(&mut self, _: Epoch, lane: Lane, up_to: Sequence) {
        let mut held = self.held.lock().unwrap();
        held.settled.insert(lane, up_to.get());
        if let Some(records) = held.records.get_mut(&lane) {
            *records = records.split_off(&(up_to.get() + 1));
        }
    }

    fn give_up(&mut self, _: Epoch, lane: Lane, sequences: &[Sequence], cause: LossCause) {
        panic!("{lane} gives up {sequences:?}: {cause:?}");
    }

    fn spent(&mut self) -> Result<Spent, OutboxFault> {
        Ok(Spent::default())
    }

    fn note_spent(&mut self, _: Spent) {}

    fn append(&mut self, record: Record) {
        self.put(&record);
    }
}

/// What a story may look at.
pub(crate) struct View {
    memory: Memory,
    health: Arc<Mutex<UplinkHealth>>,
}

impl View {
    pub(crate) fn waiting(&self, lane: Lane) -> usize {
        self.memory.held.lock().unwrap().records.get(&lane).map_or(0, BTreeMap::len)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.health.lock().unwrap().connected
    }

    /// Whether the unit says in these words why it is not connected.
    pub(crate) fn says(&self, words: &str) -> bool {
        let health = self.health.lock().unwrap();
        !health.connected && health.trouble.as_ref().is_some_and(|trouble| trouble.as_str().contains(words))
    }
}

/// The unit `pole-7`; ends when dropped.
pub(crate) struct Unit {
    view: View,
    /// The unit's next certificate.
    pub(crate) renewals: Renewals,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
    _commands: queue::Receiver<Bytes>,
}

impl Unit {
    pub(crate) fn start(pki: &Pki, port: u16) -> Self {
        Self::start_with(pki, port, Encoding::Cbor, AckMode::Center)
    }

    pub(crate) fn start_with(pki: &Pki, port: u16, encoding: Encoding, ack: AckMode) -> Self {
        let identity = pki.unit("pole-7");
        let bell = Bell::new();
        let memory = Memory { held: Arc::default(), bell: bell.clone() };
        let (sender, commands) = queue::bounded(Bounds::items("commands", 8, Overflow::Refuse));
        let (clock, renewals) = (Clock::system(), Renewals::new(&bell));
        let ends = Ends {
            announcement: Announcement::new(birth(pki), &bell),
            renewals: renewals.clone(),
            bell,
            commands: sender,
            pulse: Heartbeats::default().register("uplink", Duration::from_mins(1), clock.mono()),
            clock,
        };
        let tls = edge_agent::uplink::tls::client_config(
            &pki.root_path(),
            &identity.certificate_path,
            &identity.key_path,
            &edge_agent::keys::Keys::default(),
        );
        let settings = Settings {
            host: "localhost".to_owned(),
            port,
            tls: tls.unwrap(),
            agency: pki.agency().parse().unwrap(),
            unit: "pole-7".parse().unwrap(),
            encoding,
            ack,
            daily_bytes: None,
        };
        let mut uplink = Uplink::new(settings, ends, Box::new(memory.clone()));
        let view = View { memory, health: uplink.health() };
        let stop = Stop::new();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || uplink.run(&stopped).unwrap());
        Self { view, renewals, stop, thread: Some(thread), _commands: commands }
    }

    /// Commits that many records to a lane.
    pub(crate) fn commit(&self, lane: Lane, count: u32) {
        for _ in 0..count {
            let record = alert();
            assert_eq!(record.lane(), lane);
            self.view.memory.put(&record);
        }
    }

    pub(crate) fn waiting(&self, lane: Lane) -> usize {
        self.view.waiting(lane)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.view.is_connected()
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.view.says(words)
    }

    pub(crate) fn wait(&self, what: &str, condition: impl FnMut(&View) -> bool) {
        self.wait_for(what, DEADLINE, condition);
    }

    pub(crate) fn wait_for(&self, what: &str, at_most: Duration, mut condition: impl FnMut(&View) -> bool) {
        let began = Instant::now();
        while !condition(&self.view) {
            assert!(began.elapsed() < at_most, "{what}");
            // The uplink tells nobody; looking every so often is what health does.
            self.stop.wait_timeout(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.end();
    }
}

fn alert() -> Record {
    Record::Alert(Box::new(Alert {
        at: Moment::from_millis(1_780_000_000_000),
        clock: ClockQuality::Free,
        camera: None,
        kind: AlertKind::Fault("disk".parse().unwrap()),
        over: false,
        text: "the disk fails".parse().unwrap(),
    }))
}

fn birth(pki: &Pki) -> Birth {
    Birth {
        version: CONTRACT_VERSION,
        agency: pki.agency().parse().unwrap(),
        unit: "pole-7".parse().unwrap(),
        epoch: Epoch::new(0xe0e0),
        started: WallStamp::default(),
        software: "0.1.0".parse().unwrap(),
        cameras: Vec::new(),
        reads: ReadsPublished::Counts,
        encoding: Encoding::Cbor,
        challenge: Challenge::from_bytes([1; 16]),
        challenge_id: 1,
        ack: AckMode::Center,
    }
}
