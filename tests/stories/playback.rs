//! A pulled clip in the player that most people have: H.264 from a real camera, over agent, broker and center, plays in
//! Chromium. Skipped where there is none, but not in CI.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story writes plain files")]

use std::path::Path;
use std::time::Duration;

use edge_tests::browser::Browser;
use edge_tests::rtsp::{Coding, Reel, RtspCamera};
use edge_tests::world::{CAMERA, CameraPlan, Plan, World};
use serde_json::Value;

const VIDEO: Duration = Duration::from_secs(4);
const SIZE: (u32, u32) = (640, 360);

/// What a player shows.
const LOOK: &str = "const video = document.querySelector('video'); return {
    seconds: video.currentTime, of: video.duration, width: video.videoWidth, height: video.videoHeight,
    ended: video.ended, fault: video.error && video.error.message,
    frames: video.getVideoPlaybackQuality().totalVideoFrames };";

#[test]
fn a_pulled_clip_plays_in_a_browser() {
    let Some(browser) = Browser::start() else { return };
    let camera = RtspCamera::start(Reel::drawn(Coding::H264, SIZE, 15, 45));
    let plan = Plan { cameras: vec![CameraPlan::rtsp(CAMERA, &camera.url())], ..Plan::default() };
    let mut world = World::with("metro", plan);
    world.start_agent();
    world.wait_for_video(VIDEO);
    let clip = world.clip("clip.mp4", "audit", "26-0001");
    assert!(clip.succeeded, "rtcc clip:\n{}", clip.said);

    open(&browser, &world.file("clip.mp4"));
    let begun = browser.wait("the video has begun", |browser| {
        let shown = browser.run(LOOK);
        assert!(shown["fault"].is_null(), "the browser refuses the clip: {shown}");
        seconds(&shown, "seconds").filter(|at| *at > 0.0).map(|_| shown)
    });
    let ended = browser.wait("the video has played to its end", |browser| {
        let shown = browser.run(LOOK);
        assert!(shown["fault"].is_null(), "the browser gives up in the middle: {shown}");
        (shown["ended"] == true).then_some(shown)
    });
    assert_eq!((ended["width"].as_u64(), ended["height"].as_u64()), (Some(SIZE.0.into()), Some(SIZE.1.into())));
    assert!(seconds(&begun, "seconds") < seconds(&ended, "seconds"), "from {begun} to {ended}");
    assert!(seconds(&ended, "of") >= Some(VIDEO.as_secs_f64()), "the whole clip: {ended}");
    assert!(ended["frames"].as_u64() >= Some(VIDEO.as_secs() * 10), "pictures were shown: {ended}");
}

#[test]
fn a_file_that_is_no_video_is_refused_by_the_same_browser() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let clip = folder.path().join("clip.mp4");
    std::fs::write(&clip, [0x5a; 4096]).expect("write no video");
    open(&browser, &clip);
    browser.wait("the refusal", |browser| (!browser.run(LOOK)["fault"].is_null()).then_some(()));
}

/// Shows a clip in a page of its own.
fn open(browser: &Browser, clip: &Path) {
    let page = clip.with_extension("html");
    let name = clip.file_name().and_then(|name| name.to_str()).expect("a plain name");
    std::fs::write(&page, format!("<video muted autoplay src=\"{name}\"></video>")).expect("write the page");
    browser.open(&format!("file://{}", page.display()));
}

fn seconds(shown: &Value, what: &str) -> Option<f64> {
    shown[what].as_f64()
}
