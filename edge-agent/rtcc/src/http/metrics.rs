//! `/metrics` in the text format of Prometheus, and `/api/statistics` with the same numbers as JSON.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::center::Center;
use super::error::ApiError;
use crate::database::queries::{self, Counts, Refusal};

/// Delays are told of so many of the newest events of a lane.
const DELAYS_OF: u32 = 10_000;

/// What the center counted, over all receivers of its database.
#[derive(Debug, Serialize)]
pub(super) struct Statistics {
    /// Messages, records, duplicates and lost records.
    counters: std::collections::BTreeMap<String, i64>,
    /// Records by lane.
    records: std::collections::BTreeMap<String, i64>,
    /// Sequences that are missing now.
    missing: u64,
    /// What was refused.
    refusals: Vec<Refusal>,
    /// From the unit's time of an event to its reception, in milliseconds. Needs clocks that agree.
    delays: Vec<Delay>,
}

/// How late the events of one lane arrived.
#[derive(Debug, Serialize)]
pub(super) struct Delay {
    lane: String,
    events: usize,
    p50_ms: f64,
    p99_ms: f64,
}

pub(super) async fn statistics(State(center): State<Arc<Center>>) -> Result<Json<Statistics>, ApiError> {
    center
        .read(|database| -> rusqlite::Result<_> {
            let records = queries::records_by_lane(database)?;
            let mut delays = Vec::new();
            for (lane, _) in &records {
                delays.extend(delay(lane, &queries::delays_us(database, lane, DELAYS_OF)?));
            }
            let gaps = queries::gaps(database, crate::receiver::apply::FIRST_SEQUENCE)?;
            Ok(Json(Statistics {
                counters: queries::counters(database)?.into_iter().collect(),
                records: records.into_iter().collect(),
                missing: gaps.iter().filter(|gap| gap.kind == "missing").map(|gap| gap.last - gap.first + 1).sum(),
                refusals: queries::refusals(database)?,
                delays,
            }))
        })
        .await
}

fn delay(lane: &str, sorted_us: &[i64]) -> Option<Delay> {
    Some(Delay {
        lane: lane.to_owned(),
        events: sorted_us.len(),
        p50_ms: quantile_ms(sorted_us, 50)?,
        p99_ms: quantile_ms(sorted_us, 99)?,
    })
}

/// The smallest value that at least `percent` of the values do not exceed.
fn quantile_ms(sorted_us: &[i64], percent: usize) -> Option<f64> {
    let rank = (sorted_us.len() * percent).div_ceil(100).max(1);
    let us = i32::try_from(*sorted_us.get(rank - 1)?).unwrap_or(i32::MAX);
    Some(f64::from(us) / 1000.0)
}

pub(super) async fn metrics(State(center): State<Arc<Center>>) -> Result<Response, ApiError> {
    let (counters, records, refusals, units) = center
        .read(|database| -> rusqlite::Result<_> {
            Ok((
                queries::counters(database)?,
                queries::records_by_lane(database)?,
                queries::refusals(database)?,
                queries::units(database)?,
            ))
        })
        .await?;
    let mut text = String::new();
    write_counts(&mut text, "rtcc_total", "name", &counters);
    write_counts(&mut text, "rtcc_records", "lane", &records);
    let refused: Counts = reasons(&refusals);
    write_counts(&mut text, "rtcc_refused_total", "reason", &refused);
    let online = units.iter().filter(|unit| unit.online).count();
    let link = &center.link;
    for (name, value) in [
        ("rtcc_units", units.len().to_string()),
        ("rtcc_units_online", online.to_string()),
        ("rtcc_broker_connected", u8::from(link.connected()).to_string()),
        ("rtcc_broker_connections_total", link.connections().to_string()),
        ("rtcc_broker_overruns_total", link.overruns().to_string()),
        ("rtcc_receiver_messages_total", center.receiver.messages().to_string()),
        ("rtcc_commit_failures_total", center.receiver.failures().to_string()),
    ] {
        line(&mut text, name, "", &value);
    }
    let mut response = text.into_response();
    if let Ok(value) = "text/plain; version=0.0.4".parse() {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    Ok(response)
}

fn reasons(refusals: &[Refusal]) -> Counts {
    let mut sums = std::collections::BTreeMap::<&str, i64>::new();
    for refusal in refusals {
        *sums.entry(&refusal.reason).or_default() += refusal.count;
    }
    sums.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect()
}

fn write_counts(text: &mut String, metric: &str, label: &str, counts: &Counts) {
    for (name, value) in counts {
        // Lanes, reasons and counters are our own words; nothing in them needs escaping.
        line(text, metric, &format!("{{{label}=\"{name}\"}}"), &value.to_string());
    }
}

fn line(text: &mut String, metric: &str, labels: &str, value: &str) {
    let written = writeln!(text, "{metric}{labels} {value}");
    debug_assert!(written.is_ok(), "a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let hundred: Vec<i64> = (1..=100).map(|n| n * 1000).collect();
        assert_eq!(quantile_ms(&hundred, 50), Some(50.0));
        assert_eq!(quantile_ms(&hundred, 99), Some(99.0));
        assert_eq!(quantile_ms(&[7000], 99), Some(7.0));
        assert_eq!(quantile_ms(&[], 50), None);
    }
}
