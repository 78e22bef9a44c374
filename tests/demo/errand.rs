//! The clip: asked for as an investigator would, verified by `rtcc`, judged by ffmpeg.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use edge_tests::process::Process;
use serde_json::Value;

use crate::center::Center;
use crate::steps::Steps;
use crate::summary::{Clip, Span};
use crate::world::{Places, UNIT, end, output_of};

/// How far back the clip goes.
const RANGE: Duration = Duration::from_secs(15);
/// What is being recorded now cannot be asked for yet.
const BEHIND: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_mins(1);
const PURPOSE: &str = "investigation";
const CASE: &str = "DEMO-2026-1";

/// Asks for the last seconds of a camera with purpose and case.
pub(crate) fn clip(places: &Places, center: &Center, camera: &str, steps: &Steps) -> Result<Clip> {
    let to = jiff::Timestamp::now() - BEHIND;
    let from = to - RANGE;
    let file = places.folder.join("clip.mp4");
    let pki = places.folder.join("pki");
    let seconds = RANGE.as_secs();
    steps.say(&format!("rtcc clip: the last {seconds} s of {UNIT}/{camera}, purpose {PURPOSE}, case {CASE}"));
    let mut command = Command::new(places.programs.join("rtcc"));
    command.args(["clip", "--center", center.address(), "--unit", UNIT, "--camera", camera]);
    command.args(["--from", &from.to_string(), "--to", &to.to_string(), "--purpose", PURPOSE, "--case", CASE]);
    command.arg("--cert").arg(pki.join("person-investigator.pem"));
    command.arg("--key").arg(pki.join("person-investigator.key"));
    command.arg("--root").arg(pki.join("root.pem")).arg("-o").arg(&file);
    let mut asking = Process::spawn("rtcc clip", command.process_group(0));
    let until = Instant::now() + DEADLINE;
    let mut said = 0;
    while asking.try_wait().is_none() && Instant::now() < until {
        // No line is wanted: this waits a little, or until the program closes its output.
        if asking.find_line(Duration::from_millis(200), |_| false).is_none() {
            said = show(&asking, said);
        }
    }
    let status = end(&mut asking, Duration::ZERO);
    show(&asking, said);
    match status {
        Some(status) if status.success() => {}
        Some(status) => bail!("rtcc clip ended with {status}"),
        None => bail!("rtcc clip took longer than {} s", DEADLINE.as_secs()),
    }
    judge(&file)?;
    steps.say(&format!("clip verified, and ffmpeg decodes it without a word: {}", file.display()));
    findings(places, &file)
}

/// Prints what a program has said since line `from`; how many lines there are.
fn show(process: &Process, from: usize) -> usize {
    let lines = process.lines();
    for line in lines.iter().skip(from) {
        println!("    {line}");
    }
    lines.len()
}

fn judge(file: &Path) -> Result<()> {
    let decoded =
        Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(file).args(["-f", "null", "-"]).output()?;
    ensure!(
        decoded.status.success() && decoded.stderr.is_empty(),
        "ffmpeg finds fault with the clip: {}",
        String::from_utf8_lossy(&decoded.stderr)
    );
    Ok(())
}

/// What `rtcc verify` finds, once more and without the center.
fn findings(places: &Places, file: &Path) -> Result<Clip> {
    let mut verify = Command::new(places.programs.join("rtcc"));
    verify.arg("verify").arg(file).arg("--root").arg(places.folder.join("pki/root.pem")).arg("--json");
    let found: Value = serde_json::from_str(&output_of(&mut verify)?)?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let span = |value: &Value| Span { from: word(&value["from"]), to: word(&value["to"]) };
    Ok(Clip {
        asked: span(&found["asked"]),
        actual: span(&found["actual"]),
        bytes: std::fs::metadata(file)?.len(),
        gaps: found["gaps"].as_array().map_or(0, Vec::len),
        verified: found["verified"] == true,
        file: file.display().to_string(),
    })
}
