//! `/api/requests`: what became of requests.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::center::Center;
use super::error::ApiError;
use crate::database::requests::{self, Request};

const NEWEST: u32 = 200;

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
