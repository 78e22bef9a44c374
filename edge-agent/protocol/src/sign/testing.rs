//! Certificates for this crate's own tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};

use super::{Chain, Root, SigningKey};
use crate::time::WallTime;

/// A moment in the lifetime of the certificates made here.
pub(crate) fn at() -> WallTime {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// A key with its chain.
pub(crate) struct Identity {
    pub(crate) key: SigningKey,
    pub(crate) chain: Chain,
}

/// An agency that vouches.
pub(crate) struct Authority {
    agency: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(agency: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, format!("{agency} root"));
        let key = KeyPair::generate().unwrap();
        Self { agency: agency.to_owned(), issuer: CertifiedIssuer::self_signed(parameters, key).unwrap() }
    }

    pub(crate) fn root(&self) -> Root {
        Root::from_pem(self.issuer.pem().as_bytes()).unwrap()
    }

    fn issue(&self, mut parameters: CertificateParams, key: &KeyPair) -> Identity {
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 12, 31);
        let certificate = parameters.signed_by(key, &self.issuer).unwrap();
        Identity {
            key: SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap(),
            chain: Chain::from_pem(certificate.pem().as_bytes()).unwrap(),
        }
    }

    pub(crate) fn unit(&self, unit: &str) -> Identity {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, format!("{}/{unit}", self.agency));
        self.issue(parameters, &KeyPair::generate().unwrap())
    }

    pub(crate) fn center(&self, center: &str) -> Identity {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, format!("{}/{center}", self.agency));
        let uri = format!("edge://{}/center/{center}", self.agency);
        parameters.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        self.issue(parameters, &KeyPair::generate().unwrap())
    }

    pub(crate) fn claim(&self, serial: &str) -> Identity {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, format!("enroll/{serial}"));
        self.issue(parameters, &KeyPair::generate().unwrap())
    }

    /// Who signs bundles for RAUC.
    pub(crate) fn bundle_signer(&self) -> Identity {
        self.with_usage(ExtendedKeyUsagePurpose::EmailProtection)
    }

    /// Who may connect somewhere and sign nothing.
    pub(crate) fn client(&self) -> Identity {
        self.with_usage(ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn with_usage(&self, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut parameters = CertificateParams::default();
        parameters.extended_key_usages = vec![usage];
        self.issue(parameters, &KeyPair::generate().unwrap())
    }

    pub(crate) fn person(&self, name: &str, role: &str) -> Identity {
        self.issue(self.person_parameters(name, role), &KeyPair::generate().unwrap())
    }

    pub(crate) fn person_with_ed25519(&self, name: &str, role: &str) -> Identity {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        self.issue(self.person_parameters(name, role), &key)
    }

    fn person_parameters(&self, name: &str, role: &str) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        let uri = format!("edge://{}/person/{name}?role={role}", self.agency);
        parameters.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        parameters
    }
}
