//! Carries out what [`apply`] decides: first the state on the disk, then its effects, one after the other.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use edge_protocol::time::{MonoTime, WallStamp};
use edge_store::disk::Disk;

use super::decide::{Bundled, Effect, Event, apply};
use super::keep::{self, Found, KeepFault, Kind};
use super::state::{Phase, State};
use super::{Bundle, Patience, Refusal, Slots, SlotsFault, Told, Wanted};

/// The file of the state in the update's folder.
const STATE: &str = "state";
const KIND: Kind = Kind { first_line: "edge-update 1" };
/// What was downloaded, in the update's folder.
pub const FETCHED: &str = "bundle.raucb";

/// Whether an image has still to prove itself, as far as the disk says.
pub fn image_is_on_trial(disk: &dyn Disk, folder: &Path) -> bool {
    let state: Option<State> = KIND.peek(disk, &folder.join(STATE));
    state.is_some_and(|state| match state.phase {
        Phase::Rebooting { .. } | Phase::Confirming { .. } | Phase::AwaitingLine { .. } | Phase::RollingBack { .. } => {
            true
        }
        Phase::Idle
        | Phase::Checking { .. }
        | Phase::Verified { .. }
        | Phase::Installed { .. }
        | Phase::Good { .. }
        | Phase::RolledBack { .. } => false,
    })
}

/// What an update needs of the rest of the unit. A trait so that tests can cut the power in the middle of it.
pub trait Outside: Debug + Send {
    /// Checks that the bundle's file is there and, where a hash is wanted, that it is the one.
    ///
    /// # Errors
    /// Why it is not.
    fn check(&mut self, wanted: &Wanted) -> Result<(), Refusal>;

    /// Writes something down where people read it. False where that has to be tried again.
    fn tell(&mut self, told: &Told) -> bool;

    /// Has the unit boot.
    fn reboot(&mut self);

    /// Which boot this is.
    fn boot(&self) -> String;
}

/// Why an update does not go on.
#[derive(Debug, thiserror::Error)]
pub enum UpdateFault {
    /// Its state cannot be kept.
    #[error(transparent)]
    Keep(#[from] KeepFault),
    /// RAUC does not do it.
    #[error(transparent)]
    Slots(#[from] SlotsFault),
}

/// The one owner of the update's state.
#[derive(Debug)]
pub struct Updater {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    state: State,
    kept: Vec<u8>,
    slots: Box<dyn Slots>,
    outside: Box<dyn Outside>,
}

impl Updater {
    /// Takes up what the disk says is under way. Call [`Updater::start`] next.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        slots: Box<dyn Slots>,
        outside: Box<dyn Outside>,
    ) -> Result<Self, KeepFault> {
        let (mut state, mut kept) = (State::default(), Vec::new());
        match KIND.read(disk.as_ref(), &folder.join(STATE))? {
            Found::Nothing => {}
            Found::Kept(found) => {
                state = found;
                kept = KIND.bytes(&state);
            }
            Found::SetAside(path) => {
                let words = format!("the state of the update was damaged and is set aside as {}", path.display());
                tracing::error!("{words}");
                state.untold.push(Told::Refused(words));
            }
        }
        Ok(Self { disk, folder, state, kept, slots, outside })
    }

    /// The same, with another patience than the usual one.
    #[must_use]
    pub const fn patient(mut self, patience: Patience) -> Self {
        self.state.patience = patience;
        self
    }

    /// The state.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Begins a run: asks RAUC what booted and goes on with what was under way.
    ///
    /// # Errors
    /// See [`UpdateFault`].
    pub fn start(&mut self, mono: MonoTime, wall: WallStamp) -> Result<Option<Refusal>, UpdateFault> {
        let standing = self.slots.status()?;
        if self.state.floor.is_none() {
            // A state that is new, or was damaged: what runs is the least that can be asked for.
            self.state.floor.clone_from(&standing.slot(standing.booted).version);
        }
        let boot = self.outside.boot();
        self.handle(Event::Started(standing, boot), mono, wall)
    }

    /// Has the unit boot where that may lead to the other slot and no update is under way: a slot that is not marked
    /// good uses its attempts up. Whether it boots.
    ///
    /// # Errors
    /// See [`UpdateFault`].
    pub fn boot_again(&mut self) -> Result<bool, UpdateFault> {
        let boots = self.state.phase.is_open() && self.slots.status()?.has_way_back();
        if boots {
            self.outside.reboot();
        }
        Ok(boots)
    }

    /// Looks at the agent while a slot is watched.
    ///
    /// # Errors
    /// See [`UpdateFault`].
    pub fn look(
        &mut self,
        evidence: Option<super::Evidence>,
        mono: MonoTime,
        wall: WallStamp,
    ) -> Result<Option<Refusal>, UpdateFault> {
        let standing = self.slots.status()?;
        let way_back = standing.slot(standing.booted.other()).state;
        self.handle(Event::Looked(evidence, way_back), mono, wall)
    }

    /// Takes an event and everything that follows from it; a refusal, if that is what came of it.
    ///
    /// # Errors
    /// See [`UpdateFault`]; the state on the disk says how far it came.
    pub fn handle(&mut self, event: Event, mono: MonoTime, wall: WallStamp) -> Result<Option<Refusal>, UpdateFault> {
        let mut refused = None;
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let step = apply(self.state.clone(), event, mono, wall);
            self.keep(step.state)?;
            for effect in step.effects {
                if let Effect::Refuse(refusal) = &effect {
                    refused = Some(refusal.clone());
                }
                events.extend(self.perform(effect)?);
            }
        }
        Ok(refused)
    }

    fn keep(&mut self, state: State) -> Result<(), KeepFault> {
        let bytes = KIND.bytes(&state);
        // Most looks change nothing that is kept, and the disk wears.
        if bytes != self.kept {
            keep::write(self.disk.as_ref(), &self.folder.join(STATE), &bytes)?;
            self.kept = bytes;
        }
        self.state = state;
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> Result<Option<Event>, UpdateFault> {
        Ok(match effect {
            Effect::Check(wanted) => Some(Event::Checked(self.check(&wanted))),
            Effect::Install(bundle) => Some(Event::Written(self.install(&bundle))),
            Effect::Discard => {
                // What is not there needs no removing, and what stays is written over by the next download.
                drop(self.disk.remove(&self.folder.join(FETCHED)));
                None
            }
            Effect::Reboot => {
                self.outside.reboot();
                None
            }
            Effect::Mark(state) => {
                self.slots.mark_booted(state)?;
                None
            }
            Effect::Tell(untold) => {
                let told = untold.iter().take_while(|told| self.outside.tell(told)).count();
                (told > 0).then_some(Event::Told(told))
            }
            Effect::Refuse(_) => None,
        })
    }

    fn check(&mut self, wanted: &Wanted) -> Result<Bundled, Refusal> {
        self.outside.check(wanted)?;
        let file = wanted.file.clone();
        let info = self.slots.inspect(&file)?;
        let standing = self.slots.status().map_err(|fault| Refusal::NotInstalled(fault.to_string()))?;
        Ok(Bundled { info, file, standing, boot: self.outside.boot() })
    }

    fn install(&mut self, bundle: &Bundle) -> Result<(), String> {
        self.slots.install(&bundle.file).map_err(|fault| fault.to_string())
    }
}

/// Leaves this behind as how far an update is.
#[cfg(test)]
pub(crate) fn write_phase(disk: &dyn Disk, folder: &Path, phase: Phase) {
    disk.make_folder(folder).unwrap();
    keep::write(disk, &folder.join(STATE), &KIND.bytes(&State { phase, ..State::default() })).unwrap();
}
