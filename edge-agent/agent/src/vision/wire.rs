//! What goes over the socket between the agent and its vision worker.
//!
//! A stream of frames, each `header length: u32 LE`, `payload length: u32 LE`, header, payload. The header is a
//! message in CBOR; the payload is what should not be copied through an encoder: an access unit, a model's graph.
//! Both ends are the same binary, so there are no versions. The agent does not trust what comes back: lengths are
//! bounded before anything is allocated.

use std::io::{self, Read, Write};

use edge_analytics::care::Appearance;
use edge_analytics::infer::ModelRole;
use edge_analytics::settings::CameraSettings;
use edge_analytics::sighting::Sighting;
use edge_protocol::media::Codec;
use edge_protocol::time::MediaTime;
use minicbor::{Decode, Encode};

/// Largest header to the worker: the settings of all cameras.
const MAX_HEADER: usize = 4 << 20;
/// Largest payload to the worker: a model's graph.
const MAX_PAYLOAD: usize = 256 << 20;
/// Largest header from the worker: a snapshot.
pub(super) const MAX_ANSWER: usize = 1 << 20;

/// A camera's place in the list that [`ToWorker::Configure`] gave.
pub(super) type CameraIndex = u16;

/// Agent to worker.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) enum ToWorker {
    /// First of all: what to look for on which camera.
    #[n(0)]
    Configure(#[n(0)] Configure),
    /// One model; the payload is its graph.
    #[n(1)]
    Model(#[n(0)] ModelHead),
    /// The self-test of the model before; the payload is its floats, input first, then the outputs.
    #[n(2)]
    Golden(#[n(0)] GoldenHead),
    /// Everything is there: test the models, warm up, close the last doors, report [`FromWorker::Ready`].
    #[n(3)]
    Start,
    /// One access unit; the payload is its bytes, NAL units behind 4-byte lengths.
    #[n(4)]
    Unit(#[n(0)] UnitHead),
    /// Answer with [`FromWorker::Beat`] and the same number.
    #[n(5)]
    Beat(#[n(0)] u64),
    /// From now on, look at this many hundredths of each camera's configured rate.
    #[n(6)]
    Thin(#[n(0)] u8),
    /// Answer with a [`FromWorker::Snapshot`] of the camera's next picture.
    #[n(7)]
    Snapshot(#[n(0)] CameraIndex),
}

/// What to look for on which camera.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct Configure {
    /// One entry per camera; its place is the camera's number from here on.
    #[n(0)]
    pub(super) cameras: Vec<CameraSettings>,
    /// Execution providers in the order to try, by name.
    #[n(1)]
    pub(super) providers: Vec<String>,
    /// Decoder elements to prefer, by name; the rest by rank.
    #[n(2)]
    pub(super) decoders: Vec<String>,
    /// The first number for tracks and passes.
    #[n(3)]
    pub(super) first: u64,
}

/// A model, without its graph.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct ModelHead {
    /// The manifest as it was read.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub(super) manifest: Vec<u8>,
    /// The variant whose graph follows.
    #[n(1)]
    pub(super) variant: Option<String>,
}

/// A self-test, without its floats.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct GoldenHead {
    /// Floats of the input; 0 for an even input.
    #[n(0)]
    pub(super) input: u32,
    /// Name of each expected output and its floats.
    #[n(1)]
    pub(super) outputs: Vec<(String, u32)>,
}

/// An access unit, without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub(super) struct UnitHead {
    /// The camera.
    #[n(0)]
    pub(super) camera: CameraIndex,
    /// How it is coded.
    #[n(1)]
    pub(super) codec: Codec,
    /// When the picture is shown.
    #[n(2)]
    pub(super) media: MediaTime,
    /// When it must be decoded.
    #[n(3)]
    pub(super) decode: MediaTime,
    /// Whether decoding can start here.
    #[n(4)]
    pub(super) key: bool,
}

/// Worker to agent.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) enum FromWorker {
    /// Tested, warm and locked down.
    #[n(0)]
    Ready(#[n(0)] Ready),
    /// It cannot work; the reason in words. Nothing follows.
    #[n(1)]
    Unable(#[n(0)] String),
    /// Something about one camera.
    #[n(2)]
    Sighting(#[n(0)] CameraIndex, #[n(1)] Sighting),
    /// The analysis thread is alive; how it goes.
    #[n(3)]
    Beat(#[n(0)] u64, #[n(1)] Progress),
    /// One picture of a camera, because it was asked for.
    #[n(4)]
    Snapshot(#[n(0)] CameraIndex, #[n(1)] Snapshot),
}

/// One picture for a person's eye.
#[derive(Clone, PartialEq, Encode, Decode)]
pub struct Snapshot {
    /// When it was taken.
    #[n(0)]
    pub media: MediaTime,
    /// Width and height of the camera's picture; the JPEG may be smaller.
    #[n(1)]
    pub size: (u32, u32),
    /// What it looks like in numbers.
    #[n(2)]
    pub appearance: Appearance,
    /// A JPEG file.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub jpeg: Vec<u8>,
    /// The same for a commissioning report; empty where it cannot be made small enough.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub small: Vec<u8>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Pixels do not belong in logs.
        write!(f, "Snapshot({:?}, {} bytes of JPEG)", self.size, self.jpeg.len())
    }
}

/// What a worker that is ready works with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Ready {
    /// Layers of confinement that hold.
    #[n(0)]
    pub held: Vec<String>,
    /// Layers that the kernel or the surroundings refused, with the reason.
    #[n(1)]
    pub missing: Vec<String>,
    /// Each model with what it runs on.
    #[n(2)]
    pub models: Vec<ModelStanding>,
}

/// A model and what it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ModelStanding {
    /// Which model.
    #[n(0)]
    pub role: ModelRole,
    /// Its name, version and variant.
    #[n(1)]
    pub label: String,
    /// The provider in use.
    #[n(2)]
    pub provider: String,
    /// Providers that were asked for and are not in use, with the reason.
    #[n(3)]
    pub fallbacks: Vec<String>,
}

/// Counters since the worker's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Progress {
    /// One entry per camera.
    #[n(0)]
    pub cameras: Vec<CameraProgress>,
    /// Model runs by role, in the order of [`ModelRole::ALL`].
    #[n(1)]
    pub runs: Vec<RunTimes>,
}

/// How often a model ran, and how long lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RunTimes {
    /// Runs since the worker's start.
    #[n(0)]
    pub runs: u64,
    /// Half of the latest runs took no longer than this, microseconds.
    #[n(1)]
    pub median_us: u32,
    /// 99 of 100 of them took no longer than this.
    #[n(2)]
    pub slow_us: u32,
}

/// Counters of one camera since the worker's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct CameraProgress {
    /// Access units taken in.
    #[n(0)]
    pub units: u64,
    /// Access units passed over: before the first key frame, damaged, or more than the decoder could take.
    #[n(1)]
    pub units_dropped: u64,
    /// Frames decoded.
    #[n(2)]
    pub decoded: u64,
    /// Frames that a newer one replaced before their turn.
    #[n(3)]
    pub replaced: u64,
    /// Frames the models ran on.
    #[n(4)]
    pub analysed: u64,
    /// Times the decoder had to be made anew after an error.
    #[n(5)]
    pub rebuilt: u64,
    /// The decoder's element; empty before the first access unit.
    #[n(6)]
    pub decoder: String,
    /// The last complaint of decoder or models, in words; empty if none.
    #[n(7)]
    pub complaint: String,
    /// Of the period whose counts come next, how much was looked at so far, milliseconds.
    #[n(8)]
    pub looked_ms: u32,
    /// How long that period has lasted, milliseconds.
    #[n(9)]
    pub period_ms: u32,
    /// Frames that the models were given and could not look at.
    #[n(10)]
    pub failed: u64,
}

/// Why a frame did not come through.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The other end is gone.
    #[error("the other end closed the socket")]
    Closed,
    /// Reading or writing failed.
    #[error("the socket failed")]
    Io(#[from] io::Error),
    /// A length beyond its bound.
    #[error("a frame of {header} + {payload} bytes is longer than allowed")]
    TooLong {
        /// Header bytes announced.
        header: usize,
        /// Payload bytes announced.
        payload: usize,
    },
    /// The header is not a message.
    #[error("a frame could not be understood: {0}")]
    Malformed(String),
}

/// Writes one frame; `scratch` keeps the header's buffer from frame to frame.
pub(super) fn write_frame(
    socket: &mut impl Write,
    scratch: &mut Vec<u8>,
    message: &impl Encode<()>,
    payload: &[u8],
) -> Result<(), WireError> {
    scratch.clear();
    scratch.extend_from_slice(&[0; 8]);
    // A vector takes everything, so only the message's own encoding can fail.
    minicbor::encode(message, &mut *scratch).map_err(|e| WireError::Malformed(e.to_string()))?;
    let (header, payload_bytes) = (scratch.len() - 8, payload.len());
    let (Ok(first), Ok(second)) = (u32::try_from(header), u32::try_from(payload_bytes)) else {
        return Err(WireError::TooLong { header, payload: payload_bytes });
    };
    if let Some(prefix) = scratch.first_chunk_mut::<8>() {
        // Little-endian: the header's length comes first.
        *prefix = (u64::from(second) << 32 | u64::from(first)).to_le_bytes();
    }
    socket.write_all(scratch)?;
    socket.write_all(payload)?;
    Ok(())
}

/// Reads one frame for the worker.
pub(super) fn read_for_worker(socket: &mut impl Read) -> Result<(ToWorker, Vec<u8>), WireError> {
    let mut header = Vec::new();
    let payload = read_frame(socket, &mut header, (MAX_HEADER, MAX_PAYLOAD))?;
    Ok((decode(&header)?, payload))
}

/// Reads one frame for the agent, which does not trust the worker; `scratch` keeps the buffer.
pub(super) fn read_for_agent(socket: &mut impl Read, scratch: &mut Vec<u8>) -> Result<FromWorker, WireError> {
    read_frame(socket, scratch, (MAX_ANSWER, 0))?;
    decode(scratch)
}

/// Reads bytes as both ends of the socket would, to the end or the first fault: for the fuzz target, which has no other
/// way to these private types. How many frames were messages to the worker, and from it.
pub fn read_any(bytes: &[u8]) -> (usize, usize) {
    let (mut to_worker, mut to_agent, mut scratch) = (bytes, bytes, Vec::new());
    let to = std::iter::from_fn(|| read_for_worker(&mut to_worker).ok()).count();
    let from = std::iter::from_fn(|| read_for_agent(&mut to_agent, &mut scratch).ok()).count();
    (to, from)
}

fn decode<'b, T: Decode<'b, ()>>(header: &'b [u8]) -> Result<T, WireError> {
    minicbor::decode(header).map_err(|e| WireError::Malformed(e.to_string()))
}

fn read_frame(socket: &mut impl Read, header: &mut Vec<u8>, most: (usize, usize)) -> Result<Vec<u8>, WireError> {
    let mut prefix = [0; 8];
    socket.read_exact(&mut prefix).map_err(closed)?;
    // Little-endian: the header's length comes first.
    let (lengths, _) = prefix.as_chunks::<4>();
    let mut lengths = lengths.iter().map(|length| u32::from_le_bytes(*length) as usize);
    let lengths = (lengths.next().unwrap_or(0), lengths.next().unwrap_or(0));
    if lengths.0 > most.0 || lengths.1 > most.1 {
        return Err(WireError::TooLong { header: lengths.0, payload: lengths.1 });
    }
    header.clear();
    header.resize(lengths.0, 0);
    socket.read_exact(header).map_err(closed)?;
    let mut payload = vec![0; lengths.1];
    socket.read_exact(&mut payload).map_err(closed)?;
    Ok(payload)
}

/// A killed peer resets the connection where bytes were still on their way; either way it is gone.
fn closed(error: io::Error) -> WireError {
    let gone = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    if gone.contains(&error.kind()) { WireError::Closed } else { WireError::Io(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: UnitHead = UnitHead {
        camera: 3,
        codec: Codec::H265,
        media: MediaTime::from_nanos(-7),
        decode: MediaTime::from_nanos(9),
        key: true,
    };

    #[test]
    fn frames_come_out_as_they_went_in_one_after_the_other() {
        let (mut pipe, mut scratch) = (Vec::new(), Vec::new());
        write_frame(&mut pipe, &mut scratch, &ToWorker::Unit(UNIT), &[1, 2, 3]).unwrap();
        write_frame(&mut pipe, &mut scratch, &ToWorker::Beat(u64::MAX), &[]).unwrap();
        let mut pipe = pipe.as_slice();
        assert_eq!(read_for_worker(&mut pipe).unwrap(), (ToWorker::Unit(UNIT), vec![1, 2, 3]));
        assert_eq!(read_for_worker(&mut pipe).unwrap(), (ToWorker::Beat(u64::MAX), vec![]));
        assert!(matches!(read_for_worker(&mut pipe), Err(WireError::Closed)));
    }

    #[test]
    fn a_worker_gone_mad_cannot_make_the_agent_allocate_or_panic() {
        for mad in [vec![0xff; 64], vec![1, 0, 0, 0, 1, 0, 0, 0, 0, 0], vec![2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]] {
            let read = read_for_agent(&mut mad.as_slice(), &mut Vec::new());
            assert!(matches!(read, Err(WireError::TooLong { .. } | WireError::Malformed(_))), "{read:?}");
        }
    }
}
