//! The demo's cameras: an RTSP server that plays H.264 files in a loop, each as a live camera would.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use gstreamer as gst;
use gstreamer::glib::translate::IntoGlib as _;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPMedia, RTSPMediaFactory, RTSPServer};

/// One coded picture and its place in the file.
struct Picture {
    bytes: gst::Buffer,
    pts: gst::ClockTime,
}

/// A file held in memory, ready to be played again and again.
struct Film {
    caps: gst::Caps,
    pictures: Vec<Picture>,
    length: gst::ClockTime,
}

/// An RTSP server on a free port of this machine; ends with the process.
#[derive(Debug)]
pub(crate) struct Cameras {
    server: RTSPServer,
    port: i32,
}

/// When a camera's first loop began; empty until somebody looks.
pub(crate) type Began = Arc<OnceLock<SystemTime>>;

impl Cameras {
    /// Starts a server without cameras.
    pub(crate) fn start() -> Result<Self> {
        gst::init()?;
        let server = RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service("0");
        let context = gst::glib::MainContext::new();
        // The source ends with the main loop's thread, which ends with the process.
        server.attach(Some(&context)).map_err(|error| anyhow!("cannot start the RTSP server: {error}"))?;
        let port = server.bound_port();
        let main_loop = gst::glib::MainLoop::new(Some(&context), false);
        thread::Builder::new().name("rtsp".to_owned()).spawn(move || {
            if let Ok(_guard) = context.acquire() {
                main_loop.run();
            }
        })?;
        Ok(Self { server, port })
    }

    /// Plays an H.264 file under `name`; where to look, and when the first loop began once somebody did.
    pub(crate) fn play(&self, name: &str, video: &Path) -> Result<(String, Began)> {
        let film = Arc::new(Film::read(video).with_context(|| format!("cannot read {}", video.display()))?);
        let began = Began::default();
        let factory = RTSPMediaFactory::new();
        factory.set_launch("( appsrc name=film format=time max-bytes=4000000 block=true ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )");
        factory.set_shared(true);
        let noted = Arc::clone(&began);
        factory.connect_media_configure(move |_, media| feed(media, &film, &noted));
        let mounts = self.server.mount_points().ok_or_else(|| anyhow!("the RTSP server has no mount points"))?;
        mounts.add_factory(&format!("/{name}"), factory);
        Ok((format!("rtsp://127.0.0.1:{}/{name}", self.port), began))
    }
}

/// Gives a medium its pictures from a thread of its own until nobody wants them any more.
fn feed(media: &RTSPMedia, film: &Arc<Film>, began: &Began) {
    let began = Arc::clone(began);
    media.connect_new_state(move |_, state| {
        if state == gst::State::Playing.into_glib() {
            began.get_or_init(SystemTime::now);
        }
    });
    let source = media.element().downcast::<gst::Bin>().ok().and_then(|bin| bin.by_name("film"));
    let Some(source) = source.and_then(|element| element.downcast::<AppSrc>().ok()) else { return };
    source.set_caps(Some(&film.caps));
    let film = Arc::clone(film);
    let feeder = thread::Builder::new().name("film".to_owned()).spawn(move || {
        let mut offset = gst::ClockTime::ZERO;
        loop {
            for picture in &film.pictures {
                let mut buffer = picture.bytes.copy();
                let buffer_mut = buffer.make_mut();
                buffer_mut.set_pts(picture.pts + offset);
                // Without B-frames both are the same; the file's own would go back with every loop.
                buffer_mut.set_dts(picture.pts + offset);
                if source.push_buffer(buffer).is_err() {
                    return;
                }
            }
            offset += film.length;
        }
    });
    if let Err(error) = feeder {
        eprintln!("demo: the system refuses another thread: {error}");
    }
}

impl Film {
    fn read(file: &Path) -> Result<Self> {
        let description = "filesrc name=file ! qtdemux ! h264parse config-interval=-1 \
             ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=pictures sync=false";
        let pipeline =
            gst::parse::launch(description)?.downcast::<gst::Pipeline>().map_err(|_| anyhow!("no pipeline"))?;
        let named = |name: &str| pipeline.by_name(name).ok_or_else(|| anyhow!("no element {name}"));
        named("file")?.set_property("location", file.display().to_string());
        let sink = named("pictures")?.downcast::<AppSink>().map_err(|_| anyhow!("no appsink"))?;
        pipeline.set_state(gst::State::Playing)?;
        let mut pictures = Vec::new();
        let mut caps = None;
        let mut length = gst::ClockTime::ZERO;
        while let Ok(sample) = sink.pull_sample() {
            let buffer = sample.buffer_owned().ok_or_else(|| anyhow!("a sample without a buffer"))?;
            let pts = buffer.pts().ok_or_else(|| anyhow!("a picture without a time"))?;
            length = length.max(pts + buffer.duration().unwrap_or(gst::ClockTime::from_mseconds(40)));
            caps = caps.or_else(|| sample.caps_owned());
            pictures.push(Picture { bytes: buffer, pts });
        }
        pipeline.set_state(gst::State::Null)?;
        let caps = caps.ok_or_else(|| anyhow!("no H.264 video in it"))?;
        Ok(Self { caps, pictures, length })
    }
}
