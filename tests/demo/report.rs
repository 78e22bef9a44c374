//! Gathers what the center has, holds it against what was promised, and says it.
#![allow(clippy::cast_precision_loss, reason = "counts and times of one demo are far below 2^52")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use serde_json::Value;

use crate::center::Center;
use crate::score::{Read, Score};
use crate::story::Scene;
use crate::summary::{Camera, Events, Hit, Latency, Summary};

/// Person tracks that a minute of the street must give.
const PERSON_TRACKS: u64 = 50;
/// The share of gate passes that must be read exactly.
const EXACT_SHARE: f64 = 0.9;

/// Asks the center for everything that happened.
pub(crate) fn gather(center: &Center, scene: &Scene, seconds: f64, ended: SystemTime) -> Result<Summary> {
    let mut summary = Summary { seconds, ..Summary::default() };
    for camera in &scene.cameras {
        summary.cameras.insert(camera.id.to_owned(), Camera::default());
    }
    objects(&mut summary, &center.records("object")?);
    let reads = center.records("read")?;
    let finals: Vec<&Value> = reads.iter().filter(|read| read["revision"] == "final").collect();
    for read in &finals {
        if let Some(camera) = read["camera"].as_str().and_then(|id| summary.cameras.get_mut(id)) {
            camera.reads += 1;
        }
    }
    let hits = center.records("hit")?;
    if let Some(first) = hits.first() {
        let hashes = hits.iter().filter_map(|hit| hit["pictures"].as_array()).flatten().filter_map(Value::as_str);
        let pictures = hashes.filter(|hash| center.has(&format!("/api/thumbs/{hash}"))).count();
        let listed = first["listed"].as_str().unwrap_or_default().to_owned();
        summary.hit = Some(Hit { listed, hits: hits.len(), pictures });
    }
    if let Some((gate, began)) = &scene.gate {
        let began = began.get().copied().unwrap_or(ended);
        let all = finals
            .iter()
            .copied()
            .chain(hits.iter().map(|hit| &hit["read"]).filter(|read| read["revision"] == "final"));
        let reads: Vec<Read> =
            all.filter(|read| read["camera"] == "gate").filter_map(|read| place(read, began)).collect();
        let to = ended.duration_since(began).unwrap_or_default().as_secs_f64();
        summary.gate = Some(Score::of(gate, &reads, 0.0, to - 4.0));
    }
    statistics(&mut summary, &center.statistics()?);
    Ok(summary)
}

fn objects(summary: &mut Summary, records: &[Value]) {
    let mut looked: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut classes: BTreeMap<(String, u64), String> = BTreeMap::new();
    for record in records {
        let Some(id) = record["camera"].as_str() else { continue };
        let Some(camera) = summary.cameras.get_mut(id) else { continue };
        // A track is told every ten seconds and at its end; its last class is the one that counts.
        if let (Some(track), Some(class)) = (record["track"].as_u64(), record["class"].as_str()) {
            classes.insert((id.to_owned(), track), class.to_owned());
        }
        if let Some(offered) = record["frames_offered"].as_u64() {
            camera.decoded += offered;
            camera.analysed += record["frames_analysed"].as_u64().unwrap_or(0);
            let span = millis(&record["to"]).zip(millis(&record["from"])).map_or(0.0, |(to, from)| to - from);
            let entry = looked.entry(id.to_owned()).or_default();
            entry.0 += record["looked_ms"].as_f64().unwrap_or(0.0);
            entry.1 += span.max(0.0);
        }
    }
    for ((id, _), class) in classes {
        if let Some(camera) = summary.cameras.get_mut(&id) {
            *camera.tracks.entry(class).or_default() += 1;
        }
    }
    for (camera, (looked_ms, span_ms)) in looked {
        if let Some(camera) = summary.cameras.get_mut(&camera) {
            camera.coverage = looked_ms / span_ms.max(1.0);
        }
    }
}

/// A read on the gate's own clock.
fn place(read: &Value, began: SystemTime) -> Option<Read> {
    let origin_ms = began.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64() * 1000.0;
    Some(Read {
        text: read["text"].as_str()?.to_owned(),
        first_s: (millis(&read["first"])? - origin_ms) / 1000.0,
        last_s: (millis(&read["last"])? - origin_ms) / 1000.0,
    })
}

/// A moment in milliseconds since 1970, however the record writes it.
fn millis(value: &Value) -> Option<f64> {
    let parsed = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond() as f64);
    value.as_f64().or_else(|| value.as_str().and_then(parsed))
}

fn statistics(summary: &mut Summary, statistics: &Value) {
    let counter = |name: &str| statistics["counters"][name].as_u64().unwrap_or(0);
    let committed: u64 =
        statistics["records"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
    let gaps = statistics["missing"].as_u64().unwrap_or(0);
    let duplicates = counter("duplicates");
    summary.events = Events { made: committed + gaps, committed, duplicates, gaps };
    for delay in statistics["delays"].as_array().into_iter().flatten() {
        if let (Some(lane), Some(p50_ms), Some(p99_ms)) =
            (delay["lane"].as_str(), delay["p50_ms"].as_f64(), delay["p99_ms"].as_f64())
        {
            summary.latency.insert(lane.to_owned(), Latency { p50_ms, p99_ms });
        }
    }
}

/// Holds the summary against the promises.
pub(crate) fn judge(summary: &mut Summary, seconds: u64) {
    let mut broken = Vec::new();
    let mut must = |kept: bool, promise: String| {
        if !kept {
            broken.push(promise);
        }
    };
    must(summary.events.committed > 0, "events arrive at the center".to_owned());
    must(summary.events.gaps == 0, format!("nothing is lost ({} records missing)", summary.events.gaps));
    if let Some(street) = summary.cameras.get("street").filter(|_| seconds >= 60) {
        let persons = street.tracks.get("person").copied().unwrap_or(0);
        must(persons >= PERSON_TRACKS, format!("{PERSON_TRACKS} person tracks on the street in a minute ({persons})"));
    }
    if let Some(gate) = &summary.gate {
        let share = gate.exact as f64 / gate.passes.max(1) as f64;
        must(
            gate.passes > 0 && share >= EXACT_SHARE,
            format!(
                "{:.0} % of the gate's passes read exactly ({} of {})",
                EXACT_SHARE * 100.0,
                gate.exact,
                gate.passes
            ),
        );
        must(gate.second.is_empty(), format!("one event a pass ({} second ones)", gate.second.len()));
        must(gate.without_vehicle.is_empty(), format!("no read without a vehicle ({})", gate.without_vehicle.len()));
        let hit = summary.hit.as_ref();
        must(hit.is_some_and(|hit| hit.pictures > 0), "a hit with its picture".to_owned());
    }
    summary.broken.extend(broken);
}

/// Says it and writes `summary.json`.
pub(crate) fn show(summary: &Summary, folder: &Path) -> Result<()> {
    println!();
    for (id, camera) in &summary.cameras {
        let tracks: Vec<String> = camera.tracks.iter().map(|(class, count)| format!("{count} {class}")).collect();
        println!(
            "{id:<8} {} frames decoded, {} analysed, coverage {:.0} %; tracks: {}; {} plate reads",
            camera.decoded,
            camera.analysed,
            camera.coverage * 100.0,
            tracks.join(", "),
            camera.reads
        );
    }
    if let Some(gate) = &summary.gate {
        println!("gate     {} of {} passes read exactly", gate.exact, gate.passes);
        for (truth, read) in &gate.wrong {
            println!("         {truth} was read as {read}");
        }
        for plate in &gate.missed {
            println!("         {plate} was missed");
        }
    }
    let events = &summary.events;
    println!(
        "events   {} made, {} committed, {} duplicates dropped, {} lost",
        events.made, events.committed, events.duplicates, events.gaps
    );
    for (lane, latency) in &summary.latency {
        println!("latency  {lane:<7} p50 {:.0} ms, p99 {:.0} ms", latency.p50_ms, latency.p99_ms);
    }
    if let Some(hit) = &summary.hit {
        println!("hit      {} ({} hits, {} pictures)", hit.listed, hit.hits, hit.pictures);
    }
    if let Some(clip) = &summary.clip {
        println!("clip     {} ({} bytes, {} gaps)", clip.file, clip.bytes, clip.gaps);
    }
    let path = folder.join("summary.json");
    fs::write(&path, serde_json::to_string_pretty(summary)?)?;
    println!("summary  {}", path.display());
    Ok(())
}
