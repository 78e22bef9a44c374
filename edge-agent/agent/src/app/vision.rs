//! Joins the vision worker and the models: neither station knows the other.

mod in_use;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use edge_analytics::infer::{Infer, InferFault, ModelRole, Output, TensorView};
use edge_analytics::manifest::ModelSpec;
use edge_store::disk::RealDisk;

use super::run::cameras::analytics_settings;
use crate::config::{self, Config};
use crate::inference::library::{self, Surroundings};
use crate::inference::{Golden, InferenceError, ModelFile, Models, Provider, Runtime};
use crate::supervise::Fault;
use crate::update::models::ModelSets;
use crate::vision::client::{Prepare, Start, Throttle, Viewfinder, VisionSettings};
use crate::vision::confine::{Identity, resolve_identity};
use crate::vision::engine::{Engine, ModelBytes};
use crate::vision::{ModelStanding, Numbers, worker};

pub(super) use in_use::Chooser;

/// Arguments of the hidden subcommand `vision-worker`.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerArgs {
    /// ONNX Runtime's library
    #[arg(long)]
    library: PathBuf,
    /// The user to become where the agent runs as root
    #[arg(long)]
    uid: u32,
    /// The group to become where the agent runs as root
    #[arg(long)]
    gid: u32,
}

/// The hidden subcommand: a life as vision worker.
pub fn run_worker(arguments: &WorkerArgs) -> ExitCode {
    // Standard error is a pipe to the agent, which puts its own time before each line.
    tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_ansi(false).init();
    let readable = arguments.library.parent().map(Path::to_path_buf).into_iter().collect();
    let identity = Identity { uid: arguments.uid, gid: arguments.gid };
    let arguments_ = worker::WorkerArguments { identity, readable };
    worker::run(&arguments_, || Runner::load(&arguments.library).map_err(|error| error.to_string()))
}

/// How the configuration wants the worker. `program` is the agent itself.
pub(super) fn settings(
    config: &Config,
    program: PathBuf,
    throttle: &Throttle,
    viewfinder: &Viewfinder,
) -> VisionSettings {
    let camera = |camera: &config::Camera| (camera.id.clone(), analytics_settings(camera));
    VisionSettings {
        program,
        cameras: config.cameras.iter().map(camera).collect::<Vec<_>>().into(),
        providers: config.models.providers.clone(),
        decoders: config.models.decoders.clone(),
        // With the start of another worker this stays below the five seconds within which it must be back.
        silence: Duration::from_secs(3),
        start: Duration::from_mins(5),
        throttle: throttle.clone(),
        viewfinder: viewfinder.clone(),
    }
}

/// The folders of the configured models, each in its own number format. A set that came by itself stands before the
/// image's own models.
pub(super) fn folders(config: &Config) -> Vec<(PathBuf, Option<String>)> {
    let set = ModelSets::new(&RealDisk, &config.data_dir).in_use();
    in_folder(config, &set.map_or_else(|| config.models.dir.clone(), |set| set.folder))
}

fn in_folder(config: &Config, dir: &Path) -> Vec<(PathBuf, Option<String>)> {
    let models = &config.models;
    [&models.objects, &models.plates, &models.plate_text].map(|name| (dir.join(name), None)).to_vec()
}

/// Finds the runtime's library and reads the models for every start of a worker. Each folder comes with a variant.
pub fn prepare(library: Option<PathBuf>, folders: Vec<(PathBuf, Option<String>)>, mut numbers: Numbers) -> Prepare {
    Box::new(move |_| begin(library.as_deref(), &folders, &mut numbers))
}

fn begin(
    library: Option<&Path>,
    folders: &[(PathBuf, Option<String>)],
    numbers: &mut Numbers,
) -> Result<Start, String> {
    let arguments = arguments(library).map_err(|error| error.to_string())?;
    let read = |(folder, variant): &(PathBuf, Option<String>)| model_bytes(folder, variant.as_deref());
    let models = folders.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Start { arguments, models, first: numbers.begin(), is_outdated: Box::new(|| false) })
}

/// The command line that starts a worker.
fn arguments(library: Option<&Path>) -> Result<Vec<String>, InferenceError> {
    let library = library::find(library, &Surroundings::of_this_process())?;
    let Identity { uid, gid } = resolve_identity();
    let library = library.to_string_lossy().into_owned();
    let arguments = ["vision-worker", "--library", &library, "--uid", &uid.to_string(), "--gid", &gid.to_string()];
    Ok(arguments.map(str::to_owned).to_vec())
}

/// A model's files, for a worker or for a command of this process.
///
/// # Errors
/// In words: the file and the field that is wrong.
pub fn model_bytes(folder: &Path, variant: Option<&str>) -> Result<ModelBytes, String> {
    let file = ModelFile::read(folder, variant).map_err(|error| Fault::from_error(&error).0)?;
    let golden = Golden::read(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(ModelBytes {
        manifest: file.manifest,
        variant: file.variant,
        graph: file.graph,
        golden_input: golden.input,
        golden_outputs: golden.outputs,
    })
}

/// The models of one process.
#[derive(Debug)]
pub struct Runner {
    runtime: Runtime,
    models: Models,
}

impl Runner {
    /// Loads the runtime; no model yet.
    ///
    /// # Errors
    /// When the library does not load, or telemetry is not off.
    pub fn load(library: &Path) -> Result<Self, InferenceError> {
        Ok(Self { runtime: Runtime::load(library)?, models: Models::default() })
    }

    /// Name, version and variant of each opened model.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.models.standings().map(|standing| standing.label.as_str())
    }
}

impl Infer for Runner {
    fn run(&mut self, model: ModelRole, input: TensorView<'_>) -> Result<Vec<Output>, InferFault> {
        self.models.run(model, input)
    }
}

impl Engine for Runner {
    fn open(&mut self, model: &ModelBytes, providers: &[String]) -> Result<(ModelRole, ModelSpec), String> {
        let variant = model.variant.as_deref();
        let file = ModelFile::from_parts(model.manifest.clone(), variant, model.graph.clone());
        let file = file.map_err(|error| error.to_string())?;
        let known = || Provider::ALL.map(Provider::as_str).join(", ");
        let unknown = |name: &String| format!("there is no provider `{name}`; there are: {}", known());
        let named = |name: &String| Provider::parse(name).ok_or_else(|| unknown(name));
        let providers = providers.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        self.models.open(&self.runtime, &file, &providers).map_err(|error| error.to_string())?;
        let golden = Golden { input: model.golden_input.clone(), outputs: model.golden_outputs.clone() };
        let tested = golden.check(&file, &mut self.models);
        tested.map_err(|error| format!("{}: self-test: {error}", file.label()))?;
        Ok((file.role(), file.spec))
    }

    fn standings(&self) -> Vec<ModelStanding> {
        let standing = |standing: &crate::inference::Standing| ModelStanding {
            role: standing.role,
            label: standing.label.clone(),
            provider: standing.provider.as_str().to_owned(),
            fallbacks: standing.fallbacks.iter().map(|f| format!("{}: {}", f.wanted, f.why)).collect(),
        };
        self.models.standings().map(standing).collect()
    }
}
