//! The commissioning report: made, shown, and given as it was signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use edge_protocol::commissioning::{Report, SealedReport};
use edge_protocol::id::CameraId;
use serde::Deserialize;

use super::answers::{Failure, PICTURE, Technician, inside};
use super::shared::{Page, Shared};
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
    let pictures = pictures(&shared).await?;
    let (inner, site) = (Arc::clone(&shared), site.to_owned());
    let made = shared.unit(move |unit| {
        // Looked at now: somebody else may have taken over while the pictures came, and nobody signs who is out.
        let Technician(name) = inside(&inner, &headers)?;
        unit.commission(&site, &name, &pictures).map_err(Failure::wrong)
    });
    made.await??;
    report(State(shared)).await
}

/// What each camera shows now. All are asked before one is waited for, so that those that show nothing cost no more
/// time.
async fn pictures(shared: &Arc<Shared>) -> Result<BTreeMap<CameraId, Picture>, Failure> {
    let mut asked = Vec::new();
    for camera in shared.unit(|unit| unit.glance()).await?.cameras {
        let before = shared.newest(&camera.id);
        if shared.ask_picture(&camera.id) {
            asked.push((camera.id, before));
        }
    }
    let until = shared.clock.mono().saturating_add(PICTURE);
    let mut pictures = BTreeMap::new();
    for (camera, before) in asked {
        if let Some(picture) = shared.other_picture(&camera, before, until).await {
            pictures.insert(camera, picture);
        }
    }
    Ok(pictures)
}

async fn newest(shared: &Arc<Shared>) -> Result<(Report, SealedReport), Failure> {
    let newest = shared.unit(|unit| unit.report()).await?;
    newest.ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "no report was made yet"))
}

pub(super) async fn report(State(shared): Page) -> Result<Json<Report>, Failure> {
    newest(&shared).await.map(|(report, _)| Json(report))
}

pub(super) async fn sealed_report(State(shared): Page) -> Result<Response, Failure> {
    let (report, sealed) = newest(&shared).await?;
    let name = format!("attachment; filename=\"{}-{}.cose\"", report.agency, report.unit);
    let headers = [(CONTENT_TYPE, "application/cose".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, sealed.as_bytes().to_vec()).into_response())
}
