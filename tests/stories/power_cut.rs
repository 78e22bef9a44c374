//! The power of a living unit is cut: all that it keeps lies on an ext4 of its own, which from one moment to the next
//! takes nothing any more and forgets what was not flushed.
//!
//! The unit says what it has committed and up to where its ring goes; after each cut that must be so. `POWER_CUTS` sets
//! how many, `POWER_CUT_SEED` where they fall. Skipped where there is no root or no loop device.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story reads the clock and lives with random moments")]
#![allow(clippy::print_stderr, reason = "a seed that is not printed cannot be tried again")]

#[path = "killed/flood.rs"]
mod flood;
#[path = "killed/oracle.rs"]
mod oracle;
#[path = "../../edge-agent/store/tests/power_cut/volume.rs"]
mod volume;

use std::time::Duration;

use edge_tests::proxy::Draw;
use edge_tests::world::{CAMERA, Plan, World, signal};
use flood::Flood;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use oracle::{Oracle, plan};
use volume::Volume;

/// Cuts where nothing else is asked for.
const CUTS: u64 = 10;
const VOLUME_BYTES: u64 = 256 << 20;
/// What a life records at least, so that a clip of its end lies within it.
const VIDEO: Duration = Duration::from_secs(2);
/// The clip of the moment before a cut.
const CLIP: Duration = Duration::from_secs(1);
/// So much longer a life is at most.
const LONGER_MS: u64 = 1000;

#[test]
fn a_unit_whose_power_is_cut_loses_nothing_that_it_told_and_has_the_moment_before_the_cut() {
    let volume = match Volume::new(VOLUME_BYTES) {
        Ok(volume) => volume,
        Err(why) => {
            eprintln!("SKIPPED: power cannot be cut here, which needs root, a loop device and ext4: {why}");
            return;
        }
    };
    let seed = number("POWER_CUT_SEED").unwrap_or_else(|| Timestamp::now().as_microsecond().unsigned_abs());
    eprintln!("POWER_CUT_SEED={seed}");
    let (mut draw, mut oracle) = (Draw::new(seed), Oracle::default());
    volume.mount();
    let mut world = World::with("metro", Plan { data_dir: Some(volume.folder().join("unit")), ..plan() });
    let mut started = start(&mut world);
    let cuts = number("POWER_CUTS").unwrap_or(CUTS);
    for cut in 1..=cuts {
        let flood = Flood::begin(&world);
        world.wait_for_video_after(CAMERA, started + VIDEO);
        // The moment itself is what is random; nothing waits for it.
        std::thread::sleep(Duration::from_millis(draw.next() % LONGER_MS));
        let (_, newest) = world.ring(CAMERA).expect("a ring with video");
        let (said, end) = cut_power(&mut world, &volume);
        flood.end();
        oracle.listen(&said, end);
        started = start(&mut world);
        world.wait_for_health_after(started, 1);
        let file = format!("before-cut-{cut}.mp4");
        let clip = world.clip_between(&file, newest - CLIP, newest);
        assert!(clip.succeeded, "cut {cut}: rtcc clip:\n{}", clip.said);
        let verified = world.verify(&file);
        let whole = verified.succeeded && verified.said.contains("gaps:    none");
        assert!(whole, "cut {cut}: what the unit had said to have recorded:\n{}", verified.said);
    }
    assert!(oracle.committed() > cuts, "too little was committed for the cuts to mean something");
    world.wait_for_health_after(Timestamp::now(), 1);
    world.nothing_is_missing_or_counted_twice();
    oracle.check(&world);
    nothing_was_damaged(&world);
    let clip = world.clip("all.mp4", "audit", "26-0001");
    assert!(clip.succeeded, "rtcc clip:\n{}", clip.said);
    let verified = world.verify("all.mp4");
    assert!(verified.succeeded && verified.said.contains("gap:"), "what each cut cost is stated:\n{}", verified.said);
}

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn start(world: &mut World) -> Timestamp {
    let started = Timestamp::now();
    world.start_agent();
    started
}

/// Cuts the power of the unit and has its disk again as the cut left it; what the unit had said, and when it ended.
///
/// An fsync that is under way while ext4 is shut down may still report success, which no real power cut lets a process
/// see. So the unit stands still before its disk does.
fn cut_power(world: &mut World, volume: &Volume) -> (Vec<String>, Timestamp) {
    let agent = world.agent().pid();
    signal(i32::try_from(agent).expect("a process id"), Signal::SIGSTOP);
    world.wait("the agent stands still", || stands_still(agent).then_some(()));
    let end = Timestamp::now();
    volume.cut_power();
    let said = world.kill_agent();
    volume.unmount();
    volume.mount();
    (said, end)
}

/// Whether no thread of a process runs; one that waits for the disk stops before it runs again.
fn stands_still(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("list threads");
    let mut states = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        // Behind the name, which may have anything in it.
        stat.rsplit_once(") ")?.1.chars().next()
    });
    states.all(|state| matches!(state, 'T' | 'D'))
}

/// No cut has cost a file: none was set aside, and no alert says that something was mended at a price.
fn nothing_was_damaged(world: &World) {
    let health = world.events("health").expect("health");
    let set_aside = |event: &serde_json::Value| event["record"]["storage"]["set_aside"].as_u64().unwrap_or_default();
    assert_eq!(health.iter().map(set_aside).max(), Some(0), "files that were set aside");
    let alerts = world.events("alert").expect("alerts");
    let faults: Vec<_> = alerts.iter().filter(|event| !event["record"]["kind"]["fault"].is_null()).collect();
    assert!(faults.is_empty(), "{faults:?}");
}
