//! Frames of a video file, every one of them, as fast as they are asked for.

use std::path::Path;

use edge_protocol::time::MediaTime;
use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, MessageType};
use gstreamer_app::AppSink;
use gstreamer_video::VideoInfo;

use super::pipeline::{frame_caps, tune, words};
use super::{DecodeError, Frame};

/// Between two looks at the bus while no frame comes.
const PATIENCE: ClockTime = ClockTime::from_mseconds(50);

/// A file being decoded. Iterating gives its frames in order of time; a damaged file ends with an error.
pub struct VideoFile {
    elements: gst::Pipeline,
    sink: AppSink,
    over: bool,
}

impl std::fmt::Debug for VideoFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VideoFile").field("over", &self.over).finish_non_exhaustive()
    }
}

impl VideoFile {
    /// Opens a file of any kind that the machine's plug-ins read.
    ///
    /// # Errors
    /// When the file is not there, or the framework does not start. One that is no video shows as the first item's
    /// error.
    pub fn open(path: &Path) -> Result<Self, DecodeError> {
        let found = std::fs::metadata(path).map_err(|error| DecodeError::File(error.to_string()))?;
        if found.is_dir() {
            return Err(DecodeError::File("is a folder: name a video in it".to_owned()));
        }
        let framework = |error: &dyn std::fmt::Display| DecodeError::Framework(error.to_string());
        gst::init().map_err(|error| framework(&error))?;
        let make = |name: &str| gst::ElementFactory::make(name).build().map_err(|error| framework(&error));
        let (source, decoder, convert) = (make("filesrc")?, make("decodebin")?, make("videoconvert")?);
        source.set_property("location", path);
        let sink = AppSink::builder().caps(&frame_caps()).sync(false).max_buffers(2).build();
        let elements = gst::Pipeline::new();
        let linked = elements
            .add_many([&source, &decoder, &convert, sink.upcast_ref()])
            .and_then(|()| source.link(&decoder))
            .and_then(|()| convert.link(&sink));
        linked.map_err(|error| framework(&error))?;
        elements.connect_deep_element_added(|_, _, element| tune(element));
        decoder.connect_pad_added(move |_, pad| {
            // Sound and subtitles do not fit, and a second picture track finds the place taken.
            let free = convert.static_pad("sink").filter(|free| !free.is_linked());
            if free.is_some_and(|free| pad.link(&free).is_err()) {
                tracing::debug!(pad = %pad.name(), "not a track of pictures");
            }
        });
        let started = elements.set_state(gst::State::Playing);
        let file = Self { elements, sink, over: false };
        started.map_err(|_| file.failure())?;
        Ok(file)
    }

    fn failure(&self) -> DecodeError {
        let message = self.elements.bus().and_then(|bus| bus.pop_filtered(&[MessageType::Error]));
        let stopped = || DecodeError::Failed { decoder: "decodebin".to_owned(), what: "stopped".to_owned() };
        message.map_or_else(stopped, |message| fault(&message))
    }

    fn frame(sample: &gst::Sample) -> Result<Frame, DecodeError> {
        let failed = |what: &str| DecodeError::Failed { decoder: "decodebin".to_owned(), what: what.to_owned() };
        let info = sample.caps().and_then(|caps| VideoInfo::from_caps(caps).ok());
        let info = info.ok_or_else(|| failed("gave a frame without a format"))?;
        let buffer = sample.buffer_owned().ok_or_else(|| failed("gave an empty frame"))?;
        let nanos = buffer.pts().and_then(|pts| i64::try_from(pts.nseconds()).ok()).unwrap_or(0);
        Frame::map(MediaTime::from_nanos(nanos), buffer, &info).map_err(|what| failed(&what))
    }
}

impl Iterator for VideoFile {
    type Item = Result<Frame, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        loop {
            if let Some(sample) = self.sink.try_pull_sample(PATIENCE) {
                return Some(Self::frame(&sample));
            }
            // An error upstream does not wake the sink; only the bus knows of it.
            let error = self.elements.bus().and_then(|bus| bus.pop_filtered(&[MessageType::Error]));
            self.over = error.is_some() || self.sink.is_eos();
            if let Some(message) = error {
                return Some(Err(fault(&message)));
            }
            if self.over {
                return None;
            }
        }
    }
}

/// What the framework says of a file.
fn fault(message: &gst::MessageRef) -> DecodeError {
    let kinds = [gst::StreamError::TypeNotFound, gst::StreamError::WrongType];
    if let gst::MessageView::Error(error) = message.view()
        && kinds.iter().any(|kind| error.error().matches(*kind))
    {
        return DecodeError::File("is no video, or of a kind that is not known here".to_owned());
    }
    DecodeError::Failed { decoder: "decodebin".to_owned(), what: words(message) }
}

impl Drop for VideoFile {
    fn drop(&mut self) {
        if self.elements.set_state(gst::State::Null).is_err() {
            tracing::debug!("a video file did not close cleanly");
        }
    }
}
