//! What the demo asks the center over its interface.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A page of events.
const PAGE: usize = 2_000;

/// The center's interface.
#[derive(Debug, Clone)]
pub(crate) struct Center {
    address: String,
    agent: ureq::Agent,
}

impl Center {
    /// The interface at `http://127.0.0.1:port`.
    pub(crate) fn at(port: u16) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().new_agent();
        Self { address: format!("http://127.0.0.1:{port}"), agent }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The answer to a question, e.g. `/api/units`.
    pub(crate) fn ask<T: DeserializeOwned>(&self, question: &str) -> Result<T> {
        let url = format!("{}{question}", self.address);
        let mut answer =
            self.agent.get(&url).call().with_context(|| format!("the center does not answer {question}"))?;
        Ok(answer.body_mut().read_json()?)
    }

    /// Whether there is something at an address.
    pub(crate) fn has(&self, question: &str) -> bool {
        self.agent.get(format!("{}{question}", self.address)).call().is_ok()
    }

    /// Everything that it has, oldest first: records with their names and times.
    pub(crate) fn events(&self) -> Result<Vec<Value>> {
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let page: Value = self.ask(&format!("/api/events?after={after}&limit={PAGE}"))?;
            let found = page["events"].as_array().cloned().unwrap_or_default();
            after = page["next"].as_i64().unwrap_or(after);
            let full = found.len() >= PAGE;
            events.extend(found);
            if !full {
                return Ok(events);
            }
        }
    }

    /// How many records of all lanes are committed, and how many of what came were duplicates.
    pub(crate) fn statistics(&self) -> Result<Value> {
        self.ask("/api/statistics")
    }
}
