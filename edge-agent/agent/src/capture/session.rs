//! One connection to a camera, from the start of its pipeline to its end.

use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::media::Codec;
use edge_protocol::time::{ClockQuality, MonoTime, WallStamp, WallTime};
use gstreamer as gst;

use super::assemble::Assembler;
use super::health::{CameraWatch, Received, State};
use super::keys::{Keys, Standing};
use super::pipeline::Pipeline;
use super::settings::Watchdog;
use super::timeline::{Stamped, Timeline};
use super::{Trouble, trouble};
use crate::media::AccessUnit;
use crate::supervise::{Clock, Pulse, Stop};

/// How long to wait for a picture before looking at everything else.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// From NTP's origin in 1900 to 1970, RFC 5905 figure 4.
const NTP_TO_UNIX_SECONDS: i64 = 2_208_988_800;
/// A camera whose clock is further off than this is not asked for the time.
const CLOCKS_AGREE_MICROS: i64 = 2_000_000;

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// On request.
    Stopped,
    /// The camera's pictures shall come from elsewhere.
    Left,
    /// The source has no more.
    Ended,
    /// Something is wrong.
    Trouble(Trouble),
}

/// What a connection works with; all of it outlives the connection.
pub(super) struct Session<'a> {
    pub(super) camera: &'a CameraId,
    pub(super) watchdog: Watchdog,
    pub(super) clock: &'a Clock,
    pub(super) watch: &'a CameraWatch,
    /// Whether the pictures shall come from elsewhere by now.
    pub(super) is_left: &'a dyn Fn() -> bool,
    pub(super) pulse: &'a Pulse,
    pub(super) timeline: &'a mut Timeline,
    pub(super) keys: &'a mut Keys,
    pub(super) deliver: &'a mut dyn FnMut(AccessUnit),
}

/// When what was last seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    began: MonoTime,
    /// The first and the last picture.
    pictures: Option<(MonoTime, MonoTime)>,
}

impl Session<'_> {
    /// Runs until the source ends, fails or `stop` is set.
    pub(super) fn run(&mut self, pipeline: &Pipeline, stop: &Stop) -> End {
        let mut seen = Seen { began: self.clock.mono(), pictures: None };
        let mut assembler = Assembler::new(Codec::H264);
        self.timeline.begin_session();
        self.keys.begin();
        // A failed start has said why on the bus.
        let started = pipeline.start();
        loop {
            if stop.is_set() {
                return End::Stopped;
            }
            if (self.is_left)() {
                return End::Left;
            }
            let wait = if started.is_ok() { LOOK } else { gst::ClockTime::ZERO };
            if let Some(sample) = pipeline.sink.try_pull_sample(wait) {
                self.take(&sample, &mut assembler, &mut seen);
            } else if let Some(end) = self.end_on_bus(pipeline) {
                return end;
            } else if started.is_err() {
                return End::Trouble(Trouble::Stream("the source cannot be started".to_owned()));
            }
            let now = self.clock.mono();
            self.pulse.beat(now);
            if let Some(trouble) = self.overdue(&seen, now) {
                return End::Trouble(trouble);
            }
        }
    }

    /// The end of the stream or its failure, once everything received has been taken.
    fn end_on_bus(&self, pipeline: &Pipeline) -> Option<End> {
        let message = pipeline.bus.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos])?;
        let gst::MessageView::Error(failure) = message.view() else { return Some(End::Ended) };
        if let Some(codec) = pipeline.refused() {
            return Some(End::Trouble(Trouble::Codec(codec)));
        }
        // The debug text names elements and lines of GStreamer, never a password: those are properties of the source.
        tracing::debug!(camera = %self.camera, error = %failure.error(), debug = ?failure.debug(), "pipeline failed");
        Some(End::Trouble(trouble::of_error(&failure.error())))
    }

    fn overdue(&mut self, seen: &Seen, now: MonoTime) -> Option<Trouble> {
        let Watchdog { first, silence, key } = self.watchdog;
        let Some((first_picture, last_picture)) = seen.pictures else {
            return (now.saturating_since(seen.began) > first).then_some(Trouble::NoPicture(first));
        };
        if now.saturating_since(last_picture) > silence {
            return Some(Trouble::Silent(silence));
        }
        match self.keys.standing(first_picture, last_picture) {
            Standing::Good => None,
            Standing::Ask => Some(Trouble::NoKeyPicture(key)),
            Standing::Rare(since) => {
                self.watch.set_state(State::WithoutKey(since));
                None
            }
        }
    }

    fn take(&mut self, sample: &gst::Sample, assembler: &mut Assembler, seen: &mut Seen) {
        let (arrival, arrival_wall) = (self.clock.mono(), self.clock.wall());
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else { return };
        let Some(format) = Format::of(caps) else { return };
        if assembler.codec() != format.codec {
            *assembler = Assembler::new(format.codec);
        }
        let Ok(map) = buffer.map_readable() else { return };
        let Some(picture) = assembler.picture(map.as_slice()) else {
            self.watch.without_picture();
            return;
        };
        let placed = self.timeline.place(stamped(sample, buffer, arrival));
        let (wall, camera_clock) = wall_of(arrival_wall, reported(buffer));
        let first = seen.pictures.is_none();
        if first {
            self.watch.set_state(State::Receiving);
        }
        seen.pictures = Some((seen.pictures.map_or(arrival, |(first, _)| first), arrival));
        if picture.key {
            self.keys.came(arrival);
            self.watch.set_state(State::Receiving);
        }
        self.watch.received(Received {
            at: arrival,
            bytes: picture.bytes.len(),
            codec: format.codec,
            size: format.size,
            lost: !first && buffer.flags().contains(gst::BufferFlags::DISCONT),
            jumped: placed.jumped,
            camera_clock_ms: camera_clock.map(|micros| micros / 1000),
        });
        (self.deliver)(AccessUnit {
            camera: self.camera.clone(),
            codec: format.codec,
            media: placed.media,
            decode: placed.decode,
            arrival,
            wall,
            key: picture.key,
            size: format.size,
            bytes: picture.bytes,
        });
    }
}

/// What the caps of a stream say.
#[derive(Debug, Clone, Copy)]
struct Format {
    codec: Codec,
    size: Option<(u32, u32)>,
}

impl Format {
    fn of(caps: &gst::CapsRef) -> Option<Self> {
        let structure = caps.structure(0)?;
        let codec = match structure.name().as_str() {
            "video/x-h264" => Codec::H264,
            "video/x-h265" => Codec::H265,
            "image/jpeg" => Codec::Mjpeg,
            _ => return None,
        };
        let side = |name| structure.get::<i32>(name).ok().and_then(|side| u32::try_from(side).ok());
        Some(Self { codec, size: side("width").zip(side("height")) })
    }
}

/// The times of a sample within its session. A file's segment begins where its first picture is shown, a camera's at
/// the start of the pipeline; either way distances are what counts.
fn stamped(sample: &gst::Sample, buffer: &gst::BufferRef, arrival: MonoTime) -> Stamped {
    let nanos = |time: Option<gst::ClockTime>| time.and_then(|time| i64::try_from(time.nseconds()).ok());
    let presentation = nanos(buffer.pts());
    // Over RTP the decode time is the arrival's: only files carry one.
    let told = sample.segment().is_some_and(|segment| segment.flags().is_empty()) && buffer.dts() != buffer.pts();
    let decode = if told { nanos(buffer.dts()) } else { None };
    Stamped { presentation, decode, arrival }
}

/// The camera's wall clock for this picture, microseconds since 1970, from its RTCP sender reports.
fn reported(buffer: &gst::BufferRef) -> Option<i64> {
    let meta = buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .find(|meta| meta.reference().structure(0).is_some_and(|structure| structure.name() == "timestamp/x-ntp"))?;
    let micros = i64::try_from(meta.timestamp().useconds()).ok()?;
    Some(micros - NTP_TO_UNIX_SECONDS * 1_000_000)
}

/// The wall clock for a picture: the camera's where it agrees with the box's, since it knows when it looked; else the
/// box's at arrival. Also how far the camera's clock is from the box's.
fn wall_of(arrival: WallStamp, camera: Option<i64>) -> (WallStamp, Option<i64>) {
    let Some(camera) = camera else { return (arrival, None) };
    let ahead = camera.saturating_sub(arrival.time.as_micros());
    if ahead.abs() > CLOCKS_AGREE_MICROS {
        return (arrival, Some(ahead));
    }
    let quality = match arrival.quality {
        ClockQuality::Synchronised { bound_ms } => {
            let apart = Duration::from_micros(ahead.unsigned_abs()).as_millis();
            ClockQuality::Synchronised { bound_ms: bound_ms.max(u32::try_from(apart).unwrap_or(u32::MAX)) }
        }
        free @ (ClockQuality::Unknown | ClockQuality::Free) => free,
    };
    (WallStamp { time: WallTime::from_micros(camera), quality }, Some(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(micros: i64, quality: ClockQuality) -> WallStamp {
        WallStamp { time: WallTime::from_micros(micros), quality }
    }

    #[test]
    fn a_camera_that_agrees_says_when_it_looked() {
        let box_clock = stamp(10_000_000, ClockQuality::Synchronised { bound_ms: 50 });
        let (wall, ahead) = wall_of(box_clock, Some(9_900_000));
        assert_eq!(wall, stamp(9_900_000, ClockQuality::Synchronised { bound_ms: 100 }));
        assert_eq!(ahead, Some(-100_000));
    }

    #[test]
    fn a_camera_with_a_wrong_clock_is_not_believed_but_said() {
        let box_clock = stamp(10_000_000, ClockQuality::Free);
        assert_eq!(wall_of(box_clock, Some(0)), (box_clock, Some(-10_000_000)));
        assert_eq!(wall_of(box_clock, None), (box_clock, None));
    }
}
