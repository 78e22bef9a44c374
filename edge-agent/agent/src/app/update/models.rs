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
use crate::update::models::{ModelSets, ModelsFault, Terms, open};
use crate::update::{Before, Orders, Version};
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
    tell(here, &sets)?;
    let revision = sets.in_use().map_or(0, |set| set.revision);
    let words = if taken { "is tested and in use" } else { "was in use already" };
    writeln!(std::io::stdout(), "revision {revision} {words}")?;
    Ok(())
}

/// Tells what nobody has been told of sets, to nobody in particular.
fn tell(here: &Here, sets: &ModelSets<'_>) -> anyhow::Result<()> {
    let mut unit = Unit::new(here.data_dir.clone(), here.config.clone(), here.clock.clone());
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
    let terms = Terms { agency: &config.agency, root: &root, software: &software, now: here.clock.wall(), wanted };
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
