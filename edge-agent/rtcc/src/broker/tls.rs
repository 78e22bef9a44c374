//! TLS towards the broker: 1.3 alone, the agency's root alone, and the receiver's own certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The files with which a receiver proves who it is and knows the broker.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The agency's root certificate, PEM.
    pub root: PathBuf,
    /// The receiver's certificate, PEM.
    pub certificate: PathBuf,
    /// The receiver's private key, PEM.
    pub key: PathBuf,
}

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file is missing or holds no PEM of the expected kind.
    #[error("cannot read {what} from {path}")]
    File {
        /// What was expected in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls_pki_types::pem::Error,
    },
    /// Root, certificate and key do not fit together.
    #[error("root, certificate and key do not fit together")]
    Mismatch(#[from] rustls::Error),
}

impl Identity {
    /// The client's side of TLS.
    ///
    /// # Errors
    /// Returns which file is missing or unfit.
    pub fn client_configuration(&self) -> Result<Arc<ClientConfig>, IdentityError> {
        let mut roots = RootCertStore::empty();
        for root in certificates(&self.root, "the root certificate")? {
            roots.add(root)?;
        }
        let configuration =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(roots)
                .with_client_auth_cert(certificates(&self.certificate, "the certificate")?, private_key(&self.key)?)?;
        Ok(Arc::new(configuration))
    }
}

/// Every certificate of a PEM file; at least one.
///
/// # Errors
/// Returns the file and what is wrong with it.
pub fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let wrong = |source| IdentityError::File { what, path: path.to_owned(), source };
    let found: Vec<_> = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    if found.is_empty() {
        return Err(wrong(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

/// The private key of a PEM file.
///
/// # Errors
/// Returns the file and what is wrong with it.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| IdentityError::File {
        what: "the private key",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Authority, Subject};

    #[test]
    fn a_key_that_is_not_the_certificates_is_refused_and_a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let now = 1_795_219_200_000_000;
        let authority = Authority::create(folder.path(), &"metro".parse().unwrap(), now).unwrap();
        let one = authority.issue(&Subject::Center("center-1".parse().unwrap()), now).unwrap();
        let two = authority.issue(&Subject::Center("center-2".parse().unwrap()), now).unwrap();
        let mut identity =
            Identity { root: folder.path().join("root.pem"), certificate: one.certificate, key: one.key };
        identity.client_configuration().unwrap();
        identity.key = two.key;
        assert!(matches!(identity.client_configuration(), Err(IdentityError::Mismatch(_))));
        identity.root = folder.path().join("absent.pem");
        let error = identity.client_configuration().unwrap_err();
        assert!(error.to_string().contains("absent.pem"), "{error}");
    }
}
