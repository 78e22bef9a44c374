//! Coded test pictures: what a camera of each kind would send, made on the spot.

use std::time::Duration;

use bytes::Bytes;
use edge_protocol::media::Codec;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

/// One access unit as cameras give it to the agent.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// When it is shown, in nanoseconds.
    pub(crate) media: i64,
    /// When it must be decoded.
    pub(crate) decode: i64,
    /// Whether decoding can start here.
    pub(crate) key: bool,
    /// NAL units behind lengths, or a JPEG.
    pub(crate) bytes: Bytes,
}

/// A second of moving pictures at 25 frames per second through an encoder; none, with a word why, without it.
pub(crate) fn encode(codec: Codec, encoder: &str, size: (u32, u32)) -> Option<Vec<Unit>> {
    encode_some(codec, encoder, size, 25)
}

/// So many of such pictures.
pub(crate) fn encode_some(codec: Codec, encoder: &str, size: (u32, u32), pictures: usize) -> Option<Vec<Unit>> {
    gstreamer::init().unwrap();
    let caps = match codec {
        Codec::H264 => "h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
        Codec::H265 => "h265parse ! video/x-h265,stream-format=byte-stream,alignment=au",
        Codec::Mjpeg => "identity",
    };
    let (width, height) = size;
    let line = format!(
        "videotestsrc pattern=ball num-buffers={pictures} ! video/x-raw,format=I420,width={width},height={height},framerate=25/1 \
         ! {encoder} ! {caps} ! appsink name=sink sync=false"
    );
    let pipeline = match gstreamer::parse::launch(&line) {
        Ok(pipeline) => pipeline.downcast::<gstreamer::Pipeline>().unwrap(),
        Err(error) => {
            eprintln!("SKIPPED: {encoder}: {error}");
            return None;
        }
    };
    let sink = pipeline.by_name("sink").unwrap().downcast::<AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let mut units = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().unwrap();
        let pts = buffer.pts().unwrap();
        let raw = buffer.map_readable().unwrap();
        let bytes = if codec == Codec::Mjpeg { raw.to_vec() } else { with_lengths(&raw) };
        units.push(Unit {
            media: i64::try_from(pts.nseconds()).unwrap(),
            decode: i64::try_from(buffer.dts().unwrap_or(pts).nseconds()).unwrap(),
            key: !buffer.flags().contains(gstreamer::BufferFlags::DELTA_UNIT),
            bytes: Bytes::from(bytes),
        });
    }
    pipeline.set_state(gstreamer::State::Null).unwrap();
    assert_eq!(units.len(), pictures, "{encoder}");
    // Encoders count from an offset of their own.
    let origin = units.iter().map(|unit| unit.media).min().unwrap();
    for unit in &mut units {
        unit.media -= origin;
        unit.decode -= origin;
    }
    Some(units)
}

/// How long such a stream lasts.
pub(crate) const LENGTH: Duration = Duration::from_secs(1);

/// NAL units behind start codes to NAL units behind their lengths.
fn with_lengths(annex_b: &[u8]) -> Vec<u8> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 3 <= annex_b.len() {
        if annex_b[at..at + 3] == [0, 0, 1] {
            starts.push(at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    let mut bytes = Vec::new();
    for (place, start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).map_or(annex_b.len(), |next| next - 3);
        let mut nal = &annex_b[*start..end];
        while let [rest @ .., 0] = nal {
            nal = rest;
        }
        bytes.extend(u32::try_from(nal.len()).unwrap().to_be_bytes());
        bytes.extend(nal);
    }
    bytes
}
