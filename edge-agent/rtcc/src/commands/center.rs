//! Talking to `rtcc serve`: how every subcommand but `serve`, `pki` and `verify` gets its answers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
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
    #[arg(long, default_value = "http://127.0.0.1:8480", global = true)]
    center: String,
    /// For a center at https://: the agency's root certificate.
    #[arg(long, global = true)]
    tls_root: Option<PathBuf>,
    /// For a center at https://: your certificate, as for signing.
    #[arg(long, global = true)]
    tls_cert: Option<PathBuf>,
    /// For a center at https://: your private key.
    #[arg(long, global = true)]
    tls_key: Option<PathBuf>,
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
        let mut response = self.answered(request.call())?;
        let body = response.body_mut().with_config().limit(MAX_JSON_BYTES);
        body.read_json().context("the center's answer is not what this version understands")
    }

    /// Asks for JSON that may not be there.
    pub(crate) fn find<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let call = self.agent.get(self.url(path)).call();
        if call.as_ref().is_ok_and(|response| response.status() == StatusCode::NOT_FOUND) {
            return Ok(None);
        }
        let mut response = self.answered(call)?;
        Ok(Some(response.body_mut().with_config().limit(MAX_JSON_BYTES).read_json()?))
    }

    /// Asks for bytes from `first` on: as many as the center gives at once.
    pub(crate) fn part(&self, path: &str, first: u64) -> anyhow::Result<Part> {
        let request = self.agent.get(self.url(path)).header("Range", format!("bytes={first}-"));
        let mut response = self.answered(request.call())?;
        let range = response.headers().get("content-range").and_then(|range| range.to_str().ok());
        let of = range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let of = of.context("the center does not say how long the file is")?;
        Ok(Part { bytes: response.body_mut().with_config().limit(MAX_PART_BYTES).read_to_vec()?, of })
    }

    /// Hands in a signed command.
    pub(crate) fn hand_in<T: DeserializeOwned>(&self, path: &str, envelope: &[u8]) -> anyhow::Result<T> {
        let request = self.agent.post(self.url(path)).content_type("application/cose");
        let mut response = self.answered(request.send(envelope))?;
        Ok(response.body_mut().with_config().limit(MAX_JSON_BYTES).read_json()?)
    }

    /// Hands in a decision.
    pub(crate) fn decide(&self, path: &str, decision: &serde_json::Value) -> anyhow::Result<()> {
        self.answered(self.agent.post(self.url(path)).send_json(decision)).map(drop)
    }

    /// Hands in a decision that is answered with JSON.
    pub(crate) fn ask<T: DeserializeOwned>(&self, path: &str, decision: &serde_json::Value) -> anyhow::Result<T> {
        let mut response = self.answered(self.agent.post(self.url(path)).send_json(decision))?;
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
