//! A disk that somebody else fills up while the agent runs: it lives, says so, and goes on when there is room again.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story fills a disk of its own")]
#![allow(clippy::print_stderr, reason = "a story that is skipped must say why")]

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_tests::world::{CAMERA, DEADLINE, Plan, World};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Room for a ring's smallest quota and little more.
const SIZE: &str = "size=160m";
const FILLED_BY: usize = 1 << 20;
/// What the agent says of it.
const SAYS: &str = "no room on the disk";

/// How long the disk stays full.
const LASTS: Duration = Duration::from_secs(8);
/// The unit makes a health record every second; with so much between two, some were lost.
const HOLE: Duration = Duration::from_millis(2500);

/// A small file system in memory; unmounted when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Result<Disk, nix::Error> {
        let folder = tempfile::tempdir().expect("a folder to mount on");
        mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some(SIZE))?;
        Ok(Disk(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until there is no room for another byte.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut filler = std::fs::File::create(&path).expect("a file to fill the disk with");
        let mut piece = FILLED_BY;
        while piece > 0 {
            match filler.write(&vec![1; piece]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => piece /= 2,
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = umount2(self.path(), MntFlags::MNT_DETACH) {
            eprintln!("{} stays mounted: {error}", self.path().display());
        }
    }
}

#[test]
fn an_agent_on_a_full_disk_lives_says_so_and_goes_on_when_there_is_room() {
    let disk = match Disk::new() {
        Ok(disk) => disk,
        Err(error) => {
            eprintln!("SKIPPED: a file system cannot be mounted here ({error}); this story needs root");
            return;
        }
    };
    let plan = Plan { data_dir: Some(disk.path().join("unit")), ..Plan::default() };
    let mut world = World::with("metro", plan);
    world.start_agent();
    world.wait_for_video(Duration::from_secs(3));

    let full = jiff::Timestamp::now();
    let filler = disk.fill();
    world.agent().wait_for_line(SAYS, DEADLINE);
    // So long that health records fall into it.
    std::thread::sleep(LASTS);
    let freed = jiff::Timestamp::now();
    std::fs::remove_file(filler).expect("make room");

    world.wait_for_health_after(freed, 2);
    world.wait_for_video_after(CAMERA, freed);
    assert!(world.agent_lives(), "the agent ended");
    every_health_record_of_the_time_arrives(&world, full, freed);
    world.nothing_is_missing_or_counted_twice();
    let clip = world.clip("clip.mp4", "audit", "26-0001");
    assert!(clip.succeeded, "rtcc clip:\n{}", clip.said);
    let verified = world.verify("clip.mp4");
    assert!(verified.succeeded, "rtcc verify:\n{}", verified.said);
}

/// What the outbox could not take is committed once it can.
fn every_health_record_of_the_time_arrives(world: &World, from: jiff::Timestamp, to: jiff::Timestamp) {
    let made: BTreeSet<i64> =
        world.events("health").expect("health").iter().filter_map(|it| it["at_us"].as_i64()).collect();
    let around: Vec<i64> = made.range(from.as_microsecond()..=to.as_microsecond()).copied().collect();
    let ends = [from.as_microsecond()].into_iter().chain(around.iter().copied());
    let between = ends.zip(around.iter().copied().chain([to.as_microsecond()])).map(|(earlier, later)| later - earlier);
    let longest = Duration::from_micros(between.max().unwrap_or_default().unsigned_abs());
    assert!(longest < HOLE, "records of {longest:?} are lost, from {from} to {to} there are {around:?}");
}
