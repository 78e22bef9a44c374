//! What is known of a unit's artefacts of one kind, as it lies on the disk: one file, replaced whole.
//!
//! That one is in use, that it still has to prove itself, and which one was before are one fact, so a power cut finds
//! them as they were or as they were to be.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::update::{Before, LINE_PATIENCE, Version};

/// How often an ordered one is begun whose attempts never come to an end: a self-test may take the whole process with
/// it.
pub(super) const MOST_TRIES: u8 = 3;

/// In how many boots one is on trial: the watch begins anew with each, and what brings the machine down sooner than
/// the watch is over would never be given up.
const MOST_BOOTS: usize = 3;

/// The same for one that does all else and waits for the line: it may be a weak supply that has both.
const MOST_BOOTS_WITHOUT_LINE: usize = 48;

/// What is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "R: Deserialize<'de> + Ord"))]
pub struct Standing<R: Ord> {
    /// The highest revision that has proved itself here; nothing below it is taken.
    pub floor: Option<R>,
    /// The one in use; the image's own where there is none.
    pub current: Option<R>,
    /// The one before, whose folder is kept; the image's own where there is none.
    pub former: Option<R>,
    /// Where the one in use has yet to prove itself: what the former one could do.
    pub trial: Option<Before>,
    /// The boots in which it was on trial.
    #[serde(default)]
    pub boots: BTreeSet<String>,
    /// Where it does all else and waits for the line to the center, which was there before: for how many hours.
    #[serde(default)]
    pub awaits_line: Option<u8>,
    /// An ordered one that was begun and has not come to an end, and how often.
    #[serde(default)]
    pub begun: Option<(R, u8)>,
    /// Where the one in use cannot be: the image's own is meanwhile.
    #[serde(default)]
    pub passed_over: Option<PassedOver<R>>,
    /// Those whose folders nobody needs, whole or not.
    pub loose: BTreeSet<R>,
    /// What nobody has been told yet.
    pub untold: Vec<Told<R>>,
}

/// One that had proved itself and is of no use to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver<R> {
    /// Which.
    pub revision: R,
    /// The version of the agent that cannot use it; another one tries again.
    pub software: Version,
}

/// What people are told, in the audit log and at the center.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told<R> {
    /// It passed its self-test, is in use, and is watched.
    OnTrial(Swap<R>),
    /// It is in use and has proved itself, or a person answers for it.
    Taken(Swap<R>),
    /// The former one is in use again, and why.
    GoneBack(Swap<R>, String),
    /// It is left alone by an image that it is not for, and why.
    PutAside(Swap<R>, String),
}

/// From one to another; none is the image's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap<R> {
    /// The former one.
    pub from: Option<R>,
    /// The new one.
    pub to: R,
}

impl<R> Told<R> {
    /// Which swap it is about.
    pub const fn swap(&self) -> &Swap<R> {
        match self {
            Self::OnTrial(swap) | Self::Taken(swap) | Self::GoneBack(swap, _) | Self::PutAside(swap, _) => swap,
        }
    }
}

impl<R: Ord> Default for Standing<R> {
    fn default() -> Self {
        Self {
            floor: None,
            current: None,
            former: None,
            trial: None,
            boots: BTreeSet::new(),
            awaits_line: None,
            begun: None,
            passed_over: None,
            loose: BTreeSet::new(),
            untold: Vec::new(),
        }
    }
}

impl<R: Ord + Clone> Standing<R> {
    /// What is left to say where this file is damaged or lost: those whose manifests are there are never gone below,
    /// and none of them is in use.
    pub(super) fn lost(folders: BTreeSet<R>, highest: Option<R>) -> Self {
        let told = highest.clone().map(|to| {
            let why = "what was known of them was damaged or lost".to_owned();
            Told::GoneBack(Swap { from: None, to }, why)
        });
        Self { floor: highest, loose: folders, untold: told.into_iter().collect(), ..Self::default() }
    }

    /// The one that is used; none is the image's own.
    pub fn used(&self) -> Option<&R> {
        let passed_over = self.passed_over.as_ref().map(|over| &over.revision);
        self.current.as_ref().filter(|current| Some(*current) != passed_over)
    }

    /// The one in use is of no use to this agent.
    pub(super) fn pass_over(&mut self, revision: &R, software: &Version, why: String) {
        self.leave_alone(revision, software, |swap| Told::GoneBack(swap, why));
    }

    /// The one in use is not for this image, which is no fault of it.
    pub(super) fn put_aside(&mut self, revision: &R, software: &Version, why: String) {
        self.leave_alone(revision, software, |swap| Told::PutAside(swap, why));
    }

    fn leave_alone(&mut self, revision: &R, software: &Version, told: impl FnOnce(Swap<R>) -> Told<R>) {
        if self.current.as_ref() == Some(revision) && self.trial.is_none() {
            self.passed_over = Some(PassedOver { revision: revision.clone(), software: software.clone() });
            self.untold.push(told(Swap { from: None, to: revision.clone() }));
        }
    }

    /// One that was passed over is of use to this agent.
    pub(super) fn take_up(&mut self, revision: &R) {
        if self.passed_over.take_if(|over| over.revision == *revision).is_some() {
            self.untold.push(Told::Taken(Swap { from: None, to: revision.clone() }));
        }
    }

    /// An ordered one is begun once more; false, and forgotten, where it has had its attempts.
    pub(super) fn begin(&mut self, revision: &R) -> bool {
        let tries = self.begun.take().filter(|(begun, _)| begun == revision).map_or(0, |(_, tries)| tries);
        self.begun = (tries < MOST_TRIES).then(|| (revision.clone(), tries.saturating_add(1)));
        self.begun.is_some()
    }

    /// One was unpacked and tested, and is in use from now on; with a trial where somebody watches it.
    pub(super) fn take(&mut self, revision: R, trial: Option<Before>) {
        let swap = Swap { from: self.used().cloned(), to: revision.clone() };
        // What cannot be used is no way back.
        self.loose =
            self.passed_over.take().map(|over| over.revision).filter(|over| *over != revision).into_iter().collect();
        self.begun = None;
        self.former.clone_from(&swap.from);
        self.current = Some(revision);
        self.trial = trial;
        self.boots.clear();
        self.awaits_line = None;
        if self.trial.is_some() {
            self.untold.push(Told::OnTrial(swap));
        } else {
            self.prove(swap);
        }
    }

    /// The one on trial is watched in this boot; whether that was not known yet.
    pub(super) fn meet(&mut self, boot: &str) -> bool {
        self.trial.is_some() && self.boots.insert(boot.to_owned())
    }

    /// Why the one on trial has had its time, whatever the watch of this boot says.
    pub(super) fn has_had_its_boots(&self) -> Option<String> {
        let most = if self.awaits_line.is_some() { MOST_BOOTS_WITHOUT_LINE } else { MOST_BOOTS };
        let spent = self.boots.len() > most;
        spent.then(|| format!("the unit was booted anew {most} times before it had proved itself"))
    }

    /// The one in use has proved itself.
    pub(super) fn hold(&mut self) {
        self.boots.clear();
        self.awaits_line = None;
        if let (Some(_), Some(to)) = (self.trial.take(), self.current.clone()) {
            self.prove(Swap { from: self.former.clone(), to });
        }
    }

    /// The one in use has proved itself, but for the line to the center, where that is a matter of its kind.
    pub(super) fn hold_without_line(&mut self, needs_line: bool) {
        if needs_line {
            self.awaits_line = Some(0);
        } else {
            self.hold();
        }
    }

    /// One that waits for the line has done so for another hour; whether that makes a day.
    pub(super) fn waited_an_hour(&mut self) -> bool {
        self.awaits_line = self.awaits_line.map(|hours| hours.saturating_add(1));
        self.awaits_line.is_some_and(|hours| Duration::from_hours(hours.into()) >= LINE_PATIENCE)
    }

    /// The one in use has not proved itself: the former one is in use again.
    pub(super) fn go_back(&mut self, why: String) {
        self.boots.clear();
        self.awaits_line = None;
        if let (Some(_), Some(to)) = (self.trial.take(), self.current.clone()) {
            let from = self.former.take();
            self.current.clone_from(&from);
            self.loose.insert(to.clone());
            self.untold.push(Told::GoneBack(Swap { from, to }, why));
        }
    }

    fn prove(&mut self, swap: Swap<R>) {
        self.floor = self.floor.take().max(Some(swap.to.clone()));
        self.untold.push(Told::Taken(swap));
    }
}
