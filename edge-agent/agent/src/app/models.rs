//! Opens models in this process, for the commands that look at files. The agent itself opens them in its worker only.

use std::path::{Path, PathBuf};

use edge_analytics::infer::ModelRole;
use edge_analytics::manifest::ModelSpec;

use super::vision::{Runner, model_bytes};
use crate::inference::library::{Surroundings, find};
use crate::inference::{InferenceError, restart_without_telemetry};
use crate::vision::engine::Engine;

/// Where the models are and what they run on.
#[derive(Debug, Clone, clap::Args)]
pub struct ModelArgs {
    /// The folder that holds one folder per model [default: models beside or above the program]
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// The model for road users: a folder in --models, or a path
    #[arg(long = "objects-model", value_name = "NAME", default_value = "road-objects")]
    objects_model: PathBuf,
    /// The model for plates
    #[arg(long = "plates-model", value_name = "NAME", default_value = "plates")]
    plates_model: PathBuf,
    /// The model for plate texts
    #[arg(long = "text-model", value_name = "NAME", default_value = "plate-text")]
    text_model: PathBuf,
    /// The number format of the models, int8 say [default: each model's own]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Execution providers in the order to try
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "cpu")]
    providers: Vec<String>,
    /// ONNX Runtime's shared library [default: beside the program, else the cache]
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
}

/// Why a model cannot be read, with the way on where it is not there.
fn advised(why: String, place: &Path) -> String {
    let is_there = place.join("manifest.json").exists();
    if is_there { why } else { why + "; give the models' folder by --models" }
}

/// Why models could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The program could not start itself again with telemetry off.
    #[error("cannot start again without telemetry")]
    Restart(#[source] std::io::Error),
    /// The runtime is missing or does not load.
    #[error(transparent)]
    Runtime(#[from] InferenceError),
    /// A model does not open.
    #[error("{0}")]
    Model(String),
}

impl ModelArgs {
    /// Opens the models of these roles, tested. Restarts the process once if telemetry is not off yet, so it must
    /// come before anything that cannot be done twice.
    ///
    /// # Errors
    /// When the runtime or a model is missing or wrong.
    pub fn open(&self, roles: &[ModelRole]) -> Result<(Runner, Vec<ModelSpec>), ModelsError> {
        restart_without_telemetry().map_err(ModelsError::Restart)?;
        let around = Surroundings::of_this_process();
        let mut runner = Runner::load(&find(self.library.as_deref(), &around)?)?;
        let folder = self.folder(&around);
        let mut specs = Vec::new();
        for role in roles {
            let name = match role {
                ModelRole::Objects => &self.objects_model,
                ModelRole::Plates => &self.plates_model,
                ModelRole::PlateText => &self.text_model,
            };
            let place = folder.join(name);
            let model = model_bytes(&place, self.variant.as_deref());
            let model = model.map_err(|why| ModelsError::Model(advised(why, &place)))?;
            let (found, spec) = runner.open(&model, &self.providers).map_err(ModelsError::Model)?;
            if found != *role {
                let what = format!("{} is a model for {}, not for {}", name.display(), found.as_str(), role.as_str());
                return Err(ModelsError::Model(what));
            }
            specs.push(spec);
        }
        for standing in runner.standings() {
            for why in &standing.fallbacks {
                tracing::warn!(model = standing.label, provider = standing.provider, why, "runs on another provider");
            }
        }
        Ok((runner, specs))
    }

    fn folder(&self, around: &Surroundings) -> PathBuf {
        let beside = |way: &str| around.program_folder.as_deref().map(|folder| folder.join(way));
        // Beside the program when unpacked, above it in the build tree, in the appliance's own place.
        let places = [beside("models"), beside("../share/edge-agent/models"), beside("../../models")];
        let places = places.into_iter().flatten().chain([PathBuf::from("/usr/share/edge-agent/models")]);
        let found = || places.into_iter().find(|place| place.is_dir());
        self.models.clone().or_else(found).unwrap_or_else(|| Path::new("models").to_path_buf())
    }
}
