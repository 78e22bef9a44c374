//! What the board and its image have of their own: watchdog, sealed storage, the drive's wear, both slots.
//!
//! All of it is read from what the kernel shows to everybody in `/sys`; of an `NVMe` drive that is not its wear, which
//! a service notes (`smart`). Slots are RAUC's, which `edge-agent update` asks.

use std::fs::read_to_string;
use std::os::linux::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use edge_protocol::time::WallTime;
use serde::Deserialize;

use super::rules::{SealFacts, SlotFacts, WatchdogFacts, Wear};
use super::smart;

/// Where a board and its image tell what they have.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The kernel's.
    pub sys: PathBuf,
    /// Names the encrypted partitions that the image opens.
    pub crypttab: PathBuf,
    /// RAUC's configuration: where it is, there are two slots.
    pub rauc: PathBuf,
    /// Where `edge-wear.service` leaves a note of each `NVMe` drive.
    pub wear: PathBuf,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            sys: PathBuf::from("/sys"),
            crypttab: PathBuf::from("/etc/crypttab"),
            rauc: PathBuf::from("/usr/lib/rauc/system.conf"),
            wear: PathBuf::from("/run/edge-wear"),
        }
    }
}

/// What stands in a file of one value.
fn value(path: &Path) -> Option<String> {
    read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl Machine {
    /// The first hardware watchdog; none where the board has none.
    pub(super) fn watchdog(&self) -> Option<WatchdogFacts> {
        let all = std::fs::read_dir(self.sys.join("class/watchdog")).ok()?;
        let first = all.filter_map(|entry| Some(entry.ok()?.path())).min()?;
        Some(WatchdogFacts {
            identity: value(&first.join("identity")).unwrap_or_else(|| "a watchdog".to_owned()),
            is_active: value(&first.join("state")).map(|state| state == "active"),
            timeout_s: value(&first.join("timeout")).and_then(|seconds| seconds.parse().ok()),
        })
    }

    /// The folder of the block device under a folder of files; none where it is no device, as in a container.
    fn device(&self, folder: &Path) -> Option<PathBuf> {
        let there = folder.ancestors().find(|folder| folder.is_dir())?;
        let device = std::fs::metadata(there).ok()?.st_dev();
        let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
        self.sys.join(format!("dev/block/{major}:{minor}")).canonicalize().ok()
    }

    /// Whether the disk under `data_dir` is sealed.
    pub(super) fn seal(&self, data_dir: &Path) -> SealFacts {
        let mapped = self.device(data_dir).and_then(|device| value(&device.join("dm/uuid")));
        let table = read_to_string(&self.crypttab).unwrap_or_default();
        let names = table.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        SealFacts {
            mapped,
            is_expected: names.filter_map(|line| line.split_whitespace().next()).any(|name| name == "data"),
        }
    }

    /// What is known `now` of the wear of the drive under `data_dir`.
    pub(super) fn wear(&self, data_dir: &Path, now: WallTime) -> Wear {
        let Some(drive) = self.device(data_dir).and_then(|device| Self::drive(&device)) else { return Wear::NoDrive };
        let name = drive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match value(&drive.join("device/life_time")).as_deref().and_then(life_time) {
            Some(tenths) => Wear::Tenths { name, tenths },
            None => match controller(&drive) {
                Some(controller) => {
                    let note = self.wear.join(format!("{controller}.json"));
                    Wear::Nvme { name, told: smart::read(&note, now), note }
                }
                None => Wear::Untold { name },
            },
        }
    }

    /// The drive that holds a device: beneath what maps it, and the whole of it where the device is a partition.
    fn drive(device: &Path) -> Option<PathBuf> {
        let beneath = std::fs::read_dir(device.join("slaves")).ok().and_then(|mut slaves| slaves.next()?.ok());
        let device = match beneath {
            Some(beneath) => beneath.path().canonicalize().ok()?,
            None => device.to_owned(),
        };
        if device.join("partition").exists() { device.parent().map(Path::to_owned) } else { Some(device) }
    }

    /// Both slots, as `edge-agent update status` tells them; none where the image has no RAUC.
    pub(super) fn slots(&self, program: &Path, config: &Path) -> Option<Result<SlotFacts, String>> {
        self.rauc.exists().then(|| {
            let mut command = Command::new(program);
            command.args(["update", "status", "--json", "--config"]).arg(config).stdin(Stdio::null());
            let output = command.output().map_err(|error| format!("edge-agent update status: {error}"))?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
            }
            told(&output.stdout)
        })
    }
}

/// What takes an `NVMe` drive's commands. Its number need not be the drive's; and where the kernel counts the ways to a
/// drive, which it does also where there is only one, the drive is beside them and not beneath.
fn controller(drive: &Path) -> Option<String> {
    let device = drive.join("device").canonicalize().ok()?;
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned()).filter(|name| is_controller(name));
    let beside = || std::fs::read_dir(&device).ok()?.filter_map(|entry| name(&entry.ok()?.path())).min();
    name(&device).or_else(beside)
}

fn is_controller(name: &str) -> bool {
    let number = name.strip_prefix("nvme").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|sign| sign.is_ascii_digit())
}

/// What `edge-agent update status --json` tells of the slots.
fn told(json: &[u8]) -> Result<SlotFacts, String> {
    #[derive(Deserialize)]
    struct Told {
        state: String,
        slots: Option<Vec<Slot>>,
        why_no_slots: Option<String>,
    }
    #[derive(Deserialize)]
    struct Slot {
        #[serde(rename = "slot")]
        name: String,
        booted: bool,
        primary: bool,
        good: bool,
        version: Option<String>,
    }
    let Told { state, slots, why_no_slots } = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let slots = slots.ok_or_else(|| why_no_slots.unwrap_or_else(|| "no slots are told".to_owned()))?;
    let one = |slot: &Slot| {
        let marks = [(slot.booted, ", booted"), (slot.primary, ", boots next")];
        let marks: String = marks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words).collect();
        let version = slot.version.as_deref().unwrap_or("version unknown");
        format!("{}: {version}, {}{marks}", slot.name, if slot.good { "good" } else { "bad" })
    };
    Ok(SlotFacts {
        words: slots.iter().map(one).collect::<Vec<_>>().join("; "),
        update: state,
        bad: slots.iter().filter(|slot| !slot.good).map(|slot| slot.name.clone()).collect(),
        is_booted_next: slots.iter().any(|slot| slot.booted && slot.primary),
    })
}

/// `0x01 0x03`: two kinds of cells of an eMMC, each in tenths of its life; the worse one counts.
fn life_time(text: &str) -> Option<u8> {
    let tenths = text.split_whitespace().filter_map(|word| u8::from_str_radix(word.strip_prefix("0x")?, 16).ok());
    tenths.max().filter(|tenths| *tenths > 0)
}

#[cfg(test)]
mod tests;
