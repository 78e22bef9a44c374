//! TLS towards the broker: 1.3 alone, one authority alone, and the unit's own certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

use crate::keys::{KeyError, Keys};

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM of the expected kind.
    #[error("cannot read {what} from {}: {source}", .path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The unit's key cannot be opened.
    #[error("cannot use the unit's key {}: {source}", .path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Authority, certificate and key do not fit together.
    #[error("authority, certificate and key do not fit together: {0}")]
    Mismatch(#[from] rustls::Error),
}

/// Reads the files and makes the client's side of TLS.
///
/// # Errors
/// Names the file that is missing or unfit.
pub fn client_config(ca: &Path, certificate: &Path, key: &Path, keys: &Keys) -> Result<Arc<ClientConfig>, TlsError> {
    let mut authorities = RootCertStore::empty();
    for authority in certificates(ca, "the broker's authority")? {
        authorities.add(authority)?;
    }
    let chain = certificates(certificate, "the unit's certificate")?;
    let unread = |error| TlsError::File { what: "the unit's key", path: key.to_owned(), source: pem::Error::Io(error) };
    let unfit = |source| TlsError::Key { path: key.to_owned(), source };
    let key = keys.open_for_tls(&std::fs::read(key).map_err(unread)?).map_err(unfit)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(authorities)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Ok(Arc::new(config))
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::File { what, path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if found.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(found) }
}
