//! Everything that a new worker must know, before it is asked anything.

use std::os::unix::net::UnixStream;

use super::VisionSettings;
use crate::vision::engine::ModelBytes;
use crate::vision::wire::{Configure, GoldenHead, ModelHead, ToWorker, WireError, write_frame};

/// Tells it settings and models, and has it start.
pub(super) fn introduce(
    settings: &VisionSettings,
    models: Vec<ModelBytes>,
    first: u64,
    mut socket: &UnixStream,
) -> Result<(), WireError> {
    let mut scratch = Vec::new();
    let configure = Configure {
        cameras: settings.cameras.all().into_iter().map(|(_, settings)| settings).collect(),
        providers: settings.providers.clone(),
        decoders: settings.decoders.clone(),
        first,
    };
    write_frame(&mut socket, &mut scratch, &ToWorker::Configure(configure), &[])?;
    for model in models {
        let head = ModelHead { manifest: model.manifest.to_vec(), variant: model.variant };
        write_frame(&mut socket, &mut scratch, &ToWorker::Model(head), &model.graph)?;
        let count = |floats: &[f32]| u32::try_from(floats.len()).unwrap_or(u32::MAX);
        let outputs = model.golden_outputs.iter().map(|(name, floats)| (name.clone(), count(floats)));
        let head = GoldenHead { input: count(&model.golden_input), outputs: outputs.collect() };
        let floats = model.golden_outputs.iter().flat_map(|(_, floats)| floats);
        let payload: Vec<u8> = model.golden_input.iter().chain(floats).flat_map(|float| float.to_le_bytes()).collect();
        write_frame(&mut socket, &mut scratch, &ToWorker::Golden(head), &payload)?;
    }
    write_frame(&mut socket, &mut scratch, &ToWorker::Start, &[])
}
