//! `edge-agent update models`: a signed set of models becomes the one in use.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use edge_analytics::infer::ModelRole;
use edge_protocol::sign::Root;
use edge_store::disk::RealDisk;

use crate::app::vision::{Runner, model_bytes};
use crate::config::Config;
use crate::inference::library::{Surroundings, find};
use crate::inference::restart_without_telemetry;
use crate::supervise::Clock;
use crate::update::Version;
use crate::update::models::{ModelSets, Terms, open};
use crate::vision::engine::Engine;

/// Installs a set; the models in use stay where it is refused.
pub(super) fn install(config: &Config, file: &Path, clock: &Clock) -> anyhow::Result<()> {
    // Before anything that cannot be done twice: the runtime is only loaded with its telemetry off.
    restart_without_telemetry().context("cannot start again without telemetry")?;
    let root = &config.control.agency_root;
    let pem = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
    let root = Root::from_pem(&pem).with_context(|| root.display().to_string())?;
    let software: Version = env!("CARGO_PKG_VERSION").parse()?;
    let terms = Terms { agency: &config.agency, root: &root, software: &software, now: clock.wall() };
    let sets = ModelSets::new(&RealDisk, &config.data_dir);
    let mut set = open(file)?;
    let installed = sets.install(&mut set, &terms, &mut |folder| self_test(config, folder));
    let revision = installed.with_context(|| format!("{} is refused, the models in use stay", file.display()))?;
    writeln!(std::io::stdout(), "revision {revision} is tested and in use from the agent's next start on")?;
    Ok(())
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
