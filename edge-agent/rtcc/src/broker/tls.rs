//! TLS towards the broker: 1.3 alone, the agency's root alone, and the receiver's own certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use edge_protocol::id::{AgencyId, UnitId};
use edge_protocol::sign::{Chain, Root, Subject as Holder};
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
    /// The certificate is not a receiver's of this agency. The broker would let it in, and tell it nothing.
    #[error("{path} is no receiver's certificate of {agency}: {why}; `rtcc pki center` makes one")]
    Stranger {
        /// The certificate.
        path: PathBuf,
        /// The agency that is received.
        agency: AgencyId,
        /// Whose it is.
        why: String,
        /// The name in it where it says no more than that: a unit's certificate, or a receiver's that was made before
        /// those said that they are.
        bare: Option<UnitId>,
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

    /// Whether the certificate is that of a receiver of `agency`. Its time is the broker's to judge, since a machine may
    /// start with a wrong clock.
    ///
    /// # Errors
    /// Says whose it is.
    pub fn check_receiver(&self, agency: &AgencyId, root: &Root) -> Result<(), IdentityError> {
        let path = &self.certificate;
        let unreadable = |source| IdentityError::File {
            what: "the certificate",
            path: path.clone(),
            source: rustls_pki_types::pem::Error::Io(source),
        };
        let chain = Chain::from_pem(&std::fs::read(path).map_err(unreadable)?);
        let mut bare = None;
        // One that is nobody's is said to be so, before it is judged.
        let why = match chain.and_then(|chain| chain.subject().and_then(|_| root.check(&chain, None))) {
            Ok(Holder::Center(of, _)) if of == *agency => return Ok(()),
            Ok(Holder::Center(of, name)) => format!("it is receiver {name}'s of {of} (see --agency)"),
            Ok(Holder::Unit(of, name)) => {
                let why = format!(
                    "it is unit {name}'s of {of}, or was made before certificates of receivers said that they are"
                );
                bare = (of == *agency).then_some(name);
                why
            }
            Ok(Holder::Claim(serial)) => format!("it is the claim of {serial}, a unit that is nobody's yet"),
            Ok(Holder::Person(_, name, role)) => format!("it is that of {name}, a person ({})", role.as_str()),
            Err(error) => format!("by {}, {error}", self.root.display()),
        };
        Err(IdentityError::Stranger { path: path.clone(), agency: agency.clone(), why, bare })
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
    use edge_protocol::command::Role;

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

    #[test]
    fn a_receiver_may_have_its_certificate_from_an_authority_below_the_root() {
        use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
        let authority = |name: &str| {
            let mut parameters = CertificateParams::default();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.distinguished_name.push(DnType::CommonName, name);
            (parameters, KeyPair::generate().unwrap())
        };
        let (parameters, key) = authority("root");
        let root = CertifiedIssuer::self_signed(parameters, key).unwrap();
        let (parameters, key) = authority("issuer");
        let between = CertifiedIssuer::signed_by(parameters, key, &root).unwrap();
        let mut receiver = CertificateParams::default();
        receiver.subject_alt_names = vec![SanType::URI("edge://metro/center/center-1".try_into().unwrap())];
        let receiver = receiver.signed_by(&KeyPair::generate().unwrap(), &between).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("center-1.pem");
        let identity = Identity { root: "root.pem".into(), certificate, key: "center-1.key".into() };
        let judged = |chain: String| {
            crate::files::replace(&identity.certificate, chain.as_bytes(), crate::files::Access::Everybody).unwrap();
            identity.check_receiver(&"metro".parse().unwrap(), &Root::from_pem(root.pem().as_bytes()).unwrap())
        };
        judged(receiver.pem() + &between.pem()).unwrap();
        let error = judged(receiver.pem()).unwrap_err().to_string();
        assert!(error.contains("is not a valid one of this agency"), "{error}");
    }

    #[test]
    fn whose_certificate_it_is_is_said_where_it_is_no_receivers_of_this_agency() {
        let folder = tempfile::tempdir().unwrap();
        let now = 1_795_219_200_000_000;
        let authority =
            |agency: &str| Authority::create(&folder.path().join(agency), &agency.parse().unwrap(), now).unwrap();
        let (ours, theirs) = (authority("metro"), authority("other"));
        let root = Root::from_pem(ours.certificate().as_bytes()).unwrap();
        let said = |by: &Authority, subject: Subject, agency: &str| {
            let issued = by.issue(&subject, now).unwrap();
            let identity =
                Identity { root: folder.path().join("root.pem"), certificate: issued.certificate, key: issued.key };
            identity.check_receiver(&agency.parse().unwrap(), &root).err().map(|error| error.to_string())
        };
        let center = || Subject::Center("center-1".parse().unwrap());
        assert_eq!(said(&ours, center(), "metro"), None);
        for (by, subject, agency, words) in [
            (&ours, Subject::Unit("gate-1".parse().unwrap()), "metro", "it is unit gate-1's of metro"),
            (&ours, Subject::Person("ada".parse().unwrap(), Role::Auditor), "metro", "ada, a person (auditor)"),
            (&ours, Subject::Claim("SN42".parse().unwrap()), "metro", "the claim of SN42"),
            (&ours, center(), "other", "it is receiver center-1's of metro (see --agency)"),
            (&theirs, center(), "metro", "is not a valid one of this agency"),
            (&ours, Subject::Broker(vec!["localhost".into()]), "metro", "it names neither unit, person nor receiver"),
        ] {
            let said = said(by, subject, agency).unwrap();
            assert!(said.contains(words) && said.contains("`rtcc pki center` makes one"), "{said}");
        }
    }
}
