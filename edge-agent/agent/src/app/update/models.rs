//! Sets of models, on this unit: whose policy administrators may sign them, and what tests them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use edge_analytics::infer::ModelRole;
use edge_protocol::model_set::ModelSet;
use edge_protocol::sign::Root;
use edge_store::disk::RealDisk;

use super::Here;
use super::artefacts::Ours;
use super::news::Words;
use crate::app::vision::{Runner, model_bytes};
use crate::config::Config;
use crate::inference::library::{Surroundings, find};
use crate::update::models::Agency;
use crate::update::release::{Place, Releases};
use crate::update::{Order, Ordered, Version, own_version};
use crate::vision::engine::Engine;

impl Ours for ModelSet {
    const WORDS: Words = Words {
        noun: "models",
        own: "the image's models",
        one: "a set of models",
        is: "are",
        was: "were",
        is_being: "set of models is being",
        stays: "the models in use stay",
    };

    const ENDS_THE_AGENT: bool = false;

    fn ordered(order: &Order) -> Option<u64> {
        if let Ordered::Models { revision } = order.what { Some(revision) } else { None }
    }

    fn voucher(config: &Config) -> PathBuf {
        config.control.agency_root.clone()
    }

    fn trust(config: &Config) -> anyhow::Result<Agency> {
        let root = Self::voucher(config);
        let pem = std::fs::read(&root).with_context(|| format!("cannot read {}", root.display()))?;
        let root = Root::from_pem(&pem).with_context(|| root.display().to_string())?;
        Ok(Agency { id: config.agency.clone(), root })
    }

    /// That of the agent that runs, which may be a release.
    fn suited(data_dir: &Path) -> Version {
        let own = own_version();
        match Releases::new(&RealDisk, data_dir).place(&own) {
            Ok(Place::Give(release)) => release.revision,
            Ok(Place::Keep | Place::NotFor(..) | Place::Damaged(..)) | Err(_) => own,
        }
    }

    /// Runs every model of the set on its golden input, with the providers that the agent would use.
    fn self_test(_: &Here, config: &Config, folder: &Path) -> Result<(), String> {
        let models = &config.models;
        let library =
            find(models.library.as_deref(), &Surroundings::of_this_process()).map_err(|error| error.to_string())?;
        let mut runner = Runner::load(&library).map_err(|error| error.to_string())?;
        let wanted = [
            (&models.objects, ModelRole::Objects),
            (&models.plates, ModelRole::Plates),
            (&models.plate_text, ModelRole::PlateText),
        ];
        for (name, role) in wanted {
            let model = model_bytes(&folder.join(name), None)?;
            let (found, _) = runner.open(&model, &models.providers)?;
            if found != role {
                return Err(format!("{name} is a model for {}, not for {}", found.as_str(), role.as_str()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use edge_protocol::command::{Artefact, UpdateScope};
    use edge_protocol::hash::Hash256;
    use edge_protocol::id::{CommandId, RequestId};
    use edge_protocol::time::WallStamp;

    use super::*;
    use crate::app::update::artefacts::settle;
    use crate::app::update::outside::{certified, left};
    use crate::supervise::Clock;
    use crate::update::models::world::{World, passes};
    use crate::update::{Before, Orders};

    #[test]
    fn a_set_on_trial_whose_order_is_lost_is_given_up_and_told_and_one_that_is_watched_is_not() {
        let world = World::new();
        let sets = world.sets();
        let (config, _) = certified(world.data.path());
        let here = Here {
            data_dir: world.data.path().to_owned(),
            config: Some(config),
            config_file: PathBuf::new(),
            rauc_conf: None,
            clock: Clock::system(),
            patience: crate::update::Patience::default(),
        };
        assert!(!settle::<ModelSet>(&here).unwrap(), "there is none");
        let before = Some(Before::default());
        world.install_on(&sets, &world.set(7, "seven", |_| {}), before, &mut passes).unwrap();
        sets.told(1).unwrap();
        let scope = UpdateScope {
            url: "https://center/s".to_owned(),
            hash: Hash256::of(b"set"),
            bytes: 3,
            version: "7".parse().unwrap(),
            quiet: None,
            artefact: Some(Artefact::Models),
        };
        let ids = (RequestId::from_bytes([1; 16]), CommandId::from_bytes([2; 16]));
        let order = Order::new(ids.0, ids.1, &scope, WallStamp::default()).unwrap();
        std::fs::create_dir_all(here.folder()).unwrap();
        Orders::new(&RealDisk, &here.folder()).write(&order).unwrap();
        assert!(settle::<ModelSet>(&here).unwrap(), "its order is there");
        Orders::new(&RealDisk, &here.folder()).remove().unwrap();
        assert!(!settle::<ModelSet>(&here).unwrap());
        let standing = sets.standing().unwrap();
        assert_eq!((standing.current, standing.trial, standing.untold.len()), (None, None, 0));
        assert_eq!(left(world.data.path()).len(), 2, "an alert and an entry");
    }
}
