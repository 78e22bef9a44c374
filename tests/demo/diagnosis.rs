//! `edge-agent doctor` on the demo's unit, as somebody runs it in a terminal beside the agent.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::steps::Steps;
use crate::summary::Diagnosis;
use crate::visit::{is_green, words};
use crate::world::Places;

/// Runs it, shows its table, and says what it came to.
pub(crate) fn examine(places: &Places, steps: &Steps) -> Result<Diagnosis> {
    let config = places.folder.join("edge-agent.toml");
    steps.say(&format!("edge-agent doctor --config {}: the same checks in a terminal", config.display()));
    let mut doctor = Command::new(places.programs.join("edge-agent"));
    doctor.arg("doctor").arg("--config").arg(&config).arg("--json");
    let output = doctor.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.context("cannot start edge-agent doctor")?;
    let status = output.status.code().with_context(|| format!("it ended with {}", output.status))?;
    let told: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("status {status}, no report"))?;
    let findings = told["findings"].as_array().context("a report without checks")?;
    for found in findings {
        println!("    {}", line(found));
    }
    let diagnosis = judge(findings, status)?;
    let Diagnosis { ok, warnings, failed, excused, .. } = &diagnosis;
    steps.say(&format!("doctor: {ok} checks ok, {warnings} warnings, {failed} failed; status {status}"));
    if !excused.is_empty() {
        steps.say(&format!("  the warnings of a machine that others use too: {}", excused.join("; ")));
    }
    Ok(diagnosis)
}

/// A line of the table: the advice stays for whoever runs it.
fn line(found: &Value) -> String {
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    let name = format!("{} {}", text("check"), text("of"));
    let measured = text("measured").lines().next().unwrap_or_default();
    format!("{:<9} {name:<22} {measured}", text("verdict"))
}

fn judge(findings: &[Value], status: i32) -> Result<Diagnosis> {
    ensure!(!findings.is_empty(), "a report without checks");
    let count = |verdict: &str| findings.iter().filter(|found| found["verdict"] == verdict).count();
    let of = |which: &dyn Fn(&&Value) -> bool| findings.iter().filter(which).map(words).collect();
    let (ok, warnings, failed) = (count("ok"), count("warning"), count("failed"));
    let expected = if failed > 0 { 2 } else { i32::from(warnings > 0) };
    ensure!(status == expected, "its status is {status} with {warnings} warnings and {failed} failed");
    Ok(Diagnosis {
        ok,
        warnings,
        failed,
        excused: of(&|found| found["verdict"] == "warning" && is_green(found)),
        not_green: of(&|found| !is_green(found)),
        status,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fails_or_warns_is_told_and_only_the_machines_own_affairs_are_excused() {
        let found = |check: &str, verdict: &str| json!({ "check": check, "verdict": verdict, "measured": "so\nmuch" });
        let (good, clock) = (found("disk", "ok"), found("clock", "warning"));
        let green = judge(&[good.clone(), found("slots", "unchecked"), clock.clone()], 1).unwrap();
        assert_eq!((green.ok, green.warnings, green.failed, green.status), (1, 1, 0, 1));
        assert_eq!(green.excused, ["warning clock : so\nmuch"]);
        assert!(green.not_green.is_empty(), "{green:?}");
        let red = judge(&[good.clone(), clock, found("broker", "failed"), found("position", "warning")], 2).unwrap();
        assert_eq!((red.failed, red.not_green.len(), red.excused.len()), (1, 2, 1), "{red:?}");
        assert_eq!(line(&good), "ok        disk                   so");
    }

    #[test]
    fn a_status_that_does_not_say_what_the_table_says_is_an_error() {
        let found = |verdict: &str| [json!({ "check": "broker", "verdict": verdict, "measured": "" })];
        for (verdict, status) in [("failed", 0), ("failed", 1), ("warning", 0), ("ok", 1)] {
            assert!(judge(&found(verdict), status).is_err(), "{verdict} {status}");
        }
        assert!(judge(&[], 0).is_err(), "no checks");
    }
}
