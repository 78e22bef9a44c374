//! The main job with the real programs: a unit sees, records and tells; a center keeps; a person asks and verifies.
//!
//! Agent, center and broker run as they do in the field, each as a process of its own that can be killed.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts programs and reads the clock for deadlines")]

use std::time::Duration;

use edge_tests::world::World;

/// Enough video for a clip of some seconds.
const VIDEO: Duration = Duration::from_secs(5);
/// How long a broker is away: some health records are made in it.
const OUTAGE: Duration = Duration::from_secs(3);

#[test]
fn what_a_unit_sees_arrives_and_a_clip_of_it_verifies_until_a_byte_is_changed() {
    let mut world = World::start("metro");
    world.start_agent();
    world.wait_for_video(VIDEO);
    let health = world.wait_for_records("health", 3);
    assert!(health.iter().all(|event| event["record"]["cameras"][0]["camera"] == "yard"), "{health:?}");
    world.nothing_is_missing_or_counted_twice();

    let clip = world.clip("clip.mp4", "audit", "26-0001");
    assert!(clip.succeeded, "rtcc clip:\n{}", clip.said);
    let verified = world.verify("clip.mp4");
    assert!(verified.succeeded, "rtcc verify:\n{}", verified.said);

    for (purpose, case) in [("audit", ""), ("", "26-0001"), ("curiosity", "26-0001")] {
        let refused = world.clip("refused.mp4", purpose, case);
        assert!(!refused.succeeded, "purpose {purpose:?}, case {case:?}:\n{}", refused.said);
        assert!(!world.has("refused.mp4"), "purpose {purpose:?}, case {case:?} gave a file");
    }

    world.flip_a_byte("clip.mp4");
    let verified = world.verify("clip.mp4");
    assert!(!verified.succeeded && verified.said.contains("NOT VERIFIED"), "a flipped byte:\n{}", verified.said);
}

#[test]
fn a_broker_that_dies_and_forgets_costs_nothing_that_was_made_meanwhile() {
    let mut world = World::start("metro");
    let started = jiff::Timestamp::now();
    world.start_agent();
    world.wait_for_health_after(started, 2);
    for _ in 0..2 {
        let died = jiff::Timestamp::now();
        world.broker.kill();
        world.broker.wipe();
        // The length of the outage, so that health records fall into it.
        std::thread::sleep(OUTAGE);
        let back = jiff::Timestamp::now();
        world.broker.restart();
        world.wait_for_health_after(back, 2);
        world.wait_for_health_within(died, back);
        world.nothing_is_missing_or_counted_twice();
    }
}
