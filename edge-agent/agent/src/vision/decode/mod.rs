//! Access units to frames: one decoder per camera, chosen by rank, made anew after an error.
//!
//! Belongs here: `GStreamer`'s part of the worker. Does not belong here: what frames are for, and how access units
//! came.

mod file;
mod frame;
mod pipeline;
mod warmup;
mod whole;

pub use file::VideoFile;
pub use frame::Frame;
pub use pipeline::WhenFull;
pub use warmup::warm_up;
pub use whole::{is_cut_off, is_cut_off_jpeg};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge_protocol::media::Codec;
use edge_protocol::time::MediaTime;
use pipeline::Pipeline;

use crate::media::nal;

/// Media time going back by more than this is another time line; a decoder that went on would reorder frames.
const BACKWARD: Duration = Duration::from_secs(1);

/// A decoder that takes so much of a stream in, in time and in access units, and gives no picture is not going to. Some
/// hold a picture for each of their threads, and a camera may send one a second.
const MUTE: (Duration, u32) = (Duration::from_secs(10), 100);

/// Where frames go, on the decoder's own thread.
pub type OnFrame = Arc<dyn Fn(Frame) + Send + Sync>;

/// Why an access unit did not reach a decoder, or a decoder could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// `GStreamer` itself cannot start.
    #[error("GStreamer does not start: {0}")]
    Framework(String),
    /// A file that is not there, or is no video.
    #[error("{0}")]
    File(String),
    /// No element of this machine decodes the stream.
    #[error("no decoder for {codec:?}: {what}")]
    NoDecoder {
        /// How the stream is coded.
        codec: Codec,
        /// What each candidate said.
        what: String,
    },
    /// The decoder reported an error and was given up.
    #[error("decoder {decoder}: {what}")]
    Failed {
        /// The element.
        decoder: String,
        /// Its words.
        what: String,
    },
}

/// What became of an access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The decoder has it.
    Decoding,
    /// Decoding has not begun or was begun anew: waiting for a key frame.
    NoKeyYet,
    /// Its lengths do not add up.
    Damaged,
    /// The decoder is behind; nothing goes in until the next key frame.
    Behind,
}

/// One access unit for the decoder.
#[derive(Debug)]
pub struct Unit {
    /// How it is coded.
    pub codec: Codec,
    /// When the picture is shown.
    pub media: MediaTime,
    /// When it must be decoded.
    pub decode: MediaTime,
    /// Whether decoding can start here.
    pub key: bool,
    /// NAL units behind 4-byte lengths, or one JPEG.
    pub bytes: Vec<u8>,
}

/// The decoder of one camera, through every change of codec, error and jump in time.
pub struct Decoder {
    on_frame: OnFrame,
    /// Frames that came out, of whichever decoder.
    given: Arc<AtomicU64>,
    full: WhenFull,
    preferred: Vec<String>,
    running: Option<Running>,
    rebuilt: u64,
}

struct Running {
    pipeline: Pipeline,
    codec: Codec,
    last: MediaTime,
    starved: bool,
    /// What had come out when something last did; what went in first since then, and how much.
    given: u64,
    unanswered: Option<(MediaTime, u32)>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("name", &self.name()).field("rebuilt", &self.rebuilt).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder that has seen nothing yet. `preferred` names elements to try before those of higher rank.
    pub fn new(preferred: Vec<String>, full: WhenFull, on_frame: OnFrame) -> Self {
        let given = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&given);
        let on_frame: OnFrame = Arc::new(move |frame| {
            counted.fetch_add(1, Ordering::Relaxed);
            on_frame(frame);
        });
        Self { on_frame, given, full, preferred, running: None, rebuilt: 0 }
    }

    /// Takes one access unit.
    ///
    /// # Errors
    /// When no decoder could be made, or the one there was reported an error; the next key frame begins anew.
    pub fn take(&mut self, mut unit: Unit) -> Result<Taken, DecodeError> {
        if unit.codec != Codec::Mjpeg && nal::to_annex_b(&mut unit.bytes).is_err() {
            return Ok(Taken::Damaged);
        }
        self.give_up_what_does_not_fit(&unit)?;
        let mut running = match self.running.take() {
            Some(running) => running,
            None if !unit.key => return Ok(Taken::NoKeyYet),
            None => self.build(&unit)?,
        };
        let given = self.given.load(Ordering::Relaxed);
        if std::mem::replace(&mut running.given, given) != given {
            running.unanswered = None;
        }
        // A decoder that has worked off what it was behind with waits for a key frame, and owes no picture till then.
        if !running.starved || unit.key || !running.pipeline.is_idle() {
            running.unanswered.get_or_insert((unit.decode, 0)).1 += 1;
        }
        if running.starved && !unit.key {
            self.running = Some(running);
            return Ok(Taken::Behind);
        }
        running.starved = !running.pipeline.push(unit.media, unit.decode, unit.bytes)?;
        running.last = unit.decode;
        let taken = if running.starved { Taken::Behind } else { Taken::Decoding };
        self.running = Some(running);
        Ok(taken)
    }

    /// Waits until every frame that went in has come out; for files, where nothing may be left behind.
    ///
    /// # Errors
    /// When the decoder reported an error on the way.
    pub fn drain(&mut self) -> Result<(), DecodeError> {
        self.running.take().map_or(Ok(()), |running| running.pipeline.drain())
    }

    /// The element in use; empty before the first key frame.
    pub fn name(&self) -> &str {
        self.running.as_ref().map_or("", |running| running.pipeline.name())
    }

    /// How often a decoder was given up.
    pub fn rebuilt(&self) -> u64 {
        self.rebuilt
    }

    fn build(&self, unit: &Unit) -> Result<Running, DecodeError> {
        let on_frame = Arc::clone(&self.on_frame);
        let pipeline = Pipeline::build(unit.codec, &self.preferred, self.full, &on_frame)?;
        let given = self.given.load(Ordering::Relaxed);
        Ok(Running { pipeline, codec: unit.codec, last: unit.decode, starved: false, given, unanswered: None })
    }

    /// Drops a decoder that failed, gives no pictures, is for another codec, or would see time run backward.
    fn give_up_what_does_not_fit(&mut self, unit: &Unit) -> Result<(), DecodeError> {
        let Some(running) = &self.running else { return Ok(()) };
        let is_long = |(since, units)| unit.decode.saturating_since(since) > MUTE.0 && units > MUTE.1;
        let is_mute = running.given == self.given.load(Ordering::Relaxed) && running.unanswered.is_some_and(is_long);
        let mute = || DecodeError::Failed {
            decoder: running.pipeline.name().to_owned(),
            what: format!("it took {} s of the stream in and gave no picture", MUTE.0.as_secs()),
        };
        let failure = running.pipeline.failure().or_else(|| is_mute.then(mute));
        let backward = running.last.saturating_since(unit.decode) > BACKWARD;
        if failure.is_none() && !backward && running.codec == unit.codec {
            return Ok(());
        }
        self.running = None;
        self.rebuilt += 1;
        failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
