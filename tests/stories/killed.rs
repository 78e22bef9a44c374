//! An agent ended at random moments, by SIGKILL or in order, against what it said itself while it lived: its log goes
//! down a pipe to this story, line by line, so that what was said survives the one who said it.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story reads the clock and lives with random moments")]
#![allow(clippy::print_stderr, reason = "a seed that is not printed cannot be tried again")]

#[path = "killed/flood.rs"]
mod flood;
#[path = "killed/oracle.rs"]
mod oracle;

use std::collections::BTreeSet;
use std::time::Duration;

use edge_tests::proxy::Draw;
use edge_tests::world::{CAMERA, World};
use flood::Flood;
use oracle::{Oracle, plan};

/// Kills where nothing else is asked for.
const KILLS: u32 = 50;
/// Stops in order.
const STOPS: u32 = 5;
/// Far beyond what a start takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest life; it takes the unit a part of it to be up.
const LONGEST_LIFE_MS: u64 = 1800;

#[test]
fn an_agent_killed_at_any_moment_loses_nothing_that_it_committed_and_its_ring_still_gives_a_clip() {
    let kills = std::env::var("KILLS").map_or(KILLS, |text| text.parse().expect("KILLS is a number"));
    let mut draw = draw();
    let mut world = World::with("metro", plan());
    let flood = Flood::begin(&world);
    let mut oracle = Oracle::default();
    for number in 1..=kills {
        world.start_agent();
        let life = draw.next() % LONGEST_LIFE_MS;
        // The moment itself is what is random; nothing waits for it.
        std::thread::sleep(Duration::from_millis(life));
        let said = world.kill_agent();
        let before = oracle.committed();
        oracle.listen(&said, jiff::Timestamp::now());
        eprintln!(
            "kill {number}: after {life} ms, {} records were committed in this life",
            oracle.committed() - before
        );
    }
    flood.end();
    assert!(oracle.committed() > u64::from(kills), "too little was committed for the kills to mean something");
    let started = jiff::Timestamp::now();
    world.start_agent();
    let health = world.wait_for_health_after(started, 2);
    let made: BTreeSet<Option<i64>> = health.iter().map(|event| event["at_us"].as_i64()).collect();
    assert_eq!(made.len(), health.len(), "a health record is there twice: {health:?}");
    world.nothing_is_missing_or_counted_twice();
    oracle.check(&world);
    world.wait_for_video_after(CAMERA, started);
    let clip = world.clip("clip.mp4", "audit", "26-0002");
    assert!(clip.succeeded, "rtcc clip:\n{}", clip.said);
    let verified = world.verify("clip.mp4");
    assert!(verified.succeeded, "rtcc verify:\n{}", verified.said);
}

#[test]
fn an_agent_stopped_in_order_under_load_ends_every_stage_and_loses_nothing() {
    let mut draw = draw();
    let mut world = World::with("metro", plan());
    let flood = Flood::begin(&world);
    let mut oracle = Oracle::default();
    for _ in 0..STOPS {
        world.start_agent();
        world.agent().wait_for_line("ready", PATIENCE);
        std::thread::sleep(Duration::from_millis(draw.next() % LONGEST_LIFE_MS));
        let said = world.stop_agent();
        let troubled = said.iter().find(|line| line.contains("did not end in time") || line.contains("ERROR"));
        assert_eq!(troubled, None, "{}", said.join("\n"));
        oracle.listen(&said, jiff::Timestamp::now());
        world.wait("the center hears that it stops", || {
            world.ask("/api/units").filter(|units| units[0]["online"] == false)
        });
    }
    flood.end();
    assert!(oracle.committed() > u64::from(STOPS), "too little was committed for the stops to mean something");
    world.start_agent();
    world.wait_for_health_after(jiff::Timestamp::now(), 1);
    world.nothing_is_missing_or_counted_twice();
    oracle.check(&world);
}

/// Random moments, the same again for the same seed.
fn draw() -> Draw {
    let seed = std::env::var("KILLS_SEED").map_or_else(
        |_| jiff::Timestamp::now().as_microsecond().unsigned_abs(),
        |text| text.parse().expect("KILLS_SEED is a number"),
    );
    eprintln!("KILLS_SEED={seed}");
    Draw::new(seed)
}
