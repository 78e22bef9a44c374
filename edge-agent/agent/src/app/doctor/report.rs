//! What the doctor found, for a person and for a program.

use std::fmt;
use std::process::ExitCode;

use edge_protocol::commissioning::{Finding, Verdict};
use serde::{Deserialize, Serialize};

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The worst verdict of all.
    pub verdict: Verdict,
    /// Each check, in the order in which things depend on each other.
    pub findings: Vec<Finding>,
}

impl Report {
    /// A report of these findings.
    pub fn new(findings: Vec<Finding>) -> Self {
        let judged = findings.iter().map(|finding| finding.verdict).filter(|verdict| *verdict != Verdict::Unchecked);
        let verdict = judged.max().unwrap_or(Verdict::Ok);
        Self { verdict, findings }
    }

    /// 0 when all is well, 1 with warnings, 2 when something does not work.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.verdict {
            Verdict::Ok | Verdict::Unchecked => 0,
            Verdict::Warning => 1,
            Verdict::Failed => 2,
        })
    }

    /// How many checks came to a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// The counts in words, as "12 ok, 1 warning, 0 failed".
    pub fn counts(&self) -> String {
        let [ok, warnings, failed] =
            [Verdict::Ok, Verdict::Warning, Verdict::Failed].map(|verdict| self.count(verdict));
        let unchecked = match self.count(Verdict::Unchecked) {
            0 => String::new(),
            count => format!(", {count} not checked"),
        };
        format!("{ok} ok, {warnings} warning(s), {failed} failed{unchecked}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { check, of, verdict, measured, advice } in &self.findings {
            let word = match verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "WARNING",
                Verdict::Failed => "FAILED",
                Verdict::Unchecked => "-",
            };
            let name = of.as_ref().map_or_else(|| check.clone(), |of| format!("{check} {of}"));
            let mut lines = measured.lines();
            writeln!(f, "{word:<8} {name:<22} {}", lines.next().unwrap_or_default())?;
            for line in lines {
                writeln!(f, "{:31} {line}", "")?;
            }
            if let Some(advice) = advice {
                writeln!(f, "{:31} → {advice}", "")?;
            }
        }
        write!(f, "{}", self.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_and_each_tells_what_to_do() {
        let report = Report::new(vec![
            Finding::ok("clock", "follows its source"),
            Finding::failed("camera", "401", "correct the password").of("gate"),
            Finding::warning("position", "none", "type it"),
            Finding::unchecked("watchdog", "not on this board"),
        ]);
        assert_eq!(report.verdict, Verdict::Failed);
        assert_eq!(report.counts(), "1 ok, 1 warning(s), 1 failed, 1 not checked");
        let text = report.to_string();
        assert!(text.contains("FAILED   camera gate            401\n"), "{text}");
        assert!(text.contains("→ correct the password"), "{text}");
        assert!(text.contains("-        watchdog               not on this board\n"), "{text}");
        let board = Report::new(vec![Finding::unchecked("watchdog", "none"), Finding::ok("clock", "good")]);
        assert_eq!(board.verdict, Verdict::Ok, "what is not there is no fault");
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        assert_eq!(Report::new(Vec::new()).verdict, Verdict::Ok);
    }
}
