//! The reading thread: access units from the socket to each camera's decoder.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::decode::{Decoder, Frame, Taken, Unit, WhenFull};
use super::super::wire::{Configure, ToWorker, UnitHead, WireError, read_for_worker};
use super::{Shared, WorkerError};

/// The decoders of all cameras.
pub(super) struct Feed {
    decoders: Vec<Decoder>,
    shared: Arc<Shared>,
}

impl Feed {
    /// Decoders that have seen nothing yet.
    pub(super) fn new(configure: &Configure, shared: &Arc<Shared>) -> Self {
        let decoder = |camera: usize| {
            let shared = Arc::clone(shared);
            let on_frame = move |frame: Frame| {
                let replaced = shared.slots.put(camera, frame.media(), frame);
                shared.camera(camera, |progress| {
                    progress.decoded += 1;
                    progress.replaced += u64::from(replaced);
                });
            };
            Decoder::new(configure.decoders.clone(), WhenFull::Drop, Arc::new(on_frame))
        };
        let decoders = (0..configure.cameras.len()).map(decoder).collect();
        Self { decoders, shared: Arc::clone(shared) }
    }

    /// Feeds until the socket closes.
    pub(super) fn run(mut self, reader: &mut impl Read) -> Result<(), WorkerError> {
        loop {
            match read_for_worker(reader) {
                Ok((ToWorker::Unit(head), bytes)) => self.unit(&head, bytes),
                // Through the analysis thread, so that an answer means that it lives.
                Ok((ToWorker::Beat(number), _)) => self.shared.slots.beat(number),
                Ok((ToWorker::Thin(percent), _)) => self.shared.percent.store(percent, Ordering::Relaxed),
                Ok((ToWorker::Snapshot(camera), _)) => {
                    if let Some(wanted) = self.shared.wanted.get(usize::from(camera)) {
                        wanted.store(true, Ordering::Relaxed);
                    }
                }
                Ok(_) => return Err(WorkerError::Unable("settings after the start".to_owned())),
                Err(WireError::Closed) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn unit(&mut self, head: &UnitHead, bytes: Vec<u8>) {
        let camera = usize::from(head.camera);
        // The agent numbers cameras by the list it sent; another number would be its fault and is passed over.
        let Some(decoder) = self.decoders.get_mut(camera) else { return };
        let unit = Unit { codec: head.codec, media: head.media, decode: head.decode, key: head.key, bytes };
        let taken = decoder.take(unit);
        self.shared.camera(camera, |progress| {
            progress.units += 1;
            progress.units_dropped += u64::from(!matches!(taken, Ok(Taken::Decoding)));
            progress.rebuilt = decoder.rebuilt();
            if progress.decoder != decoder.name() && !decoder.name().is_empty() {
                decoder.name().clone_into(&mut progress.decoder);
            }
            if let Err(error) = &taken {
                progress.complaint = error.to_string();
            }
        });
    }
}
