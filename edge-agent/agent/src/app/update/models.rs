//! `edge-agent update models`, and what an ordered set shares with it: the set is judged, unpacked, tested with the
//! runtime and providers of this unit, and put to use.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, ensure};
use edge_analytics::infer::ModelRole;
use edge_protocol::sign::Root;
use edge_store::disk::RealDisk;

use super::Here;
use super::lock::Lock;
use super::news::News;
use super::outside::Unit;
use crate::app::vision::{Runner, model_bytes};
use crate::config::Config;
use crate::inference::library::{Surroundings, find};
use crate::supervise::Clock;
use crate::update::models::{ModelSets, ModelsFault, Terms, open};
use crate::update::{Before, KeepFault, Orders, Version};
use crate::vision::engine::Engine;

/// Puts a technician's set to use; the models in use stay where it is refused. Nobody watches it afterwards.
pub(super) fn install(here: &Here, config: &Config, file: &Path) -> anyhow::Result<()> {
    let folder = here.owned_folder()?;
    let _lock = Lock::models(&folder)?.context("another set of models is being put to use")?;
    let ordered = Orders::new(&RealDisk, &folder).read()?.filter(|order| order.handed);
    if let Some(order) = ordered {
        ensure!(order.models().is_none(), "the center's order of {} is under way", order.what);
    }
    let taken = put_to_use(here, config, file, None, None)?;
    let taken = taken.with_context(|| format!("{} is refused, the models in use stay", file.display()))?;
    let sets = ModelSets::new(&RealDisk, &here.data_dir);
    tell(&mut here.unit(), &sets)?;
    let revision = sets.in_use().map_or(0, |set| set.revision);
    let words = if taken { "is tested and in use" } else { "was in use already" };
    writeln!(std::io::stdout(), "revision {revision} {words}")?;
    Ok(())
}

/// Has something of the sets written down and told, from within the agent. False where another process owns the sets.
pub(in crate::app) fn change_sets(
    config: &Config,
    clock: &Clock,
    change: impl FnOnce(&ModelSets<'_>) -> Result<(), KeepFault>,
) -> anyhow::Result<bool> {
    let Some(_lock) = Lock::models(&config.data_dir.join("update"))? else { return Ok(false) };
    let sets = ModelSets::new(&RealDisk, &config.data_dir);
    change(&sets)?;
    tell(&mut Unit::new(config.data_dir.clone(), Some(config.clone()), clock.clone()), &sets)?;
    Ok(true)
}

/// Whether a set is on trial. One whose order is lost, so that nobody watches it, is given up.
pub(super) fn settle(here: &Here) -> anyhow::Result<bool> {
    let sets = ModelSets::new(&RealDisk, &here.data_dir);
    if sets.standing()?.trial.is_none() {
        return Ok(false);
    }
    let folder = here.owned_folder()?;
    let Some(_lock) = Lock::models(&folder)? else { return Ok(true) };
    let watched = Orders::new(&RealDisk, &folder).read()?.and_then(|order| order.models());
    if watched.is_some() && watched == sets.standing()?.current {
        return Ok(true);
    }
    sets.give_up("its order is lost, so nobody watched whether it works".to_owned())?;
    tell(&mut here.unit(), &sets)?;
    Ok(false)
}

/// Tells what nobody has been told of sets, to nobody in particular.
fn tell(unit: &mut Unit, sets: &ModelSets<'_>) -> anyhow::Result<()> {
    for told in sets.standing()?.untold {
        unit.write_down(&News::of_models(&told), None).map_err(|words| anyhow::anyhow!(words))?;
        sets.told(1)?;
    }
    Ok(())
}

/// Judges, unpacks and tests a set, and puts it to use; false where it was already. On trial where `before` says what
/// the models in use can do.
pub(super) fn put_to_use(
    here: &Here,
    config: &Config,
    file: &Path,
    wanted: Option<u64>,
    before: Option<Before>,
) -> anyhow::Result<Result<bool, ModelsFault>> {
    let root = &config.control.agency_root;
    let pem = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
    let root = Root::from_pem(&pem).with_context(|| root.display().to_string())?;
    let software: Version = env!("CARGO_PKG_VERSION").parse()?;
    // The state that bundles of images are judged by too.
    let latest = here.peek()?.latest;
    let terms =
        Terms { agency: &config.agency, root: &root, software: &software, now: here.clock.wall(), latest, wanted };
    let sets = ModelSets::new(&RealDisk, &here.data_dir);
    let installed =
        open(file).and_then(|mut set| sets.install(&mut set, &terms, before, &mut |folder| self_test(config, folder)));
    Ok(installed)
}

/// Runs every model of the set on its golden input, with the providers that the agent would use.
fn self_test(config: &Config, folder: &Path) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use edge_protocol::command::{Artefact, UpdateScope};
    use edge_protocol::hash::Hash256;
    use edge_protocol::id::{CommandId, RequestId};
    use edge_protocol::time::WallStamp;

    use super::*;
    use crate::app::update::outside::{certified, left};
    use crate::update::Order;
    use crate::update::models::world::{World, passes};

    #[test]
    fn a_set_on_trial_whose_order_is_lost_is_given_up_and_told_and_one_that_is_watched_is_not() {
        let world = World::new();
        let sets = world.sets();
        let (config, _) = certified(world.data.path());
        let here = Here {
            data_dir: world.data.path().to_owned(),
            config: Some(config),
            rauc_conf: None,
            clock: Clock::system(),
            patience: crate::update::Patience::default(),
        };
        assert!(!settle(&here).unwrap(), "there is none");
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
        assert!(settle(&here).unwrap(), "its order is there");
        Orders::new(&RealDisk, &here.folder()).remove().unwrap();
        assert!(!settle(&here).unwrap());
        let standing = sets.standing().unwrap();
        assert_eq!((standing.current, standing.trial, standing.untold.len()), (None, None, 0));
        assert_eq!(left(world.data.path()).len(), 2, "an alert and an entry");
    }
}
