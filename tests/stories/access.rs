//! The broker as `rtcc pki` configures it: a unit reaches its own topics and no other agency, unit or client id.
#![cfg(test)]

use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use edge_agent::keys::Keys;
use edge_agent::uplink::tls::client_config;
use edge_protocol::id::IdError;
use edge_tests::process::Process;
use rtcc::pki::{Authority, Subject};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use tempfile::TempDir;

/// Far beyond what anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// The agency `metro` with a broker, a center and two units.
struct City {
    authority: Authority,
    folder: TempDir,
    port: u16,
    _broker: Process,
}

fn name<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().unwrap()
}

impl City {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The system's clock decides whether TLS takes a certificate, so the certificates follow it.
        let authority = Authority::create(folder.path(), &name("metro"), rtcc::clock::wall_us()).unwrap();
        let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        authority.issue(&Subject::Broker(hosts), rtcc::clock::wall_us()).unwrap();
        let port = edge_tests::port::free();
        let config = authority.write_broker_files(port, &[name("center-1")], rtcc::clock::wall_us()).unwrap();
        let broker = Process::spawn("mosquitto", Command::new(mosquitto()).arg("-v").arg("-c").arg(config));
        broker.wait_for_line("running", DEADLINE);
        Self { authority, folder, port, _broker: broker }
    }

    async fn connect(&self, subject: &Subject, client: &str) -> Peer {
        let issued = self.authority.issue(subject, rtcc::clock::wall_us()).unwrap();
        let tls =
            client_config(&self.folder.path().join("root.pem"), &issued.certificate, &issued.key, &Keys::default());
        Peer::connect(self.port, client, tls.unwrap()).await.expect("the broker takes the certificate")
    }
}

fn mosquitto() -> &'static str {
    ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("mosquitto")
}

/// A connection to the broker.
struct Peer {
    client: AsyncClient,
    events: EventLoop,
}

impl Peer {
    async fn connect(port: u16, id: &str, tls: Arc<rustls::ClientConfig>) -> Option<Self> {
        let mut options = MqttOptions::new(id, "localhost", port);
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
        let (client, events) = AsyncClient::new(options, 100);
        let mut peer = Self { client, events };
        peer.next(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await.map(|()| peer)
    }

    /// The next packet of the wanted kind; none when the connection ends.
    async fn next<T>(&mut self, wanted: impl Fn(&Packet) -> Option<T>) -> Option<T> {
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                match self.events.poll().await {
                    Ok(Event::Incoming(packet)) => {
                        if let Some(found) = wanted(&packet) {
                            return Some(found);
                        }
                    }
                    Ok(Event::Outgoing(_)) => {}
                    Err(_) => return None,
                }
            }
        });
        found.await.expect("the broker answers")
    }

    /// Whether the broker lets a message through.
    async fn may_publish(&mut self, topic: &str) -> bool {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, "tried").unwrap();
        let reason = self.next(|packet| if let Packet::PubAck(ack) = packet { Some(ack.reason) } else { None });
        let reason = reason.await.expect("the connection stays");
        assert!(
            matches!(reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers | PubAckReason::NotAuthorized),
            "{topic}: {reason:?}"
        );
        reason != PubAckReason::NotAuthorized
    }

    async fn subscribe(&mut self, filter: &str) {
        self.client.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
        self.next(|packet| matches!(packet, Packet::SubAck(_)).then_some(())).await.expect("the connection stays");
    }

    async fn next_topic(&mut self) -> String {
        let topic =
            self.next(|packet| if let Packet::Publish(publish) = packet { Some(publish.topic.clone()) } else { None });
        String::from_utf8(topic.await.expect("the connection stays").to_vec()).unwrap()
    }
}

#[tokio::test]
async fn a_unit_writes_its_own_lanes_and_state_and_nothing_else() {
    let city = City::start();
    let mut unit = city.connect(&Subject::Unit(name("pole-7")), "metro/pole-7").await;
    for lane in ["hit", "answer", "alert", "health", "audit", "read", "object", "thumb", "clip"] {
        assert!(unit.may_publish(&format!("rtcc/v1/metro/pole-7/up/{lane}")).await, "{lane}");
    }
    assert!(unit.may_publish("rtcc/v1/metro/pole-7/state").await);
    for other in [
        "rtcc/v1/metro/pole-8/up/hit",
        "rtcc/v1/metro/pole-8/state",
        "rtcc/v1/metro/pole-7/down/cmd",
        "rtcc/v1/metro/pole-7/down/ack",
        "rtcc/v1/metro/pole-8/down/cmd",
        "rtcc/v1/metro/center-1/up/hit",
        "rtcc/v1/metro/all/hotlist",
        "rtcc/v1/metro/all/hold",
        "rtcc/v1/county/pole-7/up/hit",
        "rtcc/v1/county/pole-7/state",
        "rtcc/v1/enroll/SN42/request",
        "rtcc/v1/enroll/SN42/response",
        "rtcc/v2/metro/pole-7/up/hit",
        "elsewhere",
    ] {
        assert!(!unit.may_publish(other).await, "{other}");
    }
}

#[tokio::test]
async fn a_unit_hears_what_is_meant_for_it_whatever_it_subscribes_to() {
    let city = City::start();
    let mut unit = city.connect(&Subject::Unit(name("pole-7")), "metro/pole-7").await;
    for filter in ["#", "rtcc/v1/#", "rtcc/v1/metro/pole-8/#", "rtcc/v1/metro/+/down/#", "rtcc/v1/metro/pole-7/down/#"]
    {
        unit.subscribe(filter).await;
    }
    let mut center = city.connect(&Subject::Center(name("center-1")), "metro/center-1").await;
    let mut other = city.connect(&Subject::Unit(name("pole-8")), "metro/pole-8").await;
    assert!(center.may_publish("rtcc/v1/metro/pole-8/down/cmd").await);
    assert!(other.may_publish("rtcc/v1/metro/pole-8/up/hit").await);
    assert!(other.may_publish("rtcc/v1/metro/pole-8/state").await);
    assert!(center.may_publish("rtcc/v1/metro/pole-7/down/cmd").await);
    // The last of the four is the first it hears.
    assert_eq!(unit.next_topic().await, "rtcc/v1/metro/pole-7/down/cmd");
}

#[tokio::test]
async fn a_client_id_is_what_the_certificate_says() {
    let city = City::start();
    let mut victim = city.connect(&Subject::Unit(name("pole-8")), "metro/pole-8").await;
    let mut thief = city.connect(&Subject::Unit(name("pole-7")), "metro/pole-8").await;
    assert!(!thief.may_publish("rtcc/v1/metro/pole-8/up/hit").await);
    assert!(thief.may_publish("rtcc/v1/metro/pole-7/up/hit").await);
    // The broker ends the older of two connections with one client id; this one was not ended.
    assert!(victim.may_publish("rtcc/v1/metro/pole-8/up/hit").await);
}

#[tokio::test]
async fn a_claim_asks_under_its_own_serial_alone() {
    let city = City::start();
    let mut claim = city.connect(&Subject::Claim("SN42".parse().unwrap()), "enroll/SN42").await;
    assert!(claim.may_publish("rtcc/v1/enroll/SN42/request").await);
    for other in [
        "rtcc/v1/enroll/SN43/request",
        "rtcc/v1/enroll/SN42/response",
        "rtcc/v1/metro/pole-7/up/hit",
        "rtcc/v1/metro/pole-7/state",
        "rtcc/v1/metro/all/hold",
    ] {
        assert!(!claim.may_publish(other).await, "{other}");
    }
}

#[tokio::test]
async fn a_stranger_s_certificate_opens_no_connection() {
    let city = City::start();
    let strangers = tempfile::tempdir().unwrap();
    let other = Authority::create(strangers.path(), &name("metro"), rtcc::clock::wall_us()).unwrap();
    let issued = other.issue(&Subject::Unit(name("pole-7")), rtcc::clock::wall_us()).unwrap();
    let tls = client_config(&city.folder.path().join("root.pem"), &issued.certificate, &issued.key, &Keys::default())
        .unwrap();
    assert!(Peer::connect(city.port, "metro/pole-7", tls).await.is_none());
}
