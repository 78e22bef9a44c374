//! The shell around [`Core`]: one thread, one small runtime, one MQTT client per connection.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use edge_protocol::batch::Encoding;
use edge_protocol::id::{AgencyId, UnitId};
use edge_protocol::lane::PerLane;
use edge_protocol::record::{LaneCount, Sentence, UplinkHealth};
use edge_protocol::state::{AckMode, State};
use edge_protocol::time::MonoTime;
use edge_protocol::topic::{self, Topic};
use edge_store::outbox::{Backlog, Spent};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, DisconnectReasonCode, LastWill, Packet};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};

use super::budget::{Budget, Calendar};
use super::plan::{Outbox, OutboxFault};
use super::state::{Core, Input};
use super::talk::Talk;
use super::{Announcement, Bell, Renewals, trouble};
use crate::supervise::queue::Sender;
use crate::supervise::{Backoff, Clock, Fault, Pulse, Stop, chance};

/// A silent broker is found within two of these.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// TCP, TLS and the broker's CONNACK together.
const CONNECT_SECONDS: u64 = 15;
/// The largest packet taken from the broker: a command or a grant, and its topic.
const MAX_INCOMING_BYTES: u32 = 64 * 1024;
/// What the client may hold; more than may be in flight, so that handing over never waits.
const CLIENT_CAPACITY: usize = 128;
/// The longest time between two looks at clock and counters.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// The waits between tries to reach the broker.
pub(super) const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
/// A connection that lasted this long was a good one.
const STEADY: Duration = Duration::from_secs(10);
/// How long the line is kept after a stop: the other stations have just said what they still had to say. What does not
/// get through stays in the outbox.
const LAST_WORDS: Duration = Duration::from_millis(700);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(800);
/// The quota of a broker that states none.
const UNSTATED_ALLOWANCE: usize = 16;

/// Where the broker is and how to talk to it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The broker's name or address, as its certificate has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS with the unit's certificate: see [`super::tls::client_config`].
    pub tls: Arc<rustls::ClientConfig>,
    /// The unit's agency.
    pub agency: AgencyId,
    /// The unit.
    pub unit: UnitId,
    /// How messages are written.
    pub encoding: Encoding,
    /// What lets the outbox forget.
    pub ack: AckMode,
    /// Bytes a day.
    pub daily_bytes: Option<u64>,
}

/// What the uplink is connected to inside the agent.
#[derive(Debug)]
pub struct Ends {
    /// Rung when records are committed.
    pub bell: Bell,
    /// What the unit says of itself.
    pub announcement: Announcement,
    /// Where commands go; a full queue refuses, and the asker hears "busy".
    pub commands: Sender<Bytes>,
    /// The next certificate.
    pub renewals: Renewals,
    /// Reads time.
    pub clock: Clock,
    /// Shows progress to the watchdog.
    pub pulse: Pulse,
}

/// Outbox to MQTT.
pub struct Uplink {
    pub(super) settings: Settings,
    pub(super) ends: Ends,
    pub(super) outbox: Box<dyn Outbox>,
    health: Arc<Mutex<UplinkHealth>>,
    /// Why there is no connection, as far as that is known.
    pub(super) trouble: Option<Sentence>,
    /// Which day it is.
    pub(super) calendar: Calendar,
    /// When the day's bytes were kept last, and how many.
    pub(super) noted: (MonoTime, Spent),
    /// When it was told last that somebody else connects under the unit's name.
    pub(super) copied: Option<MonoTime>,
}

impl std::fmt::Debug for Uplink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Uplink({}:{})", self.settings.host, self.settings.port)
    }
}

impl Uplink {
    /// An uplink that nobody has started.
    pub fn new(settings: Settings, ends: Ends, outbox: Box<dyn Outbox>) -> Self {
        let noted = (ends.clock.mono(), Spent::default());
        let calendar = Calendar::new(0, ends.clock.mono());
        Self { settings, ends, outbox, health: Arc::default(), calendar, noted, trouble: None, copied: None }
    }

    /// How the line is, kept up to date while [`Uplink::run`] runs.
    pub fn health(&self) -> Arc<Mutex<UplinkHealth>> {
        Arc::clone(&self.health)
    }

    /// Runs until `stop` is set.
    ///
    /// # Errors
    /// When the outbox cannot be read, or the system gives no runtime.
    pub fn run(&mut self, stop: &Stop) -> Result<(), Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fault::from_error(&error))?;
        runtime.block_on(self.serve(stop)).map_err(|fault| {
            let fault = Fault::from_error(&fault);
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            (health.connected, health.trouble) = (false, Some(Sentence::cut(&fault.0)));
            drop(health);
            fault
        })
    }

    async fn serve(&mut self, stop: &Stop) -> Result<(), OutboxFault> {
        let mut backoff = RETRY;
        let spent = self.outbox.spent()?;
        self.calendar = Calendar::new(spent.day, self.ends.clock.mono());
        let mut core = self.core(spent)?;
        while !stop.is_set() {
            if let Some(tls) = self.ends.renewals.take_next() {
                self.settings.tls = tls;
            }
            if core.epoch() != self.outbox.epoch() {
                core = self.core(core.spent())?;
            }
            let (client, mut events) = AsyncClient::new(self.options(), CLIENT_CAPACITY);
            let Some(connected) = self.meanwhile(&core, stop, connect(&mut events)).await else { return Ok(()) };
            match connected {
                Ok(allowed) => {
                    tracing::info!(host = self.settings.host, allowed, "connected to the broker");
                    self.ends.renewals.connected();
                    self.trouble = None;
                    let (began, deliveries) = (self.ends.clock.mono(), core.deliveries());
                    core = self.converse(core, Connection { allowed, client, events }, stop).await?;
                    // A broker that takes the connection only to end it is no success.
                    let lasted = self.ends.clock.mono().saturating_since(began);
                    if core.deliveries() > deliveries || lasted >= STEADY {
                        backoff.succeeded();
                    }
                }
                Err(reason) => {
                    tracing::warn!(host = self.settings.host, reason, "the broker is not reached");
                    self.trouble = Some(Sentence::cut(&reason));
                }
            }
            let wait = backoff.failed(chance());
            if self.meanwhile(&core, stop, tokio::time::sleep(wait)).await.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for something while there is no connection, keeping pulse and health going; none when stopped.
    async fn meanwhile<T>(&self, core: &Core, stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            self.ends.pulse.beat(self.ends.clock.mono());
            // The backlog is not looked at: the outbox is being written, and nobody asks that often.
            let held = self.health.lock().unwrap_or_else(PoisonError::into_inner).backlog.clone();
            self.publish_health(core, held);
            tokio::select! {
                done = &mut work => return Some(done),
                () = stop.wait() => return None,
                () = tokio::time::sleep(BEAT) => {}
            }
        }
    }

    pub(super) fn publish_health(&self, core: &Core, backlog: Vec<LaneCount>) {
        let busy = self.ends.commands.gauge().counts().dropped;
        let health = core.health(backlog, busy);
        let trouble = if health.connected { health.trouble } else { self.trouble.clone() };
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = UplinkHealth { trouble, ..health };
    }

    /// Begins with what the outbox's file holds, and says which file that is.
    fn core(&mut self, spent: Spent) -> Result<Core, OutboxFault> {
        let epoch = self.outbox.epoch();
        self.ends.announcement.set_epoch(epoch);
        let mut backlog = PerLane::<Backlog>::default();
        for (lane, held) in backlog.iter_mut() {
            *held = self.outbox.backlog(lane)?;
        }
        let Settings { ack, daily_bytes, .. } = self.settings;
        Ok(Core::new(epoch, ack, Budget::new(daily_bytes, spent), &backlog, self.ends.clock.mono()))
    }

    fn options(&self) -> MqttOptions {
        let Settings { host, port, tls, agency, unit, encoding, .. } = &self.settings;
        let mut options = client_options(topic::client_name(agency, unit.as_str()), (host, *port), tls);
        let will = State::Death(self.ends.announcement.death(false)).encode(*encoding);
        let state = Topic::State(agency.clone(), unit.clone()).to_string();
        options.set_outgoing_inflight_upper_limit(64).set_last_will(LastWill::new(
            state,
            will,
            QoS::AtLeastOnce,
            true,
            None,
        ));
        options
    }

    /// Talks over one connection until it ends.
    async fn converse(&mut self, core: Core, connection: Connection, stop: &Stop) -> Result<Core, OutboxFault> {
        let Connection { allowed, client, mut events } = connection;
        let bell = self.ends.bell.clone();
        let talk = RefCell::new(Talk::new(self, core, client.clone()));
        talk.borrow_mut().begin(allowed)?;
        // Polling must never be cut short, since the client may be in the middle of writing; so both halves run to
        // the end of the connection and share what they know without ever holding it across an await.
        let listen = async {
            loop {
                match events.poll().await {
                    Ok(event) => talk.borrow_mut().event(event),
                    Err(error) => {
                        let reason = trouble::words(&error);
                        tracing::warn!(reason, "the connection to the broker ended");
                        talk.borrow_mut().ended(&reason);
                        if was_taken_over(&error) {
                            talk.borrow_mut().taken_over();
                        }
                        return;
                    }
                }
            }
        };
        let speak = async {
            loop {
                let wait = talk.borrow_mut().step()?;
                let Some(wait) = wait else { return Ok::<(), OutboxFault>(()) };
                tokio::select! {
                    () = bell.rung() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
        };
        let stopped = tokio::select! {
            () = listen => false,
            ended = speak => { ended?; false }
            () = async { stop.wait().await; tokio::time::sleep(LAST_WORDS).await } => true,
        };
        if stopped {
            talk.borrow().say_goodbye();
            let said = async { while events.poll().await.is_ok() {} };
            if tokio::time::timeout(GOODBYE, said).await.is_err() {
                tracing::debug!("the broker was not told goodbye");
            }
        }
        let mut core = talk.into_inner().end();
        self.outbox.note_spent(core.spent());
        core.apply(&Input::Lost, self.ends.clock.mono());
        Ok(core)
    }
}

/// Whether the broker ended the connection because another one was made under the unit's name. Mosquitto 2.0.11 only
/// hangs up; then it is the center that sees two units take turns.
fn was_taken_over(error: &ConnectionError) -> bool {
    matches!(
        error,
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        })
    )
}

/// A connection that the broker took.
struct Connection {
    /// How many messages it allows in flight.
    allowed: usize,
    client: AsyncClient,
    events: EventLoop,
}

/// Waits for the broker to take the connection; how many messages it allows in flight.
pub(super) async fn connect(events: &mut EventLoop) -> Result<usize, String> {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ConnAck { properties, .. }))) => {
                let stated = properties.and_then(|properties| properties.receive_max);
                return Ok(stated.map_or(UNSTATED_ALLOWANCE, usize::from));
            }
            Ok(_) => {}
            Err(error) => return Err(trouble::words(&error)),
        }
    }
}

/// What every connection has, the unit's own and that of a claim: TLS as configured, and nothing kept from before.
pub(super) fn client_options(
    name: impl Into<String>,
    (host, port): (&str, u16),
    tls: &Arc<rustls::ClientConfig>,
) -> MqttOptions {
    let mut options = MqttOptions::new(name, host, port);
    // A hit must not wait for the broker's acknowledgement of what went before it.
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options
        .set_network_options(network)
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))))
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_connection_timeout(CONNECT_SECONDS)
        .set_max_packet_size(Some(MAX_INCOMING_BYTES));
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_brokers_own_word_says_that_the_name_was_taken() {
        let ended = |reason_code| {
            was_taken_over(&ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code,
                reason_string: None,
            }))
        };
        assert!(ended(DisconnectReasonCode::SessionTakenOver));
        assert!(!ended(DisconnectReasonCode::ServerShuttingDown));
        assert!(!was_taken_over(&ConnectionError::MqttState(StateError::ConnectionAborted)));
    }
}
