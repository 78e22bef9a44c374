//! A connection to the broker in the hands of a test, and what a unit says over it.

use std::sync::Arc;
use std::time::Duration;

use edge_protocol::batch::{Batch, CONTRACT_VERSION, Encoding};
use edge_protocol::command::Challenge;
use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::record::{Alert, AlertKind, Record};
use edge_protocol::state::{AckMode, Birth, ReadsPublished, State};
use edge_protocol::time::{ClockQuality, Moment, WallStamp, WallTime};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};

use crate::city::DEADLINE;

/// A connection under a unit's name, in the hands of a test.
pub(crate) struct Peer {
    runtime: tokio::runtime::Runtime,
    client: AsyncClient,
    events: EventLoop,
}

impl Peer {
    pub(crate) fn connect(port: u16, id: &str, tls: Arc<rustls::ClientConfig>) -> Option<Self> {
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
        self.next_within(DEADLINE, wanted).expect("the broker answers")
    }

    /// As [`Peer::next`]; an error where neither comes in that time.
    fn next_within<T>(
        &mut self,
        limit: Duration,
        wanted: impl Fn(&Packet) -> Option<T>,
    ) -> Result<Option<T>, tokio::time::error::Elapsed> {
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
        self.runtime.block_on(async { tokio::time::timeout(limit, found).await })
    }

    /// Sends a message, and does not look what becomes of it.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, payload.to_vec()).unwrap();
    }

    /// The next message that it hears; none when the connection ends.
    pub(crate) fn hears(&mut self) -> Option<Vec<u8>> {
        self.next(|packet| if let Packet::Publish(heard) = packet { Some(heard.payload.to_vec()) } else { None })
    }

    /// Whether the broker lets a message through; none when the connection ends.
    pub(crate) fn may_publish(&mut self, topic: &str, payload: &[u8]) -> Option<bool> {
        self.publish(topic, payload);
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
        self.publish(topic, payload);
        self.next(|packet| {
            assert!(!matches!(packet, Packet::Publish(_)), "it hears {packet:?}");
            if let Packet::PubAck(ack) = packet { Some(ack.reason != PubAckReason::NotAuthorized) } else { None }
        })
    }

    /// Waits for the broker to end the connection.
    pub(crate) fn ends(mut self) -> bool {
        self.hears().is_none()
    }

    /// Whether the broker ends the connection in that time; a message that comes before is the end of the test.
    pub(crate) fn ends_within(mut self, limit: Duration) -> bool {
        self.next_within(limit, |packet| {
            assert!(!matches!(packet, Packet::Publish(_)), "it hears {packet:?}");
            None::<()>
        })
        .is_ok()
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
