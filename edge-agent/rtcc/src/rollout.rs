//! An update for many units, in waves, with a rule that stops it. No network, no clock.
//!
//! A few units first; the next wave is asked only when the one before has ended, and never when too many of it failed.
//! What a unit says is all that counts: its alert that the new slot is marked good, or is given up, or that the bundle
//! was refused. A unit that is away is left out, stated, and holds nobody up.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use edge_protocol::id::UnitId;

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

/// What a rollout is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The share of a wave that may fail, in percent; one more unit stops everything.
    pub most_failed_percent: u8,
    /// How long a unit may take from being asked to its word that it is good; and how long one that is away is waited
    /// for, from the beginning of its wave.
    pub patience: Duration,
}

/// What a unit has said since it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The new slot is marked good.
    Good,
    /// It was refused, or rolled back: why.
    Failed(String),
}

/// What is seen of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is connected.
    pub online: bool,
    /// What it said since it was asked, if anything.
    pub news: Option<News>,
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
    /// Ask these units, and look again after a moment.
    Ask(Vec<UnitId>),
    /// Look again after a moment.
    Look,
    /// End: nothing more is asked of anybody, and why.
    Stop(String),
    /// End: every wave has ended.
    Done,
}

/// A rollout under way.
#[derive(Debug, Clone)]
pub struct Rollout {
    waves: Vec<Vec<UnitId>>,
    rules: Rules,
    wave: usize,
    began: Duration,
    asked: BTreeMap<UnitId, Duration>,
    outcomes: BTreeMap<UnitId, Outcome>,
}

/// Cuts the units into waves, in their order; what no size covers is the last wave.
fn waves(units: &[UnitId], sizes: &[WaveSize]) -> Vec<Vec<UnitId>> {
    let mut named = BTreeSet::new();
    let units: Vec<UnitId> = units.iter().filter(|unit| named.insert((*unit).clone())).cloned().collect();
    let (mut rest, mut waves) = (units.as_slice(), Vec::new());
    for size in sizes {
        let count = match size {
            WaveSize::Units(count) => *count,
            WaveSize::Percent(percent) => (units.len() * usize::from(*percent)).div_ceil(100),
        };
        let (wave, after) = rest.split_at(count.min(rest.len()));
        waves.push(wave.to_vec());
        rest = after;
    }
    waves.push(rest.to_vec());
    waves.retain(|wave| !wave.is_empty());
    waves
}

impl Rollout {
    /// A rollout that has asked nobody yet.
    pub fn new(units: &[UnitId], sizes: &[WaveSize], rules: Rules) -> Self {
        let waves = waves(units, sizes);
        Self { waves, rules, wave: 0, began: Duration::ZERO, asked: BTreeMap::new(), outcomes: BTreeMap::new() }
    }

    /// The waves, first to last.
    pub fn waves(&self) -> &[Vec<UnitId>] {
        &self.waves
    }

    /// How every unit that has ended ended.
    pub const fn outcomes(&self) -> &BTreeMap<UnitId, Outcome> {
        &self.outcomes
    }

    /// What to do when the units are `seen` so, `elapsed` after the beginning.
    pub fn step(&mut self, seen: &BTreeMap<UnitId, Seen>, elapsed: Duration) -> Step {
        let Some(wave) = self.waves.get(self.wave).cloned() else { return Step::Done };
        let mut ask = Vec::new();
        for unit in &wave {
            if self.outcomes.contains_key(unit) {
                continue;
            }
            if let Some(outcome) = self.look(unit, seen.get(unit), elapsed) {
                self.outcomes.insert(unit.clone(), outcome);
            } else if !self.asked.contains_key(unit) && seen.get(unit).is_some_and(|seen| seen.online) {
                ask.push(unit.clone());
            }
        }
        if let Some(why) = self.too_many_failed(&wave) {
            return Step::Stop(why);
        }
        if !ask.is_empty() {
            self.asked.extend(ask.iter().map(|unit| (unit.clone(), elapsed)));
            return Step::Ask(ask);
        }
        if wave.iter().any(|unit| !self.outcomes.contains_key(unit)) {
            return Step::Look;
        }
        if !wave.iter().any(|unit| self.outcomes.get(unit) == Some(&Outcome::Good)) {
            return Step::Stop(format!("no unit of wave {} took it; nothing shows that it works", self.wave + 1));
        }
        self.wave += 1;
        self.began = elapsed;
        if self.wave == self.waves.len() { Step::Done } else { Step::Look }
    }

    /// How a unit ended, if it has.
    fn look(&self, unit: &UnitId, seen: Option<&Seen>, elapsed: Duration) -> Option<Outcome> {
        let Some(asked) = self.asked.get(unit) else {
            let online = seen.is_some_and(|seen| seen.online);
            let waited = elapsed.saturating_sub(self.began) >= self.rules.patience;
            return (!online && waited).then_some(Outcome::LeftOut);
        };
        match seen.and_then(|seen| seen.news.clone()) {
            Some(News::Good) => Some(Outcome::Good),
            Some(News::Failed(why)) => Some(Outcome::Failed(why)),
            None => {
                let silent = elapsed.saturating_sub(*asked) >= self.rules.patience;
                silent.then(|| Outcome::Failed("it has not said what became of it".to_owned()))
            }
        }
    }

    fn too_many_failed(&self, wave: &[UnitId]) -> Option<String> {
        let failed = |unit: &&UnitId| matches!(self.outcomes.get(*unit), Some(Outcome::Failed(_)));
        let failed: Vec<&UnitId> = wave.iter().filter(failed).collect();
        let allowed = wave.len() * usize::from(self.rules.most_failed_percent) / 100;
        let first = failed.first()?;
        let Some(Outcome::Failed(why)) = self.outcomes.get(*first) else { return None };
        let of = wave.len();
        (failed.len() > allowed).then(|| format!("{} of {of} units failed, {first} for one: {why}", failed.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_hours(2);

    fn units(count: usize) -> Vec<UnitId> {
        (0..count).map(|number| format!("pole-{number:02}").parse().unwrap()).collect()
    }

    fn rollout(count: usize, sizes: &[&str]) -> Rollout {
        let sizes: Vec<WaveSize> = sizes.iter().map(|size| size.parse().unwrap()).collect();
        Rollout::new(&units(count), &sizes, Rules { most_failed_percent: 10, patience: PATIENCE })
    }

    /// All are online; the first `good` have said that they are good.
    fn seen(count: usize, good: usize) -> BTreeMap<UnitId, Seen> {
        let one = |(place, unit)| (unit, Seen { online: true, news: (place < good).then_some(News::Good) });
        units(count).into_iter().enumerate().map(one).collect()
    }

    fn at(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    #[test]
    fn waves_cover_every_unit_once_and_in_order() {
        let sizes = |rollout: &Rollout| rollout.waves().iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&rollout(20, &["1", "10%", "50%"])), [1, 2, 10, 7]);
        assert_eq!(sizes(&rollout(3, &["1", "10%"])), [1, 1, 1]);
        assert_eq!(sizes(&rollout(2, &["5"])), [2]);
        assert_eq!(sizes(&rollout(0, &["1"])), Vec::<usize>::new());
        let twice: Vec<UnitId> = units(2).into_iter().chain(units(2)).collect();
        let rules = Rules { most_failed_percent: 0, patience: PATIENCE };
        assert_eq!(Rollout::new(&twice, &[], rules).waves(), [units(2)]);
        for bad in ["", "0", "0%", "101%", "-1", "ten"] {
            assert!(bad.parse::<WaveSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_next_wave_is_asked_only_when_the_one_before_is_good() {
        let mut rollout = rollout(3, &["1"]);
        assert_eq!(rollout.step(&seen(3, 0), at(0)), Step::Ask(units(1)));
        assert_eq!(rollout.step(&seen(3, 0), at(60)), Step::Look, "the first has not said anything");
        assert_eq!(rollout.step(&seen(3, 1), at(61)), Step::Look);
        assert_eq!(rollout.step(&seen(3, 1), at(61)), Step::Ask(units(3).split_off(1)));
        assert_eq!(rollout.step(&seen(3, 2), at(70)), Step::Look);
        assert_eq!(rollout.step(&seen(3, 3), at(80)), Step::Done);
        assert_eq!(rollout.outcomes().len(), 3);
    }

    #[test]
    fn one_failure_too_many_stops_everything_at_once() {
        let mut rollout = rollout(31, &["1", "20"]);
        rollout.step(&seen(31, 0), at(0));
        rollout.step(&seen(31, 1), at(10));
        assert!(matches!(rollout.step(&seen(31, 1), at(10)), Step::Ask(asked) if asked.len() == 20));
        let mut failing = seen(31, 1);
        let fail = |seen: &mut BTreeMap<UnitId, Seen>, number: usize| {
            seen.insert(units(31)[number].clone(), Seen { online: true, news: Some(News::Failed("no frame".into())) });
        };
        fail(&mut failing, 1);
        fail(&mut failing, 2);
        assert_eq!(rollout.step(&failing, at(20)), Step::Look, "two of twenty may fail");
        fail(&mut failing, 3);
        let stopped = rollout.step(&failing, at(21));
        assert_eq!(stopped, Step::Stop("3 of 20 units failed, pole-01 for one: no frame".into()));
    }

    #[test]
    fn a_unit_that_says_nothing_has_failed_and_one_that_is_away_is_left_out() {
        let mut silent = rollout(1, &[]);
        silent.step(&seen(1, 0), at(0));
        assert_eq!(silent.step(&seen(1, 0), at(119)), Step::Look);
        assert!(matches!(silent.step(&seen(1, 0), at(120)), Step::Stop(why) if why.contains("has not said")));

        let mut away = rollout(12, &["2"]);
        let mut one_is_away = seen(12, 1);
        let absent = units(12)[1].clone();
        one_is_away.insert(absent.clone(), Seen { online: false, news: None });
        assert_eq!(away.step(&one_is_away, at(0)), Step::Ask(units(1)));
        assert_eq!(away.step(&one_is_away, at(119)), Step::Look);
        assert_eq!(away.step(&one_is_away, at(120)), Step::Look, "the wave has ended without it");
        assert_eq!(away.outcomes().get(&absent), Some(&Outcome::LeftOut));
        assert!(matches!(away.step(&one_is_away, at(120)), Step::Ask(_)));
    }

    #[test]
    fn a_wave_of_which_nobody_was_there_shows_nothing() {
        let mut rollout = rollout(2, &["1"]);
        let nobody: BTreeMap<UnitId, Seen> =
            units(2).into_iter().map(|unit| (unit, Seen { online: false, news: None })).collect();
        assert_eq!(rollout.step(&nobody, at(0)), Step::Look);
        assert!(matches!(rollout.step(&nobody, at(120)), Step::Stop(why) if why.contains("nothing shows")));
    }
}
