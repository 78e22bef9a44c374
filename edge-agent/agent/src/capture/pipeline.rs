//! The GStreamer pipeline of one source: where pictures come from, up to the sink they are pulled from.
//!
//! Nothing is decoded here. Audio is never asked for. One pipeline holds one source, so that its end or failure is that
//! source's alone.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;

use super::settings::{Pace, Settings, Source, TestPicture, Transport};
use super::{Credentials, Trouble};
use crate::supervise::Fault;

/// Packets may come this much out of order; in-order packets do not wait for it.
const REORDER_MS: u32 = 200;
/// For connecting and for each answer.
const ANSWER_MICROS: u64 = 10_000_000;
/// For telling the camera that the stream is no longer wanted.
const TEARDOWN_NANOS: u64 = 200_000_000;
/// Pictures that may wait to be pulled; then the source waits.
const WAITING_PICTURES: u32 = 64;

/// A source that can be started, and is stopped when dropped.
#[derive(Debug)]
pub(super) struct Pipeline {
    elements: gst::Pipeline,
    pub(super) sink: AppSink,
    pub(super) bus: gst::Bus,
    refused: Refused,
}

/// What the source offers that is not understood, for the words.
#[derive(Debug, Clone, Default)]
struct Refused(Arc<Mutex<Option<String>>>);

/// Reads GStreamer's list of plugins, and makes it where there is none yet, which takes a slow board half a minute.
///
/// What is wrong with GStreamer every camera says for itself.
pub fn list_plugins() {
    if let Err(error) = gst::init() {
        tracing::debug!(%error, "no list of plugins");
    }
}

impl Pipeline {
    /// Builds the pipeline of a source.
    pub(super) fn build(settings: &Settings) -> Result<Self, Trouble> {
        gst::init().map_err(|error| Trouble::Stream(error.to_string()))?;
        let pipeline = gst::Pipeline::new();
        let paced = matches!(settings.source, Source::File { pace: Pace::Recorded, .. });
        let sink = AppSink::builder().sync(paced).max_buffers(WAITING_PICTURES).caps(&wanted_caps()).build();
        sink.set_property("enable-last-sample", false);
        add(&pipeline, &[sink.upcast_ref()])?;
        let refused = Refused::default();
        let bus = pipeline.bus().ok_or_else(|| Trouble::Stream("a pipeline without a bus".to_owned()))?;
        let built = Self { elements: pipeline, sink, bus, refused };
        match &settings.source {
            Source::Rtsp { url, transport, credentials, trust } => {
                let credentials = credentials.as_deref().map(Credentials::from_file).transpose();
                let credentials = credentials.map_err(|error| Trouble::Credentials(Fault::from_error(&error).0))?;
                let source = rtsp_source(url, *transport, credentials.as_ref())?;
                super::trust::apply(&source, trust)?;
                built.add_rtsp(&source)?;
            }
            Source::File { path, .. } => built.add_file(path)?,
            Source::V4l2 { device } => built.add_v4l2(device)?,
            Source::Test(picture) => built.add_test(*picture)?,
        }
        Ok(built)
    }

    /// Starts the flow. What goes wrong later comes over the bus.
    pub(super) fn start(&self) -> Result<(), gst::StateChangeError> {
        self.elements.set_state(gst::State::Playing).map(|_| ())
    }

    /// What the source offered instead of something understood.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add_rtsp(&self, source: &gst::Element) -> Result<(), Trouble> {
        add(&self.elements, &[source])?;
        let refused = self.refused.clone();
        // (stream number, its SDP caps) -> whether to set it up; one that is not set up is never sent.
        source.connect("select-stream", false, move |values| {
            let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
            Some(caps.is_some_and(|caps| refused.is_wanted(&caps)).to_value())
        });
        let (pipeline, sink, refused) = (self.elements.downgrade(), self.sink.downgrade(), self.refused.clone());
        source.connect_pad_added(move |_, pad| {
            let (Some(pipeline), Some(sink)) = (pipeline.upgrade(), sink.upgrade()) else { return };
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let Some(chain) = depayloader(&caps) else { return };
            if let Err(trouble) = attach(&pipeline, pad, chain, &sink) {
                refused.note(trouble.to_string());
            }
        });
        Ok(())
    }

    fn add_file(&self, path: &Path) -> Result<(), Trouble> {
        if !path.exists() {
            return Err(Trouble::Missing(format!("file {}", path.display())));
        }
        let source = make("filesrc")?;
        source.set_property("location", path);
        let parse = make("parsebin")?;
        add(&self.elements, &[&source, &parse])?;
        link(&[&source, &parse])?;
        let (pipeline, sink, refused) = (self.elements.downgrade(), self.sink.downgrade(), self.refused.clone());
        parse.connect_pad_added(move |_, pad| {
            let (Some(pipeline), Some(sink)) = (pipeline.upgrade(), sink.upgrade()) else { return };
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let Some(name) = caps.structure(0).map(|structure| structure.name().to_string()) else { return };
            match parser(&name) {
                Some(chain) => {
                    if let Err(trouble) = attach(&pipeline, pad, chain, &sink) {
                        refused.note(trouble.to_string());
                    }
                }
                None if name.starts_with("video/") || name.starts_with("image/") => refused.note(spoken(&caps)),
                None => {}
            }
        });
        Ok(())
    }

    fn add_v4l2(&self, device: &Path) -> Result<(), Trouble> {
        if !device.exists() {
            return Err(Trouble::Missing(format!("device {}", device.display())));
        }
        let source = make("v4l2src")?;
        source.set_property("device", device.to_string_lossy().as_ref());
        add(&self.elements, &[&source])?;
        source.set_state(gst::State::Ready).map_err(|_| Trouble::Stream("the device cannot be opened".to_owned()))?;
        let offered = source.static_pad("src").map(|pad| pad.query_caps(None));
        let description = match offered.as_ref().and_then(best_of_device) {
            Some("video/x-h264") => "capsfilter caps=video/x-h264 ! h264parse",
            Some("image/jpeg") => "capsfilter caps=image/jpeg",
            Some(_) | None => "videoconvert ! jpegenc",
        };
        let rest = bin(description)?;
        add(&self.elements, &[&rest])?;
        link(&[&source, &rest, self.sink.upcast_ref()])
    }

    fn add_test(&self, picture: TestPicture) -> Result<(), Trouble> {
        let fps = picture.fps.max(1);
        let group = fps * 2;
        let (name, encoder) = [
            ("x264enc", format!("x264enc tune=zerolatency speed-preset=ultrafast key-int-max={group} ! h264parse")),
            ("openh264enc", format!("openh264enc gop-size={group} ! h264parse")),
            ("jpegenc", "jpegenc".to_owned()),
        ]
        .into_iter()
        .find(|(name, _)| gst::ElementFactory::find(name).is_some())
        .ok_or(Trouble::Element("jpegenc"))?;
        tracing::debug!(encoder = name, "drawing a test picture");
        let source = bin(&format!("{} ! {encoder}", drawn(picture)))?;
        add(&self.elements, &[&source])?;
        link(&[&source, self.sink.upcast_ref()])
    }
}

/// A ball that moves over a meadow: with light in it, so that nothing is said of a lens that is covered.
fn drawn(TestPicture { size: (width, height), fps }: TestPicture) -> String {
    let fps = fps.max(1);
    format!(
        "videotestsrc is-live=true pattern=ball background-color=0xff308030 ! \
         video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
    )
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.elements.set_state(gst::State::Null).is_err() {
            tracing::warn!("a camera's pipeline did not stop cleanly");
        }
    }
}

impl Refused {
    fn note(&self, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    fn is_wanted(&self, sdp: &gst::Caps) -> bool {
        let Some(stream) = sdp.structure(0) else { return false };
        if stream.get::<&str>("media").ok() != Some("video") {
            return false;
        }
        let understood = depayloader(sdp).is_some();
        if !understood {
            self.note(stream.get::<&str>("encoding-name").unwrap_or("an unnamed coding").to_owned());
        }
        understood
    }
}

/// What the sink takes; the parsers turn everything of the same codec into this.
fn wanted_caps() -> gst::Caps {
    let unit =
        |name| gst::Structure::builder(name).field("stream-format", "byte-stream").field("alignment", "au").build();
    let jpeg = gst::Structure::new_empty("image/jpeg");
    gst::Caps::builder_full().structure(unit("video/x-h264")).structure(unit("video/x-h265")).structure(jpeg).build()
}

/// The elements behind an RTP stream. Whole access units leave the depayloader, since a parser that has to find their
/// end itself would hold each back until the next begins.
fn depayloader(caps: &gst::Caps) -> Option<&'static str> {
    let encoding = caps.structure(0)?.get::<&str>("encoding-name").ok()?;
    match encoding {
        "H264" => Some("rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au ! h264parse"),
        "H265" => Some("rtph265depay ! video/x-h265,stream-format=byte-stream,alignment=au ! h265parse"),
        "JPEG" => Some("rtpjpegdepay"),
        _ => None,
    }
}

/// The elements behind a demultiplexed stream.
fn parser(name: &str) -> Option<&'static str> {
    match name {
        "video/x-h264" => Some("h264parse"),
        "video/x-h265" => Some("h265parse"),
        "image/jpeg" => Some("identity"),
        _ => None,
    }
}

/// What is best taken from a device.
fn best_of_device(offered: &gst::Caps) -> Option<&'static str> {
    let offers = |name: &str| offered.iter().any(|structure| structure.name() == name);
    ["video/x-h264", "image/jpeg", "video/x-raw"].into_iter().find(|name| offers(name))
}

/// The name of a coding as people say it.
fn spoken(caps: &gst::Caps) -> String {
    let Some(structure) = caps.structure(0) else { return "nothing".to_owned() };
    match (structure.name().as_str(), structure.get::<i32>("mpegversion")) {
        ("video/mpeg", Ok(version)) => format!("MPEG-{version}"),
        (name, _) => name.to_owned(),
    }
}

fn rtsp_source(url: &str, transport: Transport, credentials: Option<&Credentials>) -> Result<gst::Element, Trouble> {
    let source = make("rtspsrc")?;
    source.set_property("location", url);
    source.set_property_from_str(
        "protocols",
        match transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        },
    );
    source.set_property("latency", REORDER_MS);
    // The camera's own intervals, not those of the packets' arrival.
    source.set_property_from_str("buffer-mode", "none");
    source.set_property("tcp-timeout", ANSWER_MICROS);
    // No silent change to TCP when UDP does not come through: the watchdog says so, and the configuration decides.
    source.set_property("timeout", 0_u64);
    source.set_property("teardown-timeout", TEARDOWN_NANOS);
    source.set_property("add-reference-timestamp-meta", true);
    source.set_property("user-agent", "edge-agent");
    if let Some(credentials) = credentials {
        source.set_property("user-id", credentials.user());
        source.set_property("user-pw", credentials.password());
    }
    Ok(source)
}

/// Puts elements between a pad and the sink; a second stream of the same source is left alone.
fn attach(pipeline: &gst::Pipeline, pad: &gst::Pad, description: &str, sink: &AppSink) -> Result<(), Trouble> {
    if sink.static_pad("sink").is_none_or(|pad| pad.is_linked()) {
        return Ok(());
    }
    let chain = bin(description)?;
    add(pipeline, &[&chain])?;
    link(&[&chain, sink.upcast_ref()])?;
    chain.sync_state_with_parent().map_err(|error| Trouble::Stream(error.to_string()))?;
    let into = chain.static_pad("sink").ok_or_else(|| Trouble::Stream("elements without an entry".to_owned()))?;
    pad.link(&into).map(|_| ()).map_err(|error| Trouble::Stream(error.to_string()))
}

/// Elements in GStreamer's own notation, as one with the ends open.
fn bin(description: &str) -> Result<gst::Element, Trouble> {
    gst::parse::bin_from_description(description, true)
        .map(gst::Bin::upcast)
        .map_err(|error| Trouble::Stream(error.message().to_owned()))
}

fn make(name: &'static str) -> Result<gst::Element, Trouble> {
    gst::ElementFactory::make(name).build().map_err(|_| Trouble::Element(name))
}

fn add(pipeline: &gst::Pipeline, elements: &[&gst::Element]) -> Result<(), Trouble> {
    pipeline.add_many(elements).map_err(|error| Trouble::Stream(error.to_string()))
}

fn link(elements: &[&gst::Element]) -> Result<(), Trouble> {
    gst::Element::link_many(elements).map_err(|error| Trouble::Stream(error.to_string()))
}

#[cfg(test)]
mod tests {
    use edge_analytics::care::CareSettings;

    use super::*;

    #[test]
    fn the_test_picture_is_neither_dark_nor_burnt_out() {
        gst::init().unwrap();
        let source = bin(&format!("{} ! identity", drawn(TestPicture { size: (640, 360), fps: 10 }))).unwrap();
        let (elements, sink) = (gst::Pipeline::new(), AppSink::builder().sync(false).build());
        elements.add_many([&source, sink.upcast_ref()]).unwrap();
        source.link(&sink).unwrap();
        elements.set_state(gst::State::Playing).unwrap();
        let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(60)).expect("a picture within a minute");
        let bytes = sample.buffer_owned().unwrap().into_mapped_buffer_readable().unwrap();
        let luma = &bytes.as_slice()[..640 * 360];
        let brightness = luma.iter().map(|level| f32::from(*level)).sum::<f32>() / (640.0 * 360.0);
        elements.set_state(gst::State::Null).unwrap();
        assert!(brightness > 3.0 * CareSettings::default().dark_below && brightness < 200.0, "{brightness}");
    }
}
