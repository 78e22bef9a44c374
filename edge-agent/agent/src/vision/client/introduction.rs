//! The first words to a worker, which does not read yet because it loads its libraries: by short waits, so that whoever
//! writes shows between them that it lives, also where a starved processor makes that last.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;

use super::super::engine::ModelBytes;
use super::super::wire::{Configure, GoldenHead, ModelHead, ToWorker, WireError, write_frame};
use super::VisionSettings;

/// A socket whose writes are given up after a while, and tried again as long as `wait` agrees.
pub(super) struct Patient<'a, W> {
    pub(super) socket: &'a UnixStream,
    pub(super) wait: W,
}

impl<W: FnMut() -> io::Result<()>> Write for Patient<'_, W> {
    #[allow(clippy::disallowed_methods, reason = "this is the write that write_all repeats")]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.socket.write(bytes) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => (self.wait)()?,
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything a new worker must know.
pub(super) fn introduce(
    settings: &VisionSettings,
    models: Vec<ModelBytes>,
    first: u64,
    socket: &mut impl Write,
) -> Result<(), WireError> {
    let mut scratch = Vec::new();
    let configure = Configure {
        cameras: settings.cameras.all().into_iter().map(|(_, settings)| settings).collect(),
        providers: settings.providers.clone(),
        decoders: settings.decoders.clone(),
        first,
    };
    write_frame(socket, &mut scratch, &ToWorker::Configure(configure), &[])?;
    for model in models {
        let head = ModelHead { manifest: model.manifest.to_vec(), variant: model.variant };
        write_frame(socket, &mut scratch, &ToWorker::Model(head), &model.graph)?;
        let count = |floats: &[f32]| u32::try_from(floats.len()).unwrap_or(u32::MAX);
        let outputs = model.golden_outputs.iter().map(|(name, floats)| (name.clone(), count(floats)));
        let head = GoldenHead { input: count(&model.golden_input), outputs: outputs.collect() };
        let floats = model.golden_outputs.iter().flat_map(|(_, floats)| floats);
        let payload: Vec<u8> = model.golden_input.iter().chain(floats).flat_map(|float| float.to_le_bytes()).collect();
        write_frame(socket, &mut scratch, &ToWorker::Golden(head), &payload)?;
    }
    write_frame(socket, &mut scratch, &ToWorker::Start, &[])
}

#[cfg(test)]
mod tests {
    use std::io::{Error, Read};
    use std::time::Duration;

    use super::*;

    /// More than a socket holds.
    const MUCH: usize = 4 << 20;

    fn pair() -> (UnixStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        (ours, theirs)
    }

    #[test]
    fn what_is_not_read_at_once_arrives_whole_and_each_wait_is_noticed() {
        let (ours, mut theirs) = pair();
        let mut read = Vec::new();
        let mut waits = 0;
        let sent: Vec<u8> = (0..MUCH).map(|place| u8::try_from(place % 251).unwrap()).collect();
        let wait = || {
            waits += 1;
            let mut some = vec![0; 1 << 20];
            let length = theirs.read(&mut some)?;
            read.extend_from_slice(&some[..length]);
            Ok(())
        };
        Patient { socket: &ours, wait }.write_all(&sent).unwrap();
        drop(ours);
        theirs.read_to_end(&mut read).unwrap();
        assert!(read == sent && waits > 1, "{} of {MUCH} bytes after {waits} waits", read.len());
    }

    #[test]
    fn who_does_not_want_to_wait_any_longer_does_not() {
        let (ours, theirs) = pair();
        let mut left = 3;
        let wait = || {
            left -= 1;
            if left == 0 { Err(Error::other("long enough")) } else { Ok(()) }
        };
        let error = Patient { socket: &ours, wait }.write_all(&vec![0; MUCH]).unwrap_err();
        assert_eq!(error.to_string(), "long enough");
        drop(theirs);
    }
}
