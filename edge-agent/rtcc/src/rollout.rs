//! An update for many units, in waves, with a rule that stops it. No network, no clock, no database.
//!
//! A few units first; the next wave is asked only when the one before has ended, and nobody is asked any more once too
//! many have failed. What a unit says is all that counts: that the new slot is marked good, or that the bundle was
//! refused or given up. A unit that is away is left out, stated, and holds nobody up.
//!
//! [`step`] decides from what is known now alone: which wave is at work and since when is all that has to be kept, so a
//! rollout goes on after any restart as if there had been none.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use edge_protocol::hash::Hash256;
use edge_protocol::id::{RequestId, UnitId};

/// How large a wave is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaveSize {
    /// So many units.
    Units(usize),
    /// This share of all units, at least one.
    Percent(u8),
}

/// A text that is no size of a wave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no size of a wave: a number of units such as 2, or a share such as 10%, up to 100%")]
pub struct BadWaveSize(String);

impl FromStr for WaveSize {
    type Err = BadWaveSize;

    fn from_str(text: &str) -> Result<Self, BadWaveSize> {
        let bad = || BadWaveSize(text.to_owned());
        let size = match text.strip_suffix('%') {
            Some(percent) => Self::Percent(percent.parse().map_err(|_| bad())?),
            None => Self::Units(text.parse().map_err(|_| bad())?),
        };
        match size {
            Self::Units(0) | Self::Percent(0 | 101..) => Err(bad()),
            Self::Units(_) | Self::Percent(_) => Ok(size),
        }
    }
}

/// Cuts units into waves, in their order; what no size covers is the last wave.
pub fn waves(units: &[UnitId], sizes: &[WaveSize]) -> Vec<Vec<UnitId>> {
    let mut rest: Vec<UnitId> = Vec::new();
    for unit in units {
        if !rest.contains(unit) {
            rest.push(unit.clone());
        }
    }
    let all = rest.len();
    let mut waves = Vec::new();
    for size in sizes {
        let count = match size {
            WaveSize::Units(count) => *count,
            WaveSize::Percent(percent) => (all * usize::from(*percent)).div_ceil(100),
        };
        let after = rest.split_off(count.min(rest.len()));
        waves.push(std::mem::replace(&mut rest, after));
    }
    waves.push(rest);
    waves.retain(|wave| !wave.is_empty());
    waves
}

/// The request of a unit in a rollout: the same however often it is asked.
pub fn request(rollout: &str, unit: &UnitId) -> RequestId {
    let hash = Hash256::of(format!("{rollout} {unit}").as_bytes());
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    RequestId::from_bytes(id)
}

/// What a rollout is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The units, wave by wave.
    pub waves: Vec<Vec<UnitId>>,
    /// So many units that failed end it.
    pub stop_after: u32,
    /// How long a unit may take from being asked to its word that it is good; and how long one that is away is waited
    /// for, from the beginning of its wave.
    pub patience: Duration,
}

/// Which wave is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Its place, from 0.
    pub wave: usize,
    /// How long it has been at work.
    pub since: Duration,
}

/// What became of asking a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It has not been asked.
    No,
    /// It would take a fresh command for the same request; how long ago it was asked first.
    Again(Duration),
    /// A command is with it, or it works on it; how long ago it was asked first.
    Yes(Duration),
    /// It runs the new version.
    Good,
    /// It does not, and why.
    Failed(String),
}

/// What is seen of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is connected.
    pub online: bool,
    /// What became of asking it.
    pub asked: Asked,
}

/// How a unit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It runs the new version.
    Good,
    /// It does not, and why.
    Failed(String),
    /// It was away, and was not asked.
    LeftOut,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask these units, perhaps none, and look again after a moment.
    Ask(Vec<UnitId>),
    /// The next wave begins.
    NextWave,
    /// End: nothing more is asked of anybody, and why.
    Stop(String),
    /// End: every wave has ended.
    Done,
}

/// How a unit of the wave at work ended, if it has.
pub fn outcome(plan: &Plan, at: At, seen: Option<&Seen>) -> Option<Outcome> {
    let away = Seen { online: false, asked: Asked::No };
    let seen = seen.unwrap_or(&away);
    match &seen.asked {
        Asked::Good => Some(Outcome::Good),
        Asked::Failed(why) => Some(Outcome::Failed(why.clone())),
        Asked::Again(ago) | Asked::Yes(ago) => {
            (*ago >= plan.patience).then(|| Outcome::Failed("it has not said what became of it".to_owned()))
        }
        Asked::No => (!seen.online && at.since >= plan.patience).then_some(Outcome::LeftOut),
    }
}

/// What to do when the units are seen so.
pub fn step(plan: &Plan, at: At, seen: &BTreeMap<UnitId, Seen>) -> Step {
    let Some(wave) = plan.waves.get(at.wave) else { return Step::Done };
    let begun = plan.waves.iter().take(at.wave + 1).flatten();
    let failed = begun.filter_map(|unit| match outcome(plan, at, seen.get(unit)) {
        Some(Outcome::Failed(why)) => Some((unit, why)),
        Some(Outcome::Good | Outcome::LeftOut) | None => None,
    });
    let failed: Vec<(&UnitId, String)> = failed.collect();
    if let Some((first, why)) = failed.first().filter(|_| failed.len() >= plan.stop_after as usize) {
        let count = failed.len();
        return Step::Stop(format!("{count} failed in {} wave(s), {first} for one: {why}", at.wave + 1));
    }
    let outcomes: Vec<Option<Outcome>> = wave.iter().map(|unit| outcome(plan, at, seen.get(unit))).collect();
    if outcomes.iter().any(Option::is_none) {
        let waits = |seen: &Seen| seen.online && matches!(seen.asked, Asked::No | Asked::Again(_));
        return Step::Ask(wave.iter().filter(|unit| seen.get(unit).is_some_and(waits)).cloned().collect());
    }
    if !outcomes.contains(&Some(Outcome::Good)) {
        return Step::Stop(format!("no unit of wave {} took it; nothing shows that it works", at.wave + 1));
    }
    if at.wave + 1 == plan.waves.len() { Step::Done } else { Step::NextWave }
}

#[cfg(test)]
mod tests;
