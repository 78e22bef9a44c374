//! The questions: to the center over its interface, and as a person with `rtcc`.

use std::process::Command;
use std::time::Duration;

use edge_protocol::lane::Lane;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::{CAMERA, Ended, UNIT, World, ended, is_empty, program};
use crate::process::Process;

/// As many events as the center gives at once.
const PAGE: usize = 5000;

impl World {
    /// Where the center answers.
    pub fn center_address(&self) -> String {
        format!("http://127.0.0.1:{}", self.listen)
    }

    /// What the center answers; none while it does not.
    pub fn ask(&self, question: &str) -> Option<Value> {
        let mut answer = self.http.get(format!("{}{question}", self.center_address())).call().ok()?;
        answer.body_mut().read_json().ok()
    }

    /// What the center answers, as text.
    pub fn ask_for_text(&self, question: &str) -> Option<String> {
        self.http.get(format!("{}{question}", self.center_address())).call().ok()?.body_mut().read_to_string().ok()
    }

    /// All events of a lane in the order of their commit.
    pub fn events(&self, lane: &str) -> Option<Vec<Value>> {
        let (mut events, mut after) = (Vec::new(), 0);
        loop {
            let page = self.ask(&format!("/api/events?lane={lane}&limit={PAGE}&after={after}"))?;
            let found = page["events"].as_array()?;
            events.extend(found.iter().cloned());
            after = page["next"].as_i64()?;
            if found.len() < PAGE {
                return Some(events);
            }
        }
    }

    /// Waits until so many records of a lane are there.
    pub fn wait_for_records(&self, lane: &str, least: usize) -> Vec<Value> {
        self.wait(&format!("{least} records of lane {lane}"), || {
            self.events(lane).filter(|events| events.len() >= least)
        })
    }

    /// Waits until an event of a lane is as wanted, and gives the first of these.
    pub fn wait_for_event(&self, lane: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait(what, || self.events(lane)?.into_iter().find(|event| wanted(event)))
    }

    /// Waits for an entry of the audit log whose words are as wanted; it must be under the unit's seal.
    pub fn wait_for_sealed_entry(&self, wanted: impl Fn(&str) -> bool) {
        let entry =
            self.wait_for_event("audit", "the entry", |event| event["record"]["text"].as_str().is_some_and(&wanted));
        assert_eq!(entry["seal"], "signed", "{entry}");
    }

    /// Waits for so many health records that were made after a moment, and gives all.
    pub fn wait_for_health_after(&self, moment: jiff::Timestamp, least: usize) -> Vec<Value> {
        let made_after = |event: &&Value| event["at_us"].as_i64().is_some_and(|at| at > moment.as_microsecond());
        self.wait(&format!("{least} health records made after {moment}"), || {
            self.events("health").filter(|events| events.iter().filter(made_after).count() >= least)
        })
    }

    /// Waits for a health record that was made within a time.
    pub fn wait_for_health_within(&self, from: jiff::Timestamp, to: jiff::Timestamp) {
        let within = from.as_microsecond()..to.as_microsecond();
        let made_within = |event: &Value| event["at_us"].as_i64().is_some_and(|at| within.contains(&at));
        self.wait_for_event("health", &format!("a health record of {from} to {to}"), made_within);
    }

    /// Waits until the ring, by the unit's own word, holds so much video.
    pub fn wait_for_video(&self, length: Duration) {
        self.wait("video in the ring", || {
            let (oldest, newest) = self.ring(CAMERA)?;
            (newest.duration_since(oldest).unsigned_abs() >= length).then_some(())
        });
    }

    /// Waits until a ring's newest picture, by the unit's own word, is later than a moment.
    pub fn wait_for_video_after(&self, camera: &str, moment: jiff::Timestamp) {
        self.wait(&format!("video of {camera} after {moment}"), || {
            self.ring(camera).filter(|(_, newest)| *newest > moment)
        });
    }

    /// A ring's oldest and newest picture by the unit's last health record.
    pub fn ring(&self, camera: &str) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
        let rings = self.ask("/api/ring")?;
        let ring = rings.as_array()?.iter().find(|ring| ring["camera"] == camera)?;
        let time = |end: &str| ring["ring"][end].as_str()?.parse::<jiff::Timestamp>().ok();
        Some((time("oldest")?, time("newest")?))
    }

    /// Whether a file of the story is there.
    pub fn has(&self, file: &str) -> bool {
        self.file(file).exists()
    }

    /// Asks as an investigator for all that the ring of the only camera has.
    pub fn clip(&self, file: &str, purpose: &str, case: &str) -> Ended {
        self.clip_of(CAMERA, file, purpose, case)
    }

    /// The same of a camera by its id.
    pub fn clip_of(&self, camera: &str, file: &str, purpose: &str, case: &str) -> Ended {
        ended("rtcc clip", &mut self.clip_command(camera, file, self.whole_ring(camera), (purpose, case)))
    }

    /// As [`World::clip`], of a stretch of the ring.
    pub fn clip_between(&self, file: &str, from: jiff::Timestamp, to: jiff::Timestamp) -> Ended {
        ended("rtcc clip", &mut self.clip_command(CAMERA, file, (from, to), ("audit", "26-0001")))
    }

    /// As [`World::clip`], without waiting for its end.
    pub fn begin_clip(&self, file: &str, more: &[&str]) -> Process {
        Process::spawn(
            "rtcc clip",
            self.clip_command(CAMERA, file, self.whole_ring(CAMERA), ("audit", "26-0001")).args(more),
        )
    }

    fn whole_ring(&self, camera: &str) -> (jiff::Timestamp, jiff::Timestamp) {
        self.ring(camera).expect("a ring with video")
    }

    fn clip_command(
        &self,
        camera: &str,
        file: &str,
        (from, to): (jiff::Timestamp, jiff::Timestamp),
        (purpose, case): (&str, &str),
    ) -> Command {
        let mut command = Command::new(program("rtcc"));
        command.args(["clip", "--center", &self.center_address(), "--unit", UNIT, "--camera", camera]);
        command.args(["--from", &from.to_string(), "--to", &to.to_string()]);
        command.args(["--purpose", purpose, "--case", case]);
        command.arg("--cert").arg(&self.person.certificate_path).arg("--key").arg(&self.person.key_path);
        command.arg("--root").arg(self.pki.root_path()).arg("-o").arg(self.file(file));
        command
    }

    /// Checks a clip as anybody with the agency's root can.
    pub fn verify(&self, file: &str) -> Ended {
        let mut command = Command::new(program("rtcc"));
        command.arg("verify").arg(self.file(file)).arg("--root").arg(self.pki.root_path());
        ended("rtcc verify", &mut command)
    }

    /// No sequence is missing or lost, none is there twice, and the counters know of no more than is there.
    pub fn nothing_is_missing_or_counted_twice(&self) {
        // A batch that died with its broker is missing until the unit has waited for its acknowledgement in vain.
        self.wait("no gap is left", || self.ask("/api/gaps").filter(is_empty));
        let units = self.wait("the center tells of units", || self.ask("/api/units"));
        assert_eq!(units[0]["epochs"], 1, "a new epoch is a lost outbox: {units}");
        // The numbers are of different moments, and the unit goes on; those of something counted twice never meet.
        self.wait("what the center counted is what it keeps", || {
            let statistics = self.ask("/api/statistics")?;
            let kept: i64 = statistics["records"].as_object()?.values().filter_map(Value::as_i64).sum();
            (statistics["counters"]["records"] == kept + self.became_files()?).then_some(())
        });
    }

    /// Records that the center acknowledged and keeps as files: pictures and pieces of clips. By the unit's own word.
    fn became_files(&self) -> Option<i64> {
        let outbox = self.data_dir().join("outbox.sqlite");
        let outbox = Connection::open_with_flags(outbox, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        let bulk = [Lane::Thumb, Lane::Clip].map(Lane::index);
        let settled = format!("SELECT coalesce(sum(settled), 0) FROM cursor WHERE lane IN ({}, {})", bulk[0], bulk[1]);
        outbox.query_row(&settled, [], |row| row.get(0)).ok()
    }
}
