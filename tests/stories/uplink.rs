//! The uplink against a real broker and a center that stores and acknowledges: nothing that the outbox committed is
//! lost, whatever happens to the line between.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts its own threads and reads the clock for deadlines")]

#[path = "uplink/center.rs"]
mod center;
#[path = "uplink/unit.rs"]
mod unit;

use std::time::Duration;

use center::Center;
use edge_protocol::batch::Encoding;
use edge_protocol::command::Refusal;
use edge_protocol::lane::Lane;
use edge_protocol::record::{Record, Verdict};
use edge_protocol::state::{AckMode, State};
use edge_tests::broker::{Broker, BrokerOptions};
use edge_tests::pki::Pki;
use edge_tests::proxy::{Cuts, Direction, Link, Proxy};
use unit::Unit;

#[test]
fn records_arrive_once_they_are_committed_and_are_forgotten_once_they_are_stored() {
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let broker = Broker::start(&pki, &[&center_identity]);
    let center = Center::start(&pki, &center_identity, broker.port());
    let unit = Unit::start(&pki, broker.port());
    unit.commit(Lane::Alert, 500);
    center.wait("500 alerts are stored", |seen| seen.stored(Lane::Alert) == 500);
    unit.wait("the outbox is empty", |outbox| outbox.waiting(Lane::Alert) == 0);
    center.wait(
        "the unit says what it is",
        |seen| matches!(&seen.state, Some(State::Birth(birth)) if birth.unit.as_str() == "pole-7"),
    );
    unit.stop();
    center
        .wait("the unit says that it stops", |seen| matches!(&seen.state, Some(State::Death(death)) if death.stopped));
}

#[test]
fn a_broker_killed_and_wiped_with_messages_in_flight_costs_nothing() {
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let mut broker = Broker::start(&pki, &[&center_identity]);
    let center = Center::start(&pki, &center_identity, broker.port());
    let unit = Unit::start(&pki, broker.port());
    for round in 1..=3 {
        unit.commit(Lane::Alert, 2000);
        center.wait("some have come", |seen| seen.stored(Lane::Alert) > (round - 1) * 2000);
        broker.kill();
        broker.wipe();
        broker.restart();
        center.wait("all have come", |seen| seen.stored(Lane::Alert) == round * 2000);
    }
    unit.wait("the outbox is empty", |outbox| outbox.waiting(Lane::Alert) == 0);
}

#[test]
fn a_line_that_is_cut_at_any_byte_costs_nothing() {
    let seed = 20_260_601;
    println!("seed {seed}");
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let broker = Broker::start(&pki, &[&center_identity]);
    let center = Center::start(&pki, &center_identity, broker.port());
    let proxy = Proxy::to(broker.address());
    proxy.plan_cuts(Cuts { seed, direction: Direction::ToTarget, bytes: 3_000..=40_000, count: 8 });
    let unit = Unit::start(&pki, proxy.port());
    unit.commit(Lane::Alert, 4000);
    center.wait("all have come", |seen| seen.stored(Lane::Alert) == 4000);
    assert!(proxy.cuts_made() > 0, "the line was cut");
    unit.wait("the outbox is empty", |outbox| outbox.waiting(Lane::Alert) == 0);
}

#[test]
fn a_line_that_holds_everything_is_left_within_half_a_minute() {
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let broker = Broker::start(&pki, &[&center_identity]);
    let center = Center::start(&pki, &center_identity, broker.port());
    let proxy = Proxy::to(broker.address());
    let unit = Unit::start(&pki, proxy.port());
    unit.commit(Lane::Alert, 1);
    center.wait("the line is good", |seen| seen.stored(Lane::Alert) == 1);
    proxy.set(Link::Held);
    unit.commit(Lane::Alert, 1);
    unit.wait_for("the line is given up", Duration::from_secs(40), |outbox| !outbox.is_connected());
    proxy.cut_now();
    proxy.set(Link::Open);
    center.wait("the other comes too", |seen| seen.stored(Lane::Alert) == 2);
}

#[test]
fn a_certificate_that_is_changed_under_load_costs_nothing() {
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let broker = Broker::start(&pki, &[&center_identity]);
    let center = Center::start(&pki, &center_identity, broker.port());
    let unit = Unit::start(&pki, broker.port());
    for round in 1..=3 {
        unit.commit(Lane::Alert, 2000);
        center.wait("some have come", |seen| seen.stored(Lane::Alert) > (round - 1) * 4000);
        unit.renewals.switch(pki.client(Some(&pki.unit("pole-7"))));
        unit.commit(Lane::Alert, 2000);
        center.wait("all have come", |seen| seen.stored(Lane::Alert) == round * 4000);
        assert!(unit.renewals.is_in_use(), "what has come last came over the new certificate");
    }
    unit.wait("the outbox is empty", |outbox| outbox.waiting(Lane::Alert) == 0);
}

#[test]
fn a_broker_that_speaks_only_tls_1_2_gets_nothing() {
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let options = BrokerOptions { tls12_only: true, ..BrokerOptions::default() };
    let broker = Broker::start_with(&pki, &[&center_identity], &options);
    let proxy = Proxy::to(broker.address());
    let unit = Unit::start(&pki, proxy.port());
    unit.commit(Lane::Alert, 1);
    unit.wait("it has tried twice", |_| proxy.accepted() >= 2);
    unit.wait("it says why", |view| view.says("does not speak TLS 1.3"));
    assert_eq!(unit.waiting(Lane::Alert), 1);
}

#[test]
fn a_broker_that_refuses_the_unit_gets_nothing_and_is_asked_again_until_it_takes_it() {
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let refusing =
        BrokerOptions { extra: vec!["clientid_prefixes somebody-else".to_owned()], ..BrokerOptions::default() };
    let mut broker = Broker::start_with(&pki, &[&center_identity], &refusing);
    let unit = Unit::start(&pki, broker.port());
    unit.commit(Lane::Alert, 10);
    unit.wait("it has been refused twice", |_| {
        broker.lines().iter().filter(|line| line.contains("not authorised")).count() >= 2
    });
    unit.wait("it says why", |view| view.says("not authorised"));
    assert_eq!(unit.waiting(Lane::Alert), 10);
    broker.restart_with(&pki, &BrokerOptions::default());
    let center = Center::start(&pki, &center_identity, broker.port());
    center.wait("all have come", |seen| seen.stored(Lane::Alert) == 10);
    unit.wait("the outbox is empty", |outbox| outbox.waiting(Lane::Alert) == 0);
    assert!(unit.is_connected() && !unit.says(""), "what is over is not said any more");
    broker.kill();
    unit.wait("it says why again", |view| view.says("nothing listens at the broker's address"));
}

#[test]
fn a_ninth_command_is_answered_busy_and_an_oversized_one_by_name() {
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let broker = Broker::start(&pki, &[&center_identity]);
    let center = Center::start(&pki, &center_identity, broker.port());
    let unit = Unit::start(&pki, broker.port());
    unit.wait("it is connected", unit::View::is_connected);
    for _ in 0..9 {
        center.command("pole-7", vec![1; 100]);
    }
    center.command("pole-7", vec![1; 20_000]);
    let reason = |record: &Record| {
        let Record::Answer(answer) = record else { panic!("{record:?}") };
        let Verdict::Refused(refused) = &answer.verdict else { panic!("{answer:?}") };
        refused.reason
    };
    let reasons = |records: &[Record]| records.iter().map(reason).collect::<Vec<_>>();
    center.wait("both are answered", |seen| reasons(&seen.records).len() == 2);
    assert_eq!(reasons(&center.records()), [Refusal::Busy, Refusal::Oversized]);
}

#[test]
fn where_the_brokers_word_counts_records_are_forgotten_on_it_but_not_while_nobody_listens() {
    let pki = Pki::new("springfield");
    let center_identity = pki.center("center-1");
    let broker = Broker::start(&pki, &[&center_identity]);
    let unit = Unit::start_with(&pki, broker.port(), Encoding::Json, AckMode::Broker);
    unit.commit(Lane::Alert, 30);
    unit.wait("it was connected", unit::View::is_connected);
    unit.wait("it has left a broker without listeners", |view| !view.is_connected());
    assert_eq!(unit.waiting(Lane::Alert), 30);
    let center = Center::start_with(&pki, &center_identity, broker.port(), false);
    center.wait("all have come", |seen| seen.stored(Lane::Alert) == 30);
    unit.wait("the outbox is empty", |outbox| outbox.waiting(Lane::Alert) == 0);
}
