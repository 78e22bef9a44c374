//! What people ask the database: events, units, gaps and counts. Read only.

use edge_protocol::lane::Lane;
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::Value;

use super::spans::{Span, SpanTable};

/// The lanes whose records are kept as events: all but those of pictures and pieces of clips.
pub const EVENT_LANES: [&str; 7] = [
    Lane::Hit.as_str(),
    Lane::Answer.as_str(),
    Lane::Alert.as_str(),
    Lane::Health.as_str(),
    Lane::Audit.as_str(),
    Lane::Read.as_str(),
    Lane::Object.as_str(),
];

/// Which events are asked for. Every field narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only events after this cursor.
    pub after: i64,
    /// Only this unit's.
    pub unit: Option<String>,
    /// Only this camera's.
    pub camera: Option<String>,
    /// Only this lane's.
    pub lane: Option<String>,
    /// Only with exactly this plate.
    pub plate: Option<String>,
    /// The newest first instead of the oldest.
    pub newest: bool,
    /// At most so many.
    pub limit: u32,
}

/// One event as the interface gives it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// The cursor of this event: later events have larger ones.
    pub id: i64,
    /// The unit.
    pub unit: String,
    /// The lane.
    pub lane: String,
    /// The unit's epoch, hexadecimal.
    pub epoch: String,
    /// The sequence within unit, epoch and lane.
    pub sequence: i64,
    /// The camera.
    pub camera: Option<String>,
    /// The unit's own time, microseconds since 1970.
    pub at_us: Option<i64>,
    /// When the center received it, microseconds since 1970.
    pub received_us: i64,
    /// What was found of the seal on an entry of an audit log: `signed`, `wrong`, or `missing` where it ought to have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
    /// The record.
    pub record: Value,
}

/// Events in the order in which they were committed, which is the same for all receivers of one database.
///
/// # Errors
/// Returns what the database says.
pub fn events(database: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<Event>> {
    let mut sql = String::from(
        "SELECT r.id, r.unit, r.lane, s.epoch, r.sequence, r.camera, r.at_us, r.received_us, r.body, r.seal \
         FROM records r JOIN streams s ON s.id = r.stream WHERE r.id > ?",
    );
    let mut values: Vec<&dyn ToSql> = vec![&filter.after];
    for (column, value) in [
        (" AND r.unit = ?", &filter.unit),
        (" AND r.camera = ?", &filter.camera),
        (" AND r.lane = ?", &filter.lane),
        (" AND r.plate = ?", &filter.plate),
    ] {
        if let Some(value) = value {
            sql.push_str(column);
            values.push(value);
        }
    }
    sql.push_str(if filter.newest { " ORDER BY r.id DESC LIMIT ?" } else { " ORDER BY r.id LIMIT ?" });
    values.push(&filter.limit);
    database.prepare_cached(&sql)?.query_map(&*values, read_event)?.collect()
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let epoch: i64 = row.get(3)?;
    let body: String = row.get(8)?;
    Ok(Event {
        id: row.get(0)?,
        unit: row.get(1)?,
        lane: row.get(2)?,
        epoch: hexadecimal(epoch),
        sequence: row.get(4)?,
        camera: row.get(5)?,
        at_us: row.get(6)?,
        received_us: row.get(7)?,
        seal: row.get(9)?,
        record: serde_json::from_str(&body).unwrap_or(Value::Null),
    })
}

/// A unit as the interface gives it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unit {
    /// The unit.
    pub unit: String,
    /// Whether its last state was a birth.
    pub online: bool,
    /// When it was heard last, microseconds since 1970.
    pub heard_us: i64,
    /// When its state changed last.
    pub state_us: Option<i64>,
    /// Its current epoch, hexadecimal.
    pub epoch: Option<String>,
    /// How many epochs it has had; more than one means a lost outbox.
    pub epochs: i64,
    /// Its last birth.
    pub state: Option<Value>,
    /// Its last health record.
    pub health: Option<Value>,
    /// How many of its records it was told are stored that are not in this database.
    pub forgotten: i64,
}

/// Whether a unit of that name was ever heard, or given a certificate; none where no unit was.
///
/// # Errors
/// Returns what the database says.
pub fn is_unit(database: &Connection, name: &str) -> rusqlite::Result<Option<bool>> {
    let sql = "WITH known AS (SELECT unit FROM units UNION SELECT unit FROM certificates) \
               SELECT EXISTS (SELECT 1 FROM known), EXISTS (SELECT 1 FROM known WHERE unit = ?1)";
    database.query_row(sql, [name], |row| {
        let any: bool = row.get(0)?;
        let found: bool = row.get(1)?;
        Ok(any.then_some(found))
    })
}

/// Every unit that was ever heard.
///
/// # Errors
/// Returns what the database says.
pub fn units(database: &Connection) -> rusqlite::Result<Vec<Unit>> {
    database
        .prepare_cached(
            // A sum of what units say may be beyond any number of the database's; `total` is not.
            "SELECT unit, online, heard_us, state_us, epoch, epochs, state, health, \
             (SELECT CAST(min(total(l.last - l.first + 1), 9e18) AS INTEGER) FROM losses l JOIN streams s ON s.id = l.stream \
              WHERE s.unit = u.unit AND l.cause = 'center') FROM units u ORDER BY unit",
        )?
        .query_map([], |row| {
            let epoch: Option<i64> = row.get(4)?;
            Ok(Unit {
                unit: row.get(0)?,
                online: row.get(1)?,
                heard_us: row.get(2)?,
                state_us: row.get(3)?,
                epoch: epoch.map(hexadecimal),
                epochs: row.get(5)?,
                state: json(row, 6)?,
                health: json(row, 7)?,
                forgotten: row.get(8)?,
            })
        })?
        .collect()
}

/// Sequences that are missing, and why as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The unit.
    pub unit: String,
    /// The epoch, hexadecimal.
    pub epoch: String,
    /// The lane.
    pub lane: String,
    /// `missing` (may still arrive), as the unit said `withheld` (by the day's byte budget) or `lost`, or `forgotten`
    /// (the unit was told that it is stored, and it is not in this database).
    pub kind: &'static str,
    /// Why it was lost: `disk`, `budget` or `damage`, or `center`; none while it is only missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The first missing sequence.
    pub first: u64,
    /// The last missing sequence.
    pub last: u64,
}

/// At most so many gaps are told of one stream.
const GAPS_PER_STREAM: u32 = 1000;

/// Every gap: holes between settled sequences, and what units declared lost. `first` is the first sequence of a stream.
///
/// # Errors
/// Returns what the database says.
pub fn gaps(database: &Connection, first: u64) -> rusqlite::Result<Vec<Gap>> {
    let streams: Vec<(i64, String, i64, String)> = database
        .prepare_cached("SELECT id, unit, epoch, lane FROM streams ORDER BY unit, id")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut gaps = Vec::new();
    for (id, unit, epoch, lane) in streams {
        let missing = SpanTable::Settled.holes_from(database, id, (first, GAPS_PER_STREAM))?;
        let lost = losses(database, id)?;
        let named = |(span, cause): (Span, Option<String>)| Gap {
            unit: unit.clone(),
            epoch: hexadecimal(epoch),
            lane: lane.clone(),
            kind: match cause.as_deref() {
                None => "missing",
                Some("budget") => "withheld",
                Some("center") => "forgotten",
                Some(_) => "lost",
            },
            cause,
            first: span.first(),
            last: span.last(),
        };
        gaps.extend(missing.into_iter().map(|span| (span, None)).map(named));
        gaps.extend(lost.into_iter().map(|(span, cause)| (span, Some(cause))).map(named));
    }
    Ok(gaps)
}

fn losses(database: &Connection, stream: i64) -> rusqlite::Result<Vec<(Span, String)>> {
    let spans: Vec<Option<(Span, String)>> = database
        .prepare_cached("SELECT first, last, cause FROM losses WHERE stream = ?1 ORDER BY first LIMIT ?2")?
        .query_map(params![stream, GAPS_PER_STREAM], |row| {
            let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Span::new(first.unsigned_abs(), last.unsigned_abs()).zip(row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(spans.into_iter().flatten().collect())
}

/// A refused kind of message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The unit under whose topic it came.
    pub unit: String,
    /// Why, in a word or two.
    pub reason: String,
    /// How often.
    pub count: i64,
    /// When last, microseconds since 1970.
    pub last_us: i64,
    /// What was wrong with the last one.
    pub detail: String,
}

/// Every kind of message that was refused.
///
/// # Errors
/// Returns what the database says.
pub fn refusals(database: &Connection) -> rusqlite::Result<Vec<Refusal>> {
    database
        .prepare_cached("SELECT unit, reason, count, last_us, detail FROM refusals ORDER BY unit, reason")?
        .query_map([], |row| {
            Ok(Refusal {
                unit: row.get(0)?,
                reason: row.get(1)?,
                count: row.get(2)?,
                last_us: row.get(3)?,
                detail: row.get(4)?,
            })
        })?
        .collect()
}

/// Pairs of a name and a number.
pub type Counts = Vec<(String, i64)>;

/// The counters that all receivers share.
///
/// # Errors
/// Returns what the database says.
pub fn counters(database: &Connection) -> rusqlite::Result<Counts> {
    pairs(database, "SELECT name, value FROM counters ORDER BY name")
}

/// How many records each lane has.
///
/// # Errors
/// Returns what the database says.
pub fn records_by_lane(database: &Connection) -> rusqlite::Result<Counts> {
    pairs(database, "SELECT lane, count(*) FROM records GROUP BY lane ORDER BY lane")
}

fn pairs(database: &Connection, sql: &str) -> rusqlite::Result<Counts> {
    database.prepare_cached(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Microseconds from the unit's time of an event to its reception, of the newest `limit` events of a lane, in order.
///
/// # Errors
/// Returns what the database says.
pub fn delays_us(database: &Connection, lane: &str, limit: u32) -> rusqlite::Result<Vec<i64>> {
    let mut delays: Vec<i64> = database
        .prepare_cached(
            "SELECT received_us - at_us FROM records WHERE lane = ?1 AND at_us IS NOT NULL ORDER BY id DESC LIMIT ?2",
        )?
        .query_map(params![lane, limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    delays.sort_unstable();
    Ok(delays)
}

/// The cursor of the newest event, 0 if there is none.
///
/// # Errors
/// Returns what the database says.
pub fn newest_event(database: &Connection) -> rusqlite::Result<i64> {
    database.prepare_cached("SELECT coalesce(max(id), 0) FROM records")?.query_row([], |row| row.get(0))
}

fn hexadecimal(epoch: i64) -> String {
    format!("{:016x}", epoch.cast_unsigned())
}

fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Value>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(Value::Null)))
}
