//! What people ask about enrolments. Read only.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Row};
use serde::Serialize;

/// At most so many past requests, certificates and decisions are told.
const NEWEST: u32 = 200;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EnrolmentState {
    /// Somebody must decide.
    Waiting,
    /// The unit has its certificate.
    Granted,
    /// It has none.
    Refused,
    /// The unit has begun anew before somebody decided.
    Superseded,
}

impl FromSql for EnrolmentState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "waiting" => Ok(Self::Waiting),
            "granted" => Ok(Self::Granted),
            "refused" => Ok(Self::Refused),
            "superseded" => Ok(Self::Superseded),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// A serial number that may enrol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// The serial number.
    pub serial: String,
    /// What the unit will be called.
    pub unit: String,
    /// Where it hangs.
    pub place: String,
    /// Until when, microseconds since 1970.
    pub until_us: i64,
    /// Until when no code is looked at, after too many wrong ones.
    pub locked_until_us: Option<i64>,
}

/// A request as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The serial number that asks.
    pub serial: String,
    /// What the unit will be called.
    pub unit: String,
    /// Where it hangs.
    pub place: String,
    /// Whether the setup code was right.
    pub code_ok: bool,
    /// What became of it.
    pub state: EnrolmentState,
    /// Why.
    pub reason: String,
    /// When it came, microseconds since 1970.
    #[serde(rename = "asked_us")]
    pub came_us: i64,
    /// When it was decided.
    pub decided_us: Option<i64>,
}

/// A certificate as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Its serial number.
    pub number: String,
    /// The unit.
    pub unit: String,
    /// The unit's serial number.
    pub serial: Option<String>,
    /// When it was issued, microseconds since 1970.
    pub issued_us: i64,
    /// Until when it is good.
    pub until_us: i64,
    /// When it was revoked.
    pub revoked_us: Option<i64>,
}

/// A unit whose session the broker was told to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// The unit.
    pub unit: String,
    /// When the broker was told, microseconds since 1970.
    pub told_us: i64,
    /// When it said that it is done.
    pub confirmed_us: Option<i64>,
    /// What it said instead.
    pub trouble: Option<String>,
}

/// A decision as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// About which serial number.
    pub serial: Option<String>,
    /// About which unit.
    pub unit: Option<String>,
    /// More in words.
    pub words: String,
}

/// Everything about enrolments, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Who may enrol now.
    pub expected: Vec<Expected>,
    /// Who asked.
    pub requests: Vec<Asked>,
    /// The certificates of units.
    pub certificates: Vec<Certificate>,
    /// Whose session was ended.
    pub revocations: Vec<Revocation>,
    /// Who decided what.
    pub decisions: Vec<Decision>,
}

/// Everything about enrolments at a moment, microseconds since 1970.
///
/// # Errors
/// Returns what the database says.
pub fn overview(database: &Connection, now_us: i64) -> rusqlite::Result<Overview> {
    let expected = format!(
        "SELECT serial, unit, place, until_us, iif(locked_until_us > {now_us}, locked_until_us, NULL) \
         FROM expected WHERE until_us > {now_us} ORDER BY serial"
    );
    Ok(Overview {
        expected: rows(database, &expected, |row| {
            Ok(Expected {
                serial: row.get(0)?,
                unit: row.get(1)?,
                place: row.get(2)?,
                until_us: row.get(3)?,
                locked_until_us: row.get(4)?,
            })
        })?,
        requests: rows(
            database,
            &format!(
                "SELECT serial, unit, place, reason <> 'wrong-code', state, reason, asked_us, decided_us \
                 FROM enrolments ORDER BY id DESC LIMIT {NEWEST}"
            ),
            |row| {
                Ok(Asked {
                    serial: row.get(0)?,
                    unit: row.get(1)?,
                    place: row.get(2)?,
                    code_ok: row.get(3)?,
                    state: row.get(4)?,
                    reason: row.get(5)?,
                    came_us: row.get(6)?,
                    decided_us: row.get(7)?,
                })
            },
        )?,
        certificates: certificates(database)?,
        revocations: rows(
            database,
            "SELECT unit, told_us, confirmed_us, trouble FROM revocations ORDER BY unit",
            |row| {
                Ok(Revocation {
                    unit: row.get(0)?,
                    told_us: row.get(1)?,
                    confirmed_us: row.get(2)?,
                    trouble: row.get(3)?,
                })
            },
        )?,
        decisions: decisions(database)?,
    })
}

fn certificates(database: &Connection) -> rusqlite::Result<Vec<Certificate>> {
    let sql = format!(
        "SELECT number, unit, serial, issued_us, until_us, revoked_us FROM certificates \
         ORDER BY issued_us DESC, number LIMIT {NEWEST}"
    );
    rows(database, &sql, |row| {
        Ok(Certificate {
            number: row.get(0)?,
            unit: row.get(1)?,
            serial: row.get(2)?,
            issued_us: row.get(3)?,
            until_us: row.get(4)?,
            revoked_us: row.get(5)?,
        })
    })
}

fn decisions(database: &Connection) -> rusqlite::Result<Vec<Decision>> {
    let sql = format!("SELECT at_us, who, what, serial, unit, words FROM decisions ORDER BY id DESC LIMIT {NEWEST}");
    rows(database, &sql, |row| {
        Ok(Decision {
            at_us: row.get(0)?,
            who: row.get(1)?,
            what: row.get(2)?,
            serial: row.get(3)?,
            unit: row.get(4)?,
            words: row.get(5)?,
        })
    })
}

fn rows<T>(
    database: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    database.prepare_cached(sql)?.query_map([], read)?.collect()
}
