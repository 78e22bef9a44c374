//! Two receivers on one database behind a real Mosquitto: what they share, and what survives the broker's end.
#![cfg(test)]

mod support;

use std::time::Duration;

use support::{Broker, Center, Unit, World};

const PATIENCE: Duration = Duration::from_mins(1);

#[test]
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
fn a_receiver_that_is_killed_leaves_nothing_unfinished() {
    let Some(world) = World::new() else { return };
    let _broker = Broker::start(&world);
    let first = Center::start(&world, "center-1");
    first.wait_connected();
    let unit = Unit::connect(&world, 7);
    unit.send(200, 5);
    unit.wait_some_settled(PATIENCE);
    first.kill();
    let second = Center::start(&world, "center-1");
    unit.wait_settled(1_000, PATIENCE);
    assert_eq!(second.get("/api/statistics")["records"]["alert"], 1_000);
}
