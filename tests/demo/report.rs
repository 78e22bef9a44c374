//! Gathers what the center has, holds it against what was promised, and says it.
#![allow(clippy::cast_precision_loss, reason = "counts and times of one demo are far below 2^52")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;
use serde_json::Value;

use crate::center::Center;
use crate::ledger;
use crate::scene::Scene;
use crate::score::{Read, Score};
use crate::summary::{Camera, Delays, Events, Hit, Latency, Summary};

/// Person tracks that a minute of the street must give.
const PERSON_TRACKS: u64 = 50;
/// The share of gate passes that must be read exactly.
const EXACT_SHARE: f64 = 0.9;
/// Passes that a minute of the gate has at least.
const GATE_PASSES: usize = 20;
/// Passes that end in the last seconds are not scored: their final read is still to come.
const END_MARGIN_S: f64 = 4.0;

/// What was watched, and when.
pub(crate) struct Watched {
    /// From the first camera to the end.
    pub(crate) seconds: f64,
    /// When the agent was asked to stop.
    pub(crate) ended: SystemTime,
    /// When the link was cut, and when everything that waited had arrived.
    pub(crate) cut: Option<(SystemTime, SystemTime)>,
}

/// Asks the center for everything that happened, and the unit's outbox how much there was.
pub(crate) fn gather(
    summary: &mut Summary,
    center: &Center,
    scene: &Scene,
    watched: &Watched,
    outbox: &Path,
) -> Result<()> {
    summary.seconds = watched.seconds;
    for camera in &scene.cameras {
        summary.cameras.insert(camera.id.to_owned(), Camera::default());
    }
    let events = center.events()?;
    let of_lane =
        |lane: &'static str| events.iter().filter(move |event| event["lane"] == lane).map(|event| &event["record"]);
    objects(summary, of_lane("object"));
    let finals: Vec<&Value> = of_lane("read").filter(|read| read["revision"] == "final").collect();
    for read in &finals {
        if let Some(camera) = read["camera"].as_str().and_then(|id| summary.cameras.get_mut(id)) {
            camera.reads += 1;
        }
    }
    let hits: Vec<&Value> = of_lane("hit").collect();
    if let Some(first) = hits.first() {
        let hashes = hits.iter().filter_map(|hit| hit["pictures"].as_array()).flatten().filter_map(Value::as_str);
        let pictures = hashes.filter(|hash| center.has(&format!("/api/thumbs/{hash}"))).count();
        let listed = first["listed"].as_str().unwrap_or_default().to_owned();
        summary.hit = Some(Hit { listed, hits: hits.len(), pictures });
    }
    if let Some((gate, began)) = &scene.gate {
        let began = began.get().copied().unwrap_or(watched.ended);
        let of_hits = hits.iter().map(|hit| &hit["read"]).filter(|read| read["revision"] == "final");
        let all = finals.iter().copied().chain(of_hits).filter(|read| read["camera"] == "gate");
        let reads: Vec<Read> = all.filter_map(|read| place(read, began)).collect();
        let to = watched.ended.duration_since(began).unwrap_or_default().as_secs_f64();
        summary.gate = Some(Score::of(gate, &reads, 0.0, to - END_MARGIN_S));
    }
    summary.latency = latency(&events, watched.cut);
    summary.events = kept(&events, center, &ledger::read(outbox)?)?;
    Ok(())
}

/// Held against the unit's own count: what the center has, has twice, and does not have.
fn kept(events: &[Value], center: &Center, outbox: &ledger::Lanes) -> Result<Events> {
    let statistics = center.statistics()?;
    let lost: Vec<Value> = center.ask("/api/gaps")?;
    let span = |gap: &Value| Some(gap["last"].as_u64()?.saturating_sub(gap["first"].as_u64()?) + 1);
    let stated: u64 = lost.iter().filter_map(span).sum();
    let names: BTreeSet<String> =
        events.iter().map(|event| format!("{} {} {}", event["epoch"], event["lane"], event["sequence"])).collect();
    let (made, committed) = (outbox.made(), events.len() as u64);
    let distinct = names.len() as u64;
    Ok(Events {
        made,
        committed,
        duplicates: committed - distinct,
        // The tail that never came is no hole between sequences: only the unit's own count tells of it.
        gaps: made.saturating_sub(distinct).max(stated),
        sent_again: statistics["counters"]["duplicates"].as_u64().unwrap_or(0),
    })
}

/// Delays of what was on its way while the link was up all the time.
fn latency(events: &[Value], cut: Option<(SystemTime, SystemTime)>) -> Delays {
    let micros = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let cut = cut.map(|(from, to)| (micros(from), micros(to)));
    let mut delays_us: [Vec<i64>; 2] = Default::default();
    for event in events {
        let (Some(at), Some(received)) = (event["at_us"].as_i64(), event["received_us"].as_i64()) else { continue };
        let (began, ended) = (u128::from(at.unsigned_abs()), u128::from(received.unsigned_abs()));
        if cut.is_some_and(|(from, to)| began <= to && ended >= from) {
            continue;
        }
        delays_us[usize::from(event["lane"] != "hit")].push(received - at);
    }
    let [hits, others] = delays_us.map(|mut delays_us| {
        delays_us.sort_unstable();
        let quantile_ms = |percent: usize| {
            let rank = (delays_us.len() * percent).div_ceil(100).max(1);
            delays_us.get(rank - 1).map(|&us| us as f64 / 1000.0)
        };
        Some(Latency { events: delays_us.len(), p50_ms: quantile_ms(50)?, p99_ms: quantile_ms(99)? })
    });
    Delays { hits, others }
}

fn objects<'a>(summary: &mut Summary, records: impl Iterator<Item = &'a Value>) {
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
    must(summary.events.duplicates == 0, format!("nothing counts twice ({} records do)", summary.events.duplicates));
    for (id, camera) in &summary.cameras {
        must(camera.analysed > 0, format!("camera {id} is looked at"));
    }
    if let Some(street) = summary.cameras.get("street").filter(|_| seconds >= 60) {
        let persons = street.tracks.get("person").copied().unwrap_or(0);
        must(persons >= PERSON_TRACKS, format!("{PERSON_TRACKS} person tracks on the street in a minute ({persons})"));
    }
    if let Some(gate) = &summary.gate {
        let share = gate.exact as f64 / gate.passes.max(1) as f64;
        must(
            gate.passes >= if seconds >= 60 { GATE_PASSES } else { 1 } && share >= EXACT_SHARE,
            format!(
                "{:.0} % of the gate's passes read exactly, {GATE_PASSES} at least in a minute ({} of {})",
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
    if let Some(left) = &summary.commissioning {
        must(left.failed == 0, format!("no check of the unit fails ({} do)", left.failed));
        // What a visitor's own camera looks at is not for the demo to judge.
        let green = summary.gate.is_none() || left.not_green.is_empty();
        must(green, format!("every check of the unit is green ({})", left.not_green.join("; ")));
        must(!left.board.is_empty(), "the simulated board's readings arrive".to_owned());
    }
    if let Some(doctor) = &summary.doctor {
        let red = doctor.failed > 0 || doctor.status > 1;
        must(!red, format!("edge-agent doctor is not red ({} failed, status {})", doctor.failed, doctor.status));
        let green = summary.gate.is_none() || doctor.not_green.is_empty();
        must(green, format!("edge-agent doctor is green ({})", doctor.not_green.join("; ")));
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
        "events   {} made, {} committed, {} duplicates, {} lost; {} were sent again and recognised",
        events.made, events.committed, events.duplicates, events.gaps, events.sent_again
    );
    for (kind, delays) in [("hits", &summary.latency.hits), ("others", &summary.latency.others)] {
        if let Some(Latency { events, p50_ms, p99_ms }) = delays {
            println!("latency  {kind}: p50 {p50_ms:.0} ms, p99 {p99_ms:.0} ms ({events}, the link being up)");
        }
    }
    if let Some(hit) = &summary.hit {
        println!("hits     {} of listed plates, the first {}, with {} pictures", hit.hits, hit.listed, hit.pictures);
    }
    if let Some(clip) = &summary.clip {
        println!("clip     {} ({} bytes, {} gaps, verified)", clip.file, clip.bytes, clip.gaps);
    }
    if let Some(left) = &summary.commissioning {
        println!(
            "left     {} checks ok, {} to look at, {} failed; signed by the unit: {}",
            left.ok, left.warnings, left.failed, left.file
        );
    }
    if let Some(doctor) = &summary.doctor {
        println!("doctor   {} checks ok, {} warnings, {} failed", doctor.ok, doctor.warnings, doctor.failed);
    }
    let path = folder.join("summary.json");
    fs::write(&path, serde_json::to_string_pretty(summary)?)?;
    println!("summary  {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::{Commissioning, Diagnosis};

    /// What is broken of a demo in which everything but the checks was left out.
    fn broken(failed: usize, not_green: &[&str], gate: bool) -> Vec<String> {
        let left = Commissioning {
            ok: 20,
            warnings: 1,
            failed,
            not_green: not_green.iter().map(ToString::to_string).collect(),
            board: "12.1 V".to_owned(),
            verified: true,
            file: String::new(),
        };
        let mut summary = Summary { commissioning: Some(left), ..Summary::default() };
        summary.gate = gate.then(Score::default);
        judge(&mut summary, 60);
        summary.broken.retain(|promise| promise.contains("check of the unit"));
        summary.broken
    }

    #[test]
    fn a_demo_whose_unit_is_not_green_breaks_its_promise() {
        assert!(broken(0, &[], true).is_empty());
        assert_eq!(broken(1, &["failed camera gate: no pictures"], true).len(), 2);
        let warning = ["warning position gate: unknown"];
        assert_eq!(broken(0, &warning, true), ["every check of the unit is green (warning position gate: unknown)"]);
        assert!(broken(0, &warning, false).is_empty(), "a visitor's own camera");
    }

    #[test]
    fn a_demo_on_which_the_doctor_is_red_breaks_its_promise() {
        let broken = |failed, status, not_green: &[&str], gate: bool| {
            let not_green = not_green.iter().map(ToString::to_string).collect();
            let doctor = Diagnosis { ok: 20, warnings: 1, failed, excused: Vec::new(), not_green, status };
            let mut summary = Summary { doctor: Some(doctor), ..Summary::default() };
            summary.gate = gate.then(Score::default);
            judge(&mut summary, 60);
            summary.broken.retain(|promise| promise.contains("doctor"));
            summary.broken
        };
        assert!(broken(0, 1, &[], true).is_empty(), "warnings that are the machine's own affair");
        let red = ["failed broker: nobody listens"];
        assert_eq!(broken(1, 2, &red, true).len(), 2);
        assert_eq!(broken(1, 2, &red, false), ["edge-agent doctor is not red (1 failed, status 2)"]);
        assert_eq!(broken(0, 101, &[], true), ["edge-agent doctor is not red (0 failed, status 101)"]);
        let warning = ["warning position gate: unknown"];
        assert_eq!(broken(0, 1, &warning, true), ["edge-agent doctor is green (warning position gate: unknown)"]);
        assert!(broken(0, 1, &warning, false).is_empty(), "a visitor's own camera");
    }
}
