//! Commits without end: a unit that is asked all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use edge_protocol::topic::Topic;
use edge_tests::world::{UNIT, World};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};

/// Between two messages that the unit must answer: many commits a life, so that its end falls into them.
const BETWEEN: Duration = Duration::from_millis(10);

/// Somebody who keeps sending the unit what is no command; each is answered, which is a commit of its own.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Flood {
    pub(crate) fn begin(world: &World) -> Flood {
        let identity = world.other_center();
        let mut options = MqttOptions::new(&identity.name, "localhost", world.broker.port());
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(world.pki.client(Some(&identity)))));
        let topic =
            Topic::Command(world.pki.agency().parse().expect("agency"), UNIT.parse().expect("unit")).to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (client, mut events) = AsyncClient::new(options, 10);
                let mut every = tokio::time::interval(BETWEEN);
                while !told.load(Ordering::Relaxed) {
                    tokio::select! {
                        event = events.poll() => drop(event.expect("the broker stays")),
                        // Not kept for a unit that is away.
                        _ = every.tick() => drop(client.try_publish(&topic, QoS::AtMostOnce, false, vec![1; 100])),
                    }
                }
            });
        });
        Flood { stop, thread }
    }

    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the flood ran to its end");
    }
}
