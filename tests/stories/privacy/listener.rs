//! Somebody at the broker who may read everything of the agency, and does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_tests::world::World;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use tokio::sync::oneshot;

/// Larger than any message of the contract.
const MOST_BYTES: u32 = 4 << 20;
const DEADLINE: Duration = Duration::from_secs(20);

/// Topics and payloads in the order in which they came.
type Heard = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A listener; dropping it ends its connection.
pub(crate) struct Listener {
    heard: Heard,
    _stop: oneshot::Sender<()>,
}

impl Listener {
    /// Listens to every topic from now on.
    pub(crate) fn begin(world: &World) -> Listener {
        let identity = world.other_center();
        let mut options = MqttOptions::new(&identity.name, "localhost", world.broker.port());
        options.set_max_packet_size(Some(MOST_BYTES));
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(world.pki.client(Some(&identity)))));
        let heard = Heard::default();
        let (stop, stopped) = oneshot::channel();
        let (ready, subscribed) = std::sync::mpsc::channel();
        let to = Arc::clone(&heard);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = listen(options, to, ready) => {}
                    _ = stopped => {}
                }
            });
        });
        subscribed.recv_timeout(DEADLINE).expect("the broker lets the listener hear everything");
        Listener { heard, _stop: stop }
    }

    /// What has come so far.
    pub(crate) fn heard(&self) -> Vec<(String, Vec<u8>)> {
        self.heard.lock().expect("the listener's lock").clone()
    }
}

async fn listen(options: MqttOptions, heard: Heard, ready: std::sync::mpsc::Sender<()>) {
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("#", QoS::AtLeastOnce).await.expect("a subscription");
    #[allow(clippy::infinite_loop, reason = "ends with the future that it is selected against")]
    loop {
        match events.poll().await.expect("the broker stays") {
            Event::Incoming(Packet::Publish(publish)) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                heard.lock().expect("the listener's lock").push((topic, publish.payload.to_vec()));
            }
            Event::Incoming(Packet::SubAck(_)) => ready.send(()).expect("somebody waits"),
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
    }
}
