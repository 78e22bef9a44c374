//! The unit's files destroyed while the agent is dead: it starts all the same, says what it lost, and loses nothing
//! else.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story destroys files and reads the clock for deadlines")]

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_tests::world::{CAMERA, World};
use serde_json::Value;

/// Enough video for some groups of pictures.
const VIDEO: Duration = Duration::from_secs(5);

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    /// Every byte is another one.
    Rubbish,
    /// Its second half is gone.
    Truncated,
}

impl Harm {
    const ALL: [Harm; 2] = [Harm::Rubbish, Harm::Truncated];

    fn to(self, path: &Path) {
        let file = OpenOptions::new().write(true).open(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let length = file.metadata().expect("length").len();
        match self {
            Harm::Rubbish => {
                file.write_all_at(&vec![0xA5; usize::try_from(length).expect("a small file")], 0).expect("overwrite");
            }
            Harm::Truncated => file.set_len(length / 2).expect("truncate"),
        }
    }

    /// Harms a database: all that was committed is in its one file first, since a log beside it could heal it.
    fn to_database(self, path: &Path) {
        let connection = rusqlite::Connection::open(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("checkpoint");
        drop(connection);
        self.to(path);
    }
}

#[test]
fn whatever_file_is_destroyed_the_agent_starts_says_so_and_keeps_the_rest() {
    let mut world = World::start("metro");
    let first = jiff::Timestamp::now();
    world.start_agent();
    world.wait_for_video(VIDEO);
    assert!(!world.clip("refused.mp4", "curiosity", "26-0001").succeeded, "refused, which the audit log keeps");
    let mut unit = Unit { set_aside: 0, oldest: world.ring(CAMERA).expect("a ring").0, born: first };

    for (name, fault) in [("index.sqlite", Some("index")), ("audit.sqlite", Some("audit")), (RING_INDEX, Some("ring"))]
    {
        for harm in Harm::ALL {
            unit.destroy(&mut world, |world| harm.to_database(&world.data_dir().join(name)), 1);
            unit.says(&world, fault, &format!("{name}: {harm:?}"));
            unit.goes_on(&world);
            world.nothing_is_missing_or_counted_twice();
        }
    }

    for (number, harm) in Harm::ALL.into_iter().enumerate() {
        unit.destroy(&mut world, |world| harm.to(&segments(world)[number]), 0);
        if matches!(harm, Harm::Truncated) {
            unit.says(&world, Some("ring"), "a segment shorter than its index says");
        }
        unit.goes_on(&world);
        let name = format!("after-{number}.mp4");
        let clip = world.clip(&name, "audit", "26-0001");
        assert!(clip.succeeded, "{harm:?} of a segment: rtcc clip:\n{}", clip.said);
        let verified = world.verify(&name);
        assert!(verified.succeeded, "{harm:?} of a segment: rtcc verify:\n{}", verified.said);
        assert!(verified.said.contains("gap"), "{harm:?} of a segment is a stated gap:\n{}", verified.said);
    }

    for harm in Harm::ALL {
        let drawn = |world: &World| {
            std::fs::write(world.data_dir().join("drawn.toml"), DRAWN).expect("what was put on the page");
            harm.to(&world.data_dir().join("drawn.toml"));
        };
        unit.destroy(&mut world, drawn, 1);
        unit.says(&world, Some("start"), &format!("what was put on the page: {harm:?}"));
        world.wait_for_event("health", "health says so", |event| {
            let problems = event["record"]["problems"].to_string();
            problems.contains("are not in force") && unit.is_of_this_life(event)
        });
        unit.goes_on(&world);
        assert!(!world.data_dir().join("drawn.toml").exists(), "said once");
    }

    for (number, harm) in (1..).zip(Harm::ALL) {
        unit.destroy(&mut world, |world| harm.to_database(&world.data_dir().join("outbox.sqlite")), 1);
        world.wait_for_event("alert", "the loss of the outbox is told", |event| {
            event["record"]["kind"]["gap"]["of"] == "outbox" && unit.is_of_this_life(event)
        });
        unit.goes_on(&world);
        let units = world.wait("the center tells of units", || world.ask("/api/units"));
        assert_eq!(units[0]["epochs"], 1 + number, "{harm:?}: another file, another epoch: {units}");
        world.wait("no gap is left", || world.ask("/api/gaps").filter(|gaps| *gaps == Value::Array(Vec::new())));
    }
}

/// What a technician has put on the page.
const DRAWN: &str = "[[camera]]\nid = \"yard\"\n[[camera.zone]]\nname = \"lane\"\npoints = [[0, 0], [1, 0], [1, 1]]\n";
/// The ring's index of the only camera.
const RING_INDEX: &str = "ring/yard/index.sqlite";

/// The segment files of the only camera, the oldest first.
fn segments(world: &World) -> Vec<PathBuf> {
    let folder = world.data_dir().join("ring").join(CAMERA);
    let entries = std::fs::read_dir(folder).expect("list the ring");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| !file.to_string_lossy().contains("sqlite"));
    files.sort();
    files
}

/// What is known of the unit.
struct Unit {
    /// Files that lie set aside.
    set_aside: u64,
    /// The oldest picture that the ring held at the beginning.
    oldest: jiff::Timestamp,
    /// When the agent was started last.
    born: jiff::Timestamp,
}

impl Unit {
    /// Kills the agent, does harm, and starts it again; health counts the files that were set aside for it.
    fn destroy(&mut self, world: &mut World, harm: impl FnOnce(&World), more: u64) {
        let _said: Vec<String> = world.kill_agent();
        harm(world);
        self.set_aside += more;
        self.born = jiff::Timestamp::now();
        world.start_agent();
        world.wait_for_event("health", &format!("{} files are set aside", self.set_aside), |event| {
            event["record"]["storage"]["set_aside"] == self.set_aside && self.is_of_this_life(event)
        });
    }

    fn is_of_this_life(&self, event: &Value) -> bool {
        event["at_us"].as_i64().is_some_and(|at| at > self.born.as_microsecond())
    }

    /// An alert names what was damaged.
    fn says(&self, world: &World, fault: Option<&str>, what: &str) {
        world.wait_for_event("alert", &format!("{what} is told"), |event| {
            event["record"]["kind"]["fault"].as_str() == fault && self.is_of_this_life(event)
        });
    }

    /// It records, and what it had recorded before is still there.
    fn goes_on(&self, world: &World) {
        world.wait_for_video_after(CAMERA, self.born);
        let (oldest, _) = world.ring(CAMERA).expect("a ring");
        assert!(oldest <= self.oldest, "the ring began at {} and begins at {oldest}", self.oldest);
    }
}
