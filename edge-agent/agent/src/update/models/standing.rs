//! What is known of a unit's sets of models, as it lies on the disk: one file, replaced whole.
//!
//! That a set is the one in use, that it still has to prove itself, and which one was before are one fact, so a power
//! cut finds the sets as they were or as they were to be.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::update::{Before, Version};

/// How often an ordered set is begun whose attempts never come to an end: a self-test may take the whole process with
/// it.
pub(super) const MOST_TRIES: u8 = 3;

/// In how many boots a set is on trial: the watch begins anew with each, and what brings the machine down sooner than
/// the watch is over would never be given up.
const MOST_BOOTS: usize = 3;

/// What is known of the sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The highest revision that has proved itself here; nothing below it is taken.
    pub floor: Option<u64>,
    /// The set in use; the image's own models where there is none.
    pub current: Option<u64>,
    /// The one before, whose folder is kept; the image's own models where there is none.
    pub former: Option<u64>,
    /// Where the set in use has yet to prove itself: what the former one could do.
    pub trial: Option<Before>,
    /// The boots in which that set was on trial.
    #[serde(default)]
    pub boots: BTreeSet<String>,
    /// An ordered set that was begun and has not come to an end, and how often.
    #[serde(default)]
    pub begun: Option<(u64, u8)>,
    /// Where the set in use cannot be: the image's own models are meanwhile.
    #[serde(default)]
    pub passed_over: Option<PassedOver>,
    /// Sets whose folders nobody needs, whole or not.
    pub loose: BTreeSet<u64>,
    /// What nobody has been told yet.
    pub untold: Vec<ModelsTold>,
}

/// A set that had proved itself and is of no use to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// Which.
    pub revision: u64,
    /// The version of the agent that cannot use it; another one tries again.
    pub software: Version,
}

/// What people are told, in the audit log and at the center.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelsTold {
    /// A set passed its self-test, is in use, and is watched.
    OnTrial(Swap),
    /// A set is in use and has proved itself, or a person answers for it.
    Taken(Swap),
    /// The former set is in use again, and why.
    GoneBack(Swap, String),
}

/// From one set to another; none are the image's own models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// The former one.
    pub from: Option<u64>,
    /// The new one.
    pub to: u64,
}

impl ModelsTold {
    /// Which swap it is about.
    pub const fn swap(&self) -> Swap {
        match self {
            Self::OnTrial(swap) | Self::Taken(swap) | Self::GoneBack(swap, _) => *swap,
        }
    }
}

impl Standing {
    /// What is left to say where this file is damaged or lost: the sets whose manifests are there are never gone below,
    /// and none of them is in use.
    pub(super) fn lost(folders: BTreeSet<u64>, highest: Option<u64>) -> Self {
        let told = highest.map(|to| {
            let why = "what was known of the sets of models was damaged or lost".to_owned();
            ModelsTold::GoneBack(Swap { from: None, to }, why)
        });
        Self { floor: highest, loose: folders, untold: told.into_iter().collect(), ..Self::default() }
    }

    /// The set whose models are used; none are the image's own.
    pub fn used(&self) -> Option<u64> {
        let passed_over = self.passed_over.as_ref().map(|set| set.revision);
        self.current.filter(|current| Some(*current) != passed_over)
    }

    /// The set in use is of no use to this agent.
    pub(super) fn pass_over(&mut self, revision: u64, software: &Version, why: String) {
        if self.current == Some(revision) && self.trial.is_none() {
            self.passed_over = Some(PassedOver { revision, software: software.clone() });
            self.untold.push(ModelsTold::GoneBack(Swap { from: None, to: revision }, why));
        }
    }

    /// A set that was passed over is of use to this agent.
    pub(super) fn take_up(&mut self, revision: u64) {
        if self.passed_over.take_if(|set| set.revision == revision).is_some() {
            self.untold.push(ModelsTold::Taken(Swap { from: None, to: revision }));
        }
    }

    /// An ordered set is begun once more; false, and forgotten, where it has had its attempts.
    pub(super) fn begin(&mut self, revision: u64) -> bool {
        let tries = self.begun.take().filter(|(begun, _)| *begun == revision).map_or(0, |(_, tries)| tries);
        self.begun = (tries < MOST_TRIES).then_some((revision, tries.saturating_add(1)));
        self.begun.is_some()
    }

    /// A set was unpacked and tested, and is in use from now on; with a trial where somebody watches it.
    pub(super) fn take(&mut self, revision: u64, trial: Option<Before>) {
        let swap = Swap { from: self.used(), to: revision };
        self.loose.clear();
        // Whoever comes back to it looks at it anew.
        self.passed_over = None;
        self.begun = None;
        self.former = self.current.replace(revision);
        self.trial = trial;
        self.boots.clear();
        if self.trial.is_some() {
            self.untold.push(ModelsTold::OnTrial(swap));
        } else {
            self.prove(swap);
        }
    }

    /// The set on trial is watched in this boot; whether that was not known yet.
    pub(super) fn meet(&mut self, boot: &str) -> bool {
        self.trial.is_some() && self.boots.insert(boot.to_owned())
    }

    /// Why the set on trial has had its time, whatever the watch of this boot says.
    pub(super) fn has_had_its_boots(&self) -> Option<String> {
        let spent = self.boots.len() > MOST_BOOTS;
        spent.then(|| format!("the unit was booted anew {MOST_BOOTS} times before it had proved itself"))
    }

    /// The set in use has proved itself.
    pub(super) fn hold(&mut self) {
        self.boots.clear();
        if let (Some(_), Some(to)) = (self.trial.take(), self.current) {
            self.prove(Swap { from: self.former, to });
        }
    }

    /// The set in use has not proved itself: the former one is in use again.
    pub(super) fn go_back(&mut self, why: String) {
        self.boots.clear();
        if let (Some(_), Some(to)) = (self.trial.take(), self.current) {
            let from = self.former.take();
            self.current = from;
            self.loose.insert(to);
            self.untold.push(ModelsTold::GoneBack(Swap { from, to }, why));
        }
    }

    fn prove(&mut self, swap: Swap) {
        self.floor = self.floor.max(Some(swap.to));
        self.untold.push(ModelsTold::Taken(swap));
    }
}
