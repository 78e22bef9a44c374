//! An agency's certificates for tests, made on the spot.
//!
//! The layout is the product's: one root per agency; the broker's certificate names localhost; a unit's and a center's
//! common name is `{agency}/{name}`, which the broker takes as user name and client id; a center has the subject
//! alternative name `edge://{agency}/center/{name}`, and a person one with the role,
//! `edge://{agency}/person/{name}?role={role}`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

/// The agency's root, and the folder in which everything it issues lies.
#[derive(Debug)]
pub struct Pki {
    agency: String,
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    root_pem: String,
}

/// A certificate with its private key, also as files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The subject's common name.
    pub name: String,
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PEM PKCS#8.
    pub key_pem: String,
    /// The file with the certificate.
    pub certificate_path: PathBuf,
    /// The file with the private key.
    pub key_path: PathBuf,
}

/// The kind of a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    Ed25519,
}

impl Pki {
    /// A new root for `agency`, in a folder that goes away with it.
    pub fn new(agency: &str) -> Pki {
        let folder = tempfile::Builder::new().prefix("edge-pki-").tempdir().expect("folder for certificates");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("{agency} root"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("root key");
        let root_pem = params.self_signed(&key).expect("root certificate").pem();
        let pki = Pki { agency: agency.to_owned(), folder, issuer: Issuer::new(params, key), root_pem };
        std::fs::write(pki.root_path(), &pki.root_pem).expect("write root certificate");
        pki
    }

    /// The agency's name.
    pub fn agency(&self) -> &str {
        &self.agency
    }

    /// The folder that holds every file.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The root certificate, PEM.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// The file with the root certificate.
    pub fn root_path(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// A server's certificate for localhost.
    pub fn server(&self) -> Identity {
        let san = vec![
            SanType::DnsName("localhost".try_into().expect("dns name")),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ];
        self.issue("localhost", KeyKind::Es256, san, vec![ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// A unit's certificate, common name `{agency}/{unit}`.
    pub fn unit(&self, unit: &str) -> Identity {
        self.unit_with(unit, KeyKind::Es256)
    }

    /// What every configuration of an agent says after its first lines: who it is, under a certificate that is made
    /// here, where its broker listens, and whose word it takes.
    pub fn agent_tables(&self, unit: &str, port: u16) -> String {
        let (agency, root, identity) = (&self.agency, self.root_path(), self.unit(unit));
        format!(
            "[unit]\nagency = \"{agency}\"\nid = \"{unit}\"\n\
             [uplink]\nhost = \"localhost\"\nport = {port}\nca = \"{root}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
             [control]\nagency_root = \"{root}\"\n",
            identity.certificate_path.display(),
            identity.key_path.display(),
            root = root.display(),
        )
    }

    /// A unit's certificate over a chosen kind of key.
    pub fn unit_with(&self, unit: &str, kind: KeyKind) -> Identity {
        self.issue(&format!("{}/{unit}", self.agency), kind, Vec::new(), vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A unit's certificate whose time was over years ago.
    pub fn expired_unit(&self, unit: &str) -> Identity {
        let mut params = Self::params(&format!("{}/{unit}", self.agency), vec![ExtendedKeyUsagePurpose::ClientAuth]);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&params, &format!("expired-{unit}"), KeyKind::Es256)
    }

    /// A center's certificate, common name `{agency}/{center}`: `center`, `center-1`, ...
    pub fn center(&self, center: &str) -> Identity {
        let name = format!("{}/{center}", self.agency);
        let uri = format!("edge://{}/center/{center}", self.agency);
        let san = vec![SanType::URI(uri.try_into().expect("center uri"))];
        self.issue(&name, KeyKind::Es256, san, vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A person's certificate with the role in the subject alternative name.
    pub fn person(&self, name: &str, role: &str) -> Identity {
        let uri = format!("edge://{}/person/{name}?role={role}", self.agency);
        let san = vec![SanType::URI(uri.try_into().expect("role uri"))];
        self.issue(name, KeyKind::Es256, san, vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A TLS 1.3 client that trusts this root and shows `identity`.
    pub fn client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.root_pem)).expect("root certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots);
        Arc::new(match identity {
            Some(identity) => {
                builder.with_client_auth_cert(vec![identity.certificate()], identity.key()).expect("client")
            }
            None => builder.with_no_client_auth(),
        })
    }

    fn issue(&self, name: &str, kind: KeyKind, san: Vec<SanType>, usage: Vec<ExtendedKeyUsagePurpose>) -> Identity {
        let mut params = Self::params(name, usage);
        params.subject_alt_names = san;
        self.sign(&params, name, kind)
    }

    fn params(name: &str, usage: Vec<ExtendedKeyUsagePurpose>) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usage;
        params.use_authority_key_identifier_extension = true;
        params
    }

    fn sign(&self, params: &CertificateParams, name: &str, kind: KeyKind) -> Identity {
        let algorithm = match kind {
            KeyKind::Es256 => &PKCS_ECDSA_P256_SHA256,
            KeyKind::Ed25519 => &PKCS_ED25519,
        };
        let key = KeyPair::generate_for(algorithm).expect("key pair");
        let certificate_pem = params.signed_by(&key, &self.issuer).expect("certificate").pem();
        let key_pem = key.serialize_pem();
        let stem = name.replace('/', "-");
        let certificate_path = self.folder.path().join(format!("{stem}.pem"));
        let key_path = self.folder.path().join(format!("{stem}.key"));
        std::fs::write(&certificate_path, &certificate_pem).expect("write certificate");
        write_private(&key_path, &key_pem);
        Identity { name: name.to_owned(), certificate_pem, key_pem, certificate_path, key_path }
    }
}

impl Identity {
    /// The certificate as rustls wants it.
    pub fn certificate(&self) -> CertificateDer<'static> {
        certificate(&self.certificate_pem)
    }

    /// The private key as rustls wants it.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).expect("private key")
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("certificate")
}

/// Writes a file that only its owner may read, as the product demands of keys and passwords.
pub fn write_private(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).expect("write private file");
}
