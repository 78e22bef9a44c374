//! From what was measured to a verdict with advice. No disk, no network, no clock: every rule is a function.

mod line;
mod machine;
#[cfg(test)]
mod tests;
mod wear;

use std::time::Duration;

use edge_analytics::care::{Appearance, CareSettings};
use edge_protocol::media::Codec;
use edge_protocol::time::{ClockQuality, WallStamp, WallTime};
use edge_store::disk::Room;

pub(super) use line::{KeyFacts, OutboxFacts, Reached, beyond, broker, center, certificate, key, token};
pub(super) use machine::{SealFacts, SlotFacts, WatchdogFacts, seal, slots, watchdog};
pub(super) use wear::{Wear, wear};

use crate::capture::Trouble;
use crate::config::Place;
use crate::vision::ModelStanding;
use edge_protocol::commissioning::Finding;

/// 2025-01-01: no unit is older, so a clock before it was never set.
const NEVER_SET: WallTime = WallTime::from_millis(1_735_689_600_000);
/// A key picture at least this often: the ring's pieces and the start of every clip are as long.
const LONGEST_GROUP: Duration = Duration::from_secs(4);
/// Below this the tracker loses what moves.
const FEWEST_FPS: f32 = 5.0;
/// Bytes a second that several cameras may need.
const SLOW_DISK: u64 = 5_000_000;

/// What a camera delivered while it was watched.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CameraFacts {
    /// Why it delivers nothing.
    pub(super) trouble: Option<Trouble>,
    /// How its pictures are coded.
    pub(super) codec: Option<Codec>,
    /// Their width and height.
    pub(super) size: Option<(u32, u32)>,
    /// Pictures received.
    pub(super) pictures: u32,
    /// From the first to the last of them.
    pub(super) span: Duration,
    /// From one key picture to the next, the longest seen.
    pub(super) group: Option<Duration>,
}

pub(super) fn camera(facts: &CameraFacts) -> Finding {
    if let Some(trouble) = &facts.trouble {
        return Finding::failed("camera", trouble.to_string(), camera_advice(trouble));
    }
    let Some(codec) = facts.codec.filter(|_| facts.pictures > 0) else {
        let advice = "look at the camera's power and cable, and whether its stream is switched on";
        return Finding::failed("camera", "connected, and no picture came", advice);
    };
    let size = facts.size.map_or_else(|| "size unknown".to_owned(), |(width, height)| format!("{width}x{height}"));
    #[allow(clippy::cast_precision_loss, reason = "a few hundred pictures")]
    let fps = facts.pictures.saturating_sub(1) as f32 / facts.span.as_secs_f32().max(0.1);
    let group = facts.group.map(|group| format!(", a key picture every {:.1} s", group.as_secs_f32()));
    let measured = format!("{} {size}, {fps:.1} pictures a second{}", codec_name(codec), group.unwrap_or_default());
    match facts.group {
        None => Finding::warning(
            "camera",
            measured + ", no second key picture seen",
            "set the camera's key frame interval (GOP) to 2 seconds",
        ),
        Some(group) if group > LONGEST_GROUP => {
            Finding::warning("camera", measured, "set the camera's key frame interval (GOP) to 2 seconds")
        }
        Some(_) if fps < FEWEST_FPS => {
            Finding::warning("camera", measured, "set the camera to at least 10 pictures a second")
        }
        Some(_) => Finding::ok("camera", measured),
    }
}

fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
        Codec::Mjpeg => "MJPEG",
    }
}

fn camera_advice(trouble: &Trouble) -> String {
    match trouble {
        Trouble::UnknownName => "write the camera's IP address into source.url, or have the site's name server know its name",
        Trouble::Refused => "check the port in source.url (554 is usual) and that RTSP is switched on in the camera; a camera that has just been powered needs a minute",
        Trouble::Unreachable => "check the address in source.url, the camera's power (PoE light) and its cable",
        Trouble::NotRtsp => "check the port in source.url (554 is usual); restart the camera",
        Trouble::CredentialsMissing => "write user:password into a file with mode 0600 and name it as source.credentials",
        Trouble::CredentialsRefused => "correct user and password in the file that source.credentials names; some cameras lock for minutes after wrong tries",
        Trouble::Credentials(_) => "make the file that source.credentials names: one line user:password, mode 0600, owned by the agent's user",
        Trouble::NoSuchStream => "correct the path in source.url; the camera's own page or manual names it",
        Trouble::Certificate => "name the camera's certificate as source.certificate, or use rtsp:// where the camera has no TLS",
        Trouble::NoPicture(_) | Trouble::Silent(_) | Trouble::Ended => "restart the camera; try source.transport = \"tcp\"; look whether too many viewers are connected",
        Trouble::NoKeyPicture(_) => "set the camera's key frame interval (GOP) to 2 seconds",
        Trouble::Codec(_) => "set the camera's stream to H.264 or H.265",
        Trouble::Missing(_) => "correct the path in the camera's source; look whether the device is plugged in",
        Trouble::Element(_) => "install the GStreamer plug-ins that the package depends on",
        Trouble::Stream(_) => "restart the camera and run this again; the journal has more: journalctl -u edge-agent",
    }
    .to_owned()
}

/// `appearance` is that of a decoded picture; none where none was decoded, for the reason in words. `limits` are those of
/// its camera.
pub(super) fn picture(appearance: Result<&Appearance, &str>, limits: &CareSettings) -> Finding {
    let appearance = match appearance {
        Ok(appearance) => appearance,
        Err(why) => {
            let advice =
                "see the checks above; if they are well, remove `decoders` from [models] so that any decoder may serve";
            return Finding::failed("picture", why, advice);
        }
    };
    let sharpness =
        appearance.sharpness.map_or_else(|| "no edges".to_owned(), |sharp| format!("focus {}", focus_score(sharp)));
    let measured = format!("decoded; {}, {sharpness}", light_measured(appearance, limits));
    match light_advice(appearance, limits) {
        Some(advice) => Finding::warning("picture", measured, advice),
        None => Finding::ok("picture", measured),
    }
}

/// What to do about a picture's light; none where it is good.
pub fn light_advice(appearance: &Appearance, limits: &CareSettings) -> Option<&'static str> {
    if appearance.brightness < limits.dark_below {
        Some("too dark to see: take the lens cap off, open the iris, or switch the illuminator on")
    } else if appearance.burnt > limits.burnt_above {
        Some("over-exposed: turn the camera away from the light or shorten its exposure")
    } else {
        None
    }
}

/// What was measured of a picture's light, each beside the limit that it is held against.
pub fn light_measured(appearance: &Appearance, limits: &CareSettings) -> String {
    let Appearance { brightness, burnt, .. } = appearance;
    let (dark, most) = (limits.dark_below, limits.burnt_above * 100.0);
    format!(
        "brightness {brightness:.0} of 255 (dark below {dark}), {:.0} % burnt out (at most {most:.0} %)",
        burnt * 100.0
    )
}

/// The focus number that technicians see: 100 for clean edges, 12 for the softest slope, more with fine texture.
pub fn focus_score(sharpness: f32) -> u16 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=999")]
    let score = (sharpness * 800.0).round().clamp(0.0, 999.0) as u16;
    score
}

pub(super) fn clock(now: &WallStamp) -> Finding {
    let advice = "connect a network with a time server (NTP), or name one: /persist/chrony on the image, else /etc/systemd/timesyncd.conf";
    // Nobody reads a clock to the microsecond.
    let second = now.time.to_string().split('.').next().unwrap_or_default().replace('T', " ") + " UTC";
    if now.time < NEVER_SET {
        let words = format!("{second}: never set since power-on");
        return Finding::failed(
            "clock",
            words,
            format!("{advice}; until then certificates and the times of records are wrong"),
        );
    }
    match now.quality {
        ClockQuality::Synchronised { bound_ms } => Finding::ok("clock", format!("{second}, within {bound_ms} ms")),
        ClockQuality::Free | ClockQuality::Unknown => {
            Finding::warning("clock", format!("{second}, follows no source of time"), advice)
        }
    }
}

/// The data's disk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DiskFacts {
    /// Bytes of the file system.
    pub(super) total: u64,
    /// What is free of it.
    pub(super) free: u64,
    /// Bytes a second of a synced write, or why nothing can be written.
    pub(super) write: Result<u64, String>,
}

pub(super) fn disk(facts: &DiskFacts) -> Finding {
    let (free, total) = (gigabytes(facts.free), gigabytes(facts.total));
    let speed = match &facts.write {
        Ok(speed) => *speed,
        Err(why) => {
            let full = facts.total > 0 && facts.free < 1_000_000;
            let advice = if full {
                "free space on the data partition: lower the cameras' quota_bytes, or fit a larger disk"
            } else {
                "make data_dir writable for the agent's user; a disk that the kernel made read-only is failing (dmesg): replace it"
            };
            return Finding::failed("disk", format!("cannot be written: {why}; {free} of {total} free"), advice);
        }
    };
    let measured = format!("{free} of {total} free, writes {} MB/s", speed / 1_000_000);
    if (Room { free: facts.free, total: facts.total }).is_nearly_full() {
        let advice = "lower the cameras' quota_bytes, or fit a larger disk: recording stops when it is full";
        Finding::failed("disk", measured, advice)
    } else if speed < SLOW_DISK {
        Finding::warning(
            "disk",
            measured,
            "too slow for several cameras: fit an NVMe or industrial eMMC instead of an SD card",
        )
    } else {
        Finding::ok("disk", measured)
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10)
}

/// A camera's ring.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RingFacts {
    /// From the oldest picture to the newest, or why that is not known.
    pub(super) span: Result<Option<(WallTime, WallTime)>, String>,
    /// Bytes it may use.
    pub(super) quota: u64,
}

pub(super) fn ring(facts: &RingFacts, disk_total: u64) -> Finding {
    let quota = gigabytes(facts.quota);
    match &facts.span {
        Err(why) => Finding::failed(
            "ring",
            why,
            "its index cannot be used: stop the agent, move the camera's folder away, start it again",
        ),
        Ok(_) if disk_total > 0 && facts.quota > disk_total => {
            let words = format!("may use {quota}, the disk holds {}", gigabytes(disk_total));
            Finding::warning("ring", words, "lower quota_bytes, so that old video makes room before the disk is full")
        }
        Ok(None) => Finding::warning(
            "ring",
            format!("nothing recorded yet; may use {quota}"),
            "start the agent and wait a minute",
        ),
        Ok(Some((from, to))) => {
            let length = to.saturating_since(*from).as_secs();
            Finding::ok("ring", format!("{} h {} min of video, may use {quota}", length / 3600, length / 60 % 60))
        }
    }
}

pub(super) fn runtime(found: &Result<String, String>) -> Finding {
    match found {
        Ok(path) => Finding::ok("runtime library", path),
        Err(why) => {
            let advice = "install the package anew, or name ONNX Runtime's library as [models] library";
            Finding::failed("runtime library", why, advice)
        }
    }
}

pub(super) fn model(label: &Result<String, String>) -> Finding {
    match label {
        Ok(label) => Finding::ok("model", format!("{label}: the file is the one its manifest names")),
        Err(why) => {
            let advice = "install the models anew: a model whose hash is not its manifest's is never run";
            Finding::failed("model", why, advice)
        }
    }
}

/// What the vision worker said of itself.
pub(super) fn self_test(worker: &Result<Vec<ModelStanding>, String>) -> Finding {
    match worker {
        Ok(models) => {
            let one = |model: &ModelStanding| format!("{} on {}", model.label, model.provider);
            let measured = models.iter().map(one).collect::<Vec<_>>().join(", ");
            let fallbacks: Vec<&str> = models.iter().flat_map(|model| &model.fallbacks).map(String::as_str).collect();
            if fallbacks.is_empty() {
                Finding::ok("self-test", measured)
            } else {
                let advice = format!("slower than configured: {}", fallbacks.join("; "));
                Finding::warning("self-test", measured, advice)
            }
        }
        Err(why) => {
            let advice = "correct what is red above; if nothing is, install the package anew";
            Finding::failed("self-test", why, advice)
        }
    }
}

/// How much the models had to do while it was watched.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Work {
    /// Frames that were looked at.
    pub(super) frames: u64,
    /// What all models together took for them, milliseconds.
    pub(super) took_ms: f64,
    /// Frames a second that the configuration asks for, over all cameras.
    pub(super) asked_fps: f64,
}

/// Whether the models are quick enough for what is asked of them.
pub(super) fn speed(work: &Work) -> Finding {
    let Work { frames, took_ms, asked_fps } = *work;
    if frames == 0 {
        return Finding::unchecked("inference", "no frame was looked at");
    }
    #[allow(clippy::cast_precision_loss, reason = "a few hundred frames")]
    let each = took_ms / frames as f64;
    let room = 1000.0 / asked_fps.max(0.1);
    let measured = format!("{each:.0} ms a frame (expected: below {room:.0} ms for {asked_fps:.0} frames a second)");
    if each <= room {
        Finding::ok("inference", measured)
    } else {
        let advice = "fewer frames are looked at than asked for: lower analysed_fps, or name a faster provider in [models] providers";
        Finding::warning("inference", measured, advice)
    }
}

pub(super) fn position(place: Option<&Place>) -> Finding {
    match place {
        Some(place) => Finding::ok("position", format!("typed: {:.5}, {:.5}", place.latitude, place.longitude)),
        None => Finding::warning(
            "position",
            "unknown",
            "say where it hangs on the technician's page, or in [camera.place]: a hit without a place is of little use",
        ),
    }
}

pub(super) fn tilt(degrees: f32, limit: f32) -> Finding {
    let measured = format!("{degrees:.1}° from upright, {limit:.0}° allowed");
    if degrees > limit {
        Finding::failed(
            "tilt",
            measured,
            "straighten the box on its mount and tighten it; if it hangs as it should, write what it reads as upright_mg into the board file",
        )
    } else {
        Finding::ok("tilt", measured)
    }
}

/// Volts against the two thresholds below which analysis is thinned and stopped.
pub(super) fn power(volts: f32, amperes: f32, low: f32, critical: f32) -> Finding {
    let measured = format!("{volts:.2} V, {amperes:.2} A");
    let advice =
        "measure the supply at the box's terminals: cable too long or too thin, wrong supply, or a weak battery";
    if volts <= critical {
        Finding::failed("power", measured, advice)
    } else if volts <= low {
        Finding::warning("power", measured, advice)
    } else {
        Finding::ok("power", measured)
    }
}

/// A temperature against those from which analysis gets half, a quarter, nothing.
pub(super) fn heat(of: &str, celsius: f32, limits: Option<[f32; 3]>) -> Finding {
    let measured = format!("{celsius:.1} °C");
    let advice = "shade the box, clear its vents, look whether the fan turns";
    let found = match limits {
        Some([_, _, stop]) if celsius >= stop => Finding::failed("heat", measured, advice),
        Some([warm, ..]) if celsius >= warm => Finding::warning("heat", measured, advice),
        Some(_) | None => Finding::ok("heat", measured),
    };
    found.of(of)
}

pub(super) fn part(failing: &str) -> Finding {
    Finding::failed("board part", failing, "look at the part's plug; correct its place in the board file")
}
