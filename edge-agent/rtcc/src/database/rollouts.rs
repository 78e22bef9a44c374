//! Rollouts: which update for whom, how far it is, and what is seen of each unit.

use std::collections::BTreeMap;
use std::time::Duration;

use edge_protocol::command::UpdateScope;
use edge_protocol::id::UnitId;
use edge_protocol::record::Word;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::ingest::Ingest;
use super::queries;
use super::requests::{self, RequestStatus};
use crate::rollout::{self, Asked, At, Outcome, Plan, Seen};

/// How long an answer may take before a fresh command is signed.
const ANSWER: Duration = Duration::from_secs(30);
/// How long to leave a unit alone that asked for a fresh command.
const BETWEEN: Duration = Duration::from_secs(2);

/// Which update for whom, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The update.
    pub scope: UpdateScope,
    /// The units, wave by wave.
    pub waves: Vec<Vec<UnitId>>,
    /// So many units that failed end it.
    pub stop_after: u32,
    /// How long a unit may take, in seconds.
    pub patience_s: u64,
    /// Code of the purpose.
    pub purpose: Word,
    /// Number of the case.
    pub case: Word,
}

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolloutStatus {
    /// Units are being asked, or answer.
    Running,
    /// Nobody is asked any more.
    Stopped,
    /// Every wave has ended.
    Done,
}

impl RolloutStatus {
    const ALL: [Self; 3] = [Self::Running, Self::Stopped, Self::Done];

    /// The word that database and interface use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollout {
    /// Its id, lower-case hexadecimal.
    pub id: String,
    /// Which update for whom.
    pub order: Order,
    /// Who began it.
    pub begun_by: String,
    /// Where it stands.
    pub status: RolloutStatus,
    /// Why it was stopped.
    pub words: String,
    /// The wave at work, from 0.
    pub wave: usize,
    /// Since when, microseconds since 1970.
    pub wave_us: i64,
    /// When it was begun.
    pub created_us: i64,
}

/// A unit in a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfUnit {
    /// The unit.
    pub unit: UnitId,
    /// Its wave, from 0.
    pub wave: usize,
    /// Whether it is connected.
    pub online: bool,
    /// What it is in a word: waiting, asked, good, failed or left out.
    pub state: &'static str,
    /// What the unit, or the center, says.
    pub words: String,
    /// The request that it is asked under.
    pub request: String,
    /// Its present command challenge.
    pub challenge: Option<String>,
    #[serde(skip)]
    seen: Seen,
}

impl Rollout {
    /// The plan that [`rollout::step`] follows.
    pub fn plan(&self) -> Plan {
        let Order { waves, stop_after, patience_s, .. } = &self.order;
        let patience = Duration::from_secs(*patience_s);
        Plan { waves: waves.clone(), stop_after: *stop_after, patience }
    }

    /// Which wave is at work at a moment.
    pub fn at(&self, now_us: i64) -> At {
        At { wave: self.wave, since: since(self.wave_us, now_us) }
    }

    /// What is seen of every unit.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn units(&self, database: &Connection, now_us: i64) -> rusqlite::Result<Vec<OfUnit>> {
        let known = queries::units(database)?.into_iter().map(|unit| (unit.unit.clone(), unit));
        let known: BTreeMap<String, queries::Unit> = known.collect();
        let (plan, at) = (self.plan(), self.at(now_us));
        let mut units = Vec::new();
        for (wave, unit) in
            self.order.waves.iter().enumerate().flat_map(|(wave, units)| units.iter().map(move |unit| (wave, unit)))
        {
            let id = rollout::request(&self.id, unit).to_string();
            let request = requests::request(database, &id)?;
            let found = known.get(unit.as_str());
            let online = found.is_some_and(|unit| unit.online);
            let seen = Seen { online, asked: request.as_ref().map_or(Asked::No, |request| asked(request, now_us)) };
            let state = found.and_then(|unit| unit.state.as_ref());
            let challenge = state.and_then(|state| state.get("challenge")?.as_str()).map(str::to_owned);
            let words = request.map(|request| request.words).unwrap_or_default();
            units.push(OfUnit {
                unit: unit.clone(),
                wave,
                online,
                state: state_of(&plan, at, (wave, &seen)),
                words,
                request: id,
                challenge,
                seen,
            });
        }
        Ok(units)
    }
}

/// What is seen of each, as [`rollout::step`] wants it.
pub fn seen(units: &[OfUnit]) -> BTreeMap<UnitId, Seen> {
    units.iter().map(|unit| (unit.unit.clone(), unit.seen.clone())).collect()
}

fn state_of(plan: &Plan, at: At, (wave, seen): (usize, &Seen)) -> &'static str {
    match rollout::outcome(plan, at, Some(seen)) {
        Some(Outcome::Good) => "good",
        Some(Outcome::Failed(_)) => "failed",
        Some(Outcome::LeftOut) if wave <= at.wave => "left out",
        Some(Outcome::LeftOut) | None => match seen.asked {
            // A wave that has ended waits for nobody.
            Asked::No if wave < at.wave => "left out",
            Asked::No => "waiting",
            Asked::Again(_) | Asked::Yes(_) | Asked::Good | Asked::Failed(_) => "asked",
        },
    }
}

fn asked(request: &requests::Request, now_us: i64) -> Asked {
    let (first, last) = (since(request.created_us, now_us), since(request.changed_us, now_us));
    match request.status {
        RequestStatus::Waiting if last >= ANSWER => Asked::Again(first),
        RequestStatus::Again if last >= BETWEEN => Asked::Again(first),
        RequestStatus::Waiting | RequestStatus::Again | RequestStatus::Accepted | RequestStatus::Transferring => {
            Asked::Yes(first)
        }
        RequestStatus::Complete => Asked::Good,
        RequestStatus::Refused | RequestStatus::Failed => Asked::Failed(request.words.clone()),
    }
}

fn since(then_us: i64, now_us: i64) -> Duration {
    Duration::from_micros(u64::try_from(now_us.saturating_sub(then_us)).unwrap_or(0))
}

impl Ingest<'_> {
    /// Begins a rollout, unless one is running.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn begin_rollout(&self, id: &str, order: &Order, begun_by: &str) -> rusqlite::Result<bool> {
        // An order is made of words and numbers, which JSON can say.
        let plan = serde_json::to_string(order).unwrap_or_default();
        let begun = self.transaction().execute(
            "INSERT INTO rollouts (id, plan, begun_by, status, words, wave, wave_us, created_us, changed_us) \
             SELECT ?1, ?2, ?3, 'running', '', 0, ?4, ?4, ?4 \
             WHERE NOT EXISTS (SELECT 1 FROM rollouts WHERE status = 'running')",
            params![id, plan, begun_by, self.now_us()],
        )?;
        Ok(begun == 1)
    }

    /// Begins the next wave of a rollout.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn next_wave(&self, id: &str) -> rusqlite::Result<()> {
        let change = "UPDATE rollouts SET wave = wave + 1, wave_us = ?2, changed_us = ?2 WHERE id = ?1";
        self.transaction().execute(change, params![id, self.now_us()]).map(drop)
    }

    /// Ends a rollout that is running; false where it had ended.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn end_rollout(&self, id: &str, status: RolloutStatus, words: &str) -> rusqlite::Result<bool> {
        let change =
            "UPDATE rollouts SET status = ?2, words = ?3, changed_us = ?4 WHERE id = ?1 AND status = 'running'";
        Ok(self.transaction().execute(change, params![id, status.as_str(), words, self.now_us()])? == 1)
    }

    /// A rollout as this transaction sees it, and its units.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn rollout(&self, id: &str) -> rusqlite::Result<Option<(Rollout, Vec<OfUnit>)>> {
        rollout(self.transaction(), id, self.now_us())
    }
}

const ROWS: &str = "SELECT id, plan, begun_by, status, words, wave, wave_us, created_us FROM rollouts";

/// One rollout and its units.
///
/// # Errors
/// Returns what the database says.
pub fn rollout(database: &Connection, id: &str, now_us: i64) -> rusqlite::Result<Option<(Rollout, Vec<OfUnit>)>> {
    let found = database.query_row(&format!("{ROWS} WHERE id = ?1"), [id], read).optional()?.flatten();
    found
        .map(|rollout| Ok((rollout.units(database, now_us)?, rollout)))
        .transpose()
        .map(|found| found.map(|(units, rollout)| (rollout, units)))
}

/// The newest rollouts.
///
/// # Errors
/// Returns what the database says.
pub fn rollouts(database: &Connection, limit: u32) -> rusqlite::Result<Vec<Rollout>> {
    let mut statement = database.prepare(&format!("{ROWS} ORDER BY number DESC LIMIT ?1"))?;
    let found: rusqlite::Result<Vec<Option<Rollout>>> = statement.query_map([limit], read)?.collect();
    Ok(found?.into_iter().flatten().collect())
}

/// A row; none where it is damaged, since the table is written here alone.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Rollout>> {
    let (plan, status): (String, String) = (row.get(1)?, row.get(3)?);
    let status = RolloutStatus::ALL.into_iter().find(|known| known.as_str() == status);
    let (Ok(order), Some(status)) = (serde_json::from_str(&plan), status) else { return Ok(None) };
    Ok(Some(Rollout {
        id: row.get(0)?,
        order,
        begun_by: row.get(2)?,
        status,
        words: row.get(4)?,
        wave: usize::try_from(row.get::<_, i64>(5)?).unwrap_or(0),
        wave_us: row.get(6)?,
        created_us: row.get(7)?,
    }))
}
