//! The commissioning report: made, shown, and given as it was signed.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use edge_protocol::commissioning::{Report, SealedReport};
use edge_protocol::id::CameraId;
use serde::Deserialize;

use super::answers::{Failure, PICTURE, Page, Shared, Technician, inside, other_picture};
use super::unit::Picture;

#[derive(Deserialize)]
pub(super) struct Commission {
    site: String,
}

pub(super) async fn commission(
    State(shared): Page,
    headers: HeaderMap,
    Json(Commission { site }): Json<Commission>,
) -> Result<Json<Report>, Failure> {
    let site = site.trim();
    if site.is_empty() {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "say where the unit hangs"));
    }
    let pictures = pictures(&shared).await;
    // Looked at now: somebody else may have taken over while the pictures came, and nobody signs who is out.
    let Technician(name) = inside(&shared, &headers)?;
    let made = shared.unit.commission(site, &name, &pictures);
    made.map_err(|refusal| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.0))?;
    newest(&shared).map(|(report, _)| Json(report))
}

/// What each camera shows now. All are asked before one is waited for, so that those that show nothing cost no more time.
async fn pictures(shared: &Shared) -> BTreeMap<CameraId, Picture> {
    let mut asked = Vec::new();
    for camera in shared.unit.glance().cameras {
        let before = shared.unit.picture(&camera.id).map(|picture| picture.number);
        if shared.unit.ask_picture(&camera.id) {
            asked.push((camera.id, before));
        }
    }
    let until = shared.clock.mono().saturating_add(PICTURE);
    let mut pictures = BTreeMap::new();
    for (camera, before) in asked {
        if let Some(picture) = other_picture(shared, &camera, before, until).await {
            pictures.insert(camera, picture);
        }
    }
    pictures
}

fn newest(shared: &Shared) -> Result<(Report, SealedReport), Failure> {
    shared.unit.report().ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "no report was made yet"))
}

pub(super) async fn report(State(shared): Page) -> Result<Json<Report>, Failure> {
    newest(&shared).map(|(report, _)| Json(report))
}

pub(super) async fn sealed_report(State(shared): Page) -> Result<Response, Failure> {
    let (report, sealed) = newest(&shared)?;
    let name = format!("attachment; filename=\"{}-{}.cose\"", report.agency, report.unit);
    let headers = [(CONTENT_TYPE, "application/cose".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, sealed.as_bytes().to_vec()).into_response())
}
