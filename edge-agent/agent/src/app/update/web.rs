//! Bundles over HTTPS: one authority, the hosts that the configuration names, no redirects, no proxy.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use ureq::http::StatusCode;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use crate::update::{Opened, Web, WebFault};

/// A line that carries nothing for so long is dead.
const SILENCE: Duration = Duration::from_secs(30);

/// Asks servers for bundles.
#[derive(Debug)]
pub(super) struct Https {
    agent: Agent,
}

impl Https {
    /// Trusts the authorities in a file alone.
    pub(super) fn new(ca: &Path) -> anyhow::Result<Self> {
        let found = CertificateDer::pem_file_iter(ca).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = found.with_context(|| format!("cannot read the authority {}", ca.display()))?;
        let roots: Vec<_> = found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::new_with_certs(&roots))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            // A redirect would lead past the hosts that the configuration names.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            // What is hashed is what the server keeps, byte for byte.
            .accept_encoding("identity")
            .build();
        Ok(Self { agent: config.into() })
    }
}

impl Web for Https {
    fn open(&mut self, url: &str, from: u64) -> Result<Opened, WebFault> {
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| WebFault::Later(error.to_string()))?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let (from, length) = match response.status() {
            StatusCode::OK => (0, header(CONTENT_LENGTH).and_then(|length| length.parse().ok())),
            StatusCode::PARTIAL_CONTENT => {
                let range = header(CONTENT_RANGE).and_then(range);
                range.ok_or_else(|| WebFault::Later("the server sends a part and does not say which".to_owned()))?
            }
            status if may_help(status) => return Err(WebFault::Later(format!("the server answers {status}"))),
            status => return Err(WebFault::Never(format!("the server answers {status}"))),
        };
        Ok(Opened { from, length, body: Box::new(Body::into_reader(response.into_body())) })
    }
}

/// First byte and whole length of `bytes 5-9/10`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, length.parse().ok()))
}

/// Whether asking again may help.
fn may_help(status: StatusCode) -> bool {
    status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_which_it_is() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        for text in ["5-9/10", "bytes 5", "bytes -9/10", "bytes */10"] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_one_that_has_it_not_is_not() {
        for status in [500, 503, 408, 429] {
            assert!(may_help(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [301, 401, 403, 404, 416] {
            assert!(!may_help(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
