//! What people decide: whom to expect, whom to approve, whom to refuse, whose certificates to revoke.

use edge_protocol::enrolment::{Answer, Grant, ProofKey, Refusal};
use edge_protocol::id::UnitId;
use edge_protocol::sign::Chain;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::{Desk, EnrolmentError, broker, response};
use crate::broker::Departure;
use crate::database::DatabaseError;
use crate::database::enrolment::{Enrolment, NewCertificate, NewDecision, NewExpectation};
use crate::database::ingest::Ingest;
use crate::pki::{self, Authority, PkiError, Subject};

/// Why a decision was not carried out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// There is nothing to decide.
    #[error("{0}")]
    Absent(String),
    /// It does not go together with what is there.
    #[error("{0}")]
    Conflict(String),
    /// The database or a certificate failed.
    #[error(transparent)]
    Failed(#[from] EnrolmentError),
}

impl From<rusqlite::Error> for DecisionError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<PkiError> for DecisionError {
    fn from(error: PkiError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<DatabaseError> for DecisionError {
    fn from(error: DatabaseError) -> Self {
        Self::Failed(error.into())
    }
}

/// Who decides, and what they say about it.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The person.
    pub name: &'a str,
    /// Why.
    pub words: &'a str,
}

impl Desk {
    /// Expects a serial number.
    ///
    /// # Errors
    /// Where the name belongs to another unit.
    pub fn expect(&self, ingest: &Ingest<'_>, new: &NewExpectation<'_>, who: Who<'_>) -> Result<(), DecisionError> {
        self.check_name(ingest, new.unit, new.serial)?;
        ingest.expect(new)?;
        let words = format!("expected at {:?}", new.place);
        Ok(ingest.decision(&decision(who.name, "expect", (Some(new.serial), Some(new.unit)), &words))?)
    }

    /// A name belongs to one unit at a time: the former one is revoked first.
    fn check_name(&self, ingest: &Ingest<'_>, unit: &str, serial: &str) -> Result<(), DecisionError> {
        if let Some(other) = ingest.holders(unit)?.iter().find(|holder| *holder != serial) {
            let other = if other.is_empty() { "another unit" } else { other };
            return Err(DecisionError::Conflict(format!(
                "{unit} is {other}: revoke it first (`rtcc enroll revoke --unit {unit}`), or give this one another name"
            )));
        }
        // The list is the broker's, and may be for its eyes alone.
        if self.issuer.as_ref().is_some_and(|issuer| issuer.is_receiver(unit).unwrap_or(false)) {
            return Err(DecisionError::Conflict(format!(
                "{unit} is a receiver's name at the broker: give the unit another one"
            )));
        }
        if ingest.is_shut_out(unit)? && self.broker_pid.is_none() {
            return Err(DecisionError::Conflict(format!(
                "{unit} was revoked, and without --broker-pid the center cannot tell the broker to know the old \
                 certificate from the new: give the unit another name, or start the center with --broker-pid"
            )));
        }
        Ok(())
    }

    /// Gives a waiting unit its certificate; what to send comes back.
    ///
    /// # Errors
    /// Where nobody waits, or the name has meanwhile become another's.
    pub fn approve(&self, ingest: &Ingest<'_>, serial: &str, who: Who<'_>) -> Result<Vec<Departure>, DecisionError> {
        let Some(issuer) = &self.issuer else {
            return Err(DecisionError::Conflict(
                "this center was started without --issuer: it enrols nobody".to_owned(),
            ));
        };
        let waiting = waiting(ingest, serial)?;
        let Some(expected) = ingest.expectation(serial)? else {
            return Err(DecisionError::Conflict(format!(
                "{serial} is expected no longer: have it expected again (`rtcc enroll expect`), then approve"
            )));
        };
        self.check_name(ingest, &expected.unit, serial)?;
        let unit: UnitId = expected.unit.parse().map_err(|error| DecisionError::Conflict(format!("{error}")))?;
        // A unit that enrols again has lost its former key, or somebody else has it.
        let former = ingest.revoke(&expected.unit)?;
        let der = issuer.certify(&Subject::Unit(unit.clone()), &waiting.key_request, ingest.now_us())?;
        keep(ingest, (&expected.unit, Some(serial)), &waiting.key_request, &der)?;
        let grant = self.grant(issuer, unit, der)?;
        let answer = Answer::grant(waiting.nonce, &grant, &ProofKey::from_bytes(expected.proof_key)).encode();
        ingest.decide(waiting.id, Some(&answer), "")?;
        ingest.expect_no_longer(serial)?;
        let mut departures = Vec::new();
        if former > 0 {
            self.publish_revoked(ingest, issuer)?;
        }
        if ingest.is_shut_out(&expected.unit)? {
            ingest.let_in_again(&expected.unit)?;
            departures.push(broker::let_in(&self.agency, &expected.unit));
        }
        let what = decision(who.name, "approve", (Some(serial), Some(&expected.unit)), who.words);
        ingest.decision(&what)?;
        tracing::info!(serial, unit = expected.unit, by = who.name, "enrolled");
        departures.extend(answer_to(serial, answer));
        Ok(departures)
    }

    fn grant(&self, issuer: &Authority, unit: UnitId, certificate: Vec<u8>) -> Result<Grant, DecisionError> {
        let root = CertificateDer::from_pem_slice(issuer.certificate().as_bytes());
        let root = root.map_err(|error| PkiError::Certificate { reason: error.to_string() })?;
        Ok(Grant {
            agency: self.agency.clone(),
            unit,
            certificate,
            root: root.to_vec(),
            broker_host: self.told.broker_host.clone(),
            broker_port: self.told.broker_port,
            purposes: self.told.purposes.clone(),
        })
    }

    /// Refuses a waiting unit; what to send comes back.
    ///
    /// # Errors
    /// Where nobody waits.
    pub fn refuse(&self, ingest: &Ingest<'_>, serial: &str, who: Who<'_>) -> Result<Vec<Departure>, DecisionError> {
        let waiting = waiting(ingest, serial)?;
        ingest.decide(waiting.id, None, who.words)?;
        ingest.expect_no_longer(serial)?;
        ingest.decision(&decision(who.name, "refuse", (Some(serial), Some(&waiting.unit)), who.words))?;
        let answer = Answer::refuse(waiting.nonce, Refusal::Unexpected, None).encode();
        Ok(answer_to(serial, answer).into_iter().collect())
    }

    /// Revokes a unit's certificates and has the broker end its session; what to send comes back.
    ///
    /// # Errors
    /// Where the list of revoked certificates cannot be written.
    pub fn revoke(&self, ingest: &Ingest<'_>, unit: &str, who: Who<'_>) -> Result<Vec<Departure>, DecisionError> {
        let count = ingest.revoke(unit)?;
        if count == 0 && !ingest.was_heard_since(unit, 0)? {
            return Err(DecisionError::Absent(format!("there is no unit called {unit:?}: see `rtcc units`")));
        }
        if let Some(issuer) = &self.issuer {
            self.publish_revoked(ingest, issuer)?;
        }
        ingest.revocation_told(unit)?;
        // Whoever is thrown out cannot say goodbye.
        ingest.death(unit, None)?;
        let words = format!("{count} certificate(s); {}", who.words);
        ingest.decision(&decision(who.name, "revoke", (None, Some(unit)), &words))?;
        tracing::warn!(unit, by = who.name, why = who.words, "revoked");
        Ok(vec![broker::shut_out(&self.agency, unit)])
    }
}

fn answer_to(serial: &str, answer: Vec<u8>) -> Option<Departure> {
    serial.parse().ok().map(|serial| response(&serial, answer))
}

/// Keeps a certificate that was just made.
pub(super) fn keep(
    ingest: &Ingest<'_>,
    (unit, serial): (&str, Option<&str>),
    key_request: &[u8],
    der: &[u8],
) -> Result<(), EnrolmentError> {
    let chain = Chain::from_der(der.to_vec());
    let broken = |error: edge_protocol::sign::SignatureError| PkiError::Certificate { reason: error.to_string() };
    let (_, until) = chain.validity().map_err(broken)?;
    let new = NewCertificate {
        number: &chain.serial().map_err(broken)?,
        unit,
        serial,
        key_hash: &pki::public_key(key_request)?.to_string(),
        der,
        until_us: until.as_micros(),
    };
    Ok(ingest.keep_certificate(&new)?)
}

fn waiting(ingest: &Ingest<'_>, serial: &str) -> Result<Enrolment, DecisionError> {
    let nobody = || DecisionError::Absent(format!("{serial} does not wait: see `rtcc enroll list`"));
    ingest.waiting(serial)?.ok_or_else(nobody)
}

fn decision<'a>(
    who: &'a str,
    what: &'a str,
    (serial, unit): (Option<&'a str>, Option<&'a str>),
    words: &'a str,
) -> NewDecision<'a> {
    NewDecision { who, what, serial, unit, words }
}
