//! The worker's own process: the agent's binary started again, with a socket as its standard input.
//!
//! Life of a worker: load the runtime, give up what can be given up, take settings and models from the socket, test
//! and warm up, close the last doors, say so, then turn access units into sightings until the socket closes.
//! It reads no clock but to measure its model runs, opens no file and writes nothing but the socket.

mod analysis;
mod durations;
mod feed;

use std::io::{BufReader, stdin};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU8};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use edge_analytics::infer::ModelRole;
use edge_analytics::manifest::ModelSpec;

use super::confine::{Identity, Layers, close_inherited_files, early, late};
use super::decode::warm_up;
use super::engine::{Engine, ModelBytes};
use super::slots::Slots;
use super::wire::{
    Configure, FromWorker, GoldenHead, Progress, Ready, ToWorker, WireError, read_for_worker, write_frame,
};

/// What the worker is started with, on its command line.
#[derive(Debug, Clone)]
pub struct WorkerArguments {
    /// The user to become where the agent runs as root.
    pub identity: Identity,
    /// Folders and files that loading needs beyond the system's libraries.
    pub readable: Vec<PathBuf>,
}

/// The models' specifications by role.
pub(super) type Specs = Vec<(ModelRole, ModelSpec)>;

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("{0}")]
    Unable(String),
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// Runs the worker until its socket closes. `load` loads the runtime; it is called first, while the library can still
/// be read, and must start no thread.
pub fn run<E: Engine>(arguments: &WorkerArguments, load: impl FnOnce() -> Result<E, String>) -> ExitCode {
    let socket = close_inherited_files()
        .map_err(|error| error.to_string())
        .and_then(|()| stdin().as_fd().try_clone_to_owned().map(UnixStream::from).map_err(|error| error.to_string()));
    let socket = match socket {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(error, "the vision worker has no socket");
            return ExitCode::FAILURE;
        }
    };
    match work(arguments, &socket, load) {
        // The agent closing the socket is how a worker ends.
        Ok(()) | Err(WorkerError::Wire(WireError::Closed)) => ExitCode::SUCCESS,
        Err(WorkerError::Wire(error)) => {
            tracing::error!(%error, "the vision worker lost its socket");
            ExitCode::FAILURE
        }
        Err(WorkerError::Unable(reason)) => {
            // The agent says it in its log and in health; if even that fails, the exit status is left.
            drop(write_frame(&mut &socket, &mut Vec::new(), &FromWorker::Unable(reason), &[]));
            ExitCode::FAILURE
        }
    }
}

fn work<E: Engine>(
    arguments: &WorkerArguments,
    socket: &UnixStream,
    load: impl FnOnce() -> Result<E, String>,
) -> Result<(), WorkerError> {
    let mut engine = load().map_err(WorkerError::Unable)?;
    gstreamer::init().map_err(|error| WorkerError::Unable(error.to_string()))?;
    let mut layers = early(arguments.identity, &arguments.readable).map_err(unable)?;
    let mut reader = BufReader::with_capacity(1 << 16, socket);
    let Prepared { configure, specs } = prepare(&mut reader, &mut engine)?;
    for (role, _) in &specs {
        tracing::debug!(role = role.as_str(), "model opened and tested");
    }
    layers
        .missing
        .extend(warm_up(&configure.decoders).map_err(unable)?.into_iter().map(|what| format!("decoding {what}")));
    let ready = Ready { held: layers.held.clone(), missing: layers.missing.clone(), models: engine.standings() };
    let shared = Arc::new(Shared {
        slots: Slots::new(configure.cameras.len()),
        progress: Mutex::default(),
        percent: AtomicU8::new(100),
        wanted: configure.cameras.iter().map(|_| AtomicBool::default()).collect(),
    });
    shared.progress(|progress| progress.cameras.resize_with(configure.cameras.len(), Default::default));
    let mut analysis = analysis::Analysis::new(&configure, &specs, engine).map_err(WorkerError::Unable)?;
    thread::scope(|scope| {
        let (ours, writer) = (Arc::clone(&shared), socket);
        let body = move || analysis.run(&ours, writer);
        let thread = thread::Builder::new().name("analysis".to_owned()).spawn_scoped(scope, body);
        let thread = thread.map_err(|error| WorkerError::Unable(error.to_string()))?;
        let fed = close_doors(&mut layers, &ready, socket)
            .and_then(|()| feed::Feed::new(&configure, &shared).run(&mut reader));
        shared.slots.close();
        match thread.join() {
            Ok(analysed) => fed.and(analysed.map_err(WorkerError::Wire)),
            Err(_) => Err(WorkerError::Unable("the analysis thread panicked".to_owned())),
        }
    })
}

fn unable(error: impl std::error::Error) -> WorkerError {
    WorkerError::Unable(error.to_string())
}

/// The late part of the lock-down, then the word that the worker is ready. Nothing is analysed before.
fn close_doors(layers: &mut Layers, ready: &Ready, socket: &UnixStream) -> Result<(), WorkerError> {
    late().map_err(unable)?;
    layers.held.push("system call filter".to_owned());
    let ready = Ready { held: layers.held.clone(), ..ready.clone() };
    Ok(write_frame(&mut &*socket, &mut Vec::new(), &FromWorker::Ready(ready), &[])?)
}

/// Settings and models, as far as they came before [`ToWorker::Start`].
struct Prepared {
    configure: Configure,
    specs: Specs,
}

fn prepare<E: Engine>(reader: &mut BufReader<&UnixStream>, engine: &mut E) -> Result<Prepared, WorkerError> {
    let mut configure = None;
    let mut models: Vec<ModelBytes> = Vec::new();
    loop {
        let (message, payload) = read_for_worker(reader)?;
        match message {
            ToWorker::Configure(received) => configure = Some(received),
            ToWorker::Model(head) => models.push(ModelBytes {
                manifest: Bytes::from(head.manifest),
                variant: head.variant,
                graph: Bytes::from(payload),
                ..ModelBytes::default()
            }),
            ToWorker::Golden(head) => {
                let model =
                    models.last_mut().ok_or_else(|| WorkerError::Unable("a self-test without a model".to_owned()))?;
                golden(model, &head, &payload)?;
            }
            ToWorker::Start => break,
            ToWorker::Unit(_) | ToWorker::Beat(_) | ToWorker::Thin(_) | ToWorker::Snapshot(_) => {
                return Err(WorkerError::Unable("access units before the start".to_owned()));
            }
        }
    }
    let configure = configure.ok_or_else(|| WorkerError::Unable("started without settings".to_owned()))?;
    // One after the other, so that only one graph is held beside its opened model.
    let open = |model: ModelBytes| engine.open(&model, &configure.providers).map_err(WorkerError::Unable);
    let specs = models.into_iter().map(open).collect::<Result<_, _>>()?;
    Ok(Prepared { configure, specs })
}

fn golden(model: &mut ModelBytes, head: &GoldenHead, payload: &[u8]) -> Result<(), WorkerError> {
    let (floats, rest) = payload.as_chunks::<4>();
    let mut floats = floats.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let mut take = |count: u32| -> Vec<f32> { floats.by_ref().take(count as usize).collect() };
    model.golden_input = take(head.input);
    model.golden_outputs = head.outputs.iter().map(|(name, count)| (name.clone(), take(*count))).collect();
    if !rest.is_empty() || floats.next().is_some() {
        return Err(WorkerError::Unable("a self-test whose floats do not add up".to_owned()));
    }
    Ok(())
}

/// What the reading thread, the decoders' threads and the analysis thread share.
#[derive(Debug)]
pub(super) struct Shared {
    slots: Slots<super::decode::Frame>,
    progress: Mutex<Progress>,
    /// Hundredths of the configured rate to look at.
    percent: AtomicU8,
    /// Cameras of whose next picture a snapshot is wanted.
    wanted: Vec<AtomicBool>,
}

impl Shared {
    fn progress<T>(&self, change: impl FnOnce(&mut Progress) -> T) -> T {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn camera(&self, camera: usize, change: impl FnOnce(&mut super::wire::CameraProgress)) {
        self.progress(|progress| progress.cameras.get_mut(camera).map(change));
    }
}
