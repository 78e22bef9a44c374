//! The line of a unit that is nobody's yet: one question under its claim certificate, and the answer.
//!
//! The broker lets a claim certificate say one thing under one topic and hear one other; nothing of the outbox is here.

use std::sync::Arc;
use std::time::Duration;

use edge_protocol::enrolment::Serial;
use edge_protocol::topic::Topic;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop};

use super::link::{KEEP_ALIVE, RETRY, client_options};
use super::trouble;
use crate::supervise::{Clock, chance};

/// Where the broker is and who asks.
#[derive(Debug, Clone)]
pub struct ClaimLine {
    /// The broker's name or address, as its certificate has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS with the claim certificate: see [`super::tls::client_config`].
    pub tls: Arc<rustls::ClientConfig>,
    /// The serial number that asks.
    pub serial: Serial,
}

/// What happens on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'m> {
    /// The broker has taken the connection.
    Connected,
    /// The broker has the question.
    Sent,
    /// The line is cut, or was never there; it is tried again.
    Lost(&'m str),
    /// An answer.
    Answer(&'m [u8]),
}

impl ClaimLine {
    /// Asks until `hear` says that it has heard enough; false if that was not within the time. Asks again on every new
    /// connection, and with each answer to a ping (every `KEEP_ALIVE`): a receiver that has died may have taken the
    /// question with it. The center answers the same question the same.
    ///
    /// # Errors
    /// When the system gives no runtime.
    pub fn ask(
        &self,
        question: &[u8],
        patience: Duration,
        clock: &Clock,
        hear: &mut dyn FnMut(Heard<'_>) -> bool,
    ) -> std::io::Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = runtime.block_on(async {
            let mut backoff = RETRY;
            let talk = async {
                loop {
                    let began = clock.mono();
                    match self.talk(question, hear).await {
                        Ok(()) => return,
                        Err(reason) if hear(Heard::Lost(&reason)) => return,
                        Err(_) => {}
                    }
                    if clock.mono().saturating_since(began) > KEEP_ALIVE {
                        backoff.succeeded();
                    }
                    tokio::time::sleep(backoff.failed(chance())).await;
                }
            };
            tokio::time::timeout(patience, talk).await
        });
        Ok(asked.is_ok())
    }

    /// One connection; ends well when enough was heard.
    async fn talk(&self, question: &[u8], hear: &mut dyn FnMut(Heard<'_>) -> bool) -> Result<(), String> {
        let request = Topic::EnrollRequest(self.serial.clone()).to_string();
        let response = Topic::EnrollResponse(self.serial.clone()).to_string();
        let (client, mut events) = self.connection(&self.serial.client_name());
        let ask = || {
            let sent = client.try_publish(&request, QoS::AtLeastOnce, false, question.to_vec());
            sent.map_err(|error| error.to_string())
        };
        let mut is_listening = false;
        loop {
            let enough = match events.poll().await.map_err(|error| trouble::words(&error))? {
                Event::Incoming(Packet::ConnAck(_)) => {
                    client.try_subscribe(&response, QoS::AtLeastOnce).map_err(|error| error.to_string())?;
                    hear(Heard::Connected)
                }
                Event::Incoming(Packet::SubAck(ack)) => {
                    if !ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
                        return Err("the broker does not let a claim hear its answer".to_owned());
                    }
                    // Only now, so that no answer is missed.
                    ask()?;
                    is_listening = true;
                    false
                }
                Event::Incoming(Packet::PingResp(_)) if is_listening => {
                    ask()?;
                    false
                }
                Event::Incoming(Packet::PubAck(_)) => hear(Heard::Sent),
                Event::Incoming(Packet::Publish(publish)) if publish.topic == response.as_bytes() => {
                    hear(Heard::Answer(&publish.payload))
                }
                Event::Incoming(_) | Event::Outgoing(_) => false,
            };
            if enough {
                leave(&client, events).await;
                return Ok(());
            }
        }
    }

    /// Whether the broker takes a connection under another name: that of the unit that this one has become.
    ///
    /// # Errors
    /// In words, why not.
    pub fn greet(&self, name: &str) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let (client, mut events) = self.connection(name);
            loop {
                if let Event::Incoming(Packet::ConnAck(_)) =
                    events.poll().await.map_err(|error| trouble::words(&error))?
                {
                    leave(&client, events).await;
                    return Ok(());
                }
            }
        })
    }

    fn connection(&self, name: &str) -> (AsyncClient, EventLoop) {
        AsyncClient::new(client_options(name, (&self.host, self.port), &self.tls), 8)
    }
}

/// Says goodbye; a broker that does not hear it finds out by itself.
async fn leave(client: &AsyncClient, mut events: EventLoop) {
    if client.try_disconnect().is_ok() {
        let said = async { while events.poll().await.is_ok() {} };
        if tokio::time::timeout(Duration::from_secs(1), said).await.is_err() {
            tracing::debug!("the broker was not told goodbye");
        }
    }
}
