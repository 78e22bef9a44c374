//! The update as a state machine: (state, event, now) to state and effects. No clock, no disk, no RAUC.
//!
//! ```text
//! idle ─► checking ─► verified ─► installed ─► rebooting ─► confirming ─┬─► good
//!   ▲          │             │       (other slot                    │      │    ▲
//!   └─refused──┴──not written┘         primary)            awaiting line ──┼────┘
//!                                                                   ▼      ▼
//!                                          rolled back ◄──────── rolling back
//! ```
//!
//! Every phase says what may have been done when the power fails in it: the state is on the disk before its effects
//! begin. `Started` then finds out from the booted slot how far it came.

use edge_protocol::time::{MonoTime, WallStamp};

use super::bundle::{Rules, judge, known_time};
use super::evidence::{Before, Evidence, LINE_PATIENCE, Verdict, Watch};
use super::slots::{BootState, BundleInfo, SlotName, Standing};
use super::state::{Change, Confirmed, Phase, State, Told};
use super::{Bundle, Refusal, Wanted};

/// How often a bundle is written again after the power failed in it.
const MOST_TRIES: u8 = 3;

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The process began; where RAUC stands, and which boot this is.
    Started(Standing, String),
    /// Somebody wants a bundle installed; what the running image can do.
    Asked(Wanted, Before),
    /// The bundle was read, or is refused.
    Checked(Result<Bundled, Refusal>),
    /// The slot was written and is primary, or is not.
    Written(Result<(), String>),
    /// The unit may boot now.
    RebootAllowed,
    /// A look at the agent, and whether the other slot could boot.
    Looked(Option<Evidence>, BootState),
    /// So many of the untold were told.
    Told(usize),
}

/// A bundle as RAUC read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundled {
    /// What it says of itself.
    pub info: BundleInfo,
    /// Where it lies.
    pub file: std::path::PathBuf,
    /// Where RAUC stands.
    pub standing: Standing,
    /// Which boot this is.
    pub boot: String,
}

/// What is to be done, after the state is on the disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read a bundle.
    Check(Wanted),
    /// Write it to the other slot.
    Install(Bundle),
    /// Remove what was downloaded.
    Discard,
    /// Boot.
    Reboot,
    /// Mark the booted slot.
    Mark(BootState),
    /// Tell these.
    Tell(Vec<Told>),
    /// Whoever asked is refused; the state is as it was.
    Refuse(Refusal),
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The state from now on.
    pub state: State,
    /// What to do, in this order.
    pub effects: Vec<Effect>,
}

/// Decides.
pub fn apply(mut state: State, event: Event, mono: MonoTime, wall: WallStamp) -> Step {
    state.latest = known_time(state.latest, wall);
    let phase = std::mem::take(&mut state.phase);
    let mut deciding = Deciding { state, effects: Vec::new(), mono, wall };
    deciding.state.phase = match event {
        Event::Started(standing, boot) => deciding.started(phase, &standing, &boot),
        Event::Asked(wanted, before) => deciding.asked(phase, wanted, before),
        Event::Checked(checked) => deciding.checked(phase, checked),
        Event::Written(written) => deciding.written(phase, written),
        Event::RebootAllowed => deciding.reboot_allowed(phase),
        Event::Looked(evidence, way_back) => deciding.looked(phase, evidence.as_ref(), way_back),
        Event::Told(count) => {
            deciding.state.untold.drain(..count.min(deciding.state.untold.len()));
            return Step { state: State { phase, ..deciding.state }, effects: Vec::new() };
        }
    };
    if !deciding.state.untold.is_empty() {
        // Told again at each event until somebody took it.
        deciding.effects.push(Effect::Tell(deciding.state.untold.clone()));
    }
    Step { state: deciding.state, effects: deciding.effects }
}

struct Deciding {
    state: State,
    effects: Vec<Effect>,
    mono: MonoTime,
    wall: WallStamp,
}

impl Deciding {
    fn started(&mut self, phase: Phase, standing: &Standing, boot: &str) -> Phase {
        self.state.marked = false;
        let booted = standing.booted;
        match phase {
            Phase::Idle | Phase::Good { .. } | Phase::RolledBack { .. } => self.started_at_rest(phase, standing, boot),
            Phase::Checking { wanted, before } => {
                self.effects.push(Effect::Check(wanted.clone()));
                Phase::Checking { wanted, before }
            }
            Phase::Verified { bundle, change, tries } if booted == change.from => {
                if tries >= MOST_TRIES {
                    let why = format!("the power failed {tries} times while it was written");
                    return self.refuse(&Refusal::NotInstalled(why));
                }
                self.install(&bundle);
                Phase::Verified { bundle, change: Change { boot: boot.to_owned(), ..change }, tries: tries + 1 }
            }
            // The slot was written and primary; only the word of it was lost.
            Phase::Verified { change, .. } => Phase::Confirming { change, watch: Watch::default() },
            Phase::Installed { change } if booted == change.from && boot == change.boot => Phase::Installed { change },
            Phase::Rebooting { change } if booted == change.from && boot == change.boot => {
                self.effects.push(Effect::Reboot);
                Phase::Rebooting { change }
            }
            Phase::Installed { change } | Phase::Rebooting { change } => {
                self.chosen(change, booted, "the bootloader did not start it, or gave it up")
            }
            Phase::Confirming { change, .. } | Phase::AwaitingLine { change, .. } => {
                self.chosen(change, booted, "the bootloader gave it up before it was confirmed")
            }
            Phase::RollingBack { change, why } if booted == change.from => self.rolled_back(change, why),
            Phase::RollingBack { change, why } => self.roll_back(change, why),
        }
    }

    /// After a boot with an update under way: the slot that the bootloader chose says how it went.
    fn chosen(&mut self, change: Change, booted: SlotName, why: &str) -> Phase {
        if booted == change.from {
            return self.rolled_back(change, why.to_owned());
        }
        Phase::Confirming { change, watch: Watch::default() }
    }

    /// No update of ours is under way. Another slot than the confirmed one is an update by other hands if it is newer,
    /// else the bootloader's way back.
    fn started_at_rest(&mut self, phase: Phase, standing: &Standing, boot: &str) -> Phase {
        let version = standing.slot(standing.booted).version.clone();
        let here = Confirmed { slot: standing.booted, version: version.clone() };
        let Some(confirmed) = self.state.confirmed.replace(here) else { return phase };
        if confirmed.slot == standing.booted {
            return phase;
        }
        let (before, boot) = (Before::default(), boot.to_owned());
        match (version, confirmed.version.clone()) {
            (Some(new), old) if old.as_ref().is_none_or(|old| new > *old) => {
                let change = Change { from: confirmed.slot, old, new, before, boot };
                self.state.confirmed = Some(confirmed);
                Phase::Confirming { change, watch: Watch::default() }
            }
            (old, Some(new)) => {
                let change = Change { from: standing.booted, old, new, before, boot };
                self.rolled_back(change, "the bootloader gave up the slot that was confirmed".to_owned())
            }
            (_, None) => phase,
        }
    }

    fn asked(&mut self, phase: Phase, wanted: Wanted, before: Before) -> Phase {
        if phase.is_open() {
            self.effects.push(Effect::Check(wanted.clone()));
            Phase::Checking { wanted, before }
        } else {
            self.effects.push(Effect::Refuse(Refusal::Busy(phase.as_str().to_owned())));
            phase
        }
    }

    fn checked(&mut self, phase: Phase, checked: Result<Bundled, Refusal>) -> Phase {
        let Phase::Checking { wanted, before } = phase else { return phase };
        let Bundled { info, file, standing, boot } = match checked {
            Ok(bundled) => bundled,
            Err(refusal) => return self.refuse(&refusal),
        };
        let (floor, latest, wanted) = (self.state.floor.as_ref(), self.state.latest, wanted.version.as_ref());
        match judge(&info, file, Rules { standing: &standing, wanted, floor, latest, now: self.wall }) {
            Ok(bundle) => {
                let (from, old) = (standing.booted, standing.slot(standing.booted).version.clone());
                let change = Change { from, old, new: bundle.version.clone(), before, boot };
                self.install(&bundle);
                Phase::Verified { bundle, change, tries: 1 }
            }
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// The booted slot is the way back, so it gets all its attempts first: power cuts may have used them up.
    fn install(&mut self, bundle: &Bundle) {
        self.effects.extend([Effect::Mark(BootState::Good), Effect::Install(bundle.clone())]);
    }

    fn written(&mut self, phase: Phase, written: Result<(), String>) -> Phase {
        let Phase::Verified { change, .. } = phase else { return phase };
        match written {
            Ok(()) => {
                self.effects.push(Effect::Discard);
                self.state.untold.push(Told::Installed(change.clone()));
                Phase::Installed { change }
            }
            Err(why) => self.refuse(&Refusal::NotInstalled(why)),
        }
    }

    fn reboot_allowed(&mut self, phase: Phase) -> Phase {
        let Phase::Installed { change } = phase else { return phase };
        self.effects.push(Effect::Reboot);
        Phase::Rebooting { change }
    }

    fn looked(&mut self, phase: Phase, evidence: Option<&Evidence>, way_back: BootState) -> Phase {
        match phase {
            Phase::Idle | Phase::Good { .. } | Phase::RolledBack { .. } => {
                // The slot has been confirmed in its time: three power cuts within five minutes must not undo it.
                if evidence.is_some_and(|seen| seen.ready) && !self.state.marked {
                    self.mark_good();
                }
                phase
            }
            Phase::Confirming { change, mut watch } => {
                match watch.look(evidence, &change.before, self.state.patience, self.mono) {
                    Verdict::Wait => Phase::Confirming { change, watch },
                    Verdict::Holds => self.good(change),
                    Verdict::HoldsWithoutLine => {
                        self.mark_good();
                        Phase::AwaitingLine { change, watch: Watch::default() }
                    }
                    Verdict::Fails(why) => match way_back {
                        BootState::Good => self.roll_back(change, why),
                        // With nothing to go back to, a slot that half works is better than none.
                        BootState::Bad => Phase::Confirming { change, watch: Watch::default() },
                    },
                }
            }
            Phase::AwaitingLine { change, mut watch } => {
                let verdict = watch.look(evidence, &change.before, self.state.patience, self.mono);
                let waited = watch.age(self.mono) >= LINE_PATIENCE;
                match (verdict, waited && way_back == BootState::Good) {
                    (Verdict::Holds, _) => self.good(change),
                    (Verdict::Wait | Verdict::HoldsWithoutLine | Verdict::Fails(_), true) => {
                        let why = "it did not reach the center for a day, which the former image did";
                        self.roll_back(change, why.to_owned())
                    }
                    (Verdict::Wait | Verdict::HoldsWithoutLine | Verdict::Fails(_), false) => {
                        Phase::AwaitingLine { change, watch }
                    }
                }
            }
            Phase::Checking { .. }
            | Phase::Verified { .. }
            | Phase::Installed { .. }
            | Phase::Rebooting { .. }
            | Phase::RollingBack { .. } => phase,
        }
    }

    fn mark_good(&mut self) {
        self.state.marked = true;
        self.effects.push(Effect::Mark(BootState::Good));
    }

    fn good(&mut self, change: Change) -> Phase {
        self.mark_good();
        self.state.floor = self.state.floor.take().max(Some(change.new.clone()));
        self.state.confirmed = Some(Confirmed { slot: change.from.other(), version: Some(change.new.clone()) });
        self.state.untold.push(Told::Good(change.clone()));
        Phase::Good { change }
    }

    fn roll_back(&mut self, change: Change, why: String) -> Phase {
        self.effects.extend([Effect::Mark(BootState::Bad), Effect::Reboot]);
        Phase::RollingBack { change, why }
    }

    fn rolled_back(&mut self, change: Change, why: String) -> Phase {
        self.state.confirmed = Some(Confirmed { slot: change.from, version: change.old.clone() });
        self.state.untold.push(Told::RolledBack(change.clone(), why.clone()));
        Phase::RolledBack { change, why }
    }

    fn refuse(&mut self, refusal: &Refusal) -> Phase {
        self.state.untold.push(Told::Refused(refusal.to_string()));
        self.effects.extend([Effect::Discard, Effect::Refuse(refusal.clone())]);
        Phase::Idle
    }
}

#[cfg(test)]
mod tests;
