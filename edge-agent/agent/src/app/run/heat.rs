//! How hot the unit is, as the kernel's thermal zones say it.

use std::path::Path;

use edge_protocol::record::{Temperature, Word};

use crate::peripherals::zone;

/// Above this a board slows itself down, and fewer pictures are looked at.
const HOT_MILLICELSIUS: i32 = 85_000;

/// The zones in `folder` that can be read.
pub(super) fn read(folder: &Path) -> Vec<Temperature> {
    let told = |read: zone::Reading| Temperature { of: Word::cut(&read.of), millicelsius: read.millicelsius };
    zone::readings(folder).into_iter().map(told).collect()
}

/// What is too hot, in words.
pub(super) fn problems(temperatures: &[Temperature]) -> impl Iterator<Item = String> + '_ {
    temperatures.iter().filter(|temperature| temperature.millicelsius > HOT_MILLICELSIUS).map(|temperature| {
        let (of, degrees) = (temperature.of.as_str(), temperature.millicelsius / 1000);
        format!("{of} is at {degrees} °C: the unit may slow down, look at its cooling")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::zone::tests::zone;

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
