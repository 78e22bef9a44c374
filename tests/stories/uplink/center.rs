//! A center in memory: stores, then acknowledges the settled prefix.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use edge_protocol::ack::Ack;
use edge_protocol::batch::{Batch, Encoding};
use edge_protocol::id::{AgencyId, Epoch, Sequence};
use edge_protocol::lane::Lane;
use edge_protocol::record::Record;
use edge_protocol::state::State;
use edge_protocol::topic::{self, Topic};
use edge_tests::pki::{Identity, Pki};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(90);

/// What has come.
#[derive(Default)]
pub(crate) struct Seen {
    sequences: HashMap<(Epoch, Lane), BTreeSet<u64>>,
    pub(crate) records: Vec<Record>,
    pub(crate) state: Option<State>,
}

impl Seen {
    /// How many records of a lane are stored, each counted once.
    pub(crate) fn stored(&self, lane: Lane) -> usize {
        self.sequences.iter().filter(|((_, held), _)| *held == lane).map(|(_, sequences)| sequences.len()).sum()
    }

    fn store(&mut self, batch: &Batch) -> Sequence {
        let sequences = self.sequences.entry((batch.epoch(), batch.lane())).or_default();
        for (name, record) in batch.named() {
            if sequences.insert(name.sequence.get()) {
                self.records.push(record.clone());
            }
        }
        let in_place = sequences.iter().zip(1..).take_while(|(held, expected)| **held == *expected);
        Sequence::new(in_place.count() as u64)
    }
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
}

/// The center; ends when dropped.
pub(crate) struct Center {
    agency: AgencyId,
    shared: Arc<Shared>,
    client: AsyncClient,
    thread: Option<JoinHandle<()>>,
    ended: Arc<tokio::sync::Notify>,
}

impl Center {
    pub(crate) fn start(pki: &Pki, identity: &Identity, port: u16) -> Self {
        Self::start_with(pki, identity, port, true)
    }

    /// A center that acknowledges, or one that cannot.
    pub(crate) fn start_with(pki: &Pki, identity: &Identity, port: u16, acknowledges: bool) -> Self {
        let agency = AgencyId::new(pki.agency()).unwrap();
        let mut options = MqttOptions::new(&identity.name, "localhost", port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(pki.client(Some(identity)))))
            .set_keep_alive(Duration::from_secs(5))
            .set_max_packet_size(Some(1 << 20));
        let (client, mut events) = AsyncClient::new(options, 1000);
        let shared = Arc::new(Shared::default());
        let ended = Arc::new(tokio::sync::Notify::new());
        let (held, speaker, whose, end) = (Arc::clone(&shared), client.clone(), agency.clone(), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listen = async {
                    loop {
                        match events.poll().await {
                            Ok(event) => take(&event, &held, &speaker, (&whose, acknowledges)),
                            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                        }
                    }
                };
                tokio::select! {
                    () = listen => {}
                    () = end.notified() => {}
                }
            });
        });
        Self { agency, shared, client, thread: Some(thread), ended }
    }

    /// Waits until what has come satisfies a condition.
    pub(crate) fn wait(&self, what: &str, mut condition: impl FnMut(&Seen) -> bool) {
        let seen = self.shared.seen.lock().unwrap();
        let (seen, timeout) = self.shared.changed.wait_timeout_while(seen, DEADLINE, |seen| !condition(seen)).unwrap();
        assert!(!timeout.timed_out(), "{what}: {} alerts", seen.stored(Lane::Alert));
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.shared.seen.lock().unwrap().records.clone()
    }

    /// Sends a unit something as a command.
    pub(crate) fn command(&self, unit: &str, sealed: Vec<u8>) {
        let topic = Topic::Command(self.agency.clone(), unit.parse().unwrap()).to_string();
        self.client.try_publish(topic, QoS::AtLeastOnce, false, sealed).unwrap();
    }
}

fn take(event: &Event, shared: &Shared, client: &AsyncClient, (agency, acknowledges): (&AgencyId, bool)) {
    match event {
        Event::Incoming(Packet::ConnAck(_)) => {
            for filter in [topic::records_filter(agency), topic::state_filter(agency)] {
                client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
            }
        }
        Event::Incoming(Packet::Publish(publish)) => {
            match Topic::parse(std::str::from_utf8(&publish.topic).unwrap()) {
                Some(Topic::Up(whose, unit, lane)) => {
                    let batch = Batch::decode(&publish.payload).unwrap();
                    assert_eq!(batch.lane(), lane);
                    let settled = shared.seen.lock().unwrap().store(&batch);
                    let ack = Ack::new(batch.epoch(), lane, settled).encode(Encoding::Cbor);
                    // What does not fit is said again with the next batch.
                    let topic = Topic::Ack(whose, unit).to_string();
                    if acknowledges {
                        drop(client.try_publish(topic, QoS::AtLeastOnce, false, ack));
                    }
                }
                Some(Topic::State(..)) => {
                    shared.seen.lock().unwrap().state = Some(State::decode(&publish.payload).unwrap());
                }
                other => panic!("{other:?}"),
            }
            shared.changed.notify_all();
        }
        Event::Incoming(_) | Event::Outgoing(_) => {}
    }
}

impl Drop for Center {
    fn drop(&mut self) {
        self.ended.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
