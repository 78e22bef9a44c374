//! A center that comes back with an empty database, or with one from an older backup, behind a real broker: its units
//! go on, their outboxes drain again, and what was stored once and is no longer there is stated to the last record.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story copies files and reads the clock for deadlines")]

#[path = "uplink/unit.rs"]
#[allow(dead_code, reason = "another story uses the rest")]
mod unit;

use std::path::{Path, PathBuf};

use edge_protocol::lane::Lane;
use edge_tests::world::World;
use serde_json::Value;
use unit::Unit;

const NAME: &str = "pole-7";

struct Story {
    unit: Unit,
    world: World,
}

impl Story {
    fn new() -> Story {
        let world = World::start("springfield");
        let unit = Unit::start(&world.pki, world.broker.port());
        Story { unit, world }
    }

    /// The unit has something to tell, and the center says that it has it.
    fn tell(&self, count: u32) {
        self.unit.commit(Lane::Alert, count);
        self.drains();
    }

    fn drains(&self) {
        self.unit.wait("the outbox is empty", |outbox| outbox.waiting(Lane::Alert) == 0);
    }

    /// The center's database, in all its files.
    fn database(&self) -> Vec<PathBuf> {
        ["center.db", "center.db-wal", "center.db-shm"].map(|name| self.world.center_dir().join(name)).to_vec()
    }

    fn remove_database(&self) {
        self.database().iter().filter(|file| file.exists()).for_each(|file| std::fs::remove_file(file).unwrap());
    }

    fn copy_database(&self, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for file in self.database().iter().filter(|file| file.exists()) {
            std::fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
        }
    }

    /// Everything that the center lacks of the unit: the kind, the first and the last.
    fn gaps(&self) -> Vec<(String, u64, u64)> {
        let gaps = self.world.ask("/api/gaps").unwrap();
        let number = |gap: &Value, name| gap[name].as_u64().unwrap();
        let of_alerts = gaps.as_array().unwrap().iter().filter(|gap| gap["unit"] == NAME && gap["lane"] == "alert");
        of_alerts
            .map(|gap| (gap["kind"].as_str().unwrap().to_owned(), number(gap, "first"), number(gap, "last")))
            .collect()
    }

    /// The sequences of the unit's alerts, as they were kept.
    fn kept(&self) -> Vec<u64> {
        let events = self.world.events("alert").unwrap();
        let mut kept: Vec<u64> = events
            .iter()
            .filter(|event| event["unit"] == NAME)
            .map(|event| event["sequence"].as_u64().unwrap())
            .collect();
        kept.sort_unstable();
        kept
    }

    fn says(&self, forgotten: u64, words: &str) {
        let unit = self.world.ask(&format!("/api/units/{NAME}")).unwrap();
        assert_eq!(unit["forgotten"], forgotten);
        assert_eq!(self.world.ask("/api/statistics").unwrap()["counters"]["forgotten"], forgotten);
        let told = self.world.wait_for_event("alert", "the center's own alarm", |event| event["unit"] == "center");
        let text = told["record"]["text"].as_str().unwrap();
        assert!(text.starts_with(words), "{text}");
    }
}

#[test]
fn a_center_with_an_empty_database_takes_up_its_units_where_they_are_and_states_what_is_gone() {
    let mut story = Story::new();
    story.tell(130);
    story.world.kill_center();
    // Some wait at the broker, some on the unit.
    story.unit.commit(Lane::Alert, 70);
    story.remove_database();
    story.world.start_center();
    story.drains();
    story.tell(5);
    assert_eq!(story.gaps(), [("forgotten".to_owned(), 1, 130)]);
    assert_eq!(story.kept(), (131..=205).collect::<Vec<u64>>(), "each once");
    story.says(130, "130 records of pole-7 in the lane alert");
}

#[test]
fn a_center_with_an_older_database_states_what_came_after_the_backup() {
    let mut story = Story::new();
    story.tell(40);
    story.world.stop_center();
    let backup = story.world.file("backup");
    story.copy_database(&backup);
    story.world.start_center();
    story.tell(60);
    story.world.kill_center();
    story.unit.commit(Lane::Alert, 25);
    story.remove_database();
    for file in std::fs::read_dir(&backup).unwrap().map(|file| file.unwrap().path()) {
        std::fs::copy(&file, story.world.center_dir().join(file.file_name().unwrap())).unwrap();
    }
    story.world.start_center();
    story.drains();
    assert_eq!(story.gaps(), [("forgotten".to_owned(), 41, 100)]);
    assert_eq!(story.kept(), (1..=40).chain(101..=125).collect::<Vec<u64>>(), "each once");
    story.says(60, "60 records of pole-7 in the lane alert");
    // A whole database hears nothing in the mark, after a start of either as little as before.
    story.world.kill_center();
    story.world.start_center();
    story.tell(10);
    assert_eq!(story.gaps(), [("forgotten".to_owned(), 41, 100)]);
}
