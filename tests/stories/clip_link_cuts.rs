//! A clip on its way over a line that breaks again and again: it arrives whole, and the line carries hardly more than
//! it.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story starts programs and reads the clock for deadlines")]
#![allow(clippy::print_stderr, reason = "a seed that is not printed cannot be tried again")]

use std::time::Duration;

use edge_protocol::record::MAX_CHUNK_BYTES;
use edge_tests::proxy::{Cuts, Direction};
use edge_tests::rtsp::{Reel, RtspCamera};
use edge_tests::world::{CAMERA, CameraPlan, Plan, World};
use serde_json::Value;

/// How often the line breaks.
const CUTS: u32 = 20;
/// After so many bytes each; all cuts together need fewer than the clip has.
const BETWEEN: std::ops::RangeInclusive<u64> = 300_000..=900_000;
/// What the ring must hold before the clip is asked for.
const VIDEO_BYTES: u64 = 22_000_000;
/// How long the clip may take: twenty reconnections, each after up to a second or two.
const PATIENCE: Duration = Duration::from_mins(5);

#[test]
fn a_clip_whose_line_breaks_twenty_times_arrives_whole_and_costs_a_tenth_more_at_most() {
    let seed = std::env::var("CUTS_SEED").map_or_else(
        |_| jiff::Timestamp::now().as_microsecond().unsigned_abs(),
        |text| text.parse().expect("CUTS_SEED is a number"),
    );
    eprintln!("CUTS_SEED={seed}");
    let mut camera = RtspCamera::start(Reel::noise((640, 360), 15, 45, 16_000));
    let cameras = vec![CameraPlan::rtsp(CAMERA, &camera.url())];
    let mut world = World::with("metro", Plan { cameras, ..Plan::default() });
    world.start_agent();
    world.wait_for_event("health", "enough video in the ring", |event| {
        event["record"]["cameras"][0]["ring"]["used_bytes"].as_u64().is_some_and(|bytes| bytes > VIDEO_BYTES)
    });
    // What is recorded meanwhile would only take the machine's time.
    camera.stop();
    let counted_before = Counted::of(&world);

    world.link.plan_cuts(Cuts { seed, direction: Direction::ToTarget, bytes: BETWEEN, count: CUTS });
    let carried_before = world.link.carried(Direction::ToTarget);
    world.link.cut_now();
    let mut asking = world.begin_clip("clip.mp4", &["--wait", "5m"]);
    let ended = asking.wait(PATIENCE);
    let carried = world.link.carried(Direction::ToTarget) - carried_before;
    assert!(ended.success(), "rtcc clip:\n{}", asking.lines().join("\n"));

    assert_eq!(world.link.cuts_made(), CUTS, "every cut fell into the clip");
    let verified = world.verify("clip.mp4");
    assert!(verified.succeeded, "rtcc verify:\n{}", verified.said);
    // Against the clip itself: TLS, MQTT, health records, twenty handshakes and whatever is sent again all count as
    // more.
    let (clip, manifest) = (length(&world, "clip.mp4"), length(&world, "clip.mp4.manifest"));
    let counted = Counted::of(&world);
    let repeated = counted.repeated - counted_before.repeated;
    let percent = carried * 100 / clip;
    eprintln!(
        "clip: {clip} bytes; carried to the broker: {carried} ({percent} %); records that came twice: {repeated}"
    );
    assert!(clip > BETWEEN.end() * u64::from(CUTS), "a clip of {clip} bytes leaves no room for every cut");
    assert!(percent <= 110, "{carried} bytes were carried for a clip of {clip}");
    assert!(repeated <= u64::from(CUTS), "{repeated} records came twice in {CUTS} cuts");
    let pieces: u64 = [clip, manifest].map(|bytes| bytes.div_ceil(MAX_CHUNK_BYTES as u64)).iter().sum();
    assert_eq!(counted.pieces - counted_before.pieces, pieces, "each piece counts once");
    assert!(world.agent_lives());
    world.wait("no gap is left", || world.ask("/api/gaps").filter(|gaps| gaps.as_array().is_some_and(Vec::is_empty)));
}

/// What the center has counted.
struct Counted {
    /// Records that were new and are not kept as events: pieces of clips.
    pieces: u64,
    /// Records that were there already.
    repeated: u64,
}

impl Counted {
    fn of(world: &World) -> Counted {
        let statistics = world.wait("the center's counters", || world.ask("/api/statistics"));
        let counter = |name: &str| statistics["counters"][name].as_u64().unwrap_or_default();
        let kept: u64 = statistics["records"].as_object().expect("lanes").values().filter_map(Value::as_u64).sum();
        Counted { pieces: counter("records") - kept, repeated: counter("duplicates") }
    }
}

fn length(world: &World, file: &str) -> u64 {
    std::fs::metadata(world.file(file)).unwrap_or_else(|error| panic!("{file}: {error}")).len()
}
