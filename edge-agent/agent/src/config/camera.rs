//! `[[camera]]`: one camera, where it comes from, where it hangs and what to look for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use edge_protocol::hash::Version;
use edge_protocol::id::{AgencyId, CameraId};

use edge_analytics::care::CareSettings;

use super::fields::Fields;

/// Most cameras on one box.
const MOST_CAMERAS: usize = 16;
const GIB: u64 = 1 << 30;

/// One camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Its id, unique on the unit.
    pub id: CameraId,
    /// Its name as people say it.
    pub name: String,
    /// The agency that owns it, where it is not the unit's.
    pub owner: Option<AgencyId>,
    /// Where its video comes from.
    pub source: Source,
    /// Where it hangs; unknown is said, never 0,0.
    pub place: Option<Place>,
    /// Where plates are looked for.
    pub plates: PlateSearch,
    /// Most frames a second that are looked at.
    pub analysed_fps: f64,
    /// When the picture itself says that the camera was tampered with; none for not asking it.
    pub care: Option<CareSettings>,
    /// Bytes of video kept on the disk.
    pub quota_bytes: u64,
    /// Areas whose visitors are counted and timed.
    pub zones: Vec<Zone>,
    /// Lines whose crossings are counted.
    pub lines: Vec<Line>,
    /// Areas that are not looked at: their corners, in order; points in 0..=1 of width and height.
    pub masks: Vec<Vec<(f32, f32)>>,
}

impl Camera {
    /// Names the masks in force; none where there are none.
    pub fn mask_version(&self) -> Option<Version> {
        (!self.masks.is_empty()).then(|| Version::of(format!("{:?}", self.masks).as_bytes()))
    }

    /// What its picture is held against when somebody looks at it, whether or not alerts come of that.
    pub fn care_limits(&self) -> CareSettings {
        self.care.unwrap_or_default()
    }
}

/// Where a camera's video comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A network camera.
    Rtsp {
        /// `rtsp://` or `rtsps://`, without user and password.
        url: String,
        /// How packets travel.
        transport: Transport,
        /// A file with mode 0600 that holds `user:password`.
        credentials: Option<PathBuf>,
        /// The certificate that a camera under `rtsps://` shows, or the one that signed it (PEM); where there is none,
        /// what the system trusts.
        certificate: Option<PathBuf>,
    },
    /// A recording.
    File {
        /// The file.
        path: PathBuf,
        /// Start again at its end.
        repeat: bool,
    },
    /// A camera on the box itself.
    V4l2 {
        /// E.g. `/dev/video0`.
        device: PathBuf,
    },
    /// A drawn test picture.
    Test,
}

/// How RTSP's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Inside the RTSP connection: the default, no packet is lost on the way.
    Tcp,
    /// Each by itself.
    Udp,
}

/// Where plates are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlateSearch {
    /// Nowhere.
    Off,
    /// On the best crops of each vehicle.
    Vehicles,
    /// On the whole frame: for gates, where the plate is most of what is seen.
    Frame,
}

/// Where a camera hangs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Degrees north, WGS 84.
    pub latitude: f64,
    /// Degrees east, WGS 84.
    pub longitude: f64,
    /// Degrees clockwise from north that the camera looks to.
    pub heading: Option<f64>,
    /// Horizontal field of view in degrees.
    pub field_of_view: Option<f64>,
}

/// An area of the picture; points in 0..=1 of width and height.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its corners, in order.
    pub points: Vec<(f32, f32)>,
}

/// A directed line of the picture; points in 0..=1 of width and height.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Where it begins and ends.
    pub points: [(f32, f32); 2],
}

/// All cameras; `None` where one of them could not be read.
pub(super) fn read_all(root: &Fields<'_>) -> Option<Vec<Camera>> {
    let tables = root.tables("camera");
    if tables.is_empty() {
        root.mistake("camera", "is missing; describe at least one camera in a [[camera]] table");
    }
    if tables.len() > MOST_CAMERAS {
        root.mistake("camera", format!("has {} entries; a unit takes at most {MOST_CAMERAS}", tables.len()));
    }
    let cameras: Vec<Option<Camera>> = tables.iter().map(read).collect();
    let mut ids = BTreeSet::new();
    for (fields, camera) in tables.iter().zip(&cameras) {
        if let Some(camera) = camera.as_ref().filter(|camera| !ids.insert(camera.id.clone())) {
            fields.mistake("id", format!("is \"{}\", which another camera has; give each its own", camera.id));
        }
    }
    cameras.into_iter().collect()
}

fn read(fields: &Fields<'_>) -> Option<Camera> {
    let id: Option<CameraId> = fields.parsed("id", "a short id: a-z, 0-9 and -, at most 32");
    let name = fields.optional_text("name", "a name in words");
    let owner = fields.optional_parsed("owner", "the owning agency's id");
    let source = read_source(&fields.table("source"));
    let place = read_place(&fields.table("place"));
    let words = [("off", PlateSearch::Off), ("vehicles", PlateSearch::Vehicles), ("frame", PlateSearch::Frame)];
    let plates = fields.choice("plates", &words, PlateSearch::Vehicles);
    let analysed_fps = fields.number("analysed_fps", 0.1..=60.0).unwrap_or(15.0);
    let care = read_care(&fields.table("care"));
    let quota_bytes = fields.integer("quota_bytes", (64 << 20)..=(1 << 50), 20 * GIB);
    let zones = fields.tables("zone").iter().map(read_zone).collect::<Vec<_>>();
    let lines = fields.tables("line").iter().map(read_line).collect::<Vec<_>>();
    let masks = fields.tables("mask").iter().map(read_mask).collect();
    fields.finish();
    let id = id?;
    Some(Camera {
        name: name.unwrap_or_else(|| id.to_string()),
        id,
        owner,
        source: source?,
        place,
        plates,
        analysed_fps,
        care,
        quota_bytes,
        zones: zones.into_iter().collect::<Option<_>>()?,
        lines: lines.into_iter().collect::<Option<_>>()?,
        masks,
    })
}

/// The words of `source.kind`.
#[derive(Clone, Copy)]
enum Kind {
    Rtsp,
    File,
    V4l2,
    Test,
}

fn read_source(fields: &Fields<'_>) -> Option<Source> {
    if !fields.is_present() {
        fields.mistake("kind", "is missing; give \"rtsp\", \"file\", \"v4l2\" or \"test\"");
        return None;
    }
    let words = [("rtsp", Kind::Rtsp), ("file", Kind::File), ("v4l2", Kind::V4l2), ("test", Kind::Test)];
    let source = match fields.choice("kind", &words, Kind::Rtsp) {
        Kind::Rtsp => read_rtsp(fields),
        Kind::File => {
            let repeat = fields.boolean("repeat", false);
            fields.text("path", "a video file").map(|path| Source::File { path: path.into(), repeat })
        }
        Kind::V4l2 => {
            fields.text("device", "a device such as /dev/video0").map(|device| Source::V4l2 { device: device.into() })
        }
        Kind::Test => Some(Source::Test),
    };
    fields.finish();
    source
}

fn read_rtsp(fields: &Fields<'_>) -> Option<Source> {
    let what = "an address such as rtsp://192.0.2.10:554/stream1";
    let url = fields.text("url", what)?;
    let transport = fields.choice("transport", &[("tcp", Transport::Tcp), ("udp", Transport::Udp)], Transport::Tcp);
    let credentials = fields.optional_text("credentials", "a 0600 file that holds user:password").map(PathBuf::from);
    let certificate =
        fields.optional_text("certificate", "a PEM file with the camera's certificate").map(PathBuf::from);
    let Some((scheme, rest)) = url.split_once("://") else {
        fields.mistake("url", format!("is no address; give {what}"));
        return None;
    };
    if !matches!(scheme, "rtsp" | "rtsps") {
        fields.mistake("url", format!("has the scheme \"{scheme}\"; give {what}, or rtsps:// for TLS"));
    }
    // The text is not repeated in the message: it may hold a password, and a password may hold a slash.
    if rest.contains('@') {
        let what = "holds a user or password; move them to a 0600 file and name it in `credentials` (an @ that belongs \
                    to the path is %40)";
        fields.mistake("url", what);
    }
    if rest.split(['/', '?', ':']).next().is_none_or(str::is_empty) {
        fields.mistake("url", format!("names no host; give {what}"));
    }
    if url.contains(|sign: char| sign.is_whitespace() || sign.is_control()) {
        fields.mistake("url", format!("holds a space or an invisible sign; give {what}, with %20 for a space"));
    }
    if certificate.is_some() && scheme != "rtsps" {
        fields.mistake("certificate", "is for rtsps:// addresses; use one, or remove it");
    }
    Some(Source::Rtsp { url, transport, credentials, certificate })
}

fn read_place(fields: &Fields<'_>) -> Option<Place> {
    let latitude = fields.number("latitude", -90.0..=90.0);
    let longitude = fields.number("longitude", -180.0..=180.0);
    let heading = fields.number("heading", 0.0..=360.0);
    let field_of_view = fields.number("field_of_view", 1.0..=360.0);
    fields.finish();
    match (latitude, longitude) {
        (Some(latitude), Some(longitude)) => Some(Place { latitude, longitude, heading, field_of_view }),
        (None, None) => None,
        _ => {
            fields.mistake("latitude", "and longitude belong together; give both or neither");
            None
        }
    }
}

fn read_care(fields: &Fields<'_>) -> Option<CareSettings> {
    let shipped = CareSettings::default();
    #[allow(clippy::cast_possible_truncation, reason = "a limit of a few digits")]
    let limit = |key, most: f64, default: f32| fields.number(key, 0.0..=most).map_or(default, |number| number as f32);
    let enabled = fields.boolean("enabled", false);
    let lasts_s = fields.integer("lasts_s", 2..=600, u64::from(shipped.lasts_s));
    let settings = CareSettings {
        dark_below: limit("dark_below", 100.0, shipped.dark_below),
        burnt_above: limit("burnt_above", 1.0, shipped.burnt_above),
        covered_below: limit("covered_below", 1.0, shipped.covered_below),
        focus_below: limit("focus_below", 1.0, shipped.focus_below),
        likeness_below: limit("likeness_below", 1.0, shipped.likeness_below),
        lasts_s: u32::try_from(lasts_s).unwrap_or(shipped.lasts_s),
    };
    fields.finish();
    enabled.then_some(settings)
}

fn read_zone(fields: &Fields<'_>) -> Option<Zone> {
    let name = fields.text("name", "the zone's name");
    let points = fields.points("points", 3);
    fields.finish();
    Some(Zone { name: name?, points })
}

fn read_mask(fields: &Fields<'_>) -> Vec<(f32, f32)> {
    let points = fields.points("points", 3);
    fields.finish();
    points
}

fn read_line(fields: &Fields<'_>) -> Option<Line> {
    let name = fields.text("name", "the line's name");
    let points = fields.points("points", 2);
    fields.finish();
    let [from, to] = points.as_slice() else {
        if points.len() > 2 {
            fields.mistake("points", "has more than two points; a line has a beginning and an end");
        }
        return None;
    };
    Some(Line { name: name?, points: [*from, *to] })
}
