//! How units become the agency's, stay it, and cease to be.
//!
//! Belongs here: judging requests of units, issuing their certificates, renewing and revoking them. Does not belong
//! here: SQL (`database::enrolment`), and who may decide (`http`).
//!
//! Every way in is one transaction: what a unit or the broker is told is returned only after the commit. A request with
//! the right setup code waits for a person; everything else is refused at once, by name, with an alarm.

mod birth;
mod broker;
mod decide;
mod judge;
mod renew;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use edge_protocol::enrolment::{Answer, Refusal, RenewalAnswer, Serial};
use edge_protocol::id::{AgencyId, UnitId};
use edge_protocol::record::Word;
use edge_protocol::sign::Root;
use edge_protocol::time::WallTime;
use edge_protocol::topic::Topic;

use crate::broker::Departure;
use crate::database::enrolment::NewDecision;
use crate::database::ingest::Ingest;
use crate::database::{Database, DatabaseError};
use crate::pki::{Authority, PkiError};

pub use birth::Lives;
pub use broker::RESPONSES;
pub use decide::{DecisionError, Who};

/// What the center does by its own rules, in the audit table.
const RULE: &str = "center";

/// What a receiver needs to enrol units.
#[derive(Debug)]
pub struct Desk {
    /// The agency.
    pub agency: AgencyId,
    /// Its root, under which every certificate must be.
    pub root: Root,
    /// With what certificates are issued; none where this receiver enrols nobody.
    pub issuer: Option<Authority>,
    /// What units are told.
    pub told: Told,
    /// The broker's process, which reads the list of revoked certificates again when it is told to.
    pub broker_pid: Option<PathBuf>,
}

/// What units are told when they are enrolled.
#[derive(Debug, Clone)]
pub struct Told {
    /// The broker's name, as its certificate has it.
    pub broker_host: String,
    /// The broker's port.
    pub broker_port: u16,
    /// The purposes for which video may be asked.
    pub purposes: Vec<Word>,
}

/// Why a message of a unit was not taken in. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The database did not take it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

impl From<rusqlite::Error> for EnrolmentError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Desk {
    /// Whether a message under this topic is for the desk.
    pub fn is_for_desk(topic: &[u8]) -> bool {
        topic == RESPONSES.as_bytes()
            || matches!(parsed(topic), Some(Topic::EnrollRequest(_) | Topic::RenewRequest(..)))
    }

    /// Takes in one message, and says what to send once that is on the disk.
    pub fn receive(&self, database: &mut Database, message: (&[u8], &[u8]), now_us: i64) -> Vec<Departure> {
        let (topic, payload) = message;
        let taken = match parsed(topic) {
            Some(Topic::EnrollRequest(serial)) => {
                let done = within(database, now_us, |ingest| self.judge(ingest, &serial, payload));
                done.unwrap_or_else(|error| {
                    tracing::error!(%serial, ?error, "an enrolment could not be taken in");
                    Some(Answer::refuse([0; 16], Refusal::Unavailable, None).encode())
                })
                .map(|answer| response(&serial, answer))
            }
            Some(Topic::RenewRequest(agency, unit)) if agency == self.agency => {
                let done = within(database, now_us, |ingest| self.renew(ingest, &unit, payload));
                let answer = done.unwrap_or_else(|error| {
                    tracing::error!(%unit, ?error, "a renewal could not be taken in");
                    RenewalAnswer::Refused(Refusal::Unavailable)
                });
                Some(self.renewed(&unit, &answer))
            }
            _ => {
                if let Err(error) = within(database, now_us, |ingest| broker::broker_said(ingest, payload)) {
                    tracing::error!(?error, "what the broker said could not be kept");
                }
                None
            }
        };
        taken.into_iter().collect()
    }

    /// Raises the alarm that a unit's identity is in use twice.
    pub fn cloned(&self, database: &mut Database, unit: &str, now_us: i64) {
        let words = format!("two units connect as {unit}: one of them is a copy; revoke {unit} and replace it");
        let done = within(database, now_us, |ingest| alarm(ingest, About::Unit(unit), "cloned-identity", &words));
        if let Err(error) = done {
            tracing::error!(unit, ?error, "the alarm about a cloned identity could not be kept");
        }
    }

    fn renewed(&self, unit: &UnitId, answer: &RenewalAnswer) -> Departure {
        let topic = Topic::RenewResponse(self.agency.clone(), unit.clone()).to_string();
        Departure::Publish { topic, payload: answer.encode() }
    }
}

/// One transaction.
fn within<T>(
    database: &mut Database,
    now_us: i64,
    work: impl FnOnce(&Ingest<'_>) -> Result<T, EnrolmentError>,
) -> Result<T, EnrolmentError> {
    let transaction = database.write()?;
    let done = work(&Ingest::new(&transaction, now_us))?;
    transaction.commit()?;
    Ok(done)
}

fn parsed(topic: &[u8]) -> Option<Topic> {
    std::str::from_utf8(topic).ok().and_then(Topic::parse)
}

fn response(serial: &Serial, payload: Vec<u8>) -> Departure {
    Departure::Publish { topic: Topic::EnrollResponse(serial.clone()).to_string(), payload }
}

fn now(ingest: &Ingest<'_>) -> WallTime {
    WallTime::from_micros(ingest.now_us())
}

/// What an alarm is about.
#[derive(Clone, Copy)]
enum About<'a> {
    Serial(&'a str),
    Unit(&'a str),
}

/// An alarm: an event for whoever watches, a line in the log, and an entry in the audit table, each once a minute at
/// most. Everything is counted; who has a claim cannot fill the disk.
fn alarm(ingest: &Ingest<'_>, about: About<'_>, kind: &str, words: &str) -> Result<(), EnrolmentError> {
    let (name, serial, unit) = match about {
        About::Serial(serial) => (serial, Some(serial), None),
        About::Unit(unit) => (unit, None, Some(unit)),
    };
    ingest.refuse(name, kind, words)?;
    if ingest.alarm(name, kind, words)? {
        tracing::warn!(about = name, kind, words, "ALARM");
        ingest.decision(&NewDecision { who: RULE, what: kind, serial, unit, words })?;
    }
    Ok(())
}
