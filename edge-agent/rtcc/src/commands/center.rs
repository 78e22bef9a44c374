//! Talking to `rtcc serve`: how every subcommand but `serve`, `pki` and `verify` gets its answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode, Uri};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

/// The largest JSON answer that is read.
const MAX_JSON_BYTES: u64 = 64 * 1024 * 1024;
/// The largest part of a clip that is read at once.
const MAX_PART_BYTES: u64 = 16 * 1024 * 1024;
/// Longer than any question waits at the center.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Where the center is.
#[derive(Debug, Args)]
pub(crate) struct CenterArguments {
    /// The center's interface.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8480", global = true, value_parser = address)]
    center: String,
    /// For a center at https://: the agency's root certificate.
    #[arg(long, global = true, value_name = "FILE")]
    tls_root: Option<PathBuf>,
    /// For a center at https://: your certificate, as for signing.
    #[arg(long, global = true, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// For a center at https://: your private key.
    #[arg(long, global = true, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

/// An address as a center has one.
fn address(text: &str) -> Result<String, &'static str> {
    let fits =
        |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty());
    let wrong = "is no address of a center: write http://HOST:PORT or https://HOST:PORT";
    text.parse().ok().filter(fits).map(|_| text.to_owned()).ok_or(wrong)
}

/// A center that can be asked.
#[derive(Debug)]
pub(crate) struct Center {
    base: String,
    agent: Agent,
}

/// Some bytes of a file.
#[derive(Debug)]
pub(crate) struct Part {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// How many the whole file has.
    pub(crate) of: u64,
}

/// Why there was no answer, where asking again may bring one.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    /// The center cannot be reached, or was gone in the middle of its answer.
    #[error("cannot reach the center at {base}: is `rtcc serve` running?")]
    Unreachable { base: String, source: ureq::Error },
    /// The center says that it cannot at the moment.
    #[error("{0}")]
    Later(String),
}

/// Whether what went wrong may go right when it is tried again.
pub(super) fn may_pass(error: &anyhow::Error) -> bool {
    error.is::<NoAnswer>()
}

/// What the center says when it does not answer a question.
#[derive(Debug, serde::Deserialize)]
struct Refusal {
    error: String,
}

impl CenterArguments {
    /// Prepares for asking; nothing is sent yet.
    pub(crate) fn open(&self) -> anyhow::Result<Center> {
        let mut configuration = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false);
        if self.center.starts_with("https://") {
            configuration = configuration.tls_config(self.tls()?);
        }
        Ok(Center { base: self.center.trim_end_matches('/').to_owned(), agent: configuration.build().into() })
    }

    fn tls(&self) -> anyhow::Result<TlsConfig> {
        let (Some(root), Some(certificate), Some(key)) = (&self.tls_root, &self.tls_cert, &self.tls_key) else {
            bail!("a center at https:// needs --tls-root, --tls-cert and --tls-key");
        };
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let own = ClientCert::new_with_certs(
            &[Certificate::from_pem(&read(certificate)?)?],
            PrivateKey::from_pem(&read(key)?)?,
        );
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::new_with_certs(&[Certificate::from_pem(&read(root)?)?]))
            .client_cert(Some(own))
            .build())
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
        self.json(self.answered(request.call())?)
    }

    /// Asks for JSON that may not be there.
    pub(crate) fn find<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let call = self.agent.get(self.url(path)).call();
        if call.as_ref().is_ok_and(|response| response.status() == StatusCode::NOT_FOUND) {
            return Ok(None);
        }
        self.json(self.answered(call)?).map(Some)
    }

    /// Asks for bytes from `first` on: as many as the center gives at once.
    pub(crate) fn part(&self, path: &str, first: u64) -> anyhow::Result<Part> {
        let request = self.agent.get(self.url(path)).header("Range", format!("bytes={first}-"));
        let response = self.answered(request.call())?;
        let range = response.headers().get("content-range").and_then(|range| range.to_str().ok());
        let of = range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let of = of.context("the center does not say how long the file is")?;
        Ok(Part { bytes: self.body(response, MAX_PART_BYTES)?, of })
    }

    /// Hands in a signed command.
    pub(crate) fn hand_in<T: DeserializeOwned>(&self, path: &str, envelope: &[u8]) -> anyhow::Result<T> {
        let request = self.agent.post(self.url(path)).content_type("application/cose");
        self.json(self.answered(request.send(envelope))?)
    }

    /// Hands in a decision.
    pub(crate) fn decide(&self, path: &str, decision: &serde_json::Value) -> anyhow::Result<()> {
        self.answered(self.agent.post(self.url(path)).send_json(decision)).map(drop)
    }

    /// Hands in a decision that is answered with JSON.
    pub(crate) fn ask<T: DeserializeOwned>(&self, path: &str, decision: &serde_json::Value) -> anyhow::Result<T> {
        self.json(self.answered(self.agent.post(self.url(path)).send_json(decision))?)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn answered(&self, answer: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Response<Body>> {
        let response = answer.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let words = match serde_json::from_slice::<Refusal>(&self.body(response, MAX_JSON_BYTES)?) {
            Ok(refusal) => rtcc::show::text::terminal(&refusal.error),
            Err(_) => format!("the center answers {status}"),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(NoAnswer::Later(words).into());
        }
        bail!("{words}")
    }

    fn json<T: DeserializeOwned>(&self, response: Response<Body>) -> anyhow::Result<T> {
        let body = self.body(response, MAX_JSON_BYTES)?;
        serde_json::from_slice(&body).context("the center's answer is not what this version understands")
    }

    fn body(&self, mut response: Response<Body>, most: u64) -> Result<Vec<u8>, NoAnswer> {
        response.body_mut().with_config().limit(most).read_to_vec().map_err(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: ureq::Error) -> NoAnswer {
        NoAnswer::Unreachable { base: self.base.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn what_is_no_address_is_said_before_anybody_is_asked() {
        for bad in ["rubbish", "127.0.0.1:8480", "ftp://center", "http://", "http://a b", ""] {
            assert!(address(bad).is_err_and(|words| words.contains("write http://HOST:PORT")), "{bad}");
        }
        for good in ["http://127.0.0.1:8480", "https://center.example.org/", "http://[::1]:8480"] {
            assert_eq!(address(good).as_deref(), Ok(good));
        }
    }
}
