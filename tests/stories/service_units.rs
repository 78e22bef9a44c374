//! The service unit: systemd understands every line of it, and it opens no more than it must.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files and says aloud what it skips"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The largest exposure that `systemd-analyze security` may find, in tenths.
const MOST_EXPOSURE_TENTHS: &str = "15";

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd")
}

/// Runs systemd-analyze, or says why it cannot.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).arg(unit).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: systemd-analyze cannot be run: {error}");
            None
        }
    }
}

/// A copy of the unit whose program exists on this machine, with lines replaced.
fn copy(folder: &Path, change: impl Fn(&str) -> String) -> PathBuf {
    let text = std::fs::read_to_string(units().join("edge-agent.service")).unwrap();
    let path = folder.join("edge-agent.service");
    std::fs::write(&path, change(&text).replace("/usr/bin/edge-agent", "/bin/true")).unwrap();
    path
}

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let Some(output) = analyze(&["verify"], &copy(folder.path(), str::to_owned)) else { return };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn a_wrong_line_would_be_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = copy(folder.path(), |text| text.replace("Type=notify", "Type=notfy"));
    let Some(output) = analyze(&["verify"], &wrong) else { return };
    assert!(!output.stderr.is_empty(), "systemd-analyze reports mistakes with exit 0, so its words are what counts");
}

#[test]
fn the_exposure_stays_within_bounds_and_an_opening_would_be_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let threshold = format!("--threshold={MOST_EXPOSURE_TENTHS}");
    let arguments = ["security", "--offline=true", &threshold];
    let Some(output) = analyze(&arguments, &copy(folder.path(), str::to_owned)) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let opened =
        copy(folder.path(), |text| text.replace("ProtectSystem=strict\n", "").replace("IPAddressDeny=any\n", ""));
    let Some(output) = analyze(&arguments, &opened) else { return };
    assert!(!output.status.success(), "two openings less would go unnoticed");
}
