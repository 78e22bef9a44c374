//! The connection to the broker: the one place of the center with MQTT.
//!
//! Belongs here: connecting, subscribing, handing arrivals on, and sending what the receiver decides. Does not belong
//! here: what a message means. A message is acknowledged to the broker only when the receiver says so, which it does
//! after its commit. Everything that is sent can be derived again from the database, so nothing is kept here.

mod backoff;
pub mod tls;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Filter, Packet, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};
use tokio::sync::{mpsc, watch};

use backoff::Backoff;
use trouble::Trouble;

/// Messages that may be with us unacknowledged.
const RECEIVE_MAXIMUM: u16 = 256;
/// Arrivals that may wait for the receiver: more than can be unacknowledged in one connection, so that a full queue
/// means several connections' worth and never stops the connection's own pings.
pub const ARRIVALS: usize = 4 * RECEIVE_MAXIMUM as usize;
/// What may wait to be sent.
pub const DEPARTURES: usize = 1024;
/// The largest packet that is taken from the broker.
const MAX_PACKET_BYTES: u32 = 2 * 1024 * 1024;
/// How long the broker keeps messages for a receiver that is away: over a restart, and no longer than units wait before
/// they send again what nobody acknowledged. Until then it goes on giving that receiver its share.
const SESSION_SECONDS: u32 = 30;

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Where the broker is and who we are to it.
#[derive(Debug, Clone)]
pub struct Link {
    /// The broker's name or address, as its certificate has it.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// The client id; the broker replaces it by the certificate's name.
    pub client: String,
    /// What to subscribe to.
    pub filters: Vec<String>,
    /// TLS with our certificate.
    pub tls: Arc<rustls::ClientConfig>,
}

/// With what a message is acknowledged to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    connection: u64,
    packet: u16,
    expected: bool,
}

impl Receipt {
    /// A receipt of a message that came from no broker: acknowledging it does nothing.
    pub fn none() -> Self {
        Self { connection: 0, packet: 0, expected: false }
    }
}

/// What comes from the broker.
#[derive(Debug)]
pub enum Arrival {
    /// A connection was made, and whatever was in flight before is uncertain.
    Connected,
    /// A message.
    Message {
        /// Its topic.
        topic: Bytes,
        /// Its payload.
        payload: Bytes,
        /// When it arrived, microseconds since 1970.
        received_us: i64,
        /// With what to acknowledge it.
        receipt: Receipt,
    },
}

/// What goes to the broker.
#[derive(Debug, PartialEq, Eq)]
pub enum Departure {
    /// The message is committed: the broker may forget it.
    Done(Receipt),
    /// A message of our own, delivered at least once, never retained.
    Publish {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Vec<u8>,
    },
}

/// What the connection says about itself, for metrics and health.
#[derive(Debug, Default)]
pub struct LinkStatus {
    connected: AtomicBool,
    connections: AtomicU64,
    overruns: AtomicU64,
}

impl LinkStatus {
    /// Whether the broker is connected now.
    pub fn connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Notes a new connection.
    pub fn begin(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.connected.store(true, Ordering::Relaxed);
    }

    /// Notes that the connection is gone; true if there was one.
    pub fn end(&self) -> bool {
        self.connected.swap(false, Ordering::Relaxed)
    }

    /// How often a connection was made.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// How often the connection was given up because the receiver could not keep up.
    pub fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }
}

/// Both ends of a link, ready to run.
#[derive(Debug)]
pub struct Ends {
    /// Where arrivals go.
    pub arrivals: mpsc::Sender<Arrival>,
    /// Where departures come from.
    pub departures: mpsc::Receiver<Departure>,
    /// What the link says about itself.
    pub status: Arc<LinkStatus>,
    /// Becomes true when the link shall end.
    pub stop: watch::Receiver<bool>,
    /// Reads the wall clock, microseconds since 1970.
    pub now_us: fn() -> i64,
}

/// Keeps the connection until `stop`, reconnecting as often as it takes.
pub async fn run(link: Link, ends: Ends) {
    let Ends { arrivals, departures, status, mut stop, now_us } = ends;
    let (client, mut event_loop) = AsyncClient::new(options(&link), DEPARTURES);
    let mut connection = Connection {
        client: client.clone(),
        filters: link.filters,
        arrivals,
        status: Arc::clone(&status),
        backoff: Backoff::new(),
        broker: format!("{}:{}", link.host, link.port),
        trouble: Trouble::default(),
        now_us,
    };
    tokio::select! {
        () = connection.receive(&mut event_loop) => {}
        () = send(client.clone(), departures, status) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    leave(&client, event_loop).await;
}

/// Says goodbye, so that the broker need not find out by itself.
async fn leave(client: &AsyncClient, mut event_loop: EventLoop) {
    if client.try_disconnect().is_err() {
        return;
    }
    let said = async { while event_loop.poll().await.is_ok() {} };
    if tokio::time::timeout(GOODBYE, said).await.is_err() {
        tracing::debug!("the broker was not told goodbye");
    }
}

fn options(link: &Link) -> MqttOptions {
    let mut options = MqttOptions::new(&link.client, &link.host, link.port);
    // A command must not wait for the broker's acknowledgement of what went before it.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_network_options(network)
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(&link.tls))))
        .set_keep_alive(Duration::from_secs(10))
        .set_clean_start(false)
        .set_manual_acks(true)
        .set_session_expiry_interval(Some(SESSION_SECONDS))
        .set_receive_maximum(Some(RECEIVE_MAXIMUM))
        .set_max_packet_size(Some(MAX_PACKET_BYTES))
        .set_outgoing_inflight_upper_limit(128);
    options
}

/// Hands departures to the client. A receipt of an earlier connection is dropped: the broker sends that message again.
async fn send(client: AsyncClient, mut departures: mpsc::Receiver<Departure>, status: Arc<LinkStatus>) {
    while let Some(departure) = departures.recv().await {
        let sent = match departure {
            Departure::Done(receipt) if !receipt.expected || receipt.connection != status.connections() => {
                continue;
            }
            Departure::Done(receipt) => {
                let mut publish = Publish::new("", QoS::AtLeastOnce, Bytes::new(), None);
                publish.pkid = receipt.packet;
                client.ack(&publish).await
            }
            Departure::Publish { topic, payload } => client.publish(topic, QoS::AtLeastOnce, false, payload).await,
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "the broker connection takes nothing more");
            return;
        }
    }
}

struct Connection {
    client: AsyncClient,
    filters: Vec<String>,
    arrivals: mpsc::Sender<Arrival>,
    status: Arc<LinkStatus>,
    backoff: Backoff,
    /// The broker's name and port, for the log.
    broker: String,
    trouble: Trouble,
    now_us: fn() -> i64,
}

impl Connection {
    async fn receive(&mut self, event_loop: &mut EventLoop) {
        loop {
            match event_loop.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if !self.incoming(packet) {
                        // Unacknowledged messages come again with the next connection.
                        self.status.overruns.fetch_add(1, Ordering::Relaxed);
                        self.status.end();
                        event_loop.clean();
                        self.wait().await;
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(ConnectionError::RequestsDone) => return,
                Err(error) => {
                    self.failed(&error);
                    self.wait().await;
                }
            }
            if self.arrivals.is_closed() {
                return;
            }
        }
    }

    fn failed(&mut self, error: &ConnectionError) {
        let broker = &self.broker;
        let lost = self.status.end();
        match self.trouble.met(error) {
            Some(why) if lost => tracing::warn!(broker, why, "lost the broker; nothing arrives until it is back"),
            Some(why) => {
                tracing::warn!(broker, why, "cannot reach the broker; nothing arrives until it can be reached");
            }
            None => tracing::debug!(broker, %error, "cannot reach the broker"),
        }
    }

    async fn wait(&mut self) {
        let mut chance = [0; 2];
        // Without a random number the wait is the longest one, which is only less pleasant.
        let drawn = aws_lc_rs::rand::fill(&mut chance).map_or(u16::MAX, |()| u16::from_le_bytes(chance));
        tokio::time::sleep(self.backoff.failed(drawn)).await;
    }

    /// Handles one packet; false when the receiver cannot take it.
    fn incoming(&mut self, packet: Packet) -> bool {
        if let Packet::ConnAck(answer) = &packet
            && answer.code == ConnectReturnCode::Success
        {
            return self.connected(answer.session_present);
        }
        if let Packet::SubAck(answer) = &packet
            && answer.return_codes.iter().any(|code| !matches!(code, SubscribeReasonCode::Success(_)))
        {
            tracing::error!(codes = ?answer.return_codes, "the broker refuses a subscription: is our certificate in its access list?");
        }
        if let Packet::Publish(publish) = packet {
            return self.arrivals.try_send(self.message(publish)).is_ok();
        }
        true
    }

    fn connected(&mut self, session_present: bool) -> bool {
        tracing::info!(session_present, "connected to the broker");
        self.backoff.succeeded();
        self.trouble.over();
        self.status.begin();
        // Asked for on every connection, since subscribing is what makes the broker send the retained states.
        let filters = self.filters.iter().map(|filter| Filter::new(filter.clone(), QoS::AtLeastOnce));
        if let Err(error) = self.client.try_subscribe_many(filters) {
            tracing::warn!(%error, "cannot subscribe");
            return false;
        }
        self.arrivals.try_send(Arrival::Connected).is_ok()
    }

    fn message(&self, publish: Publish) -> Arrival {
        Arrival::Message {
            receipt: Receipt {
                connection: self.status.connections(),
                packet: publish.pkid,
                expected: publish.qos == QoS::AtLeastOnce,
            },
            topic: publish.topic,
            payload: publish.payload,
            received_us: (self.now_us)(),
        }
    }
}
