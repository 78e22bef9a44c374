//! `/api/rollouts`: updates for many units. What comes next is decided here and kept in the database, so that the rule
//! that stops holds whoever asks, and however often. The commands are signed by the person who moves the rollout on.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::center::Center;
use super::enrolment::{Asker, DECIDE, cut};
use super::error::ApiError;
use crate::database::ingest::Ingest;
use crate::database::queries;
use crate::database::rollouts::{self, OfUnit, Order, Rollout, RolloutStatus};
use crate::rollout::{self, Step};

const NEWEST: u32 = 20;
/// The longest that a unit may be given.
const LONGEST_PATIENCE_S: u64 = 30 * 24 * 3600;

/// A rollout shall begin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    order: Order,
    #[serde(default)]
    by: String,
}

/// Who moves a rollout on, or stops it and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct By {
    #[serde(default)]
    why: String,
    #[serde(default)]
    by: String,
}

/// A rollout, its units, and which of them are to be asked now.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    rollout: Rollout,
    units: Vec<OfUnit>,
    ask: Vec<String>,
}

pub(super) async fn begin(
    State(center): State<Arc<Center>>,
    who: Asker,
    asked: Result<Json<Begin>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let Json(Begin { order, by }) = asked.map_err(|error| ApiError::Bad(error.body_text()))?;
    let name = who.name(&by, DECIDE)?;
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| ApiError::Failed("no random number".to_owned()))?;
    let id = hex::encode(random);
    let new = id.clone();
    center
        .write(move |ingest| {
            check(&order, &known(ingest)?)?;
            if ingest.begin_rollout(&new, &order, &name)? {
                return Ok(());
            }
            Err(ApiError::Conflict("a rollout is running; `rtcc update status` shows it".to_owned()))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

fn known(ingest: &Ingest<'_>) -> Result<BTreeSet<String>, ApiError> {
    Ok(queries::units(ingest.transaction())?.into_iter().map(|unit| unit.unit).collect())
}

fn check(order: &Order, known: &BTreeSet<String>) -> Result<(), ApiError> {
    let bad = |words: String| Err(ApiError::Bad(words));
    if !order.scope.is_sound() || order.scope.host().is_none() {
        return bad("the bundle needs an address https://host/file, a length, and hours that a day has".to_owned());
    }
    if order.stop_after == 0 || !(1..=LONGEST_PATIENCE_S).contains(&order.patience_s) {
        return bad("stop_after is at least 1, and patience_s at least 1 and at most a month".to_owned());
    }
    let mut named = BTreeSet::new();
    for unit in order.waves.iter().flatten() {
        if !known.contains(unit.as_str()) {
            return bad(format!("no unit called {unit} was ever heard"));
        }
        if !named.insert(unit) {
            return bad(format!("{unit} is in two waves"));
        }
    }
    if named.is_empty() || order.waves.iter().any(Vec::is_empty) {
        return bad("a rollout has waves, and each has units".to_owned());
    }
    Ok(())
}

pub(super) async fn list(State(center): State<Arc<Center>>) -> Result<Json<Vec<Rollout>>, ApiError> {
    center.read(|database| rollouts::rollouts(database, NEWEST)).await.map(Json)
}

pub(super) async fn one(State(center): State<Arc<Center>>, Path(id): Path<String>) -> Result<Json<Shown>, ApiError> {
    let (now_us, asked) = ((center.now_us)(), id.clone());
    let found = center.read(move |database| rollouts::rollout(database, &asked, now_us)).await?;
    let (rollout, units) = found.ok_or_else(|| absent(&id))?;
    Ok(Json(Shown { rollout, units, ask: Vec::new() }))
}

/// Moves a rollout on by what is known now, and says who is to be asked.
pub(super) async fn step(
    State(center): State<Arc<Center>>,
    who: Asker,
    Path(id): Path<String>,
    asked: Result<Json<By>, JsonRejection>,
) -> Result<Json<Shown>, ApiError> {
    let Json(asked) = asked.map_err(|error| ApiError::Bad(error.body_text()))?;
    let _name = who.name(&asked.by, DECIDE)?;
    let now_us = (center.now_us)();
    center.write(move |ingest| move_on(ingest, &id, now_us)).await.map(Json)
}

fn move_on(ingest: &Ingest<'_>, id: &str, now_us: i64) -> Result<Shown, ApiError> {
    let (rollout, units) = ingest.rollout(id)?.ok_or_else(|| absent(id))?;
    if rollout.status != RolloutStatus::Running {
        return Ok(Shown { rollout, units, ask: Vec::new() });
    }
    let ask = match rollout::step(&rollout.plan(), rollout.at(now_us), &rollouts::seen(&units)) {
        Step::Ask(ask) => {
            let ask = ask.iter().map(ToString::to_string).collect();
            return Ok(Shown { rollout, units, ask });
        }
        Step::NextWave => ingest.next_wave(id).map(|()| Vec::new())?,
        Step::Stop(why) => ingest.end_rollout(id, RolloutStatus::Stopped, &why).map(|_| Vec::new())?,
        Step::Done => ingest.end_rollout(id, RolloutStatus::Done, "").map(|_| Vec::new())?,
    };
    let (rollout, units) = ingest.rollout(id)?.ok_or_else(|| absent(id))?;
    Ok(Shown { rollout, units, ask })
}

pub(super) async fn stop(
    State(center): State<Arc<Center>>,
    who: Asker,
    Path(id): Path<String>,
    asked: Result<Json<By>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(asked) = asked.map_err(|error| ApiError::Bad(error.body_text()))?;
    let name = who.name(&asked.by, DECIDE)?;
    let words = if asked.why.is_empty() { format!("by {name}") } else { format!("by {name}: {}", cut(&asked.why)) };
    let stopping = id.clone();
    let stopped = center.write(move |ingest| ingest.end_rollout(&stopping, RolloutStatus::Stopped, &words)).await?;
    if !stopped {
        return Err(ApiError::Conflict(format!("rollout {id} is not running")));
    }
    Ok(Json(json!({ "id": id })))
}

fn absent(id: &str) -> ApiError {
    ApiError::Absent(format!("there is no rollout {id:?}"))
}
