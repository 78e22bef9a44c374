//! A reel on its way to the viewers, and what goes wrong on it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSrc, AppSrcCallbacks};

use super::reel::{Coding, Reel};
use crate::proxy::Draw;

/// What the camera does with its pictures from now on; clones speak to the same camera.
#[derive(Debug, Clone, Default)]
pub struct Script {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    without_keys: bool,
    silent: bool,
    damage: Option<Draw>,
    back: Duration,
    sent: u64,
}

impl Script {
    /// Key pictures are left out, or no longer.
    pub fn without_keys(&self, on: bool) {
        self.lock().without_keys = on;
    }

    /// Nothing is sent while the connection stays, or sending goes on.
    pub fn silent(&self, on: bool) {
        self.lock().silent = on;
    }

    /// A byte of each picture is changed, places and values drawn from the seed.
    pub fn damage(&self, seed: u64) {
        self.lock().damage = Some(Draw::new(seed));
    }

    /// The times of the pictures step back by this much, once; by less than the camera has been playing.
    pub fn step_back(&self, by: Duration) {
        self.lock().back += by;
    }

    /// How many pictures were sent so far, to however many viewers.
    pub fn sent(&self) -> u64 {
        self.lock().sent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("script lock")
    }

    /// What becomes of a picture: its bytes and how far its time is moved back; `None` when it is not sent.
    fn apply(&self, bytes: &[u8], key: bool) -> Option<(Vec<u8>, Duration)> {
        let mut state = self.lock();
        if state.silent || (key && state.without_keys) {
            return None;
        }
        state.sent += 1;
        let mut bytes = bytes.to_vec();
        if let Some(draw) = &mut state.damage {
            // The first bytes say what a unit is; without them it is not damaged but another stream.
            let place = 64 + usize::try_from(draw.next() % (bytes.len() as u64 + 1)).expect("place fits");
            let value = draw.next().to_le_bytes()[0];
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        Some((bytes, state.back))
    }
}

/// The elements behind the camera's stream.
pub(super) fn description(coding: Coding) -> String {
    let (caps, pay) = match coding {
        Coding::H264 => ("video/x-h264,stream-format=byte-stream,alignment=au", "rtph264pay"),
        Coding::H265 => ("video/x-h265,stream-format=byte-stream,alignment=au", "rtph265pay"),
        Coding::Mjpeg => ("image/jpeg", "jpegparse ! rtpjpegpay"),
    };
    let source = "appsrc name=pictures is-live=true format=time max-buffers=1";
    format!("( {source} caps=\"{caps}\" ! {pay} name=pay0 pt=96 )")
}

/// Feeds the stream's source picture by picture whenever it wants one.
pub(super) fn begin(stream: &gst::Element, reel: Arc<Reel>, script: &Script) {
    let bin = stream.downcast_ref::<gst::Bin>().expect("the stream is a bin");
    let source = bin.by_name_recurse_up("pictures").expect("the source of pictures");
    let source = source.downcast::<AppSrc>().expect("an appsrc");
    let mut feed = Feed { reel, script: script.clone(), next: 0, time: None };
    source.set_callbacks(AppSrcCallbacks::builder().need_data(move |source, _| feed.push_one(source)).build());
}

struct Feed {
    reel: Arc<Reel>,
    script: Script,
    next: usize,
    time: Option<gst::ClockTime>,
}

impl Feed {
    /// Pushes the next picture at its time; on the stream's own thread.
    fn push_one(&mut self, source: &AppSrc) {
        let interval = nanos(self.reel.interval);
        loop {
            let now = source.current_running_time().unwrap_or(gst::ClockTime::ZERO);
            let time = self.time.map_or(now, |time| time + interval);
            self.time = Some(time);
            let picture = self.reel.pictures.get(self.next).expect("a reel is not empty");
            self.next = (self.next + 1) % self.reel.pictures.len();
            if !wait_until(source, time) {
                return;
            }
            let Some((bytes, back)) = self.script.apply(&picture.bytes, picture.key) else { continue };
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            let about = buffer.get_mut().expect("a new buffer is not shared");
            about.set_pts(time.saturating_sub(nanos(back)));
            about.set_duration(interval);
            // Refused only by a stream that is ending.
            let _pushed: Result<gst::FlowSuccess, gst::FlowError> = source.push_buffer(buffer);
            return;
        }
    }
}

/// Waits on the stream's own clock; false when the stream is ending.
fn wait_until(source: &AppSrc, time: gst::ClockTime) -> bool {
    if let (Some(clock), Some(base)) = (source.clock(), source.base_time()) {
        let _waited: (Result<gst::ClockSuccess, gst::ClockError>, _) = clock.new_single_shot_id(base + time).wait();
    }
    source.static_pad("src").is_some_and(|pad| !pad.pad_flags().contains(gst::PadFlags::FLUSHING))
}

fn nanos(span: Duration) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(span.as_nanos()).expect("span fits"))
}
