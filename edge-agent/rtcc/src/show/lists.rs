//! Units, cameras and rings, one line each (problems and gaps below them), from what the interface gives.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::text::terminal;
use super::time;

/// A unit: whether it is there, when it was heard, and what is wrong with it by its own word.
pub fn unit(unit: &Value, zone: &TimeZone) -> String {
    let heard = unit.get("heard_us").and_then(Value::as_i64).unwrap_or_default();
    let here = if unit.get("online") == Some(&Value::Bool(true)) { "online" } else { "offline" };
    let mut lines = vec![format!("{:<20} {here:<8} heard {}", word(unit, "/unit"), time::full(heard, zone))];
    if let Some(forgotten) = unit.get("forgotten").and_then(Value::as_u64).filter(|forgotten| *forgotten > 0) {
        lines.push(format!(
            "  {forgotten} records that it was told are stored are not in this database (`forgotten` in /api/gaps)"
        ));
    }
    let problems = unit.pointer("/health/problems").and_then(Value::as_array).into_iter().flatten();
    lines.extend(problems.map(|problem| format!("  {}", plain(problem))));
    lines.join("\n")
}

/// A camera: its name, place and heading. What nobody has said is said to be unknown.
pub fn camera(camera: &Value) -> String {
    let degrees = |name: &str| Some(camera.pointer(name)?.as_f64()? / 1e7);
    let place = match (degrees("/place/latitude_e7"), degrees("/place/longitude_e7")) {
        (Some(latitude), Some(longitude)) => {
            format!("{latitude:.6}, {longitude:.6} ({})", word(camera, "/place/source"))
        }
        _ => "place unknown".to_owned(),
    };
    let heading = camera
        .get("heading_deg")
        .map_or_else(|| "heading unknown".to_owned(), |heading| format!("heading {}°", plain(heading)));
    format!(
        "{:<20} {:<16} {:<28} {place}, {heading}, of {}",
        word(camera, "/unit"),
        word(camera, "/id"),
        word(camera, "/name"),
        word(camera, "/owner")
    )
}

/// What video of a camera is on its unit's disk, and when the unit said so.
pub fn ring(ring: &Value) -> String {
    let range = match (ring.pointer("/ring/oldest"), ring.pointer("/ring/newest")) {
        (Some(oldest), Some(newest)) => format!("{} to {}", plain(oldest), plain(newest)),
        _ => "no video".to_owned(),
    };
    let mut lines =
        vec![format!("{:<20} {:<16} {range} (said {})", word(ring, "/unit"), word(ring, "/camera"), word(ring, "/at"))];
    let gaps = ring.pointer("/ring/gaps").and_then(Value::as_array).into_iter().flatten();
    lines.extend(gaps.map(|gap| format!("  nothing from {} to {}", word(gap, "/from"), word(gap, "/to"))));
    lines.join("\n")
}

fn word(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map(plain).unwrap_or_default()
}

/// A value as harmless text without quotes.
fn plain(value: &Value) -> String {
    terminal(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_camera_without_a_place_is_nowhere_and_not_at_zero() {
        let known = json!({
            "unit": "gate-1", "id": "north", "name": "North gate", "owner": "metro", "heading_deg": 270,
            "place": {"latitude_e7": 340_522_350, "longitude_e7": -1_182_436_830, "source": "surveyed"},
        });
        assert_eq!(
            camera(&known),
            "gate-1               north            North gate                   34.052235, -118.243683 (surveyed), \
             heading 270°, of metro"
        );
        let unknown = camera(&json!({"unit": "gate-1", "id": "north", "name": "x", "owner": "metro"}));
        assert!(unknown.contains("place unknown, heading unknown"), "{unknown}");
    }

    #[test]
    fn a_ring_tells_its_gaps() {
        let said = json!({
            "unit": "gate-1", "camera": "north", "at": "2026-11-21T08:00:00.000Z",
            "ring": {"oldest": "A", "newest": "B", "gaps": [{"from": "C", "to": "D"}]},
        });
        assert_eq!(
            ring(&said),
            "gate-1               north            A to B (said 2026-11-21T08:00:00.000Z)\n  nothing from C to D"
        );
        assert!(ring(&json!({"ring": {"gaps": []}})).contains("no video"));
    }

    #[test]
    fn a_unit_of_whose_records_some_are_not_here_any_more_says_how_many() {
        let said = |forgotten| unit(&json!({"unit": "gate-1", "forgotten": forgotten}), &TimeZone::UTC);
        assert!(said(40).contains("40 records that it was told are stored are not in this database"), "{}", said(40));
        assert_eq!(said(0).lines().count(), 1);
    }

    #[test]
    fn a_unit_tells_what_is_wrong_and_hostile_text_does_nothing() {
        let said = json!({"unit": "\u{1b}[2J", "online": true, "heard_us": 0, "health": {"problems": ["\u{7}hot"]}});
        let shown = unit(&said, &TimeZone::UTC);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        assert!(shown.contains("online") && shown.ends_with("hot"), "{shown:?}");
    }
}
