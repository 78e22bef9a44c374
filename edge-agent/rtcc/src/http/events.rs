//! `/api/events`: what units sent, by filter and cursor, waiting for more where asked, or until the broker is lost or
//! found.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use edge_protocol::record::PlateText;
use serde::{Deserialize, Serialize};

use super::center::Center;
use super::error::ApiError;
use crate::clock::Stopwatch;
use crate::database::queries::{self, EVENT_LANES, Event, EventFilter};

const LIMIT: u32 = 200;
const LARGEST_LIMIT: u32 = 5_000;
const LONGEST_WAIT_MS: u64 = 30_000;
/// How often a waiting question looks by itself: another receiver's commits are not announced to this one.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The question.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Question {
    after: i64,
    unit: Option<String>,
    camera: Option<String>,
    lane: Option<String>,
    plate: Option<String>,
    newest: bool,
    limit: Option<u32>,
    wait_ms: u64,
}

/// The answer: events, and the cursor from which to go on.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    events: Vec<Event>,
    next: i64,
    /// Whether this receiver has its broker: without it, no event does not mean that there was none.
    broker_connected: bool,
}

pub(super) async fn events(
    State(center): State<Arc<Center>>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<Answer>, ApiError> {
    let Query(question) = question.map_err(|error| ApiError::Bad(error.body_text()))?;
    let limit = question.limit.unwrap_or(LIMIT);
    if limit == 0 || limit > LARGEST_LIMIT {
        return Err(ApiError::Bad(format!("limit is 1 to {LARGEST_LIMIT}, not {limit}")));
    }
    if let Some(lane) = question.lane.as_deref().filter(|lane| !EVENT_LANES.contains(lane)) {
        return Err(ApiError::Bad(format!("lane is one of {}, not {lane:?}", EVENT_LANES.join(", "))));
    }
    // Plates are read and kept in capitals.
    let plate = question.plate.map(|plate| plate.to_uppercase().parse::<PlateText>()).transpose();
    let plate = plate.map_err(|error| ApiError::Bad(error.to_string()))?;
    let wait = Duration::from_millis(question.wait_ms.min(LONGEST_WAIT_MS));
    let filter = EventFilter {
        after: question.after,
        unit: question.unit,
        camera: question.camera,
        lane: question.lane,
        plate: plate.map(|plate| plate.as_str().to_owned()),
        newest: question.newest,
        limit,
    };
    let waited = Stopwatch::start();
    let connected = center.link.connected();
    let mut news = center.news.clone();
    let mut stop = center.stop.clone();
    loop {
        news.mark_unchanged();
        let asked = filter.clone();
        let (events, newest) = center
            .read(move |database| -> rusqlite::Result<_> {
                // The cursor is read first, so that it never lies beyond an event that was not looked at.
                let newest = queries::newest_event(database)?;
                Ok((queries::events(database, &asked)?, newest))
            })
            .await?;
        let left = wait.saturating_sub(waited.elapsed());
        let broker_connected = center.link.connected();
        if !events.is_empty() || left.is_zero() || *stop.borrow() || broker_connected != connected {
            let next = next(&events, &filter, newest);
            return Ok(Json(Answer { events, next, broker_connected }));
        }
        // Whatever ends the wait, the database is asked again.
        tokio::select! {
            _ = news.changed() => {}
            _ = stop.changed() => {}
            () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
        }
    }
}

fn next(events: &[Event], filter: &EventFilter, newest: i64) -> i64 {
    let full = events.len() >= usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let last = events.iter().map(|event| event.id).max().unwrap_or(filter.after);
    // A page that is not full has seen everything up to the newest event, also what the filter left out.
    if full && !filter.newest { last } else { last.max(newest) }
}
