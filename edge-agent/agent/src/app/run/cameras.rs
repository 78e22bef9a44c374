//! What the configuration says of the cameras, in the words of each station.

use edge_analytics::geometry::Point;
use edge_analytics::settings::{self as analytics, CameraSettings, Polygon};
use edge_protocol::id::AgencyId;
use edge_protocol::record::Word;
use edge_protocol::state::{CameraCard, Place, PlaceSource};

use crate::capture::{self, Pace, TestPicture, Trust};
use crate::config::{Camera, PlateSearch, Source, Transport};

/// For capture.
pub(in crate::app) fn capture_settings(camera: &Camera) -> capture::Settings {
    let source = match &camera.source {
        Source::Rtsp { url, transport, credentials, certificate } => capture::Source::Rtsp {
            url: url.clone(),
            transport: match transport {
                Transport::Tcp => capture::Transport::Tcp,
                Transport::Udp => capture::Transport::Udp,
            },
            credentials: credentials.clone(),
            trust: certificate.clone().map_or(Trust::System, Trust::Certificate),
        },
        Source::File { path, repeat } => {
            capture::Source::File { path: path.clone(), repeat: *repeat, pace: Pace::Recorded }
        }
        Source::V4l2 { device } => capture::Source::V4l2 { device: device.clone() },
        Source::Test => capture::Source::Test(TestPicture::default()),
    };
    capture::Settings::new(camera.id.clone(), source)
}

/// For the vision worker.
pub(in crate::app) fn analytics_settings(camera: &Camera) -> CameraSettings {
    let point = |&(x, y): &(f32, f32)| Point { x, y };
    let zone = |zone: &crate::config::Zone| analytics::Zone {
        id: zone.name.clone(),
        outline: Polygon(zone.points.iter().map(point).collect()),
    };
    let line = |line: &crate::config::Line| {
        let [from, to] = &line.points;
        analytics::Line { id: line.name.clone(), from: point(from), to: point(to) }
    };
    #[allow(clippy::cast_possible_truncation, reason = "0.1 to 60, checked by the configuration")]
    let max_fps = Some(camera.analysed_fps as f32);
    CameraSettings {
        zones: camera.zones.iter().map(zone).collect(),
        lines: camera.lines.iter().map(line).collect(),
        masks: camera.masks.iter().map(|mask| Polygon(mask.iter().map(point).collect())).collect(),
        plates: match camera.plates {
            PlateSearch::Off => analytics::PlateSearch::Off,
            PlateSearch::Vehicles => analytics::PlateSearch::Vehicles,
            PlateSearch::Frame => analytics::PlateSearch::WholeFrame,
        },
        max_fps,
        care: camera.care,
        ..CameraSettings::default()
    }
}

/// For the unit's retained state.
pub(super) fn card(camera: &Camera, agency: &AgencyId) -> CameraCard {
    let place = camera.place.as_ref();
    CameraCard {
        id: camera.id.clone(),
        name: Word::cut(&camera.name),
        owner: camera.owner.clone().unwrap_or_else(|| agency.clone()),
        place: place.map(|place| Place {
            latitude_e7: ten_millionths(place.latitude),
            longitude_e7: ten_millionths(place.longitude),
            source: PlaceSource::Configured,
        }),
        heading_deg: place.and_then(|place| place.heading).map(whole_degrees),
        field_of_view_deg: place.and_then(|place| place.field_of_view).map(whole_degrees),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "at most 180 degrees: 1.8e9 fits")]
fn ten_millionths(degrees: f64) -> i32 {
    (degrees * 1e7).round() as i32
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 360, checked by the configuration")]
fn whole_degrees(degrees: f64) -> u16 {
    degrees.round() as u16
}
