//! `rtcc update recall`: nobody else is asked, and who was asked is told not to begin.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use edge_protocol::command::Operation;
use edge_protocol::id::{RequestId, UnitId};
use edge_protocol::time::WallTime;
use rtcc::clock::{Stopwatch, wall_us};
use rtcc::database::requests::RequestStatus;
use rtcc::database::rollouts::RolloutStatus;
use rtcc::rollout;
use rtcc::show::text::terminal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{LOOK, Shown, by, newest, note};
use crate::commands::center::Center;
use crate::commands::signer::{Question, Signer};

/// Between two commands to a unit that has not answered the one before.
const AGAIN: Duration = Duration::from_secs(10);

/// What became of asking a unit.
#[derive(Deserialize)]
struct Asked {
    status: RequestStatus,
    words: String,
}

/// Stops the newest rollout and calls it back from every unit that works on it. Returns when each has answered; an error
/// once `wait` is over, or where one had begun.
pub(super) fn recall(center: &Center, signer: &Signer, why: &str, wait: Duration) -> anyhow::Result<()> {
    let path = format!("/api/rollouts/{}", newest(center)?);
    let shown: Shown = center.get(&path, &[])?;
    if shown.status == RolloutStatus::Running {
        center.decide(&format!("{path}/stop"), &json!({ "why": why, "by": by() }))?;
        note("stopped: nobody else is asked")?;
    }
    let waited = Stopwatch::start();
    let working = shown.units.into_iter().filter(|unit| unit.state == "asked").map(|unit| (unit.unit, None));
    let mut working: BTreeMap<UnitId, Option<Stopwatch>> = working.collect();
    let mut late = Vec::new();
    while !working.is_empty() {
        let shown: Shown = center.get(&path, &[])?;
        let mut still = BTreeMap::new();
        for (unit, asked) in std::mem::take(&mut working) {
            let answer = asked.map(|_| answer(center, &shown, &unit)).transpose()?;
            if let Some(answer) = answer.filter(|answer| answer.status.is_final()) {
                note(&format!("{:<20} {}", unit.as_str(), terminal(&answer.words)))?;
                late.extend((answer.status != RequestStatus::Complete).then_some(unit));
                continue;
            }
            let is_due = asked.is_none_or(|asked| asked.elapsed() >= AGAIN);
            let asked = if is_due && ask(center, signer, &shown, &unit)? { Some(Stopwatch::start()) } else { asked };
            still.insert(unit, asked);
        }
        working = still;
        if !working.is_empty() && waited.elapsed() >= wait {
            let names: Vec<&str> = working.keys().map(UnitId::as_str).collect();
            bail!("{} said nothing so far; say `rtcc update recall` again", names.join(", "));
        }
        std::thread::sleep(LOOK);
    }
    let late: Vec<&str> = late.iter().map(UnitId::as_str).collect();
    if late.is_empty() { note("nobody has it under way") } else { bail!("not called back from {}", late.join(", ")) }
}

/// Under which request a unit is called back: the same however often.
fn request(shown: &Shown, unit: &UnitId) -> RequestId {
    rollout::request(&format!("recall {}", shown.id), unit)
}

fn answer(center: &Center, shown: &Shown, unit: &UnitId) -> anyhow::Result<Asked> {
    center.get(&format!("/api/requests/{}", request(shown, unit)), &[])
}

/// Signs a command for the unit's present challenge and hands it in; false where the unit is not there to take it.
fn ask(center: &Center, signer: &Signer, shown: &Shown, unit: &UnitId) -> anyhow::Result<bool> {
    let found = shown.units.iter().find(|found| found.unit == *unit);
    let Some(challenge) = found.filter(|found| found.online).and_then(|found| found.challenge.as_deref()) else {
        return Ok(false);
    };
    let question = Question {
        unit,
        request: request(shown, unit),
        operation: &Operation::Recall(rollout::request(&shown.id, unit)),
        purpose: &shown.order.purpose,
        case: &shown.order.case,
    };
    let challenge = challenge.parse().context("the unit's challenge")?;
    let envelope = signer.sign(&question, challenge, WallTime::from_micros(wall_us()))?;
    let _taken: Value = center.hand_in("/api/requests", &envelope)?;
    Ok(true)
}
