//! What is written about enrolments: who is expected, who asked, which certificates there are, and who decided what.
//! All within one transaction, which is committed before anybody is told.

mod certificates;
mod queries;

use edge_protocol::enrolment::Tries;
use edge_protocol::time::WallTime;
use rusqlite::{OptionalExtension, Row, params};

pub use certificates::NewCertificate;
pub use queries::{Certificate, Decision, EnrolmentState, Expected, Overview, overview};

use super::ingest::Ingest;

/// An alarm of one kind about one thing is raised once in this time; everything is counted.
const ALARM_EVERY_US: i64 = 60_000_000;
/// Under which name the center's own alarms stand among the units'.
pub const OWN_NAME: &str = "center";

/// A serial number that may enrol now.
#[derive(Clone, PartialEq, Eq)]
pub struct Expectation {
    /// What the unit will be called.
    pub unit: String,
    /// Where it hangs.
    pub place: String,
    /// The key made from its setup code.
    pub proof_key: [u8; 32],
    /// Wrong codes so far.
    pub tries: Tries,
}

impl std::fmt::Debug for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expectation").field("unit", &self.unit).finish_non_exhaustive()
    }
}

/// Somebody shall be expected.
#[derive(Debug, Clone, Copy)]
pub struct NewExpectation<'a> {
    /// The serial number.
    pub serial: &'a str,
    /// What the unit will be called.
    pub unit: &'a str,
    /// Where it hangs.
    pub place: &'a str,
    /// The key made from its setup code.
    pub proof_key: &'a [u8; 32],
    /// Until when it is expected, microseconds since 1970.
    pub until_us: i64,
}

/// A request for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Its number.
    pub id: i64,
    /// What names it.
    pub nonce: [u8; 16],
    /// The serial number that asks.
    pub serial: String,
    /// What the unit will be called.
    pub unit: String,
    /// The key that the certificate is asked for, PKCS#10 in DER.
    pub key_request: Vec<u8>,
    /// What became of it.
    pub state: EnrolmentState,
    /// When that was, microseconds since 1970.
    pub decided_us: Option<i64>,
    /// What the unit was granted, as it was sent.
    pub answer: Option<Vec<u8>>,
}

/// A request that has just come.
#[derive(Debug, Clone, Copy)]
pub struct NewEnrolment<'a> {
    /// What names it.
    pub nonce: &'a [u8; 16],
    /// The serial number that asks.
    pub serial: &'a str,
    /// Whom the center expects under it.
    pub expected: &'a Expectation,
    /// PKCS#10 in DER.
    pub key_request: &'a [u8],
}

/// A decision, for the center's audit table.
#[derive(Debug, Clone, Copy)]
pub struct NewDecision<'a> {
    /// Who decided; `center` where it was a rule.
    pub who: &'a str,
    /// What, in a word.
    pub what: &'a str,
    /// About which serial number.
    pub serial: Option<&'a str>,
    /// About which unit.
    pub unit: Option<&'a str>,
    /// More in words.
    pub words: &'a str,
}

impl Ingest<'_> {
    /// Expects a serial number. Wrong tries are forgotten only where another setup code is expected now.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn expect(&self, new: &NewExpectation<'_>) -> rusqlite::Result<()> {
        self.transaction().execute(
            "INSERT INTO expected (serial, unit, place, proof_key, until_us) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (serial) DO UPDATE SET unit = excluded.unit, place = excluded.place, \
             until_us = excluded.until_us, \
             wrong = iif(proof_key = excluded.proof_key, wrong, 0), \
             locked_until_us = iif(proof_key = excluded.proof_key, locked_until_us, NULL), \
             proof_key = excluded.proof_key",
            params![new.serial, new.unit, new.place, &new.proof_key[..], new.until_us],
        )?;
        Ok(())
    }

    /// Whom the center expects under a serial number now.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn expectation(&self, serial: &str) -> rusqlite::Result<Option<Expectation>> {
        self.transaction()
            .query_row(
                "SELECT unit, place, proof_key, wrong, locked_until_us FROM expected WHERE serial = ?1 AND until_us > ?2",
                params![serial, self.now_us()],
                |row| {
                    let locked_until: Option<i64> = row.get(4)?;
                    Ok(Expectation {
                        unit: row.get(0)?,
                        place: row.get(1)?,
                        proof_key: row.get(2)?,
                        tries: Tries { wrong: row.get(3)?, locked_until: locked_until.map(WallTime::from_micros) },
                    })
                },
            )
            .optional()
    }

    /// Notes the wrong tries of a serial number.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn note_tries(&self, serial: &str, tries: Tries) -> rusqlite::Result<()> {
        self.transaction().execute(
            "UPDATE expected SET wrong = ?2, locked_until_us = ?3 WHERE serial = ?1",
            params![serial, tries.wrong, tries.locked_until.map(WallTime::as_micros)],
        )?;
        Ok(())
    }

    /// Expects a serial number no longer; what was made from its setup code is gone.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn expect_no_longer(&self, serial: &str) -> rusqlite::Result<()> {
        self.transaction().execute("DELETE FROM expected WHERE serial = ?1", [serial])?;
        Ok(())
    }

    /// The request of this name.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn enrolment(&self, nonce: &[u8; 16]) -> rusqlite::Result<Option<Enrolment>> {
        self.find_enrolment("nonce = ?1", params![&nonce[..]])
    }

    /// The request of a serial number that waits for somebody's decision.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn waiting(&self, serial: &str) -> rusqlite::Result<Option<Enrolment>> {
        self.find_enrolment("serial = ?1 AND state = 'waiting' ORDER BY id DESC LIMIT 1", params![serial])
    }

    fn find_enrolment(&self, which: &str, values: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<Option<Enrolment>> {
        let sql = format!(
            "SELECT id, nonce, serial, unit, key_request, state, decided_us, answer FROM enrolments WHERE {which}"
        );
        self.transaction().query_row(&sql, values, read_enrolment).optional()
    }

    /// Keeps a request: waiting, or refused with a reason. One that waited before for the same serial number no longer
    /// does: the unit has begun anew.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn keep_enrolment(&self, new: &NewEnrolment<'_>, refused: Option<&str>) -> rusqlite::Result<()> {
        let now = self.now_us();
        if refused.is_none() {
            self.transaction().execute(
                "UPDATE enrolments SET state = 'superseded', decided_us = ?2 WHERE serial = ?1 AND state = 'waiting'",
                params![new.serial, now],
            )?;
        }
        let state = if refused.is_some() { "refused" } else { "waiting" };
        self.transaction().execute(
            "INSERT INTO enrolments (nonce, serial, unit, place, key_request, state, reason, asked_us, decided_us) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                &new.nonce[..],
                new.serial,
                new.expected.unit,
                new.expected.place,
                new.key_request,
                state,
                refused.unwrap_or_default(),
                now,
                refused.map(|_| now)
            ],
        )?;
        Ok(())
    }

    /// Decides a request that waited: granted with an answer, or refused with a reason.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn decide(&self, id: i64, answer: Option<&[u8]>, reason: &str) -> rusqlite::Result<()> {
        let state = if answer.is_some() { "granted" } else { "refused" };
        self.transaction().execute(
            "UPDATE enrolments SET state = ?2, reason = ?3, decided_us = ?4, answer = ?5 WHERE id = ?1",
            params![id, state, reason, self.now_us(), answer],
        )?;
        Ok(())
    }

    /// Whether a serial number was granted a certificate that is still good.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn is_claimed(&self, serial: &str) -> rusqlite::Result<bool> {
        self.transaction().query_row(
            "SELECT EXISTS (SELECT 1 FROM certificates WHERE serial = ?1 AND revoked_us IS NULL AND until_us > ?2)",
            params![serial, self.now_us()],
            |row| row.get(0),
        )
    }

    /// Whether a unit was heard at or after a moment.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn was_heard_since(&self, unit: &str, moment_us: i64) -> rusqlite::Result<bool> {
        self.transaction().query_row(
            "SELECT EXISTS (SELECT 1 FROM units WHERE unit = ?1 AND heard_us >= ?2)",
            params![unit, moment_us],
            |row| row.get(0),
        )
    }

    /// Keeps a decision.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn decision(&self, new: &NewDecision<'_>) -> rusqlite::Result<()> {
        self.transaction().execute(
            "INSERT INTO decisions (at_us, who, what, serial, unit, words) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![self.now_us(), new.who, new.what, new.serial, new.unit, new.words],
        )?;
        Ok(())
    }

    /// Raises an alarm of the center's own as an event like those of units; false where one of this kind about the
    /// same thing was raised within the last minute.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn alarm(&self, about: &str, kind: &str, words: &str) -> rusqlite::Result<bool> {
        let now = self.now_us();
        let raised = self.transaction().execute(
            "INSERT INTO alarms (about, kind, raised_us) VALUES (?1, ?2, ?3) \
             ON CONFLICT (about, kind) DO UPDATE SET raised_us = excluded.raised_us \
             WHERE abs(excluded.raised_us - raised_us) >= ?4",
            params![about, kind, now, ALARM_EVERY_US],
        )?;
        if raised == 0 {
            return Ok(false);
        }
        let stream: i64 = self.transaction().query_row(
            "INSERT INTO streams (unit, epoch, lane, since_us, heard_us) VALUES (?1, 0, 'alert', ?2, ?2) \
             ON CONFLICT (unit, epoch, lane) DO UPDATE SET heard_us = excluded.heard_us RETURNING id",
            params![OWN_NAME, now],
            |row| row.get(0),
        )?;
        let at = jiff::Timestamp::from_microsecond(now).unwrap_or_default().to_string();
        let body = serde_json::json!({ "at": at, "kind": { "fault": kind }, "text": words });
        self.transaction().execute(
            "INSERT INTO records (stream, sequence, unit, lane, at_us, received_us, body) VALUES \
             (?1, (SELECT coalesce(max(sequence), 0) + 1 FROM records WHERE stream = ?1), ?2, 'alert', ?3, ?3, ?4)",
            params![stream, OWN_NAME, now, body.to_string()],
        )?;
        self.count("records", 1)?;
        Ok(true)
    }
}

fn read_enrolment(row: &Row<'_>) -> rusqlite::Result<Enrolment> {
    Ok(Enrolment {
        id: row.get(0)?,
        nonce: row.get(1)?,
        serial: row.get(2)?,
        unit: row.get(3)?,
        key_request: row.get(4)?,
        state: row.get(5)?,
        decided_us: row.get(6)?,
        answer: row.get(7)?,
    })
}
