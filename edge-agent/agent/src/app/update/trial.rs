//! A set of models that the center ordered, once its file is here: put to use in the order's hours, watched, and kept
//! or given up. The state of it is that of the sets; this process may end and begin again at any step.

use std::time::Duration;

use anyhow::anyhow;
use edge_store::disk::{Disk as _, RealDisk};

use super::lock::Lock;
use super::models::put_to_use;
use super::news::News;
use super::outside::{Unit, hash_of};
use super::sight::Sight;
use super::{Here, LOOK};
use crate::app::run::witness;
use crate::config::Config;
use crate::update::models::{ModelSets, ModelsTold, Standing};
use crate::update::{Before, Order, Orders, Refusal, Watch};

/// The watch over a set, in this life of the process.
#[derive(Debug)]
pub(super) struct Trial {
    config: Config,
    watch: Watch,
    sight: Sight,
}

impl Trial {
    pub(super) fn new(config: Config) -> Self {
        Self { config, watch: Watch::default(), sight: Sight::new(witness::runtime_folder()) }
    }

    /// One step towards the end of an order of this revision; how long to wait before the next.
    pub(super) fn step(
        &mut self,
        here: &Here,
        unit: &mut Unit,
        (order, revision): (&Order, u64),
        waited: Duration,
    ) -> anyhow::Result<Duration> {
        let Some(_lock) = Lock::models(&here.folder())? else { return Ok(LOOK) };
        if Orders::new(&RealDisk, &here.folder()).read()?.as_ref() != Some(order) {
            // It was called back before this had the lock.
            return Ok(Duration::ZERO);
        }
        let sets = ModelSets::new(&RealDisk, &here.data_dir);
        let standing = sets.standing()?;
        if !standing.untold.is_empty() {
            tell(&sets, unit, &standing, (order, revision)).map_err(|words| anyhow!(words))?;
            return Ok(Duration::ZERO);
        }
        let (mono, wall) = (here.clock.mono(), here.clock.wall());
        if standing.trial.is_some() && standing.current == Some(revision) {
            let evidence = self.sight.look(mono);
            let ended =
                sets.look(&mut self.watch, evidence.as_ref(), here.patience, (mono, &here.clock.boot().boot))?;
            return Ok(if ended { Duration::ZERO } else { LOOK });
        }
        // With an image on its way nobody could say which of the two a fault is of.
        if !here.peek()?.phase.is_open() || !order.may_boot(wall, waited, false) {
            return Ok(LOOK);
        }
        self.watch = Watch::default();
        self.begin(here, unit, (order, revision))?;
        Ok(Duration::ZERO)
    }

    /// Puts the set to use; where it is refused, or was in use already, the order ends.
    fn begin(&self, here: &Here, unit: &mut Unit, (order, revision): (&Order, u64)) -> anyhow::Result<()> {
        let file = here.downloaded();
        let found = match hash_of(&file) {
            Ok(found) => found,
            Err(error) => {
                let unreadable = Refusal::Unreadable { path: file, why: error.to_string() };
                return end(unit, order, &News::models_not_taken(revision, &unreadable));
            }
        };
        if found != order.hash {
            let other = Refusal::OtherHash { found, wanted: order.hash };
            return end(unit, order, &News::models_not_taken(revision, &other));
        }
        let seen = witness::runtime_folder().and_then(|folder| witness::read(&folder));
        let before = seen.as_ref().map(Before::from).unwrap_or_default();
        match put_to_use(here, &self.config, &file, Some(revision), Some(before)) {
            Ok(Ok(true)) => {
                // What stays is written over by the next download.
                drop(RealDisk.remove(&file));
                Ok(())
            }
            Ok(Ok(false)) => end(unit, order, &News::already(revision)),
            Ok(Err(fault)) => end(unit, order, &News::models_refused(&fault)),
            // Begun again and again it would be hashed each time, and nobody would hear why nothing comes of it.
            Err(error) => {
                let (path, why) = (self.config.control.agency_root.clone(), error.root_cause().to_string());
                end(unit, order, &News::models_not_taken(revision, &Refusal::Unreadable { path, why }))
            }
        }
    }
}

fn end(unit: &mut Unit, order: &Order, news: &News) -> anyhow::Result<()> {
    unit.end(order, news).map_err(|words| anyhow!(words))
}

/// Tells what nobody has been told, one after the other; the end of this order's own set ends the order.
fn tell(
    sets: &ModelSets<'_>,
    unit: &mut Unit,
    standing: &Standing,
    (order, revision): (&Order, u64),
) -> Result<(), String> {
    for told in &standing.untold {
        let (news, is_mine) = (News::of_models(told), told.swap().to == revision);
        match told {
            ModelsTold::Taken(_) | ModelsTold::GoneBack(..) if is_mine => unit.end(order, &news)?,
            ModelsTold::OnTrial(_) if is_mine => unit.write_down(&news, Some(order))?,
            ModelsTold::OnTrial(_) | ModelsTold::Taken(_) | ModelsTold::GoneBack(..) => unit.write_down(&news, None)?,
        }
        sets.told(1).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use edge_protocol::command::{Artefact, UpdateScope};
    use edge_protocol::hash::Hash256;
    use edge_protocol::id::{CommandId, RequestId};

    use super::*;
    use crate::app::update::outside::certified;
    use crate::supervise::Clock;

    #[test]
    fn an_order_whose_set_cannot_be_judged_ends_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (mut config, _) = certified(folder.path());
        config.control.agency_root = folder.path().join("nowhere.pem");
        let here = Here {
            data_dir: folder.path().to_owned(),
            config: Some(config.clone()),
            rauc_conf: None,
            clock: Clock::system(),
            patience: crate::update::Patience::default(),
        };
        std::fs::create_dir(here.folder()).unwrap();
        edge_store::disk::replace(&RealDisk, &here.downloaded(), b"set").unwrap();
        let scope = UpdateScope {
            url: "https://center/s".to_owned(),
            hash: Hash256::of(b"set"),
            bytes: 3,
            version: "7".parse().unwrap(),
            quiet: None,
            artefact: Some(Artefact::Models),
        };
        let ids = (RequestId::from_bytes([1; 16]), CommandId::from_bytes([2; 16]));
        let order = Order { handed: true, ..Order::new(ids.0, ids.1, &scope, here.clock.wall()).unwrap() };
        let folder = here.folder();
        Orders::new(&RealDisk, &folder).write(&order).unwrap();
        let mut unit = Unit::new(here.data_dir.clone(), here.config.clone(), here.clock.clone());
        Trial::new(config).step(&here, &mut unit, (&order, 7), Duration::ZERO).unwrap();
        assert_eq!(Orders::new(&RealDisk, &folder).read().unwrap(), None);
        let told = std::fs::read_dir(folder.join("tell")).unwrap().map(|file| file.unwrap().path());
        assert!(told.into_iter().any(|file| file.extension().is_some_and(|lane| lane == "answer")));
    }
}
