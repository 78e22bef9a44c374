//! Loads what decoding needs while files can still be opened, by decoding one small picture of each codec.
//!
//! The pictures are a grey gradient of 64x64 pixels, made by the project with the framework's own encoders.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use edge_protocol::time::MediaTime;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::pipeline::all_candidates;
use super::{Codec, DecodeError, Decoder, Unit, WhenFull};

const PICTURES: [(Codec, &[u8]); 3] = [
    (Codec::H264, include_bytes!("warmup/key.h264")),
    (Codec::H265, include_bytes!("warmup/key.h265")),
    (Codec::Mjpeg, include_bytes!("warmup/key.jpeg")),
];

/// A software decoder needs milliseconds; a hardware one may boot firmware first.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts the framework, loads every decoder's plug-in and decodes one picture of each codec.
/// Returns what does not work on this machine, with the reason: codecs, and preferred elements that are not there.
///
/// # Errors
/// When the framework does not start.
pub fn warm_up(preferred: &[String]) -> Result<Vec<String>, DecodeError> {
    gst::init().map_err(|error| DecodeError::Framework(error.to_string()))?;
    let candidates = all_candidates(preferred);
    for factory in &candidates {
        // One that does not load is found out when it is its turn.
        drop(factory.load());
    }
    let absent = preferred.iter().filter(|name| !candidates.iter().any(|factory| factory.name() == name.as_str()));
    let absent = absent.map(|name| format!("with {name}: this machine has no decoder of that name"));
    let failing = PICTURES.iter().filter_map(|(codec, picture)| try_one(*codec, picture, preferred).err());
    Ok(absent.chain(failing).collect())
}

fn try_one(codec: Codec, picture: &[u8], preferred: &[String]) -> Result<(), String> {
    let (tell, told) = sync_channel(1);
    let on_frame = Arc::new(move |frame: super::Frame| drop(tell.try_send(frame.picture().map(|_| ()))));
    let mut decoder = Decoder::new(preferred.to_vec(), WhenFull::Wait, on_frame);
    let time = MediaTime::from_nanos(0);
    let unit = Unit { codec, media: time, decode: time, key: true, bytes: picture.to_vec() };
    decoder.take(unit).map_err(|error| error.to_string())?;
    decoder.drain().map_err(|error| error.to_string())?;
    match told.recv_timeout(PATIENCE) {
        Ok(outcome) => outcome.map_err(|what| format!("{codec:?}: {what}")),
        Err(_) => Err(format!("{codec:?}: the decoder gave no frame")),
    }
}
