//! The main job with the real programs: a unit sees, records and tells; a center keeps; a person asks and verifies.
//!
//! Agent, center and broker run as they do in the field, each as a process of its own that can be killed.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts programs and reads the clock for deadlines")]

use std::time::Duration;

use edge_protocol::hash::Hash128;
use edge_tests::gate::{self, Gate};
use edge_tests::rtsp::Access;
use edge_tests::world::{CAMERA, CameraPlan, Plan, World};
use serde_json::Value;

/// Enough video for a clip of some seconds.
const VIDEO: Duration = Duration::from_secs(5);
/// How long a broker is away: some health records are made in it.
const OUTAGE: Duration = Duration::from_secs(3);

/// So many different plates of the gate must have been read: with one that it shows again and again anybody is right.
const PLATES: usize = 2;

#[test]
fn vehicles_plates_a_hit_with_its_picture_and_counts_arrive_at_the_center() {
    let Some(gate) = gate::drawn() else { return };
    let camera = gate.camera(Access::default());
    let listed = &gate.plates[0];
    let at_gate = CameraPlan { settings: gate::SETTINGS.to_owned(), ..CameraPlan::rtsp(CAMERA, &camera.url()) };
    let settings = format!("[reads]\npublish = \"all\"\n[hotlist]\ntest_plates = [\"{listed}\"]\n");
    let mut world = World::with("metro", Plan { cameras: vec![at_gate], settings, ..Plan::default() });
    world.start_agent();

    let track = world.wait_for_event("object", "a vehicle has passed", |event| {
        let record = &event["record"];
        record["kind"] == "track" && record["ended"] == true && record["class"] != "person"
    });
    assert_eq!(track["record"]["camera"], CAMERA, "{track}");
    let hit = world.wait_for_event("hit", "the listed plate is a hit", |event| event["record"]["listed"] == **listed);
    let (record, read) = (&hit["record"], &hit["record"]["read"]);
    assert_eq!(
        (&record["matched"], &read["text"], &read["camera"]),
        (&"exact".into(), &record["listed"], &CAMERA.into())
    );
    picture_of_a_hit(&world, record);
    world.wait("plates of the gate are read", || rightly_read(&world, &gate).filter(|plates| *plates >= PLATES));
    let counts = world.wait_for_event("object", "a period's counts", |event| event["record"]["kind"] == "counts");
    let counts = &counts["record"];
    assert_eq!(counts["camera"], CAMERA, "{counts}");
    for counted in ["frames_analysed", "looked_ms", "plate_reads"] {
        assert!(counts[counted].as_u64() > Some(0), "{counted}: {counts}");
    }
    let vehicles =
        counts["tracks"].as_array().is_some_and(|classes| classes.iter().any(|class| class["class"] != "person"));
    assert!(vehicles, "vehicles are counted: {counts}");
    world.nothing_is_missing_or_counted_twice();
}

/// How many of the gate's plates arrived as the final read of a pass.
fn rightly_read(world: &World, gate: &Gate) -> Option<usize> {
    let reads = world.events("read")?;
    let is_read = |plate: &&String| {
        reads.iter().any(|event| event["record"]["revision"] == "final" && event["record"]["text"] == ***plate)
    };
    Some(gate.plates.iter().filter(is_read).count())
}

/// The center has the picture that a hit names: a JPEG of that very hash.
fn picture_of_a_hit(world: &World, hit: &Value) {
    let hash = hit["pictures"][0].as_str().unwrap_or_else(|| panic!("a hit without a picture: {hit}"));
    let address = format!("{}/api/thumbs/{hash}", world.center_address());
    let jpeg = world.wait("the hit's picture", || ureq::get(&address).call().ok()?.into_body().read_to_vec().ok());
    assert_eq!(Hash128::of(&jpeg).to_string(), hash);
    assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.ends_with(&[0xFF, 0xD9]), "{} bytes of no JPEG", jpeg.len());
}

#[test]
fn what_a_unit_records_arrives_and_a_clip_of_it_verifies_until_a_byte_is_changed() {
    let mut world = World::start("metro");
    world.start_agent();
    world.wait_for_video(VIDEO);
    let health = world.wait_for_records("health", 3);
    assert!(health.iter().all(|event| event["record"]["cameras"][0]["camera"] == "yard"), "{health:?}");
    world.nothing_is_missing_or_counted_twice();

    let clip = world.clip("clip.mp4", "audit", "26-0001");
    assert!(clip.succeeded, "rtcc clip:\n{}", clip.said);
    let verified = world.verify("clip.mp4");
    assert!(verified.succeeded, "rtcc verify:\n{}", verified.said);

    for (purpose, case) in [("audit", ""), ("", "26-0001"), ("curiosity", "26-0001")] {
        let refused = world.clip("refused.mp4", purpose, case);
        assert!(!refused.succeeded, "purpose {purpose:?}, case {case:?}:\n{}", refused.said);
        assert!(!world.has("refused.mp4"), "purpose {purpose:?}, case {case:?} gave a file");
    }

    world.flip_a_byte("clip.mp4");
    let verified = world.verify("clip.mp4");
    assert!(!verified.succeeded && verified.said.contains("NOT VERIFIED"), "a flipped byte:\n{}", verified.said);
}

#[test]
fn a_broker_that_dies_and_forgets_costs_nothing_that_was_made_meanwhile() {
    let mut world = World::start("metro");
    let started = jiff::Timestamp::now();
    world.start_agent();
    world.wait_for_health_after(started, 2);
    for _ in 0..2 {
        let died = jiff::Timestamp::now();
        world.broker.kill();
        world.broker.wipe();
        // The length of the outage, so that health records fall into it.
        std::thread::sleep(OUTAGE);
        let back = jiff::Timestamp::now();
        world.broker.restart();
        world.wait_for_health_after(back, 2);
        world.wait_for_health_within(died, back);
        world.nothing_is_missing_or_counted_twice();
    }
}
