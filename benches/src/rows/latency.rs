//! How late events are at the center: from the arrival of the last frame that they tell of to their reception there.
//!
//! The real agent looks at the drawn gate in real time and tells the real center through a real Mosquitto with TLS. A
//! record's own `last` is the wall clock at the arrival of its last frame; the center notes when it received it; both
//! read one machine's clock. Only what is told while it still happens says how late it is: hits and reads as preview,
//! objects that have not ended, since an end is known only some frames after the last sight.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Surroundings;
use super::center::Center;
use super::unit::{Prepared, Told};
use crate::cost::Spread;
use crate::table::Row;

/// Several passes of vehicles, a round.
const WATCHED: Duration = Duration::from_secs(70);
const READY: Duration = Duration::from_mins(1);
/// Most records that one question gives.
const MOST: u32 = 5_000;

/// What there is to be seen at the gate.
pub(super) fn truth(around: &Surroundings) -> Result<Value> {
    let truth = std::fs::read_to_string(around.gate()?.with_file_name("gate.json")).context("the gate's truth")?;
    Ok(serde_json::from_str(&truth)?)
}

/// The texts of the gate's plates.
pub(super) fn plates(around: &Surroundings) -> Result<Vec<String>> {
    let truth = truth(around)?;
    let passes = truth["passes"].as_array().context("the gate's passes")?;
    Ok(passes.iter().filter_map(|pass| pass["plate"].as_str()).map(str::to_owned).collect())
}

/// Milliseconds of each record of a lane that is told while it happens, of those received until then.
pub(super) fn delays(center: &Center, lane: &str, until_us: f64) -> Result<Vec<f64>> {
    let said = center.ask(&format!("/api/events?lane={lane}&limit={MOST}")).context("the center's events")?;
    let events = said["events"].as_array().context("events")?;
    let delay = |event: &Value| {
        let record = &event["record"];
        let told = if lane == "hit" { &record["read"] } else { record };
        let goes_on = told["revision"] == "preview" || told["ended"] == false;
        let last = told["last"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let last_us =
            last.map_or_else(|| told["last"].as_f64().map(|ms| ms * 1000.0), |at| Some(at.as_microsecond() as f64));
        let received_us = event["received_us"].as_f64().filter(|at| *at <= until_us);
        received_us.zip(last_us).filter(|_| goes_on).map(|(received, last)| (received - last) / 1000.0)
    };
    let mut delays: Vec<f64> = events.iter().filter_map(delay).collect();
    delays.sort_by(f64::total_cmp);
    Ok(delays)
}

/// The smallest that at least so many percent do not exceed.
pub(super) fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Median milliseconds of one run of all three models together, by the unit's own word.
fn model_ms(center: &Center) -> f64 {
    let health = center.ask("/api/health").unwrap_or_default();
    let models = health["units"][0]["health"]["models"].as_array().cloned().unwrap_or_default();
    models.iter().filter_map(|model| model["median_us"].as_f64()).sum::<f64>() / 1000.0
}

/// What one unit told in [`WATCHED`].
#[derive(Debug)]
struct Once {
    /// Milliseconds, sorted, model time not subtracted.
    hits: Vec<f64>,
    /// Of reads and objects.
    others: Vec<f64>,
    models_ms: f64,
}

fn once(around: &Surroundings, plates: &[String]) -> Result<Once> {
    let center = Center::start(around)?;
    let sources = [format!("kind = \"file\"\npath = \"{}\"\nrepeat = true", around.gate()?.display())];
    let models = around.root.join("models");
    let told = Told { models: &models, sources: &sources, port: center.broker.port(), test_plates: plates };
    let unit = Prepared::new(around, &center.pki, &told)?.start(around);
    let ready = unit.agent.find_line(READY, |line| line.contains("ready"));
    ensure!(ready.is_some(), "never ready:\n{}", unit.agent.lines().join("\n"));
    std::thread::sleep(WATCHED);
    let mut others = delays(&center, "read", f64::INFINITY)?;
    others.extend(delays(&center, "object", f64::INFINITY)?);
    others.sort_by(f64::total_cmp);
    Ok(Once { hits: delays(&center, "hit", f64::INFINITY)?, others, models_ms: model_ms(&center) })
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let plates = plates(around)?;
    let rounds: Vec<Once> = (0..around.extent.rounds).map(|_| once(around, &plates)).collect::<Result<_>>()?;
    let spread = |of: &dyn Fn(&Once) -> f64| Spread::of(rounds.iter().map(of).collect());
    let count = |of: fn(&Once) -> &Vec<f64>| rounds.iter().map(|once| of(once).len()).sum::<usize>();
    let hit = |percent| spread(&|once: &Once| quantile(&once.hits, percent) - once.models_ms);
    let other = |percent| spread(&|once: &Once| quantile(&once.others, percent));
    let (p50, p99, models_ms) = (hit(50), hit(99), spread(&|once: &Once| once.models_ms).median);
    let (hits, others) = (count(|once| &once.hits), count(|once| &once.others));
    Ok(vec![
        Row {
            what: format!("{hits} hits: last frame's arrival to the center, minus model time, ms p50, p99"),
            goal: "<= 20, <= 60".to_owned(),
            measured: format!("{}, {}", p50.show(0), p99.show(0)),
            reference: format!("one run of each model takes {models_ms:.1} ms and is subtracted once"),
            met: (hits > 0).then_some(p50.median <= 20.0 && p99.median <= 60.0),
        },
        Row {
            what: format!("{others} other events that go on: the same, model time included, ms p99"),
            goal: "<= 250".to_owned(),
            measured: other(99).show(0),
            reference: format!("p50 {}", other(50).show(0)),
            met: (others > 0).then(|| other(99).median <= 250.0),
        },
    ])
}
