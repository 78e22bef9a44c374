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

/// Stops the newest rollout and calls it back from every unit where its order may live. Returns when each has answered;
/// an error once `wait` is over, or where one had begun.
pub(super) fn recall(center: &Center, signer: &Signer, why: &str, wait: Duration) -> anyhow::Result<()> {
    let path = format!("/api/rollouts/{}", newest(center)?);
    let shown: Shown = center.get(&path, &[])?;
    if shown.status == RolloutStatus::Running {
        center.decide(&format!("{path}/stop"), &json!({ "why": why, "by": by() }))?;
        note("stopped: nobody else is asked")?;
    }
    let waited = Stopwatch::start();
    let calling = Calling { center, signer, name: format!("recall {} {}", shown.id, wall_us()) };
    let mut working: BTreeMap<UnitId, Option<Stopwatch>> = BTreeMap::new();
    for unit in &shown.units {
        // Not by what the rollout says of it: it takes who was silent for long for failed, and the order lives on there.
        if calling.of_order(&shown, &unit.unit)?.is_some_and(|order| !order.is_final()) {
            working.insert(unit.unit.clone(), None);
        }
    }
    let mut late = Vec::new();
    while !working.is_empty() {
        let shown: Shown = center.get(&path, &[])?;
        let mut still = BTreeMap::new();
        for (unit, asked) in std::mem::take(&mut working) {
            match calling.step(&shown, &unit, asked)? {
                Called::Back => {}
                Called::Late => late.push(unit),
                Called::Waits(asked) => drop(still.insert(unit, asked)),
            }
        }
        working = still;
        if !working.is_empty() && waited.elapsed() >= wait {
            break;
        }
        std::thread::sleep(LOOK);
    }
    ending(working.keys(), &late)
}

/// Names who was not called back.
fn ending<'u>(silent: impl Iterator<Item = &'u UnitId>, late: &[UnitId]) -> anyhow::Result<()> {
    let names = |units: Vec<&UnitId>| units.into_iter().map(UnitId::as_str).collect::<Vec<_>>().join(", ");
    let (silent, late) = (names(silent.collect()), names(late.iter().collect()));
    match (silent.as_str(), late.as_str()) {
        ("", "") => note("nobody has it under way"),
        ("", late) => bail!("not called back from {late}"),
        (silent, "") => bail!("{silent} said nothing so far; say `rtcc update recall` again"),
        (silent, late) => {
            bail!("not called back from {late}; {silent} said nothing so far; say `rtcc update recall` again")
        }
    }
}

/// How far calling back from a unit is.
enum Called {
    /// The order has ended there.
    Back,
    /// It has begun there, or the unit could not end it.
    Late,
    /// The unit has not said; since when a command is with it.
    Waits(Option<Stopwatch>),
}

/// One run of the command.
struct Calling<'c> {
    center: &'c Center,
    signer: &'c Signer,
    /// Names the requests of this run alone: what a unit has answered is answered for good, and another person's request
    /// is another one.
    name: String,
}

impl Calling<'_> {
    fn step(&self, shown: &Shown, unit: &UnitId, asked: Option<Stopwatch>) -> anyhow::Result<Called> {
        let answer: Option<Asked> = self.center.find(&format!("/api/requests/{}", self.request(unit)))?;
        if let Some(answer) = answer.as_ref().filter(|answer| answer.status.is_final()) {
            note(&format!("{:<20} {}", unit.as_str(), terminal(&answer.words)))?;
            // An earlier run may have ended it, or it ended by itself.
            let ended = [Some(RequestStatus::Failed), Some(RequestStatus::Refused)];
            let is_back = answer.status == RequestStatus::Complete || ended.contains(&self.of_order(shown, unit)?);
            return Ok(if is_back { Called::Back } else { Called::Late });
        }
        let open = answer.is_none_or(|it| matches!(it.status, RequestStatus::Waiting | RequestStatus::Again));
        if !open || asked.is_some_and(|asked| asked.elapsed() < AGAIN) {
            return Ok(Called::Waits(asked));
        }
        match self.ask(shown, unit) {
            Ok(true) => Ok(Called::Waits(Some(Stopwatch::start()))),
            Ok(false) => Ok(Called::Waits(asked)),
            Err(error) => {
                // One unit's trouble keeps nobody else from being called.
                note(&format!("{unit} was not asked, and will be: {error:#}"))?;
                Ok(Called::Waits(Some(Stopwatch::start())))
            }
        }
    }

    /// What became of the order itself; none where the unit was never asked.
    fn of_order(&self, shown: &Shown, unit: &UnitId) -> anyhow::Result<Option<RequestStatus>> {
        let order = format!("/api/requests/{}", rollout::request(&shown.id, unit));
        Ok(self.center.find::<Asked>(&order)?.map(|order| order.status))
    }

    /// Under which request a unit is called back in this run, however often.
    fn request(&self, unit: &UnitId) -> RequestId {
        rollout::request(&self.name, unit)
    }

    /// Signs a command for the unit's present challenge and hands it in; false where the unit is not there to take it.
    fn ask(&self, shown: &Shown, unit: &UnitId) -> anyhow::Result<bool> {
        let found = shown.units.iter().find(|found| found.unit == *unit);
        let Some(challenge) = found.filter(|found| found.online).and_then(|found| found.challenge.as_deref()) else {
            return Ok(false);
        };
        let question = Question {
            unit,
            request: self.request(unit),
            operation: &Operation::Recall(rollout::request(&shown.id, unit)),
            purpose: &shown.order.purpose,
            case: &shown.order.case,
        };
        let challenge = challenge.parse().context("the unit's challenge")?;
        let envelope = self.signer.sign(&question, challenge, WallTime::from_micros(wall_us()))?;
        let _taken: Value = self.center.hand_in("/api/requests", &envelope)?;
        Ok(true)
    }
}
