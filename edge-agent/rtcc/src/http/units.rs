//! What is known about units: who they are, their cameras, rings, health and gaps.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::center::Center;
use super::error::ApiError;
use crate::database::queries::{self, Gap, Refusal, Unit};
use crate::receiver::apply::FIRST_SEQUENCE;

pub(super) async fn units(State(center): State<Arc<Center>>) -> Result<Json<Vec<Unit>>, ApiError> {
    center.read(queries::units).await.map(Json)
}

pub(super) async fn unit(State(center): State<Arc<Center>>, Path(unit): Path<String>) -> Result<Json<Unit>, ApiError> {
    let units = center.read(queries::units).await?;
    let known = units.into_iter().find(|known| known.unit == unit);
    known.map(Json).ok_or_else(|| nobody(&unit))
}

fn nobody(unit: &str) -> ApiError {
    ApiError::Absent(format!("no unit called {unit:?} was ever heard"))
}

/// Which cameras are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Which {
    unit: Option<String>,
    camera: Option<String>,
}

impl Which {
    fn is_meant(&self, unit: &str, camera: &str) -> bool {
        self.is_unit(unit) && self.camera.as_deref().is_none_or(|asked| asked == camera)
    }

    fn is_unit(&self, unit: &str) -> bool {
        self.unit.as_deref().is_none_or(|asked| asked == unit)
    }

    /// Refuses names that nobody has: "nothing" would be a wrong answer about them.
    fn check(&self, units: &[Unit]) -> Result<(), ApiError> {
        let mut meant = units.iter().filter(|unit| self.is_unit(&unit.unit)).peekable();
        if let (Some(unit), None) = (&self.unit, meant.peek()) {
            return Err(nobody(unit));
        }
        let Some(camera) = self.camera.as_deref() else { return Ok(()) };
        let has = |said: Option<&Value>, name| cameras_of(said).any(|found| id(found, name) == camera);
        if meant.any(|unit| has(unit.state.as_ref(), BORN) || has(unit.health.as_ref(), HEALTHY)) {
            return Ok(());
        }
        let of = self.unit.as_deref().map_or_else(|| "any unit".to_owned(), |unit| format!("the unit {unit:?}"));
        Err(ApiError::Absent(format!("no camera called {camera:?} of {of} was ever heard of")))
    }
}

/// How births and health records name a camera.
const BORN: &str = "id";
const HEALTHY: &str = "camera";

fn cameras_of(said: Option<&Value>) -> impl Iterator<Item = &Value> {
    said.and_then(|said| said.get("cameras")).and_then(Value::as_array).into_iter().flatten()
}

fn id<'a>(camera: &'a Value, name: &str) -> &'a str {
    camera.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Something of one camera, with its unit.
#[derive(Debug, Serialize)]
pub(super) struct OfCamera {
    unit: String,
    online: bool,
    /// When the unit said this, as it says it; none for what its birth says.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Value>,
    #[serde(flatten)]
    said: Value,
}

pub(super) async fn cameras(
    State(center): State<Arc<Center>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Vec<OfCamera>>, ApiError> {
    of_cameras(&center, which, |unit| unit.state.as_ref(), BORN).await
}

/// What can be asked for of each camera: oldest, newest and gaps, from the unit's last health record.
pub(super) async fn ring(
    State(center): State<Arc<Center>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Vec<OfCamera>>, ApiError> {
    let Json(cameras) = of_cameras(&center, which, |unit| unit.health.as_ref(), HEALTHY).await?;
    let ring = |camera: OfCamera| {
        let said = serde_json::json!({ "camera": camera.said.get("camera"), "ring": camera.said.get("ring") });
        OfCamera { said, ..camera }
    };
    Ok(Json(cameras.into_iter().map(ring).collect()))
}

async fn of_cameras(
    center: &Arc<Center>,
    which: Result<Query<Which>, QueryRejection>,
    source: fn(&Unit) -> Option<&Value>,
    name: &'static str,
) -> Result<Json<Vec<OfCamera>>, ApiError> {
    let Query(which) = which.map_err(|error| ApiError::Bad(error.body_text()))?;
    let units = center.read(queries::units).await?;
    which.check(&units)?;
    let mut found = Vec::new();
    for unit in &units {
        let said = source(unit);
        for camera in cameras_of(said) {
            if which.is_meant(&unit.unit, id(camera, name)) {
                let at = said.and_then(|said| said.get("at")).cloned();
                found.push(OfCamera { unit: unit.unit.clone(), online: unit.online, at, said: camera.clone() });
            }
        }
    }
    Ok(Json(found))
}

/// How everything is.
#[derive(Debug, Serialize)]
pub(super) struct HealthAnswer {
    center: CenterHealth,
    units: Vec<UnitHealth>,
}

/// How this receiver is.
#[derive(Debug, Serialize)]
struct CenterHealth {
    agency: String,
    broker_connected: bool,
    /// What is wrong, in words; none where nothing is.
    trouble: Option<String>,
    refusals: Vec<Refusal>,
}

/// How a unit is, by its own last word.
#[derive(Debug, Serialize)]
struct UnitHealth {
    unit: String,
    online: bool,
    heard_us: i64,
    health: Option<Value>,
}

pub(super) async fn health(State(center): State<Arc<Center>>) -> Result<Json<HealthAnswer>, ApiError> {
    let (units, refusals) = center
        .read(|database| -> rusqlite::Result<_> { Ok((queries::units(database)?, queries::refusals(database)?)) })
        .await?;
    let units = units
        .into_iter()
        .map(|unit| UnitHealth { unit: unit.unit, online: unit.online, heard_us: unit.heard_us, health: unit.health })
        .collect();
    let own = CenterHealth {
        agency: center.agency.clone(),
        broker_connected: center.link.connected(),
        trouble: center.receiver.trouble(),
        refusals,
    };
    Ok(Json(HealthAnswer { center: own, units }))
}

pub(super) async fn gaps(State(center): State<Arc<Center>>) -> Result<Json<Vec<Gap>>, ApiError> {
    center.read(|database| queries::gaps(database, FIRST_SEQUENCE)).await.map(Json)
}
