//! `/api/requests`: handing in signed commands, and what became of them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};

use super::center::Center;
use super::error::ApiError;
use crate::broker::Departure;
use crate::database::requests::{self, HandedIn, NewRequest, Request};
use crate::wire;

/// What a signed command is called. No page of a foreign site can make a browser send it unasked.
const COMMAND_TYPE: &str = "application/cose";
const NEWEST: u32 = 200;

/// Takes a signed command and passes it on. Whether it is allowed is the unit's decision; here it is only looked at
/// closely enough to name it, and a unit that cannot be reached is said at once.
pub(super) async fn hand_in(
    State(center): State<Arc<Center>>,
    headers: HeaderMap,
    envelope: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Request>), ApiError> {
    let envelope = envelope.map_err(|error| ApiError::TooLarge(error.body_text()))?;
    if headers.get(CONTENT_TYPE).is_none_or(|kind| kind != COMMAND_TYPE) {
        return Err(ApiError::Bad(format!("a command is handed in as {COMMAND_TYPE}")));
    }
    let command = wire::describe_command(&envelope).map_err(ApiError::Bad)?;
    if command.agency != center.agency {
        return Err(ApiError::Bad(format!(
            "the command is for agency {}, and this is {}",
            command.agency, center.agency
        )));
    }
    center.connected()?;
    let topic = command.topic.clone();
    let id = command.id.clone();
    let bytes = envelope.to_vec();
    let (outcome, request) = center
        .write(move |ingest| -> rusqlite::Result<_> {
            let new =
                NewRequest { id: &command.id, unit: &command.unit, question: &command.question, envelope: &bytes };
            Ok((ingest.hand_in(&new)?, ingest.request(&command.id)?))
        })
        .await?;
    let request = request.ok_or_else(|| ApiError::Failed("the request is gone".to_owned()))?;
    match outcome {
        HandedIn::Taken => {}
        // Whoever lost the answer to the first one hands it in again, and finds here what came of it meanwhile.
        HandedIn::Answered => return Ok((StatusCode::OK, Json(request))),
        HandedIn::Other => return Err(ApiError::Conflict(format!("{id} is the id of another question"))),
    }
    let departure = Departure::Publish { topic, payload: envelope.to_vec() };
    center.departures.send(departure).await.map_err(|_| ApiError::Unavailable("the center is stopping".to_owned()))?;
    Ok((StatusCode::ACCEPTED, Json(request)))
}

pub(super) async fn list(State(center): State<Arc<Center>>) -> Result<Json<Vec<Request>>, ApiError> {
    center.read(|database| requests::requests(database, NEWEST)).await.map(Json)
}

pub(super) async fn one(State(center): State<Arc<Center>>, Path(id): Path<String>) -> Result<Json<Request>, ApiError> {
    let asked = id.clone();
    center
        .read(move |database| requests::request(database, &asked))
        .await?
        .map(Json)
        .ok_or_else(|| ApiError::Absent(format!("there is no request {id:?}")))
}
