//! What a unit said itself while it lived, against what the center has of it.

use std::collections::{BTreeMap, BTreeSet};

use edge_protocol::lane::Lane;
use edge_tests::world::{CAMERA, CameraPlan, Plan, World};
use serde_json::Value;

/// A unit that says what it has committed.
pub(crate) fn plan() -> Plan {
    Plan { log: "info,edge_agent::publish=debug", cameras: vec![CameraPlan::test(CAMERA)], ..Plan::default() }
}

/// What the unit said to have committed, and until when it can have made it.
#[derive(Default)]
pub(crate) struct Oracle {
    /// For each lane the end of every life with the last record that was committed in it.
    lives: BTreeMap<String, Vec<(u64, jiff::Timestamp)>>,
    epochs: BTreeSet<String>,
}

impl Oracle {
    /// Takes in the log of a life that ended at a moment.
    pub(crate) fn listen(&mut self, said: &[String], end: jiff::Timestamp) {
        let field = |line: &str, name: &str| {
            let rest = line.split_once(&format!(" {name}="))?.1;
            rest.split_whitespace().next().map(str::to_owned)
        };
        for line in said.iter().filter(|line| line.contains(": committed ")) {
            let lane = field(line, "lane").expect("a lane is named");
            let last = field(line, "last").and_then(|text| text.parse().ok()).expect("a sequence is named");
            self.epochs.insert(field(line, "epoch").expect("an epoch is named"));
            self.lives.entry(lane).or_default().push((last, end));
        }
    }

    /// How many records the unit said to have committed so far.
    pub(crate) fn committed(&self) -> u64 {
        self.lives.values().filter_map(|lives| Some(lives.last()?.0)).sum()
    }

    /// Every record is at the center, and is the one that was committed: a number that was given again after a kill
    /// would name a record that was made after that kill.
    pub(crate) fn check(&self, world: &World) {
        assert_eq!(self.epochs.len(), 1, "the outbox was never lost");
        // Pictures and pieces of clips become files; that they came whole is for those who look at them to say.
        let events = self.lives.iter().filter(|(lane, _)| !lane.parse().is_ok_and(Lane::is_bulk));
        for (lane, lives) in events {
            let events = world.wait(&format!("lane {lane}"), || world.events(lane));
            let made: BTreeMap<u64, i64> = events.iter().map(sequence_and_time).collect();
            assert_eq!(made.len(), events.len(), "lane {lane}: a sequence is there twice");
            let mut next = 1;
            for (last, end) in lives {
                assert!(*last >= next || *last + 1 == next, "lane {lane}: {last} was committed after {next}");
                for sequence in next..=*last {
                    let at = made.get(&sequence);
                    let at = at.unwrap_or_else(|| panic!("lane {lane}: record {sequence} was committed and is lost"));
                    assert!(*at <= end.as_microsecond(), "lane {lane}: {sequence} was committed, lost and given again");
                }
                next = last + 1;
            }
        }
    }
}

fn sequence_and_time(event: &Value) -> (u64, i64) {
    (event["sequence"].as_u64().expect("a sequence"), event["at_us"].as_i64().expect("a time"))
}
