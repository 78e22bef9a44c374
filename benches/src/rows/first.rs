//! How soon a unit that is ready tells of what it sees: from the first key frame's arrival to the first event's
//! reception at the center.
//!
//! The camera is switched on when the real agent has said that it is ready, and its first picture has a vehicle in it
//! whose plate can be read. The arrival of the first key frame is what the ring says of its first group; the event
//! comes through a real Mosquitto with TLS to the real center, and both read one machine's clock.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use edge_store::disk::RealDisk;
use edge_store::ring::{RingPlace, RingReader};
use edge_tests::rtsp::{Coding, Reel, RtspCamera};
use serde_json::Value;

use super::center::Center;
use super::unit::{Prepared, Told, Unit};
use super::{Surroundings, latency};
use crate::cost::{self, Spread};
use crate::table::Row;

const DEADLINE: Duration = Duration::from_mins(1);
/// So high are characters that every reader of the gate reads.
const READABLE_PX: f64 = 20.0;
const FPS: u32 = 15;

/// The second of the gate's video at which the first plate has come near enough to be read.
fn begin(truth: &Value) -> Result<f64> {
    let passes = truth["passes"].as_array().context("the gate's passes")?;
    let frames = passes.iter().filter_map(|pass| pass["frames"].as_array()).flatten();
    let readable = frames.filter(|frame| frame["plate"][3].as_f64().is_some_and(|height| height >= READABLE_PX));
    readable.filter_map(|frame| frame["t"].as_f64()).reduce(f64::min).context("no plate of the gate can be read")
}

/// A few seconds of the gate that begin in the middle of a pass, with a key frame a second.
fn cut(around: &Surroundings, folder: &Path) -> Result<PathBuf> {
    let begin = begin(&latency::truth(around)?)?;
    let video = folder.join("pass.mp4");
    let mut make = Command::new("ffmpeg");
    make.args(["-v", "error", "-y", "-ss", &format!("{begin:.3}"), "-i"]).arg(around.gate()?);
    make.args(["-t", "6", "-c:v", "libx264", "-bf", "0", "-g", &FPS.to_string(), "-b:v", "4M", "-pix_fmt", "yuv420p"]);
    cost::of_program(make.arg(&video))?;
    Ok(video)
}

/// When the first key frame arrived; none before its group is in the ring.
fn first_key_us(unit: &Unit) -> Option<i64> {
    let folder = unit.folder.path().join("unit/ring/c0");
    let (name, camera) = (super::unit::UNIT.parse().ok()?, "c0".parse().ok()?);
    let place = RingPlace { folder, index: None, unit: name, camera, quota_bytes: u64::MAX };
    let span = RingReader::open(Arc::new(RealDisk), place).ok()?.span().ok()?;
    span.map(|(from, _)| from.as_micros())
}

/// When the center received the first event of what is seen; none while there is none.
fn first_event_us(center: &Center) -> Option<f64> {
    let received = ["hit", "read", "object"].into_iter().filter_map(|lane| {
        let said = center.ask(&format!("/api/events?lane={lane}&limit=1"))?;
        said["events"][0]["received_us"].as_f64()
    });
    received.reduce(f64::min)
}

/// One start of a unit; seconds.
fn once(around: &Surroundings, reel: &Reel, plates: &[String]) -> Result<f64> {
    let center = Center::start(around)?;
    let mut camera = RtspCamera::start(reel.clone());
    camera.stop();
    let models = around.root.join("models");
    let sources = [format!("kind = \"rtsp\"\nurl = \"{}\"", camera.url())];
    let told = Told { models: &models, sources: &sources, port: center.broker.port(), test_plates: plates };
    let unit = Prepared::new(around, &center.pki, &told)?.start(around);
    let ready = unit.agent.find_line(DEADLINE, |line| line.contains("ready"));
    ready.with_context(|| format!("never ready:\n{}", unit.agent.lines().join("\n")))?;
    camera.restart();
    center.wait("the first event", DEADLINE, |center| first_event_us(center).is_some())?;
    center.wait("the first group", DEADLINE, |_| first_key_us(&unit).is_some())?;
    let (event, key) = (first_event_us(&center).context("an event")?, first_key_us(&unit).context("a group")?);
    Ok((event - key as f64) / 1_000_000.0)
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(&around.folder)?;
    let reel = Reel::file(&cut(around, folder.path())?, Coding::H264, FPS);
    let plates = latency::plates(around)?;
    let seconds: Vec<f64> = (0..around.extent.rounds).map(|_| once(around, &reel, &plates)).collect::<Result<_>>()?;
    let seconds = Spread::of(seconds);
    Ok(vec![Row {
        what: "ready unit: first key frame's arrival to the first event at the center, s".to_owned(),
        goal: "<= 0.5".to_owned(),
        measured: seconds.show(2),
        reference: format!("720p at {FPS} frames a second with a readable plate from the first picture on").to_owned(),
        met: Some(seconds.median <= 0.5),
    }])
}
