//! Certificates: whose key it is, and that the agency's root says so.
//!
//! A unit's certificate has the common name `{agency}/{unit}`, the claim certificate with which a unit enrols
//! `enroll/{serial}`. A person's has the URI `edge://{agency}/person/{name}?role={role}` among its alternative names. A
//! receiver's is named like a unit's, and told from it by the URI `edge://{agency}/center/{name}`.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, aws_lc_rs as algorithms};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, OID_SIG_ED25519};
use x509_parser::prelude::FromDer;

use super::{Algorithm, SignatureError};
use crate::command::Role;
use crate::enrolment::Serial;
use crate::id::{AgencyId, CenterId, PersonId, UnitId};
use crate::time::WallTime;

/// The most certificates in a chain: the signer's and two authorities between it and the root.
const MAX_CHAIN: usize = 3;
/// `id-kp-clientAuth`, which a certificate may name; a person's names no usage at all.
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// `id-kp-emailProtection`, which RAUC asks for of a certificate that signs bundles and names a usage at all.
const EMAIL_PROTECTION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];

const ACCEPTED: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
];

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A unit of an agency.
    Unit(AgencyId, UnitId),
    /// A unit that is nobody's yet.
    Claim(Serial),
    /// A person of an agency, in a role.
    Person(AgencyId, PersonId, Role),
    /// A receiver of an agency's center, which signs nothing.
    Center(AgencyId, CenterId),
}

/// A signer's certificate and those between it and the root, the signer's first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// Reads one or more certificates from PEM.
    ///
    /// # Errors
    /// If there is none, or more than a chain has.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SignatureError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        Self::new(certificates.map_err(|error| SignatureError::Certificate(error.to_string()))?)
    }

    /// From one certificate in DER.
    pub fn from_der(der: Vec<u8>) -> Self {
        Self(vec![CertificateDer::from(der)])
    }

    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, SignatureError> {
        if (1..=MAX_CHAIN).contains(&certificates.len()) {
            Ok(Self(certificates))
        } else {
            Err(SignatureError::Certificate(format!("a chain has 1 to {MAX_CHAIN} certificates")))
        }
    }

    /// The certificates in DER, the signer's first.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }

    fn split(&self) -> Result<(&CertificateDer<'static>, &[CertificateDer<'static>]), SignatureError> {
        self.0.split_first().ok_or_else(|| SignatureError::Certificate("no certificate".to_owned()))
    }

    /// Whom the signer's certificate is for. Says nothing of whether it can be trusted: see [`Root::check`].
    ///
    /// # Errors
    /// If it says neither unit, person nor receiver.
    pub fn subject(&self) -> Result<Subject, SignatureError> {
        subject(&parsed(self.split()?.0)?)
    }

    /// Whether the time of the signer's certificate is over.
    pub fn is_expired(&self, now: WallTime) -> bool {
        self.validity().is_ok_and(|(_, until)| until < now)
    }

    /// From when until when the signer's certificate is good.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn validity(&self) -> Result<(WallTime, WallTime), SignatureError> {
        let certificate = parsed(self.split()?.0)?;
        let at = |time: x509_parser::time::ASN1Time| WallTime::from_millis(time.timestamp().saturating_mul(1000));
        Ok((at(certificate.validity().not_before), at(certificate.validity().not_after)))
    }

    /// The serial number of the signer's certificate, lower-case hexadecimal digits.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn serial(&self) -> Result<String, SignatureError> {
        Ok(hex::encode(parsed(self.split()?.0)?.raw_serial()))
    }

    /// The public key of the signer's certificate: 32 bytes, or an uncompressed point.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn public_key(&self) -> Result<Vec<u8>, SignatureError> {
        Ok(parsed(self.split()?.0)?.public_key().subject_public_key.data.to_vec())
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let certificate = parsed(self.split()?.0)?;
        let info = certificate.public_key();
        algorithm(&certificate)?.verify(&info.subject_public_key.data, message, signature)
    }

    pub(super) fn algorithm(&self) -> Result<Algorithm, SignatureError> {
        algorithm(&parsed(self.split()?.0)?)
    }
}

/// An agency's root certificate.
#[derive(Debug, Clone)]
pub struct Root {
    anchor: TrustAnchor<'static>,
}

impl Root {
    /// Reads the root from PEM.
    ///
    /// # Errors
    /// If it is not a certificate that can be trusted as a root.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SignatureError> {
        let der =
            CertificateDer::from_pem_slice(pem).map_err(|error| SignatureError::Certificate(error.to_string()))?;
        Self::from_der(&der)
    }

    /// Reads every root of a PEM file, as a keyring holds them.
    ///
    /// # Errors
    /// If there is none, or one that cannot be trusted as a root.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, SignatureError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|error| SignatureError::Certificate(error.to_string()))?;
        let roots = certificates.iter().map(Self::from_der).collect::<Result<Vec<Self>, _>>()?;
        if roots.is_empty() { Err(SignatureError::Certificate("there is none".to_owned())) } else { Ok(roots) }
    }

    fn from_der(der: &CertificateDer<'_>) -> Result<Self, SignatureError> {
        let anchor = webpki::anchor_from_trusted_cert(der);
        Ok(Self { anchor: anchor.map_err(|error| SignatureError::Certificate(error.to_string()))?.to_owned() })
    }

    /// Whether the chain leads to this root, and whom it is for. A unit that does not know the time gives none; the
    /// certificates are then judged at the moment the signer's became valid.
    ///
    /// # Errors
    /// If the chain does not lead here, is not valid at that time, or says neither unit, person nor receiver.
    pub fn check(&self, chain: &Chain, at: Option<WallTime>) -> Result<Subject, SignatureError> {
        let certificate = self.vouches(chain, CLIENT_AUTH, at)?;
        subject(&certificate)
    }

    /// Whether the chain leads to this root, and its signer may sign bundles for RAUC; whom it names does not matter.
    /// As for the time, see [`Root::check`].
    ///
    /// # Errors
    /// If the chain does not lead here, is for something else, or is not valid at that time.
    pub fn vouches_for_bundles_of(&self, chain: &Chain, at: Option<WallTime>) -> Result<(), SignatureError> {
        self.vouches(chain, EMAIL_PROTECTION, at).map(drop)
    }

    fn vouches<'c>(
        &self,
        chain: &'c Chain,
        usage: &'static [u8],
        at: Option<WallTime>,
    ) -> Result<X509Certificate<'c>, SignatureError> {
        let (first, between) = chain.split()?;
        let certificate = parsed(first)?;
        let at = at.map_or_else(|| certificate.validity().not_before.timestamp(), |at| at.as_millis() / 1000);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or(0)));
        let untrusted = |error: webpki::Error| SignatureError::Untrusted(error.to_string());
        let signer = EndEntityCert::try_from(first).map_err(untrusted)?;
        let usage = KeyUsage::required_if_present(usage);
        let anchors = std::slice::from_ref(&self.anchor);
        let path = signer.verify_for_usage(ACCEPTED, anchors, between, at, usage, None, None);
        path.map_err(untrusted)?;
        Ok(certificate)
    }
}

fn parsed<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, SignatureError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(SignatureError::Certificate("bytes after the certificate".to_owned())),
        Err(error) => Err(SignatureError::Certificate(error.to_string())),
    }
}

fn algorithm(certificate: &X509Certificate<'_>) -> Result<Algorithm, SignatureError> {
    let key = certificate.public_key();
    if key.algorithm.algorithm == OID_SIG_ED25519 {
        Ok(Algorithm::Ed25519)
    } else if key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        // Another curve's point does not verify as one of P-256.
        Ok(Algorithm::Es256)
    } else {
        Err(SignatureError::Certificate("the key is neither Ed25519 nor P-256".to_owned()))
    }
}

fn subject(certificate: &X509Certificate<'_>) -> Result<Subject, SignatureError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| SignatureError::Certificate(error.to_string()))?
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let uris: Vec<&str> = names
        .iter()
        .filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None })
        .filter(|uri| uri.starts_with("edge://"))
        .collect();
    let found = match uris.as_slice() {
        [] => unit(certificate),
        [uri] => person(uri).or_else(|| center(uri)),
        _ => None,
    };
    found.ok_or_else(|| SignatureError::Certificate("it names neither unit, person nor receiver".to_owned()))
}

fn person(uri: &str) -> Option<Subject> {
    let (path, role) = uri.strip_prefix("edge://")?.split_once("?role=")?;
    let (agency, name) = path.split_once("/person/")?;
    Some(Subject::Person(agency.parse().ok()?, name.parse().ok()?, Role::parse(role)?))
}

fn center(uri: &str) -> Option<Subject> {
    let (agency, name) = uri.strip_prefix("edge://")?.split_once("/center/")?;
    Some(Subject::Center(agency.parse().ok()?, name.parse().ok()?))
}

fn unit(certificate: &X509Certificate<'_>) -> Option<Subject> {
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?;
    if names.next().is_some() {
        return None;
    }
    let (agency, unit) = name.split_once('/')?;
    if agency == "enroll" {
        return Some(Subject::Claim(unit.parse().ok()?));
    }
    Some(Subject::Unit(agency.parse().ok()?, unit.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::testing::{Authority, at};

    #[test]
    fn a_certificate_says_unit_receiver_or_person_and_role() {
        let authority = Authority::new("springfield");
        let unit = authority.unit("pole-7");
        let expected = Subject::Unit("springfield".parse().unwrap(), "pole-7".parse().unwrap());
        assert_eq!(authority.root().check(&unit.chain, Some(at())).unwrap(), expected);
        let center = authority.center("center-1");
        let expected = Subject::Center("springfield".parse().unwrap(), "center-1".parse().unwrap());
        assert_eq!(authority.root().check(&center.chain, Some(at())).unwrap(), expected, "whatever it is called");
        let person = authority.person("ada", "supervisor");
        let expected = Subject::Person("springfield".parse().unwrap(), "ada".parse().unwrap(), Role::Supervisor);
        assert_eq!(authority.root().check(&person.chain, Some(at())).unwrap(), expected);
    }

    #[test]
    fn roles_and_names_that_are_none_are_refused() {
        for uri in [
            "edge://springfield/person/ada?role=king",
            "edge://springfield/person/Ada?role=viewer",
            "edge://springfield/person/ada",
            "edge://springfield/ada?role=viewer",
            "edge://springfield/person/ada?role=viewer&role=supervisor",
        ] {
            assert_eq!(person(uri), None, "{uri}");
        }
        for uri in ["edge://springfield/center/", "edge://Springfield/center/c", "edge://springfield/center/all"] {
            assert_eq!(center(uri), None, "{uri}");
        }
    }

    #[test]
    fn another_root_does_not_vouch() {
        let (ours, theirs) = (Authority::new("springfield"), Authority::new("springfield"));
        let result = ours.root().check(&theirs.unit("pole-7").chain, Some(at()));
        assert!(matches!(result, Err(SignatureError::Untrusted(_))), "{result:?}");
    }

    #[test]
    fn a_certificate_is_valid_in_its_time_only_but_a_unit_may_not_know_the_time() {
        let authority = Authority::new("springfield");
        let chain = authority.unit("pole-7").chain;
        let late = at().saturating_add(Duration::from_hours(400 * 24));
        assert!(matches!(authority.root().check(&chain, Some(late)), Err(SignatureError::Untrusted(_))));
        assert!(authority.root().check(&chain, None).is_ok());
    }
}
