//! How a unit is: sent every minute, and what a person looks at when something seems wrong.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::object::words;
use super::{Confidence, Sentence, Word};
use crate::id::CameraId;
use crate::lane::Lane;
use crate::media::Codec;
use crate::time::{ClockQuality, Moment};
use crate::wire::{self, Context};

/// How a unit is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct Health {
    /// When.
    #[n(0)]
    pub at: Moment,
    /// What this time is worth.
    #[cbor(n(1), with = "wire::clock")]
    pub clock: ClockQuality,
    /// Seconds since the agent started.
    #[n(2)]
    pub uptime_s: u64,
    /// The agent's version.
    #[n(3)]
    pub software: Word,
    /// Its cameras.
    #[n(4)]
    pub cameras: Vec<CameraHealth>,
    /// Its models.
    #[n(5)]
    pub models: Vec<ModelHealth>,
    /// The vision worker.
    #[n(6)]
    pub worker: WorkerHealth,
    /// Its disk.
    #[n(7)]
    pub storage: StorageHealth,
    /// Its line to the center.
    #[n(8)]
    pub uplink: UplinkHealth,
    /// How hot it is.
    #[n(9)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub temperatures: Vec<Temperature>,
    /// Resident memory of both processes, bytes.
    #[n(10)]
    pub memory_bytes: u64,
    /// What is wrong, in words; empty where nothing is.
    #[n(11)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Sentence>,
    /// The box around it; none where nothing is known of its board.
    #[n(12)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<BoardHealth>,
}

/// How the box itself is: what its board's parts measure and drive. What is not fitted or does not answer is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct BoardHealth {
    /// What the box is fed, thousandths of a volt.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supply_mv: Option<u32>,
    /// What it draws, thousandths of an ampere; negative where current flows back.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supply_ma: Option<i32>,
    /// How far it turned from where it was mounted, thousandths of a degree.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tilt_mdeg: Option<u32>,
    /// How bright it is around it, thousandths of a lux.
    #[n(3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub light_mlx: Option<u32>,
    /// Whether the enclosure is open.
    #[n(4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<bool>,
    /// Whether the heater runs.
    #[n(5)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heater: Option<bool>,
    /// Whether the fan runs.
    #[n(6)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fan: Option<bool>,
    /// Brightness of the illuminator.
    #[n(7)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub illuminator: Option<Confidence>,
    /// Share of the configured rate of analysis that heat and power leave; recording goes on whatever it is.
    #[n(8)]
    pub analysis: Confidence,
    /// Why the unit started last, in words.
    #[n(9)]
    pub last_reset: Sentence,
    /// Parts that are absent or give no reading, in words.
    #[n(10)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<Sentence>,
}

words!(
    /// What a camera is doing.
    CameraCondition {
        /// Not there yet, or again.
        Connecting = 0 "connecting",
        /// Pictures arrive.
        Streaming = 1 "streaming",
        /// No pictures arrive.
        Silent = 2 "silent",
        /// Pictures arrive but do not change.
        Frozen = 3 "frozen",
        /// It refuses name or password.
        Unauthorised = 4 "unauthorised",
        /// The configuration turned it off.
        Off = 5 "off",
    }
);

/// How a camera is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct CameraHealth {
    /// Which camera.
    #[cbor(n(0), with = "wire::word")]
    pub camera: CameraId,
    /// What it is doing.
    #[n(1)]
    pub condition: CameraCondition,
    /// The same in words, with the reason.
    #[n(2)]
    pub text: Sentence,
    /// Pictures received, thousandths a second.
    #[n(3)]
    pub received_mfps: u32,
    /// Pictures analysed, thousandths a second.
    #[n(4)]
    pub analysed_mfps: u32,
    /// Share of the time that was looked at.
    #[n(5)]
    pub coverage: Confidence,
    /// Age of the last picture; none where there was none.
    #[n(6)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_picture_ms: Option<u64>,
    /// How it is coded.
    #[n(7)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<Codec>,
    /// Width and height in pixels.
    #[n(8)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
    /// Which decoder is at work.
    #[n(9)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder: Option<Word>,
    /// Times it was connected again since the agent started.
    #[n(10)]
    pub reconnects: u64,
    /// What of it is on the unit's disk.
    #[n(11)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<RingHealth>,
}

/// What of a camera is on the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map, context_bound = "Context")]
pub struct RingHealth {
    /// The oldest picture; none while the ring is empty.
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Moment>,
    /// The newest picture.
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Moment>,
    /// Bytes used.
    #[n(2)]
    pub used_bytes: u64,
    /// Bytes it may use.
    #[n(3)]
    pub quota_bytes: u64,
    /// The latest times without video, oldest first.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Span>,
}

/// A time from one moment to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(context_bound = "Context")]
pub struct Span {
    /// Beginning.
    #[n(0)]
    pub from: Moment,
    /// End.
    #[n(1)]
    pub to: Moment,
}

/// How a model is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct ModelHealth {
    /// What it is for: objects, plates, text.
    #[n(0)]
    pub role: Word,
    /// Its name in its manifest.
    #[n(1)]
    pub name: Word,
    /// What runs it.
    #[n(2)]
    pub provider: Word,
    /// Why another provider than the first of the configuration runs it.
    #[n(3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Sentence>,
    /// Median time of a run in microseconds.
    #[n(4)]
    pub median_us: u32,
    /// 99 of 100 runs take no longer than this, in microseconds.
    #[n(5)]
    pub slow_us: u32,
    /// Runs since the agent started.
    #[n(6)]
    pub runs: u64,
}

/// How the vision worker is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct WorkerHealth {
    /// Whether it is at work.
    #[n(0)]
    pub running: bool,
    /// Times it was started again.
    #[n(1)]
    pub restarts: u64,
    /// Why it ended last.
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_end: Option<Sentence>,
}

/// How the disk is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct StorageHealth {
    /// Bytes of the file system.
    #[n(0)]
    pub total_bytes: u64,
    /// Bytes that are free.
    #[n(1)]
    pub free_bytes: u64,
    /// Bytes that the outbox occupies.
    #[n(2)]
    pub outbox_bytes: u64,
    /// Writes that failed since the agent started.
    #[n(3)]
    pub failed_writes: u64,
    /// Damaged files that lie set aside, for whoever wants to look; of each name the newest few are kept.
    #[n(4)]
    pub set_aside: u64,
    /// Why it stayed locked: then memory stands in for it, nothing is recorded, and what waits is lost at the next
    /// start. None where it is open.
    #[n(5)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<Sentence>,
}

/// How the line to the center is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct UplinkHealth {
    /// Whether the broker is reached.
    #[n(0)]
    pub connected: bool,
    /// Times it was reached again.
    #[n(1)]
    pub reconnects: u64,
    /// Records that wait, per lane with any.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backlog: Vec<LaneCount>,
    /// Records that the byte budget kept back today, per lane with any.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<LaneCount>,
    /// Bytes sent today.
    #[n(4)]
    pub sent_today_bytes: u64,
    /// Measured speed, bytes a second; 0 before anything was measured.
    #[n(5)]
    pub rate_bytes_s: u64,
    /// Acknowledgements that were ignored because they could not be true.
    #[n(6)]
    pub bad_acks: u64,
    /// Commands that were refused because too many waited.
    #[n(7)]
    pub busy: u64,
    /// Why the broker is not reached, or which waiting records cannot be sent; none while all is well or nothing is
    /// known yet.
    #[n(8)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Sentence>,
}

/// How many on a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct LaneCount {
    /// The lane.
    #[n(0)]
    pub lane: Lane,
    /// How many.
    #[n(1)]
    pub count: u64,
}

/// A temperature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Temperature {
    /// Of what.
    #[n(0)]
    pub of: Word,
    /// Thousandths of a degree Celsius.
    #[n(1)]
    pub millicelsius: i32,
}
