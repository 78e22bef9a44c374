//! What the page needs of the rest of the agent.

use std::collections::BTreeMap;

use bytes::Bytes;
use edge_protocol::commissioning::{Finding, Report, SealedReport};
use edge_protocol::id::CameraId;
use edge_protocol::time::WallTime;
use serde::{Deserialize, Serialize};

use super::source::{Search, SourceGlance, TypedSource};

/// The unit as the page sees it; the tests' own is another.
pub trait Unit: Send + Sync {
    /// Whether the page can be reached now.
    fn is_open(&self) -> bool;

    /// Judges a setup code as somebody typed it. Wrong ones are counted on the disk.
    ///
    /// # Errors
    /// In words for who typed it.
    fn try_code(&self, typed: &str) -> Result<(), Refusal>;

    /// Writes into the audit log what somebody does here.
    ///
    /// # Errors
    /// When the disk does not take it. It must then not be done.
    fn note(&self, words: &str) -> Result<(), Refusal>;

    /// How the unit is.
    fn glance(&self) -> Glance;

    /// Has a picture made of what the camera shows next; false where there is no such camera.
    fn ask_picture(&self, camera: &CameraId) -> bool;

    /// The newest picture that was asked for.
    fn picture(&self, camera: &CameraId) -> Option<Picture>;

    /// Shows the text of one plate: of the one that stands there, or of the next that passes the camera.
    fn test_read(&self, camera: CameraId);

    /// Begins every check, where none is under way.
    fn begin_checks(&self);

    /// The zones and lines in force; none where there is no such camera.
    fn drawing(&self, camera: &CameraId) -> Option<Drawing>;

    /// Puts zones and lines in force that somebody has drawn, and writes down who.
    ///
    /// # Errors
    /// Where they are not as they may be, or cannot be kept.
    fn draw(&self, camera: &CameraId, drawing: &Drawing, by: &str) -> Result<(), Refusal>;

    /// Writes down where a camera hangs and who says so, and tells the center.
    ///
    /// # Errors
    /// Where it is nowhere on Earth, or cannot be kept.
    fn place(&self, camera: &CameraId, position: &Position, by: &str) -> Result<(), Refusal>;

    /// Has a camera's video come from elsewhere, and writes down who says so. The password is kept and never given
    /// back.
    ///
    /// # Errors
    /// Where it is not as it may be, or cannot be kept.
    fn source(&self, camera: &CameraId, typed: &TypedSource, by: &str) -> Result<(), Refusal>;

    /// Begins to look for cameras on the network, and writes down who does.
    ///
    /// # Errors
    /// Where something is looked for already, or it cannot be written down.
    fn find_cameras(&self, by: &str) -> Result<(), Refusal>;

    /// Begins to ask a camera for its streams, and writes down who asks which.
    ///
    /// # Errors
    /// Where it is none that may be asked, something is looked for already, or it cannot be written down.
    fn ask_streams(&self, of: &TypedSource, by: &str) -> Result<(), Refusal>;

    /// Begins to enrol a unit that is nobody's yet, with the code as it was typed.
    ///
    /// # Errors
    /// Where there is nothing to begin.
    fn enrol(&self, typed: &str, broker: Option<String>) -> Result<(), Refusal>;

    /// Makes the report on how the unit is left, with what its cameras show, signed by the unit; keeps it and sends it.
    ///
    /// # Errors
    /// Where it cannot be made, and what is to be done before.
    fn commission(&self, site: &str, by: &str, pictures: &BTreeMap<CameraId, Picture>) -> Result<(), Refusal>;

    /// The newest report, and the same as it was signed.
    fn report(&self) -> Option<(Report, SealedReport)>;
}

/// Why something is not done, in words for a technician.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl Refusal {
    /// What failed, in its own words.
    pub fn of(error: &dyn std::error::Error) -> Self {
        Self(error.to_string())
    }
}

/// A picture for the eye, with what was measured on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Picture {
    /// Which one it is: no two pictures of a camera have the same.
    pub number: i64,
    /// Width and height of the camera's picture; the file may be smaller.
    pub size: (u32, u32),
    /// How sharp it is: 100 for clean edges; none where it shows none.
    pub focus: Option<u16>,
    /// Mean brightness, 0 to 255.
    pub brightness: f32,
    /// What to do about its light, in words; none where it is good.
    pub light: Option<String>,
    /// What was measured of its light, each beside its limit.
    pub limits: String,
    /// A JPEG file.
    #[serde(skip)]
    pub jpeg: Bytes,
    /// The same for a report; empty where it cannot be made small enough.
    #[serde(skip)]
    pub small: Bytes,
}

/// How the unit is at a moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Glance {
    /// Its name, or what it is called before it has one.
    pub unit: String,
    /// The serial number on the label.
    pub serial: String,
    /// Whether it is enrolled.
    pub enrolled: bool,
    /// The cameras.
    pub cameras: Vec<CameraGlance>,
    /// How far the box leans from upright, degrees; none without a part that tells.
    pub tilt: Option<f32>,
    /// What the board's parts say.
    pub board: Vec<Reading>,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// The test read that was asked for last.
    pub test_read: Option<TestRead>,
    /// The checks.
    pub checks: Checks,
    /// When the newest report was made.
    pub commissioned: Option<WallTime>,
    /// The cameras that were looked for on the network.
    pub search: Search,
    /// How far the enrolment is; none where the unit is enrolled.
    pub enrolment: Option<Steps>,
}

/// A part of the box's board as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Which one.
    pub of: String,
    /// What it reads or does, or why it gives nothing, in words.
    pub measured: String,
    /// Whether somebody has to do something about it.
    pub wrong: bool,
}

/// How far an enrolment is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Steps {
    /// Whether it is under way.
    pub running: bool,
    /// What was done, in words.
    pub words: Vec<String>,
    /// Why it has ended without an identity.
    pub failed: Option<String>,
}

/// Every check of the unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Checks {
    /// Whether they are under way.
    pub running: bool,
    /// When those that follow were made.
    pub at: Option<WallTime>,
    /// What they came to.
    pub findings: Vec<Finding>,
}

/// Zones and lines of a camera, by the words of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// Areas.
    pub zone: Vec<Shape>,
    /// Directed lines.
    pub line: Vec<Shape>,
}

/// Where a camera hangs, by the words of the configuration: degrees of WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// A zone or line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Its points, in 0..=1 of the picture's width and height.
    pub points: Vec<(f32, f32)>,
}

/// A camera at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraGlance {
    /// Its id.
    pub id: CameraId,
    /// Its name in words.
    pub name: String,
    /// Whether pictures come.
    pub streaming: bool,
    /// The same in words.
    pub words: String,
    /// Pictures that come a second.
    pub fps: f32,
    /// Where its video comes from.
    pub source: SourceGlance,
    /// Where it hangs; none where nobody has said it.
    pub place: Option<Position>,
    /// Whether plates are looked for.
    pub reads_plates: bool,
    /// The plate that was seen last.
    pub plate: Option<PlateGlance>,
}

/// A plate's size, without its text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PlateGlance {
    /// Its height in the camera's picture, pixels.
    pub height_px: u32,
    /// What the models want.
    pub wants_px: u32,
    /// How long ago.
    pub ago_s: u64,
}

/// One read that was asked for to see whether reading works here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestRead {
    /// At which camera.
    pub camera: CameraId,
    /// What was read; none while nothing has passed.
    pub read: Option<Seen>,
}

/// What a test read saw.
#[derive(Clone, PartialEq, Serialize)]
pub struct Seen {
    /// The plate.
    pub text: String,
    /// Probability that it is right, 0 to 1.
    pub confidence: f32,
    /// Its size.
    pub height_px: u32,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Plates do not belong in logs.
        write!(f, "Seen({:.2}, {} px)", self.confidence, self.height_px)
    }
}
