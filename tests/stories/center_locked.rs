//! Another program holds the center's database for longer than the center waits: nothing is acknowledged that is not
//! stored, and nothing is lost.
#![cfg(test)]

use std::time::Duration;

use edge_protocol::lane::Lane;
use edge_tests::world::World;
use rusqlite::{Connection, OpenFlags};

/// What the center says when its patience has run out.
const SAYS: &str = "locked";

#[test]
fn a_locked_database_delays_records_and_loses_none() {
    let mut world = World::start("metro");
    let started = jiff::Timestamp::now();
    world.start_agent();
    world.wait_for_health_after(started, 2);

    let intruder = Connection::open(world.center_dir().join("center.db")).expect("the center's database");
    intruder.busy_timeout(Duration::from_secs(10)).expect("patience");
    intruder.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
    let locked = jiff::Timestamp::now();
    world.wait("the center says that it cannot store", || {
        world.center_said().iter().any(|line| line.to_lowercase().contains(SAYS)).then_some(())
    });
    let stored = world.events("health").expect("reading goes on").len();
    let settled = settled(&world, Lane::Health);
    assert!(settled <= stored as u64, "{settled} records are acknowledged, {stored} are stored");
    let freed = jiff::Timestamp::now();
    intruder.execute_batch("ROLLBACK").expect("give the lock back");

    world.wait_for_health_after(freed, 2);
    world.wait_for_health_within(locked, freed);
    world.nothing_is_missing_or_counted_twice();
}

/// Up to where the unit believes that the center has a lane.
fn settled(world: &World, lane: Lane) -> u64 {
    let path = world.data_dir().join("outbox.sqlite");
    let outbox = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the unit's outbox");
    let lane = i64::try_from(lane.index()).expect("a lane's number");
    let cursor = outbox.query_row("SELECT settled FROM cursor WHERE lane = ?1", [lane], |row| row.get::<_, i64>(0));
    cursor.expect("the lane's cursor").unsigned_abs()
}
