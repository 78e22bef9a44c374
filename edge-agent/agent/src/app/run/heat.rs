//! How hot the unit is, as the kernel's thermal zones say it.

use std::path::Path;

use edge_protocol::record::{Temperature, Word};

/// Where the kernel keeps its zones.
pub(super) const ZONES: &str = "/sys/class/thermal";
/// Above this a board slows itself down, and fewer pictures are looked at.
const HOT_MILLICELSIUS: i32 = 85_000;
/// More than any board has; a health record stays small whatever the folder holds.
const MOST_ZONES: usize = 16;

/// The zones in `folder` that can be read, in the order of their names; none where there is no such folder.
pub(super) fn read(folder: &Path) -> Vec<Temperature> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut zones: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    zones.retain(|zone| zone.file_name().is_some_and(|name| name.to_string_lossy().starts_with("thermal_zone")));
    zones.sort();
    zones.iter().filter_map(|zone| one(zone)).take(MOST_ZONES).collect()
}

/// A zone that is switched off answers with an error: it is left out.
fn one(zone: &Path) -> Option<Temperature> {
    let of = std::fs::read_to_string(zone.join("type")).ok()?;
    let millicelsius = std::fs::read_to_string(zone.join("temp")).ok()?.trim().parse().ok()?;
    Some(Temperature { of: Word::cut(of.trim()), millicelsius })
}

/// What is too hot, in words.
pub(super) fn problems(temperatures: &[Temperature]) -> impl Iterator<Item = String> + '_ {
    temperatures.iter().filter(|temperature| temperature.millicelsius > HOT_MILLICELSIUS).map(|temperature| {
        let (of, degrees) = (temperature.of.as_str(), temperature.millicelsius / 1000);
        format!("{of} is at {degrees} °C: the unit may slow down, look at its cooling")
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a folder of a test need not survive a power cut")]
mod tests {
    use super::*;

    fn zone(folder: &Path, name: &str, of: &str, temp: &str) {
        let zone = folder.join(name);
        std::fs::create_dir(&zone).unwrap();
        std::fs::write(zone.join("type"), format!("{of}\n")).unwrap();
        std::fs::write(zone.join("temp"), format!("{temp}\n")).unwrap();
    }

    #[test]
    fn readable_zones_are_told_and_only_the_hot_one_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        zone(folder.path(), "thermal_zone0", "soc", "85000");
        zone(folder.path(), "thermal_zone1", "gpu", "91500");
        zone(folder.path(), "thermal_zone2", "off", "");
        zone(folder.path(), "cooling_device0", "fan", "99000");
        let temperatures = read(folder.path());
        let told: Vec<_> = temperatures.iter().map(|t| (t.of.as_str(), t.millicelsius)).collect();
        assert_eq!(told, [("soc", 85_000), ("gpu", 91_500)]);
        let problems: Vec<_> = problems(&temperatures).collect();
        assert_eq!(problems, ["gpu is at 91 °C: the unit may slow down, look at its cooling"]);
    }

    #[test]
    fn a_unit_without_zones_tells_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("thermal")), []);
    }
}
