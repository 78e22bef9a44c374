//! What a camera plays: coded pictures in memory.

use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

/// How long coding or reading a reel may take.
const DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// How the pictures are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// H.264 in access units with start codes.
    H264,
    /// H.265 in access units with start codes.
    H265,
    /// JPEG pictures.
    Mjpeg,
}

/// One coded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its bytes, as sent.
    pub bytes: Vec<u8>,
    /// Whether decoding can start here.
    pub key: bool,
}

/// Coded pictures that follow each other at even distances.
#[derive(Debug, Clone)]
pub struct Reel {
    /// How they are coded.
    pub coding: Coding,
    /// The pictures; the first is a key picture, and there are no B-frames.
    pub pictures: Vec<Picture>,
    /// From one to the next.
    pub interval: Duration,
}

impl Reel {
    /// A moving ball, with a key picture every second.
    pub fn drawn(coding: Coding, (width, height): (u32, u32), fps: u32, pictures: u32) -> Reel {
        Reel::coded(&raw("ball", (width, height), fps, pictures), coding, fps)
    }

    /// A JPEG picture that stands still, with a key picture every second.
    pub fn still(picture: &Path, (width, height): (u32, u32), fps: u32, pictures: u32) -> Reel {
        let raw = format!("video/x-raw,format=I420,width={width},height={height},framerate={fps}/1");
        let file = picture.display();
        let frozen = format!("imagefreeze num-buffers={pictures} ! {raw}");
        let source = format!("filesrc location={file} ! jpegdec ! videoscale ! videoconvert ! {frozen}");
        Reel::coded(&source, Coding::H264, fps)
    }

    fn coded(source: &str, coding: Coding, fps: u32) -> Reel {
        let encoder = match coding {
            Coding::H264 => format!("x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps}"),
            Coding::H265 => {
                format!(
                    "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} option-string=log-level=none"
                )
            }
            Coding::Mjpeg => "jpegenc".to_owned(),
        };
        collect(&format!("{source} ! {encoder}"), coding, Duration::from_secs(1) / fps)
    }

    /// Noise in H.264, which fills so many kilobits a second, with a key picture every second.
    pub fn noise(size: (u32, u32), fps: u32, pictures: u32, kbit_per_s: u32) -> Reel {
        let speed = "tune=zerolatency speed-preset=ultrafast";
        let encoder = format!("x264enc {speed} key-int-max={fps} bitrate={kbit_per_s}");
        let source = format!("{} ! {encoder}", raw("snow", size, fps, pictures));
        collect(&source, Coding::H264, Duration::from_secs(1) / fps)
    }

    /// The video of a file in any container; it must be coded as `coding`, without B-frames.
    pub fn file(path: &Path, coding: Coding, fps: u32) -> Reel {
        let name = path.to_str().expect("path is UTF-8");
        collect(&format!("filesrc location=\"{name}\" ! parsebin"), coding, Duration::from_secs(1) / fps)
    }
}

/// A source of uncoded pictures.
fn raw(pattern: &str, (width, height): (u32, u32), fps: u32, pictures: u32) -> String {
    let caps = format!("video/x-raw,format=I420,width={width},height={height},framerate={fps}/1");
    format!("videotestsrc pattern={pattern} num-buffers={pictures} ! {caps}")
}

fn collect(source: &str, coding: Coding, interval: Duration) -> Reel {
    gst::init().expect("GStreamer");
    let rest = match coding {
        Coding::H264 => "h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au",
        Coding::H265 => "h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au",
        Coding::Mjpeg => "image/jpeg",
    };
    let pipeline = gst::parse::launch(&format!("{source} ! {rest} ! appsink name=sink sync=false"));
    let pipeline = pipeline.expect("pipeline of a reel").downcast::<gst::Pipeline>().expect("a pipeline");
    let sink = pipeline.by_name("sink").expect("sink").downcast::<AppSink>().expect("an appsink");
    pipeline.set_state(gst::State::Playing).expect("start a reel's pipeline");
    let mut pictures = Vec::new();
    while let Some(sample) = sink.try_pull_sample(DEADLINE) {
        let buffer = sample.buffer().expect("a sample has a buffer");
        let bytes = buffer.map_readable().expect("readable").as_slice().to_vec();
        pictures.push(Picture { bytes, key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) });
    }
    let failed = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    pipeline.set_state(gst::State::Null).expect("stop a reel's pipeline");
    assert!(failed.is_none() && !pictures.is_empty(), "no reel from {source}: {failed:?}");
    Reel { coding, pictures, interval }
}
