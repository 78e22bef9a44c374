//! An artefact that the center ordered, once its file is here: put to use in the order's hours, watched, and kept or
//! given up. The state of it is that of its kind; this process may end and begin again at any step.

use std::time::Duration;

use anyhow::anyhow;
use edge_store::disk::{Disk as _, RealDisk};

use super::artefacts::{Ours, put_to_use};
use super::carry_out::clip_is_sent;
use super::lock::Lock;
use super::news::News;
use super::outside::{Unit, hash_of};
use super::sight::Sight;
use super::{Here, LOOK};
use crate::app::run::witness;
use crate::config::Config;
use crate::update::artefact::{Artefacts, Standing, Told};
use crate::update::{Before, Order, Orders, Refusal, Watch};

/// The watch over one, in this life of the process.
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
    pub(super) fn step<A: Ours>(
        &mut self,
        here: &Here,
        unit: &mut Unit,
        (order, revision): (&Order, &A::Revision),
        waited: Duration,
    ) -> anyhow::Result<Duration> {
        let Some(_lock) = Lock::artefact(&here.folder(), A::FOLDER)? else { return Ok(LOOK) };
        if Orders::new(&RealDisk, &here.folder()).read()?.as_ref() != Some(order) {
            // It was called back before this had the lock.
            return Ok(Duration::ZERO);
        }
        let artefacts = Artefacts::<A>::new(&RealDisk, &here.data_dir);
        let standing = artefacts.standing()?;
        if !standing.untold.is_empty() {
            tell(&artefacts, unit, &standing, (order, revision)).map_err(|words| anyhow!(words))?;
            return Ok(Duration::ZERO);
        }
        let (mono, wall) = (here.clock.mono(), here.clock.wall());
        if standing.trial.is_some() && standing.current.as_ref() == Some(revision) {
            let evidence = self.sight.look(mono);
            let ended =
                artefacts.look(&mut self.watch, evidence.as_ref(), here.patience, (mono, &here.clock.boot().boot))?;
            return Ok(if ended { Duration::ZERO } else { LOOK });
        }
        // With an image on its way nobody could say which of the two a fault is of.
        if !here.peek()?.phase.is_open()
            || !order.may_boot(wall, waited, A::ENDS_THE_AGENT && clip_is_sent(&here.data_dir))
        {
            return Ok(LOOK);
        }
        self.watch = Watch::default();
        self.begin::<A>(here, unit, (order, revision))?;
        Ok(Duration::ZERO)
    }

    /// Puts it to use; where it is refused, or was in use already, the order ends.
    fn begin<A: Ours>(
        &self,
        here: &Here,
        unit: &mut Unit,
        (order, revision): (&Order, &A::Revision),
    ) -> anyhow::Result<()> {
        let file = here.downloaded();
        let found = match hash_of(&file) {
            Ok(found) => found,
            Err(error) => {
                let unreadable = Refusal::Unreadable { path: file, why: error.to_string() };
                return end(unit, order, &News::not_taken::<A>(revision, &unreadable));
            }
        };
        if found != order.hash {
            let other = Refusal::OtherHash { found, wanted: order.hash };
            return end(unit, order, &News::not_taken::<A>(revision, &other));
        }
        let seen = witness::runtime_folder().and_then(|folder| witness::read(&folder));
        let before = seen.as_ref().map(Before::from).unwrap_or_default();
        match put_to_use::<A>(here, &self.config, &file, Some(revision.clone()), Some(before)) {
            Ok(Ok(true)) => {
                // What stays is written over by the next download.
                drop(RealDisk.remove(&file));
                Ok(())
            }
            Ok(Ok(false)) => end(unit, order, &News::already::<A>(revision)),
            Ok(Err(fault)) => end(unit, order, &News::not_fit::<A>(&fault)),
            // Begun again and again it would be hashed each time, and nobody would hear why nothing comes of it.
            Err(error) => {
                let (path, why) = (A::voucher(&self.config), error.root_cause().to_string());
                end(unit, order, &News::not_taken::<A>(revision, &Refusal::Unreadable { path, why }))
            }
        }
    }
}

fn end(unit: &mut Unit, order: &Order, news: &News) -> anyhow::Result<()> {
    unit.end(order, news).map_err(|words| anyhow!(words))
}

/// Tells what nobody has been told, one after the other; the end of what this order is of ends the order.
fn tell<A: Ours>(
    artefacts: &Artefacts<'_, A>,
    unit: &mut Unit,
    standing: &Standing<A::Revision>,
    (order, revision): (&Order, &A::Revision),
) -> Result<(), String> {
    for told in &standing.untold {
        let (news, is_mine) = (News::of_artefact::<A>(told), told.swap().to == *revision);
        match told {
            Told::Taken(_) | Told::GoneBack(..) if is_mine => unit.end(order, &news)?,
            Told::OnTrial(_) if is_mine => unit.write_down(&news, Some(order))?,
            Told::OnTrial(_) | Told::Taken(_) | Told::GoneBack(..) | Told::PutAside(..) => {
                unit.write_down(&news, None)?;
            }
        }
        artefacts.told(1).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use edge_protocol::command::{Artefact, UpdateScope};
    use edge_protocol::hash::Hash256;
    use edge_protocol::id::{CommandId, RequestId};
    use edge_protocol::model_set::ModelSet;

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
            config_file: std::path::PathBuf::new(),
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
        Trial::new(config).step::<ModelSet>(&here, &mut unit, (&order, &7), Duration::ZERO).unwrap();
        assert_eq!(Orders::new(&RealDisk, &folder).read().unwrap(), None);
        let told = std::fs::read_dir(folder.join("tell")).unwrap().map(|file| file.unwrap().path());
        assert!(told.into_iter().any(|file| file.extension().is_some_and(|lane| lane == "answer")));
    }
}
