//! `appsrc ! decoder ! videoconvert ! appsink`, with the settings that were measured.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use edge_protocol::time::MediaTime;
use gstreamer::prelude::*;
use gstreamer::{self as gst, ClockTime, ElementFactory, ElementFactoryType, FlowError, FlowSuccess, IntRange, Rank};
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use gstreamer_video::VideoInfo;

use super::{Codec, DecodeError, Frame, OnFrame};

/// Access units a decoder may hold before it counts as behind.
const AHEAD: u64 = 4;
/// The widest and tallest frame that is decoded: 8K. More is refused before a buffer of that size is made.
const MAX_SIDE: i32 = 8192;
/// Room before the first access unit, so that B-frames and small steps back keep positive stream times.
const ORIGIN_NS: i64 = 3_600_000_000_000;
/// A decoder that does not finish what it holds within this is stuck.
const DRAIN: ClockTime = ClockTime::from_seconds(30);

/// What happens when access units come faster than they can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The feeder waits: for files.
    Wait,
    /// The unit is dropped: for cameras, which must not wait for each other.
    Drop,
}

/// A running decoder.
pub(super) struct Pipeline {
    elements: gst::Pipeline,
    source: AppSrc,
    bus: gst::Bus,
    name: String,
    full: WhenFull,
    origin: Arc<OnceLock<i64>>,
}

impl Pipeline {
    /// Tries the machine's decoders by rank until one starts.
    pub(super) fn build(
        codec: Codec,
        preferred: &[String],
        full: WhenFull,
        on_frame: &OnFrame,
    ) -> Result<Self, DecodeError> {
        let caps = caps(codec);
        let mut said = Vec::new();
        for factory in candidates(&caps, preferred) {
            let name = factory.name().to_string();
            match Self::with_decoder(&caps, &factory, full, OnFrame::clone(on_frame)) {
                Ok(pipeline) => return Ok(pipeline),
                Err(error) => said.push(format!("{name}: {error}")),
            }
        }
        let what = if said.is_empty() { "none is installed".to_owned() } else { said.join("; ") };
        Err(DecodeError::NoDecoder { codec, what })
    }

    fn with_decoder(
        caps: &gst::Caps,
        factory: &ElementFactory,
        full: WhenFull,
        on_frame: OnFrame,
    ) -> Result<Self, gst::glib::BoolError> {
        let decoder = factory.create().build()?;
        tune(&decoder);
        let convert = ElementFactory::make("videoconvert").property("n-threads", 1_u32).build()?;
        let source = source(caps, full);
        let origin = Arc::new(OnceLock::new());
        let sink = sink(on_frame, Arc::clone(&origin));
        let pipeline = gst::Pipeline::new();
        let elements = [source.upcast_ref::<gst::Element>(), &decoder, &convert, sink.upcast_ref()];
        pipeline.add_many(elements)?;
        gst::Element::link_many(elements)?;
        let bus = pipeline.bus().ok_or_else(|| gst::glib::bool_error!("the pipeline has no bus"))?;
        let name = factory.name().to_string();
        let made = Self { elements: pipeline, source, bus, name, full, origin };
        let started = made.elements.set_state(gst::State::Playing);
        started.map_err(|_| gst::glib::bool_error!("does not start"))?;
        Ok(made)
    }

    /// Whether the decoder is as far behind as it may be where units are dropped then.
    pub(super) fn is_full(&self) -> bool {
        self.full == WhenFull::Drop && self.source.current_level_buffers() >= AHEAD
    }

    /// Whether the decoder has taken all that it was given.
    pub(super) fn is_idle(&self) -> bool {
        self.source.current_level_buffers() == 0
    }

    /// Has the decoder take nothing more, as one does that hangs.
    #[cfg(test)]
    pub(super) fn hang(&self) {
        self.elements.set_state(gst::State::Paused).unwrap();
    }

    /// Hands an access unit to the decoder; false if it is behind and the unit was dropped.
    pub(super) fn push(&self, media: MediaTime, decode: MediaTime, bytes: Vec<u8>) -> Result<bool, DecodeError> {
        if self.is_full() {
            return Ok(false);
        }
        let origin = *self.origin.get_or_init(|| decode.as_nanos().min(media.as_nanos()).saturating_sub(ORIGIN_NS));
        let stamp =
            |time: MediaTime| u64::try_from(time.as_nanos().saturating_sub(origin)).ok().map(ClockTime::from_nseconds);
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(stamp(media));
            buffer.set_dts(stamp(decode));
        }
        self.source
            .push_buffer(buffer)
            .map_err(|flow| self.failure().unwrap_or_else(|| self.failed(format!("takes nothing more ({flow})"))))?;
        Ok(true)
    }

    /// The error the decoder has reported, if any.
    pub(super) fn failure(&self) -> Option<DecodeError> {
        let message = self.bus.pop_filtered(&[gst::MessageType::Error])?;
        Some(self.failed(words(&message)))
    }

    /// Waits until everything that went in has come out.
    pub(super) fn drain(&self) -> Result<(), DecodeError> {
        self.source.end_of_stream().map_err(|flow| self.failed(flow.to_string()))?;
        let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
        match self.bus.timed_pop_filtered(DRAIN, &wanted) {
            Some(message) if message.type_() == gst::MessageType::Eos => Ok(()),
            Some(message) => Err(self.failed(words(&message))),
            None => Err(self.failed(format!("did not finish within {:?}", Duration::from(DRAIN)))),
        }
    }

    /// The decoder's element.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn failed(&self, what: String) -> DecodeError {
        DecodeError::Failed { decoder: self.name.clone(), what }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.elements.set_state(gst::State::Null).is_err() {
            tracing::debug!(decoder = self.name, "did not stop cleanly");
        }
    }
}

pub(super) fn words(message: &gst::MessageRef) -> String {
    if let gst::MessageView::Error(error) = message.view() { error.error().to_string() } else { "stopped".to_owned() }
}

fn caps(codec: Codec) -> gst::Caps {
    match codec {
        Codec::H264 => gst::Caps::builder("video/x-h264"),
        Codec::H265 => gst::Caps::builder("video/x-h265"),
        Codec::Mjpeg => return gst::Caps::builder("image/jpeg").field("parsed", true).build(),
    }
    .field("stream-format", "byte-stream")
    .field("alignment", "au")
    .build()
}

/// Elements that decode such a stream: preferred ones first, then by rank.
pub(super) fn candidates(caps: &gst::Caps, preferred: &[String]) -> Vec<ElementFactory> {
    let kinds = ElementFactoryType::DECODER | ElementFactoryType::MEDIA_VIDEO;
    let images = ElementFactoryType::DECODER | ElementFactoryType::MEDIA_IMAGE;
    let mut found: Vec<ElementFactory> = ElementFactory::factories_with_type(kinds, Rank::MARGINAL)
        .into_iter()
        .chain(ElementFactory::factories_with_type(images, Rank::MARGINAL))
        .filter(|factory| factory.can_sink_any_caps(caps))
        .collect();
    let place = |factory: &ElementFactory| preferred.iter().position(|name| *name == factory.name());
    found.sort_by_key(|factory| (place(factory).unwrap_or(usize::MAX), std::cmp::Reverse(factory.rank())));
    found.dedup_by_key(|factory| factory.name());
    found
}

/// Every decoder's candidates for every codec, for loading their plug-ins while files can still be opened.
pub(super) fn all_candidates(preferred: &[String]) -> Vec<ElementFactory> {
    [Codec::H264, Codec::H265, Codec::Mjpeg].into_iter().flat_map(|c| candidates(&caps(c), preferred)).collect()
}

/// Software decoders: one thread, a frame out for every frame in, no half-decoded pictures for the models.
pub(super) fn tune(decoder: &gst::Element) {
    let wanted = [("max-threads", "1"), ("thread-type", "slice"), ("output-corrupt", "false"), ("qos", "false")];
    for (property, value) in wanted {
        if decoder.find_property(property).is_some() {
            decoder.set_property_from_str(property, value);
        }
    }
}

fn source(caps: &gst::Caps, full: WhenFull) -> AppSrc {
    AppSrc::builder()
        .caps(caps)
        .format(gst::Format::Time)
        .is_live(true)
        .do_timestamp(false)
        .block(full == WhenFull::Wait)
        .max_buffers(AHEAD)
        .max_bytes(0)
        .build()
}

/// What analytics reads.
pub(super) fn frame_caps() -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", gst::List::new(["NV12", "I420"]))
        .field("width", IntRange::new(1, MAX_SIDE))
        .field("height", IntRange::new(1, MAX_SIDE))
        .build()
}

fn sink(on_frame: OnFrame, origin: Arc<OnceLock<i64>>) -> AppSink {
    let on_sample = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| FlowError::Eos)?;
        let info = sample.caps().and_then(|caps| VideoInfo::from_caps(caps).ok()).ok_or(FlowError::NotNegotiated)?;
        let buffer = sample.buffer_owned().ok_or(FlowError::Error)?;
        let stream = buffer.pts().map_or(0, |pts| i64::try_from(pts.nseconds()).unwrap_or(i64::MAX));
        let media = MediaTime::from_nanos(origin.get().copied().unwrap_or(0).saturating_add(stream));
        // A buffer that does not hold its frame is the decoder's fault and worth a new decoder.
        on_frame(Frame::map(media, buffer, &info).map_err(|_| FlowError::Error)?);
        Ok(FlowSuccess::Ok)
    };
    AppSink::builder()
        .caps(&frame_caps())
        .sync(false)
        .async_(false)
        .qos(false)
        .enable_last_sample(false)
        .max_buffers(1)
        .callbacks(AppSinkCallbacks::builder().new_sample(on_sample).build())
        .build()
}
