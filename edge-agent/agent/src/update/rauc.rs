//! RAUC itself, by its command line, which speaks to its service on D-Bus.
//!
//! Why not D-Bus directly: a client library (zbus with its executor, some forty crates) would be the largest dependency
//! of the agent for five questions an update; the program is on every image that has slots, and its JSON is documented.
//! A second reason: it verifies a bundle in a process of its own, so a malformed one is not parsed in this one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;
use serde_json::Value;

use super::{BootState, BundleInfo, Refusal, Slot, SlotName, Slots, SlotsFault, Standing};

/// The longest piece of what RAUC said that is passed on.
const MOST_WORDS: usize = 240;

/// RAUC's program.
#[derive(Debug, Clone)]
pub struct Rauc {
    program: PathBuf,
    /// Given before each subcommand, such as `--conf`.
    arguments: Vec<String>,
}

impl Default for Rauc {
    fn default() -> Self {
        Self { program: PathBuf::from("/usr/bin/rauc"), arguments: Vec::new() }
    }
}

/// `rauc status --detailed --output-format=json`; what is not needed is left out.
#[derive(Deserialize)]
struct Status {
    compatible: String,
    booted: String,
    boot_primary: Option<String>,
    slots: Vec<Value>,
}

#[derive(Deserialize)]
struct SlotStatus {
    bootname: Option<String>,
    boot_status: Option<String>,
    #[serde(rename = "slot_status")]
    facts: Option<SlotFacts>,
}

#[derive(Deserialize)]
struct SlotFacts {
    bundle: Option<SlotBundle>,
}

#[derive(Deserialize)]
struct SlotBundle {
    version: Option<String>,
}

/// `rauc info --output-format=json`.
#[derive(Deserialize)]
struct Info {
    compatible: String,
    version: Option<String>,
    build: Option<String>,
}

impl Rauc {
    /// Another configuration than the system's, for a bench or a test.
    pub fn with_configuration(file: &Path) -> Self {
        Self { arguments: vec![format!("--conf={}", file.display())], ..Self::default() }
    }

    /// Whether there is a RAUC here; a machine without has no slots.
    pub fn is_here(&self) -> bool {
        self.program.exists()
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, SlotsFault> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        command.output().map_err(|error| SlotsFault(format!("{} cannot be run: {error}", self.program.display())))
    }

    fn done(&self, arguments: &[&str]) -> Result<Vec<u8>, SlotsFault> {
        let output = self.run(arguments)?;
        if output.status.success() { Ok(output.stdout) } else { Err(SlotsFault(said(&output))) }
    }
}

/// What RAUC said last; its progress messages left out.
fn said(output: &Output) -> String {
    let text = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    let text = String::from_utf8_lossy(&text);
    let mut words = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("rauc-Message")) {
        if !words.is_empty() {
            words.push_str("; ");
        }
        words.extend(line.chars().take(MOST_WORDS.saturating_sub(words.len())));
    }
    if words.is_empty() {
        words = format!("it ended with {}", output.status);
    }
    words
}

fn parsed<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Result<T, SlotsFault> {
    serde_json::from_slice(json).map_err(|error| SlotsFault(format!("its answer cannot be read: {error}")))
}

/// Reads `rauc status`.
fn standing(json: &[u8]) -> Result<Standing, SlotsFault> {
    let status: Status = parsed(json)?;
    let (mut a, mut b, mut primary) = (None, None, None);
    for named in status.slots.iter().filter_map(Value::as_object).flatten() {
        let (name, slot) = named;
        let Ok(slot) = SlotStatus::deserialize(slot) else { continue };
        let place = match slot.bootname.as_deref() {
            Some("A") => SlotName::A,
            Some("B") => SlotName::B,
            Some(_) | None => continue,
        };
        if status.boot_primary.as_deref() == Some(name) {
            primary = Some(place);
        }
        let version = slot.facts.and_then(|facts| facts.bundle?.version?.parse().ok());
        let state = if slot.boot_status.as_deref() == Some("good") { BootState::Good } else { BootState::Bad };
        match place {
            SlotName::A => a = Some(Slot { state, version }),
            SlotName::B => b = Some(Slot { state, version }),
        }
    }
    let missing = |what: &str| SlotsFault(format!("it names no {what}; see slots and bootname in its system.conf"));
    let booted = [SlotName::A, SlotName::B].into_iter().find(|name| name.as_str() == status.booted);
    let (a, b) = (a.ok_or_else(|| missing("slot A"))?, b.ok_or_else(|| missing("slot B"))?);
    let booted = booted.ok_or_else(|| missing("booted slot A or B"))?;
    Ok(Standing { compatible: status.compatible, booted, primary, a, b })
}

/// Why RAUC refuses to read a bundle, by the words it has used since version 1.0.
fn refusal(words: String) -> Refusal {
    let signature = words.contains("signature verification failed");
    // The signature of a changed or cut file does not fit either; a stranger's is told from these by its certificate.
    let changed = words.contains("CMS") || words.contains("content verify error");
    if signature && !changed { Refusal::Signature(words) } else { Refusal::Damaged(words) }
}

impl Slots for Rauc {
    fn status(&mut self) -> Result<Standing, SlotsFault> {
        standing(&self.done(&["status", "--detailed", "--output-format=json"])?)
    }

    fn inspect(&mut self, bundle: &Path) -> Result<BundleInfo, Refusal> {
        let unreadable = |why: String| Refusal::Unreadable { path: bundle.to_owned(), why };
        if let Err(error) = std::fs::File::open(bundle) {
            return Err(unreadable(error.to_string()));
        }
        let path = bundle.to_string_lossy();
        let output = self.run(&["info", "--output-format=json", &path]).map_err(|fault| unreadable(fault.0))?;
        if !output.status.success() {
            return Err(refusal(said(&output)));
        }
        let info: Info = parsed(&output.stdout).map_err(|fault| Refusal::Damaged(fault.0))?;
        let text = Option::unwrap_or_default;
        Ok(BundleInfo { compatible: info.compatible, version: text(info.version), build: text(info.build) })
    }

    fn install(&mut self, bundle: &Path) -> Result<(), SlotsFault> {
        self.done(&["install", &bundle.to_string_lossy()]).map(drop)
    }

    fn mark_booted(&mut self, state: BootState) -> Result<(), SlotsFault> {
        let word = match state {
            BootState::Good => "mark-good",
            BootState::Bad => "mark-bad",
        };
        self.done(&["status", word]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{"compatible":"edge-test","variant":"","booted":"B","boot_primary":"rootfs.0","slots":[
        {"rootfs.1":{"class":"rootfs","device":"/dev/b","type":"ext4","bootname":"B","state":"booted","parent":null,
            "mountpoint":null,"boot_status":"good","slot_status":{"bundle":{"compatible":"edge-test",
            "version":"2.0.0"},"status":"ok"}}},
        {"rootfs.0":{"class":"rootfs","device":"/dev/a","type":"ext4","bootname":"A","state":"inactive",
            "parent":null,"mountpoint":null,"boot_status":"bad","slot_status":{"bundle":{"compatible":null}}}},
        {"persist.0":{"class":"persist","device":"/dev/p","type":"ext4","bootname":null,"boot_status":null}}]}"#;

    #[test]
    fn the_standing_is_what_rauc_says() {
        let standing = standing(STATUS.as_bytes()).unwrap();
        assert_eq!((standing.booted, standing.primary), (SlotName::B, Some(SlotName::A)));
        assert_eq!(standing.b, Slot { state: BootState::Good, version: "2.0.0".parse().ok() });
        assert_eq!(standing.a, Slot { state: BootState::Bad, version: None });
        assert!(!standing.has_way_back(), "slot A has no attempts left");
    }

    #[test]
    fn there_is_a_way_back_where_a_bootloader_may_try_the_other_slot() {
        let whole = STATUS.replace("\"bad\"", "\"good\"");
        assert!(standing(whole.as_bytes()).unwrap().has_way_back());
        // An emulator's: whatever RAUC says of slots, the same one boots again.
        let none = whole.replace("\"boot_primary\":\"rootfs.0\"", "\"boot_primary\":null");
        assert!(!standing(none.as_bytes()).unwrap().has_way_back());
    }

    #[test]
    fn a_unit_without_slots_a_and_b_is_told_so() {
        let other = STATUS.replace("\"bootname\":\"A\"", "\"bootname\":\"system0\"");
        assert!(standing(other.as_bytes()).unwrap_err().to_string().contains("slot A"));
        assert!(standing(b"{").is_err());
    }

    #[test]
    fn a_strangers_signature_is_told_from_a_damaged_file() {
        let stranger = "signature verification failed: Verify error: self-signed certificate";
        assert!(matches!(refusal(stranger.into()), Refusal::Signature(_)));
        for damaged in [
            "signature verification failed: error:1700009E:CMS routines::verification failure",
            "Invalid bundle format: Signature size (15074852721519510408) exceeds bundle size",
        ] {
            assert!(matches!(refusal(damaged.into()), Refusal::Damaged(_)), "{damaged}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_a_fault_in_words() {
        let mut rauc = Rauc { program: "/nowhere/rauc".into(), arguments: Vec::new() };
        assert!(rauc.status().unwrap_err().to_string().contains("/nowhere/rauc cannot be run"));
    }
}
