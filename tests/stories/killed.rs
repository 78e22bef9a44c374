//! An agent ended at random moments, by SIGKILL or in order, against what it said itself while it lived: its log goes
//! down a pipe to this story, line by line, so that what was said survives the one who said it.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story reads the clock and lives with random moments")]
#![allow(clippy::print_stderr, reason = "a seed that is not printed cannot be tried again")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use edge_protocol::topic::Topic;
use edge_tests::proxy::Draw;
use edge_tests::world::{CAMERA, CameraPlan, Plan, UNIT, World};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use serde_json::Value;

/// Kills where nothing else is asked for.
const KILLS: u32 = 50;
/// Stops in order.
const STOPS: u32 = 5;
/// Far beyond what a start takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest life; it takes the unit a part of it to be up.
const LONGEST_LIFE_MS: u64 = 1800;
/// Between two messages that the unit must answer: many commits a life, so that kills fall into them.
const BETWEEN: Duration = Duration::from_millis(10);

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

/// A unit that says what it has committed.
fn plan() -> Plan {
    Plan { log: "info,edge_agent::publish=debug", cameras: vec![CameraPlan::test(CAMERA)], ..Plan::default() }
}

/// What the unit said to have committed, and until when it can have made it.
#[derive(Default)]
struct Oracle {
    /// For each lane the end of every life with the last record that was committed in it.
    lives: BTreeMap<String, Vec<(u64, jiff::Timestamp)>>,
    epochs: BTreeSet<String>,
}

impl Oracle {
    /// Takes in the log of a life that ended at a moment.
    fn listen(&mut self, said: &[String], end: jiff::Timestamp) {
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
    fn committed(&self) -> u64 {
        self.lives.values().filter_map(|lives| Some(lives.last()?.0)).sum()
    }

    /// Every record is at the center, and is the one that was committed: a number that was given again after a kill would
    /// name a record that was made after that kill.
    fn check(&self, world: &World) {
        assert_eq!(self.epochs.len(), 1, "the outbox was never lost");
        for (lane, lives) in &self.lives {
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

/// Somebody who keeps sending the unit what is no command; each is answered, which is a commit of its own.
struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Flood {
    fn begin(world: &World) -> Flood {
        let identity = world.other_center();
        let mut options = MqttOptions::new(&identity.name, "localhost", world.broker.port());
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(world.pki.client(Some(&identity)))));
        let topic =
            Topic::Command(world.pki.agency().parse().expect("agency"), UNIT.parse().expect("unit")).to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (client, mut events) = AsyncClient::new(options, 10);
                let mut every = tokio::time::interval(BETWEEN);
                while !told.load(Ordering::Relaxed) {
                    tokio::select! {
                        event = events.poll() => drop(event.expect("the broker stays")),
                        // Not kept for a unit that is away.
                        _ = every.tick() => drop(client.try_publish(&topic, QoS::AtMostOnce, false, vec![1; 100])),
                    }
                }
            });
        });
        Flood { stop, thread }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the flood ran to its end");
    }
}
