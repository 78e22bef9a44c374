//! Talking to `rtcc serve`: how every subcommand but `serve`, `pki` and `verify` gets its answers.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Agent, Body};

/// The largest JSON answer that is read.
const MAX_JSON_BYTES: u64 = 64 * 1024 * 1024;
/// Longer than any question waits at the center.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Where the center is.
#[derive(Debug, Args)]
pub(crate) struct CenterArguments {
    /// The center's interface.
    #[arg(long, default_value = "http://127.0.0.1:8480", global = true)]
    center: String,
}

/// A center that can be asked.
#[derive(Debug)]
pub(crate) struct Center {
    base: String,
    agent: Agent,
}

/// What the center says when it does not answer a question.
#[derive(Debug, serde::Deserialize)]
struct Refusal {
    error: String,
}

impl CenterArguments {
    /// Prepares for asking; nothing is sent yet.
    pub(crate) fn open(&self) -> Center {
        let configuration = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build();
        Center { base: self.center.trim_end_matches('/').to_owned(), agent: configuration.into() }
    }
}

impl Center {
    /// The center's address, as given.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Asks for JSON.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<T> {
        let request = self.agent.get(self.url(path)).query_pairs(query.iter().copied());
        let mut response = self.answered(request.call())?;
        let body = response.body_mut().with_config().limit(MAX_JSON_BYTES);
        body.read_json().context("the center's answer is not what this version understands")
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn answered(&self, answer: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Response<Body>> {
        let mut response =
            answer.with_context(|| format!("cannot reach the center at {}: is `rtcc serve` running?", self.base))?;
        if response.status().is_success() {
            return Ok(response);
        }
        match response.body_mut().with_config().limit(MAX_JSON_BYTES).read_json::<Refusal>() {
            Ok(refusal) => bail!("{}", rtcc::show::text::terminal(&refusal.error)),
            Err(_) => bail!("the center answers {}", response.status()),
        }
    }
}
