//! A second unit of the agency: it is connected, and hears whatever it is asked.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use edge_protocol::batch::{CONTRACT_VERSION, Encoding};
use edge_protocol::command::Challenge;
use edge_protocol::id::Epoch;
use edge_protocol::record::Word;
use edge_protocol::state::{AckMode, Birth, ReadsPublished, State};
use edge_protocol::time::WallStamp;
use edge_protocol::topic::Topic;
use edge_tests::pki::Pki;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};

/// The unit; dropping it ends its connection.
pub(crate) struct Bystander {
    client: Client,
    heard: Arc<Mutex<usize>>,
    listening: Option<JoinHandle<()>>,
}

impl Bystander {
    /// Connects and says that it is there.
    pub(crate) fn connect(pki: &Pki, port: u16, name: &str) -> Bystander {
        let (agency, unit) = (pki.agency().parse().unwrap(), name.parse().unwrap());
        let identity = pki.unit(name);
        let mut options = MqttOptions::new(identity.name.clone(), "localhost", port);
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(pki.client(Some(&identity)))));
        let (client, mut connection) = Client::new(options, 8);
        let asked = Topic::Command(pki.agency().parse().unwrap(), name.parse().unwrap()).to_string();
        client.subscribe(asked, QoS::AtLeastOnce).unwrap();
        let topic = Topic::State(pki.agency().parse().unwrap(), name.parse().unwrap()).to_string();
        let birth = State::Birth(Birth {
            version: CONTRACT_VERSION,
            agency,
            unit,
            epoch: Epoch::new(1),
            started: WallStamp::default(),
            software: Word::cut("1.0.0"),
            cameras: Vec::new(),
            reads: ReadsPublished::Counts,
            encoding: Encoding::Cbor,
            challenge: Challenge::from_bytes([9; 16]),
            challenge_id: 1,
            ack: AckMode::Center,
        });
        client.publish(topic, QoS::AtLeastOnce, true, birth.encode(Encoding::Cbor)).unwrap();
        let heard = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&heard);
        let listening = std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::Publish(_))) => *counted.lock().unwrap() += 1,
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        Bystander { client, heard, listening: Some(listening) }
    }

    /// How many commands it has heard.
    pub(crate) fn heard(&self) -> usize {
        *self.heard.lock().unwrap()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        drop(self.client.disconnect());
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
    }
}
