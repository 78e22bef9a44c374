//! What a technician leaves behind: every check of the unit, and what it came to.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::record::words;

words!(
    /// What a check came to, best first.
    Verdict {
        /// As it should be.
        Ok = 0 "ok",
        /// It works, and something should be done about it.
        Warning = 1 "warning",
        /// It does not work.
        Failed = 2 "failed",
    }
);

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Finding {
    /// What was checked.
    #[n(0)]
    pub check: String,
    /// Of which part, where there are several: a camera's id, a sensor's name.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// What it came to.
    #[n(2)]
    pub verdict: Verdict,
    /// What was measured.
    #[n(3)]
    pub measured: String,
    /// What to do; none where nothing is to be done.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &str, measured: impl Into<String>) -> Self {
        Self { check: check.to_owned(), of: None, verdict: Verdict::Ok, measured: measured.into(), advice: None }
    }

    /// Works, and something should be done.
    pub fn warning(check: &str, measured: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, advice: Some(advice.into()), ..Self::ok(check, measured) }
    }

    /// Does not work.
    pub fn failed(check: &str, measured: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, advice: Some(advice.into()), ..Self::ok(check, measured) }
    }

    /// The same of one of several parts.
    #[must_use]
    pub fn of(self, part: impl Into<String>) -> Self {
        Self { of: Some(part.into()), ..self }
    }
}
