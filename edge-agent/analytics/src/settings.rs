//! What one camera's analytics are told: zones, lines, masks, plates, rates. Plain values that travel to the worker;
//! the agent's configuration makes them, checks them with the owner of each value, and documents their keys.

use minicbor::{Decode, Encode};

use crate::care::CareSettings;
use crate::geometry::Point;

/// Settings of one camera.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct CameraSettings {
    /// Areas in which road users are counted.
    #[n(0)]
    pub zones: Vec<Zone>,
    /// Lines whose crossings are counted.
    #[n(1)]
    pub lines: Vec<Line>,
    /// Areas that are not looked at: a road user whose foot, or a plate whose middle, lies there is dropped.
    #[n(2)]
    pub masks: Vec<Polygon>,
    /// How plates are looked for.
    #[n(3)]
    pub plates: PlateSearch,
    /// Most frames analysed per second; none for all of them.
    #[n(4)]
    pub max_fps: Option<f32>,
    /// Whether frames in which nothing moves, while nobody is tracked, are passed over.
    #[n(5)]
    pub motion_gate: bool,
    /// Seconds between two accounts of a track that lasts.
    #[n(6)]
    pub report_every_s: u32,
    /// Seconds per period of counts.
    #[n(7)]
    pub counts_every_s: u32,
    /// When the picture says that the camera was tampered with; none for not asking it.
    #[n(8)]
    pub care: Option<CareSettings>,
}

impl Default for CameraSettings {
    fn default() -> Self {
        Self {
            zones: Vec::new(),
            lines: Vec::new(),
            masks: Vec::new(),
            plates: PlateSearch::Vehicles,
            max_fps: None,
            motion_gate: true,
            report_every_s: 10,
            counts_every_s: 60,
            care: None,
        }
    }
}

/// Where plates are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PlateSearch {
    /// Nowhere.
    #[n(0)]
    Off,
    /// In crops of tracked vehicles.
    #[n(1)]
    Vehicles,
    /// In the whole frame: for gates, where a plate may be seen without its vehicle.
    #[n(2)]
    WholeFrame,
}

/// A closed outline, corners as shares of the frame's width and height (0 to 1), at least three.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(transparent)]
pub struct Polygon(#[n(0)] pub Vec<Point>);

/// An area in which road users are counted.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Zone {
    /// Id in events.
    #[n(0)]
    pub id: String,
    /// The outline.
    #[n(1)]
    pub outline: Polygon,
}

/// A line whose crossings are counted.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Line {
    /// Id in events.
    #[n(0)]
    pub id: String,
    /// First point, as shares of the frame's width and height.
    #[n(1)]
    pub from: Point,
    /// Second point.
    #[n(2)]
    pub to: Point,
}
