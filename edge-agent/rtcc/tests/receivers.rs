//! Two receivers on one database behind a real Mosquitto: what they share, and what survives the broker's end.
#![cfg(test)]

mod support;

use std::time::Duration;

use support::{Broker, Center, Unit, World};

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
#[cfg_attr(feature = "sabotage-ack-before-commit", ignore = "the promise is broken on purpose")]
fn two_receivers_share_the_load_and_acknowledge_together() {
    let Some(world) = World::new() else { return };
    let _broker = Broker::start(&world);
    let centers = [Center::start(&world, "center-1"), Center::start(&world, "center-2")];
    centers.iter().for_each(Center::wait_connected);
    let unit = Unit::connect(&world, 7);
    unit.send(100, 20);
    unit.wait_settled(2_000, PATIENCE);
    let statistics = centers[0].get("/api/statistics");
    assert_eq!(statistics["records"]["alert"], 2_000);
    assert_eq!(statistics["missing"], 0);
    let shares = centers.each_ref().map(Center::received);
    assert!(shares.iter().all(|share| *share > 0), "one receiver had nothing to do: {shares:?}");
}

#[test]
#[cfg_attr(feature = "sabotage-ack-before-commit", ignore = "the promise is broken on purpose")]
fn a_broker_that_forgets_everything_in_mid_stream_costs_no_record_and_keeps_none_twice() {
    let Some(world) = World::new() else { return };
    let mut broker = Broker::start(&world);
    let centers = [Center::start(&world, "center-1"), Center::start(&world, "center-2")];
    centers.iter().for_each(Center::wait_connected);
    let unit = Unit::connect(&world, 7);
    for _ in 0..3 {
        unit.send(100, 5);
        unit.wait_some_settled(PATIENCE);
        broker.kill_and_start_empty();
    }
    unit.wait_settled(1_500, PATIENCE);
    // The unit loses its outbox: the same sequences under a new epoch are new records.
    drop(unit);
    let reborn = Unit::connect(&world, 8);
    reborn.send(10, 5);
    reborn.wait_settled(50, PATIENCE);
    let statistics = centers[1].get("/api/statistics");
    assert_eq!(statistics["records"]["alert"], 1_550);
    assert_eq!(statistics["missing"], 0);
    assert_eq!(centers[0].get("/api/units")[0]["epochs"], 2);
}

#[test]
fn a_third_receiver_is_let_in_at_a_broker_that_runs() {
    let Some(world) = World::new() else { return };
    let broker = Broker::start(&world);
    let unit = Unit::connect(&world, 7);
    world.makes_receiver("center-3");
    broker.reads_again();
    let third = Center::start(&world, "center-3");
    third.wait_connected();
    unit.send(5, 5);
    unit.wait_settled(25, PATIENCE);
}

/// Kills a receiver again and again while records arrive, and compares what the unit forgot with what is kept.
fn kill_and_compare(times: u32) {
    let Some(world) = World::new() else { return };
    let _broker = Broker::start(&world);
    let unit = Unit::connect(&world, 7);
    for _ in 0..times {
        let center = Center::start(&world, "center-1");
        center.wait_connected();
        unit.send(40, 5);
        unit.wait_some_settled(PATIENCE);
        center.kill();
    }
    let sent = u64::from(times) * 200;
    let last = Center::start(&world, "center-1");
    unit.wait_settled(sent, PATIENCE);
    last.wait_connected();
    let statistics = last.get("/api/statistics");
    assert_eq!(statistics["records"]["alert"], sent, "what was acknowledged is kept, and kept once");
    assert_eq!(statistics["missing"], 0);
}

fn kills() -> u32 {
    std::env::var("RTCC_KILLS").ok().and_then(|times| times.parse().ok()).unwrap_or(6)
}

#[test]
#[cfg_attr(feature = "sabotage-ack-before-commit", ignore = "the promise is broken on purpose")]
fn a_receiver_that_is_killed_again_and_again_has_kept_all_that_it_acknowledged() {
    kill_and_compare(kills());
}

#[test]
#[cfg(feature = "sabotage-ack-before-commit")]
#[should_panic(expected = "what was acknowledged is kept")]
fn acknowledging_before_the_commit_is_found_out() {
    // A kill falls between acknowledgement and commit about once in ten times.
    kill_and_compare(kills().max(100));
}
