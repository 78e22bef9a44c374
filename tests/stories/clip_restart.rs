//! A unit that dies, or is stopped, in the middle of handing a clip over: whoever asked and is willing to wait gets it
//! all the same, and the audit log says what happened.
#![cfg(test)]

use std::time::Duration;

use edge_store::audit::Audit;
use edge_tests::proxy::Link;
use edge_tests::rtsp::{Reel, RtspCamera};
use edge_tests::world::{CAMERA, CameraPlan, DEADLINE, Plan, World};
use serde_json::Value;

/// More than the pieces that the outbox holds of a clip (4 MiB), so that the unit is still busy with it when it dies.
const VIDEO: Duration = Duration::from_secs(7);
const KBIT_PER_S: u32 = 12_000;
/// A line on which that takes much longer than it takes to die.
const SLOW: Link = Link::Slow(400_000);
/// How the program says which request it asks under.
const REQUEST: &str = ", request ";

#[test]
fn a_clip_whose_unit_is_killed_in_the_middle_comes_under_the_same_request_once_the_unit_is_back() {
    the_clip_comes_although(World::kill_agent);
}

#[test]
fn a_clip_whose_unit_is_stopped_in_the_middle_comes_under_the_same_request_once_the_unit_is_back() {
    the_clip_comes_although(World::stop_agent);
}

/// The agent ends by `end`, which gives back what it had said, in the middle of a clip, and is started again.
fn the_clip_comes_although(end: fn(&mut World) -> Vec<String>) {
    let camera = RtspCamera::start(Reel::noise((640, 360), 15, 30, KBIT_PER_S));
    let plan = Plan { cameras: vec![CameraPlan::rtsp(CAMERA, &camera.url())], ..Plan::default() };
    let mut world = World::with("metro", plan);
    world.start_agent();
    world.wait_for_video(VIDEO);
    world.link.set(SLOW);
    let mut asking = world.begin_clip("clip.mp4", &["--wait", "1h"]);
    let line = asking.wait_for_line(REQUEST, DEADLINE);
    let request = line.split_once(REQUEST).expect("the line that was waited for").1.trim().to_owned();
    let cut = world.wait("pieces of the clip flow", || {
        world.ask(&format!("/api/requests/{request}")).filter(|it| it["received_bytes"].as_u64() > Some(0))
    });
    assert_eq!(cut["status"], "transferring", "the clip was whole before the end: {cut}");
    let _said: Vec<String> = end(&mut world);
    let left = unfinished(&world);
    assert_eq!(left, 1, "the unit ended in the middle of the command: {cut}");

    world.link.set(Link::Open);
    world.start_agent();
    assert!(asking.wait(DEADLINE).success(), "rtcc clip:\n{}", asking.lines().join("\n"));
    let verified = world.verify("clip.mp4");
    assert!(verified.succeeded, "rtcc verify:\n{}", verified.said);
    let asked = world.wait("the center tells of requests", || world.ask("/api/requests"));
    let asked = asked.as_array().expect("requests");
    assert_eq!(asked.len(), 1, "one request all the way: {asked:?}");
    assert_eq!((&asked[0]["id"], &asked[0]["attempts"]), (&Value::from(request.as_str()), &Value::from(2)));

    let told = world.wait("the audit log's four entries", || {
        let entries = world.events("audit")?;
        let of_it = |event: &&Value| event["record"]["request"] == request.as_str();
        let told: Vec<Value> = entries.iter().filter(of_it).map(|event| event["record"].clone()).collect();
        (told.len() >= 4).then_some(told)
    });
    let kinds: Vec<_> = told.iter().map(|entry| entry["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["intent", "outcome", "intent", "outcome"], "{told:?}");
    assert!(told.iter().all(|entry| entry["purpose"] == "audit" && entry["case"] == "26-0001"), "{told:?}");
    assert_eq!(told[0]["command"], told[1]["command"]);
    assert_eq!(told[2]["command"], told[3]["command"]);
    assert_ne!(told[0]["command"], told[2]["command"], "a fresh command for the second life");
    assert_eq!(told[1]["text"], "interrupted by a restart of the unit");
    assert!(told[3]["text"].as_str().is_some_and(|text| text.contains("was handed over")), "{}", told[3]);
    let _said: Vec<String> = world.stop_agent();
    assert_eq!(unfinished(&world), 0);
}

/// Commands that the audit log on the disk has an intent of and no outcome, its chain being whole; nobody may use it.
fn unfinished(world: &World) -> usize {
    let opened = Audit::open(&world.data_dir().join("audit.sqlite")).expect("the audit log");
    assert!(!opened.fresh && opened.set_aside.is_none(), "the audit log is the unit's: {opened:?}");
    assert_eq!(opened.audit.verify().expect("a chain to walk"), None, "the chain is whole");
    opened.audit.unfinished().expect("entries").len()
}
