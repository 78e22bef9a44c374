//! The vision worker of a living agent: killed, hung. Recording goes on, the worker comes back, and every moment that
//! was not looked at is stated.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts programs and reads the clock for deadlines")]

use std::time::Duration;

use edge_tests::world::{CAMERA, World, signal};
use nix::sys::signal::Signal;
use serde_json::Value;

/// How long a worker may be away by the unit's own times: what the product promises, from the last frame that the old
/// one looked at to the first of the new one, and one interval between analysed frames.
const AWAY: Duration = Duration::from_millis(5_500);
/// A group of pictures begins every second, so longer than this between two stored ones is a hole.
const HOLE_US: i64 = 3_000_000;
const SECOND_US: i64 = 1_000_000;

#[test]
fn a_worker_killed_or_hung_within_a_living_agent_costs_a_stated_stretch_of_analysis_and_no_video() {
    let mut world = World::start("metro");
    world.start_agent();
    let agent = world.agent().pid();
    world.wait_for_event("health", "the camera is looked at", is_looked_at);
    let mut worker = world.worker(None);
    for (number, sent) in [Signal::SIGKILL, Signal::SIGSTOP].into_iter().enumerate() {
        let before = jiff::Timestamp::now();
        signal(worker, sent);
        let gaps = world.wait("the stretch that was not looked at is an alert", || {
            Some(unseen(&world, before)).filter(|gaps| !gaps.is_empty())
        });
        let (from, to) = gaps[0];
        assert!(from <= before && before <= to, "{sent}: {from} to {to} has {before} in it");
        let away = to.duration_since(from).unsigned_abs();
        assert!(away <= AWAY, "{sent}: the unit says that it did not look for {away:?}");
        worker = world.worker(Some(worker));
        world.wait_for_event("health", "health says that a worker was lost and that there is one again", |event| {
            let said = &event["record"]["worker"];
            said["running"] == true && said["restarts"].as_u64() == Some(number as u64 + 1)
        });
        world.wait_for_video_after(CAMERA, to);
    }
    assert_eq!(world.agent().pid(), agent);
    assert!(world.agent_lives());
    let health = world.events("health").expect("health");
    let ring = &health.last().expect("a health record")["record"]["cameras"][0]["ring"];
    assert!(ring["newest"].is_string() && ring["gaps"].is_null(), "recording went on without a gap: {ring}");
    let seen = |event: &Value| Some((event["at_us"].as_i64()?, newest_us(&event["record"]["cameras"][0])?));
    let newest: Vec<(i64, i64)> = health.iter().filter_map(seen).collect();
    // Two records far from each other, on a busy machine, say nothing of what was between them.
    let near = newest.windows(2).filter(|pair| pair[1].0 - pair[0].0 < HOLE_US - SECOND_US);
    let steps: Vec<i64> = near.map(|pair| pair[1].1 - pair[0].1).collect();
    assert!(2 * steps.len() > newest.len(), "too few records to say whether it stood still: {newest:?}");
    let longest = steps.into_iter().max().unwrap_or_default();
    assert!(longest < HOLE_US, "the ring stood still for {longest} us: {newest:?}");
    let alerts = world.events("alert").expect("alerts");
    let told = alerts.iter().filter(|event| event["record"]["kind"]["fault"] == "vision-worker").count();
    assert_eq!(told, 2, "each loss is told as it happens");
    let lives = std::fs::read_to_string(world.data_dir().join("vision.lives")).expect("the count of workers");
    assert_eq!(lives, "edge-vision 1 3\n", "every worker numbers what it sees from a place of its own");
}

/// A camera whose frames are looked at, as health has it.
fn is_looked_at(event: &Value) -> bool {
    event["record"]["cameras"][0]["analysed_mfps"].as_u64().is_some_and(|rate| rate > 0)
}

fn newest_us(camera: &Value) -> Option<i64> {
    Some(camera["ring"]["newest"].as_str()?.parse::<jiff::Timestamp>().ok()?.as_microsecond())
}

/// The stretches without analysis that end after a moment, by the unit's own word.
fn unseen(world: &World, after: jiff::Timestamp) -> Vec<(jiff::Timestamp, jiff::Timestamp)> {
    let alerts = world.events("alert").unwrap_or_default();
    let stretch = |event: &Value| {
        let gap = &event["record"]["kind"]["gap"];
        let time = |end: &str| gap[end].as_str()?.parse::<jiff::Timestamp>().ok();
        (gap["of"] == "analysis").then_some((time("from")?, time("to")?))
    };
    alerts.iter().filter_map(stretch).filter(|(_, to)| *to > after).collect()
}
