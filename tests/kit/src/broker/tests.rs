//! The broker keeps the product's access rules, and its kill, wipe and restart do what they say.

use super::*;
use rumqttc::TlsConfiguration;
use rumqttc::Transport;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};

fn options(broker: &Broker, pki: &Pki, identity: Option<&Identity>) -> MqttOptions {
    let name = identity.map_or("nobody", |identity| identity.name.as_str());
    let mut options = MqttOptions::new(name, "localhost", broker.port());
    options.set_transport(Transport::Tls(TlsConfiguration::Rustls(pki.client(identity))));
    options.set_clean_start(false).set_session_expiry_interval(Some(3600));
    options
}

/// Polls until `wanted` picks something out of an incoming packet.
async fn until<T>(events: &mut EventLoop, wanted: impl Fn(&Packet) -> Option<T>) -> T {
    let picked = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Event::Incoming(packet) = events.poll().await.expect("connection")
                && let Some(picked) = wanted(&packet)
            {
                return picked;
            }
        }
    });
    picked.await.expect("nothing of the kind came")
}

fn publish(packet: &Packet) -> Option<(String, Vec<u8>)> {
    let Packet::Publish(publish) = packet else { return None };
    Some((String::from_utf8(publish.topic.to_vec()).unwrap(), publish.payload.to_vec()))
}

async fn connected(broker: &Broker, pki: &Pki, identity: &Identity) -> (AsyncClient, EventLoop) {
    let (client, mut events) = AsyncClient::new(options(broker, pki, Some(identity)), 10);
    until(&mut events, |packet| matches!(packet, Packet::ConnAck(_)).then_some(())).await;
    (client, events)
}

async fn granted(client: &AsyncClient, events: &mut EventLoop, filter: &str) -> bool {
    client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    until(events, |packet| {
        let Packet::SubAck(ack) = packet else { return None };
        Some(ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))))
    })
    .await
}

/// Whether a message of `unit` on `topic` reaches the center; a second one on the unit's own topic ends the wait.
async fn passes(unit: &mut (AsyncClient, EventLoop), center: &mut EventLoop, topic: &str) -> bool {
    unit.0.publish(topic, QoS::AtLeastOnce, false, "tried").await.unwrap();
    unit.0.publish("rtcc/v1/city/gate-1/up/health", QoS::AtLeastOnce, false, "end").await.unwrap();
    let mut acknowledged = 0;
    while acknowledged < 2 {
        until(&mut unit.1, |packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
        acknowledged += 1;
    }
    let mut passed = false;
    loop {
        match until(center, publish).await {
            (_, payload) if payload == b"end" => return passed,
            (got, _) => passed |= got == topic,
        }
    }
}

#[tokio::test]
async fn a_unit_writes_only_its_own_topics() {
    let pki = Pki::new("city");
    let (center, unit) = (pki.center("center"), pki.unit("gate-1"));
    let broker = Broker::start(&pki, &[&center]);
    let (center, mut events) = connected(&broker, &pki, &center).await;
    assert!(granted(&center, &mut events, "rtcc/v1/city/#").await);
    let mut unit = connected(&broker, &pki, &unit).await;
    assert!(passes(&mut unit, &mut events, "rtcc/v1/city/gate-1/up/read").await);
    assert!(passes(&mut unit, &mut events, "rtcc/v1/city/gate-1/state").await);
    for foreign in ["rtcc/v1/city/gate-2/up/read", "rtcc/v1/town/gate-1/up/read", "rtcc/v1/city/gate-1/down/ack"] {
        assert!(!passes(&mut unit, &mut events, foreign).await, "{foreign} passed");
    }
}

#[tokio::test]
async fn without_a_certificate_of_the_agency_nobody_connects() {
    let (pki, foreign) = (Pki::new("city"), Pki::new("town"));
    let broker = Broker::start(&pki, &[]);
    for identity in [None, Some(&foreign.unit("gate-1"))] {
        let (_client, mut events) = AsyncClient::new(options(&broker, &pki, identity), 10);
        let first = tokio::time::timeout(DEADLINE, events.poll()).await.expect("an answer");
        assert!(first.is_err(), "{first:?}");
    }
}

#[tokio::test]
async fn a_client_with_tls_1_3_finds_no_old_broker() {
    let pki = Pki::new("city");
    let unit = pki.unit("gate-1");
    let broker = Broker::start_with(&pki, &[], &BrokerOptions { tls12_only: true, extra: Vec::new() });
    let (_client, mut events) = AsyncClient::new(options(&broker, &pki, Some(&unit)), 10);
    let first = tokio::time::timeout(DEADLINE, events.poll()).await.expect("an answer");
    assert!(first.is_err(), "{first:?}");
}

#[tokio::test]
async fn an_orderly_stop_keeps_retained_messages_and_a_wipe_loses_them() {
    let pki = Pki::new("city");
    let identity = pki.center("center-1");
    let mut broker = Broker::start(&pki, &[&identity]);
    let (center, mut events) = connected(&broker, &pki, &identity).await;
    center.publish("rtcc/v1/city/gate-1/state", QoS::AtLeastOnce, true, "born").await.unwrap();
    until(&mut events, |packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    drop((center, events));

    broker.stop();
    broker.restart();
    let (center, mut events) = connected(&broker, &pki, &identity).await;
    center.subscribe("$share/receivers/rtcc/v1/city/+/state", QoS::AtLeastOnce).await.unwrap();
    until(&mut events, |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
    center.subscribe("rtcc/v1/city/+/state", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(until(&mut events, publish).await.1, b"born");
    drop((center, events));

    broker.kill();
    broker.wipe();
    broker.restart();
    let (center, mut events) = connected(&broker, &pki, &identity).await;
    assert!(granted(&center, &mut events, "rtcc/v1/city/+/state").await);
    center.publish("rtcc/v1/city/gate-2/state", QoS::AtLeastOnce, false, "end").await.unwrap();
    assert_eq!(until(&mut events, publish).await.1, b"end", "the retained message is gone");
}
