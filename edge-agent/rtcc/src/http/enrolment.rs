//! `/api/enrolments`: who is expected, who waits, and what persons decide about them.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use edge_protocol::command::Role;
use edge_protocol::enrolment::Serial;
use edge_protocol::id::UnitId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::center::Center;
use super::error::ApiError;
use super::tls::Person;
use crate::broker::Departure;
use crate::database::enrolment::{NewExpectation, Overview};
use crate::database::ingest::Ingest;
use crate::enrolment::{DecisionError, Desk, Who};

/// The longest that a serial number is expected.
const LONGEST_MINUTES: u32 = 24 * 60;
/// The most characters of a place, a name or a reason.
const WORDS: usize = 200;

/// Who asks: a person by certificate, or somebody at this machine.
pub(super) enum Asker {
    /// By certificate.
    Person(Person),
    /// Without TLS only this machine reaches the interface; the name is what the asker says.
    Here,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let person = parts.extensions.get::<ConnectInfo<Person>>();
        Ok(person.map_or(Self::Here, |ConnectInfo(person)| Self::Person(person.clone())))
    }
}

impl Asker {
    /// The name for the audit table, if the asker may do this.
    pub(super) fn name(&self, said: &str, roles: &[Role]) -> Result<String, ApiError> {
        match self {
            Self::Person(person) if roles.contains(&person.role) => Ok(person.name.clone()),
            Self::Person(person) => {
                let role = person.role.as_str();
                let may = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ");
                Err(ApiError::Forbidden(format!("{} is {role}; this takes {may}", person.name)))
            }
            Self::Here if said.is_empty() => Ok("at the center".to_owned()),
            Self::Here => Ok(format!("{} at the center", cut(said))),
        }
    }
}

/// Who may have a unit expected.
const EXPECT: &[Role] = &[Role::Technician, Role::Supervisor, Role::PolicyAdmin];
/// Who may decide.
pub(super) const DECIDE: &[Role] = &[Role::Supervisor, Role::PolicyAdmin];

pub(super) async fn overview(State(center): State<Arc<Center>>) -> Result<Json<Overview>, ApiError> {
    let now_us = (center.now_us)();
    center.read(move |database| crate::database::enrolment::overview(database, now_us)).await.map(Json)
}

/// Somebody shall be expected.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    serial: Serial,
    unit: UnitId,
    #[serde(default)]
    place: String,
    /// The key made from the setup code, 64 hexadecimal digits. The code itself never leaves whoever typed it.
    proof_key: String,
    minutes: u32,
    #[serde(default)]
    by: String,
}

pub(super) async fn expect(
    State(center): State<Arc<Center>>,
    who: Asker,
    asked: Result<Json<Expect>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(asked) = asked.map_err(|error| ApiError::Bad(error.body_text()))?;
    if !(1..=LONGEST_MINUTES).contains(&asked.minutes) {
        return Err(ApiError::Bad(format!("minutes is 1 to {LONGEST_MINUTES}, not {}", asked.minutes)));
    }
    let mut proof_key = [0; 32];
    hex::decode_to_slice(&asked.proof_key, &mut proof_key)
        .map_err(|error| ApiError::Bad(format!("proof_key: {error}")))?;
    let name = who.name(&asked.by, EXPECT)?;
    let until_us = (center.now_us)().saturating_add(i64::from(asked.minutes) * 60_000_000);
    let unit = asked.unit.to_string();
    change(&center, move |center, ingest| {
        let new = NewExpectation {
            serial: asked.serial.as_str(),
            unit: asked.unit.as_str(),
            place: &cut(&asked.place),
            proof_key: &proof_key,
            until_us,
        };
        center.desk.expect(ingest, &new, Who { name: &name, words: "" }).map(|()| Vec::new())
    })
    .await?;
    Ok(Json(json!({ "unit": unit, "until_us": until_us })))
}

/// A decision about a serial number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    serial: Serial,
    #[serde(default)]
    why: String,
    #[serde(default)]
    by: String,
}

pub(super) async fn approve(
    State(center): State<Arc<Center>>,
    who: Asker,
    asked: Result<Json<About>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(asked) = asked.map_err(|error| ApiError::Bad(error.body_text()))?;
    let name = who.name(&asked.by, DECIDE)?;
    center.connected()?;
    decide(&center, Desk::approve, asked.serial.as_str(), (name, &asked.why)).await?;
    Ok(Json(json!({ "serial": asked.serial.as_str() })))
}

pub(super) async fn refuse(
    State(center): State<Arc<Center>>,
    who: Asker,
    asked: Result<Json<About>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(asked) = asked.map_err(|error| ApiError::Bad(error.body_text()))?;
    let name = who.name(&asked.by, DECIDE)?;
    decide(&center, Desk::refuse, asked.serial.as_str(), (name, &asked.why)).await?;
    Ok(Json(json!({ "serial": asked.serial.as_str() })))
}

/// A unit whose certificates shall be good no longer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoke {
    unit: UnitId,
    #[serde(default)]
    why: String,
    #[serde(default)]
    by: String,
}

pub(super) async fn revoke(
    State(center): State<Arc<Center>>,
    who: Asker,
    asked: Result<Json<Revoke>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    let Json(asked) = asked.map_err(|error| ApiError::Bad(error.body_text()))?;
    let name = who.name(&asked.by, DECIDE)?;
    center.connected()?;
    decide(&center, Desk::revoke, asked.unit.as_str(), (name, &asked.why)).await?;
    Ok(Json(json!({ "unit": asked.unit.as_str() })))
}

/// A decision about a serial number or a unit.
type Decision = fn(&Desk, &Ingest<'_>, &str, Who<'_>) -> Result<Vec<Departure>, DecisionError>;

/// Has the desk decide `about` something, under a name and for a reason.
async fn decide(
    center: &Arc<Center>,
    decision: Decision,
    about: &str,
    (name, why): (String, &str),
) -> Result<(), ApiError> {
    let (about, why) = (about.to_owned(), cut(why));
    change(center, move |center, ingest| decision(&center.desk, ingest, &about, Who { name: &name, words: &why })).await
}

/// Changes the database, and sends what is to be sent once that is on the disk.
async fn change(
    center: &Arc<Center>,
    work: impl FnOnce(&Center, &Ingest<'_>) -> Result<Vec<Departure>, DecisionError> + Send + 'static,
) -> Result<(), ApiError> {
    let shared = Arc::clone(center);
    let departures = center.write(move |ingest| work(&shared, ingest)).await?;
    for departure in departures {
        let sent = center.departures.send(departure).await;
        sent.map_err(|_| ApiError::Unavailable("the center is stopping".to_owned()))?;
    }
    Ok(())
}

pub(super) fn cut(text: &str) -> String {
    text.chars().take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whose_certificate_says_so_decides_and_whoever_is_at_the_machine_under_the_name_they_give() {
        let person = |role| Asker::Person(Person { name: "ada".to_owned(), role });
        for role in Role::ALL.iter().copied() {
            let decides = matches!(role, Role::Supervisor | Role::PolicyAdmin);
            assert_eq!(person(role).name("eve", DECIDE).ok().as_deref(), decides.then_some("ada"), "{role:?}");
            let expects = decides || role == Role::Technician;
            assert_eq!(person(role).name("eve", EXPECT).is_ok(), expects, "{role:?}");
        }
        let words = person(Role::Viewer).name("", DECIDE).unwrap_err().to_string();
        assert_eq!(words, "ada is viewer; this takes supervisor or policy-admin");
        assert_eq!(Asker::Here.name("bo", DECIDE).unwrap(), "bo at the center");
        assert_eq!(Asker::Here.name("", DECIDE).unwrap(), "at the center");
    }
}
