//! The models that each start of a worker gets: the set in use, or the image's own where that set cannot be used.
//!
//! A set on trial is watched by whoever put it to use, and nothing stands in for it: what it cannot do must be seen.
//! One that had proved itself may rot, or need a newer agent than the one that the bootloader fell back to. Then the
//! unit looks with the image's own models, which is told as every change of models is; another version of the agent
//! tries the set again.

use edge_store::disk::RealDisk;

use super::{begin, in_folder};
use crate::app::update::artefacts::Home;
use crate::config::Config;
use crate::supervise::Clock;
use crate::update::artefact::InUse;
use crate::update::models::ModelSets;
use crate::update::{KeepFault, Version, own_version};
use crate::vision::Numbers;
use crate::vision::client::{Former, Prepare, Start};

/// So many workers in a row end with a proved set before they are ready; from then on it is the set.
const MOST_UNREADY: u8 = 6;

/// Chooses for one start after the other.
pub(in crate::app) struct Chooser {
    config: Config,
    clock: Clock,
    numbers: Numbers,
    /// Hears which set a worker is about to be started with.
    begun: Box<dyn Fn(Option<u64>) + Send>,
    /// The set that was tried last, and how many workers in a row were not ready with it.
    tried: (Option<u64>, u8),
}

impl Chooser {
    pub(in crate::app) fn new(
        config: &Config,
        clock: Clock,
        numbers: Numbers,
        begun: impl Fn(Option<u64>) + Send + 'static,
    ) -> Self {
        Self { config: config.clone(), clock, numbers, begun: Box::new(begun), tried: (None, 0) }
    }

    /// With whatever models are in use at the start of a worker; one that was started with others ends once another set
    /// is in use.
    pub(in crate::app) fn prepare(mut self) -> Prepare {
        Box::new(move |former| {
            let start = self.start(former)?;
            let data_dir = self.config.data_dir.clone();
            let in_use = move || ModelSets::new(&RealDisk, &data_dir).in_use().map(|set| set.revision);
            let now = in_use();
            Ok(Start { is_outdated: Box::new(move || in_use() != now), ..start })
        })
    }

    fn start(&mut self, former: Former) -> Result<Start, String> {
        let data_dir = self.config.data_dir.clone();
        let sets = ModelSets::new(&RealDisk, &data_dir);
        let Ok(standing) = sets.standing() else { return self.begin(None) };
        let software = own_version();
        let Some(set) = sets.to_try(&standing, &software) else {
            if !standing.untold.is_empty() {
                self.note(|_| Ok(()))?;
            }
            return self.begin(None);
        };
        if standing.trial.is_some() {
            return self.begin(Some(&set));
        }
        match self.attempt(&sets, &set, &software, former) {
            Ok(start) if standing.used().is_none() => self.note(|sets| sets.take_up(&set.revision)).map(|()| start),
            Ok(start) => Ok(start),
            Err(why) => {
                // What keeps the image's own models from running as well is no fault of the set.
                let start = self.begin(None).map_err(|_| why.clone())?;
                self.note(|sets| sets.pass_over(&set.revision, &software, why)).map(|()| start)
            }
        }
    }

    fn attempt(
        &mut self,
        sets: &ModelSets<'_>,
        set: &InUse<u64>,
        software: &Version,
        former: Former,
    ) -> Result<Start, String> {
        let is_again = self.tried.0 == Some(set.revision) && former == Former::WasNot;
        self.tried = (Some(set.revision), if is_again { self.tried.1.saturating_add(1) } else { 0 });
        if self.tried.1 >= MOST_UNREADY {
            return Err(format!("{MOST_UNREADY} vision workers in a row ended with it before they were ready"));
        }
        sets.fits(set, software).map_err(|fault| fault.to_string())?;
        self.begin(Some(set))
    }

    /// Reads the models of a set, or the image's own.
    fn begin(&mut self, set: Option<&InUse<u64>>) -> Result<Start, String> {
        (self.begun)(set.map(|set| set.revision));
        let folders = in_folder(&self.config, set.map_or(&self.config.models.dir, |set| &set.folder));
        begin(self.config.models.library.as_deref(), &folders, &mut self.numbers)
    }

    /// Has something of the sets written down and told. Where the disk takes nothing the unit looks all the same; while
    /// another process changes the sets it waits for that to end.
    fn note(&self, change: impl FnOnce(&ModelSets<'_>) -> Result<(), KeepFault>) -> Result<(), String> {
        let home =
            Home { data_dir: &self.config.data_dir, config: Some(&self.config), clock: &self.clock, waits: false };
        match home.change(change) {
            Ok(true) => Ok(()),
            Ok(false) => Err("another set of models is being put to use".to_owned()),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "which models are in use is told to nobody");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
