//! The kernel's thermal zones: what processor and board measure about themselves, without a part of ours.

use std::path::{Path, PathBuf};

use super::temperature::plausible;
use super::{Celsius, PartError, Sensor};

/// Where the kernel keeps its zones.
pub const FOLDER: &str = "/sys/class/thermal";
/// More than any board has; what is made of it stays small whatever the folder holds.
const MOST_ZONES: usize = 16;
const PART: &str = "thermal zone";

/// What one zone reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The zone's type, e.g. `soc-thermal`; several zones may have the same.
    pub of: String,
    /// Thousandths of a degree.
    pub millicelsius: i32,
}

/// The zones in `folder` that can be read, in the order of their names; none where there is no such folder.
pub fn readings(folder: &Path) -> Vec<Reading> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut zones: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    zones.retain(|zone| zone.file_name().is_some_and(|name| name.to_string_lossy().starts_with("thermal_zone")));
    zones.sort();
    zones.iter().filter_map(|zone| reading(zone)).take(MOST_ZONES).collect()
}

/// A zone that is switched off answers with an error: it is left out.
fn reading(zone: &Path) -> Option<Reading> {
    let of = std::fs::read_to_string(zone.join("type")).ok()?.trim().to_owned();
    let millicelsius = std::fs::read_to_string(zone.join("temp")).ok()?.trim().parse().ok()?;
    Some(Reading { of, millicelsius })
}

/// The hottest of some zones, as one thermometer: zones come and go with what they belong to, a radio for instance, and
/// one that is switched off is no fault.
#[derive(Debug, Clone)]
pub struct Zones {
    folder: PathBuf,
    /// The type of those that count; all where none is given.
    of: Option<String>,
}

impl Zones {
    /// The zones of a type in `folder`, or all.
    pub fn new(folder: &Path, of: Option<&str>) -> Self {
        Self { folder: folder.to_owned(), of: of.map(str::to_owned) }
    }

    fn silent(&self) -> PartError {
        let of = self.of.as_ref().map(|of| format!(" of type \"{of}\"")).unwrap_or_default();
        PartError::Bus { part: PART, reason: format!("{} has none{of} that can be read", self.folder.display()) }
    }
}

impl Sensor<Celsius> for Zones {
    /// A zone that reads what cannot be does not count while another one reads sense.
    fn read(&mut self) -> Result<Celsius, PartError> {
        let counts = |reading: &Reading| self.of.as_ref().is_none_or(|of| *of == reading.of);
        let read = readings(&self.folder).into_iter().filter(counts).map(|reading| celsius(&reading));
        let read: Vec<_> = read.map(|celsius| plausible(PART, celsius, -55.0..=125.0)).collect();
        let hottest = read.iter().flatten().map(|celsius| celsius.0).reduce(f32::max);
        hottest.map(Celsius).ok_or_else(|| read.into_iter().find_map(Result::err).unwrap_or_else(|| self.silent()))
    }
}

#[allow(clippy::cast_precision_loss, reason = "a reading of a few digits")]
fn celsius(reading: &Reading) -> Celsius {
    Celsius(reading.millicelsius as f32 / 1000.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Leaves a zone as the kernel shows it.
    #[allow(clippy::disallowed_methods, reason = "a folder of a test need not survive a power cut")]
    pub(crate) fn zone(folder: &Path, name: &str, of: &str, temp: &str) {
        let zone = folder.join(name);
        std::fs::create_dir_all(&zone).unwrap();
        std::fs::write(zone.join("type"), format!("{of}\n")).unwrap();
        std::fs::write(zone.join("temp"), format!("{temp}\n")).unwrap();
    }

    #[test]
    fn the_hottest_zone_counts_and_one_that_is_off_or_reads_nonsense_does_not() {
        let folder = tempfile::tempdir().unwrap();
        zone(folder.path(), "thermal_zone0", "soc", "61250");
        zone(folder.path(), "thermal_zone1", "gpu", "-5000");
        zone(folder.path(), "thermal_zone2", "radio", "");
        zone(folder.path(), "thermal_zone3", "pmic", "255000");
        zone(folder.path(), "cooling_device0", "fan", "99000");
        let read = |of| Zones::new(folder.path(), of).read();
        assert_eq!(read(None), Ok(Celsius(61.25)));
        assert_eq!(read(Some("gpu")), Ok(Celsius(-5.0)));
        assert!(matches!(read(Some("pmic")), Err(PartError::Implausible { .. })));
        let words = read(Some("radio")).unwrap_err().to_string();
        assert!(words.ends_with("has none of type \"radio\" that can be read"), "{words}");
        let words = Zones::new(&folder.path().join("none"), None).read().unwrap_err().to_string();
        assert!(words.ends_with("none has none that can be read"), "{words}");
    }
}
