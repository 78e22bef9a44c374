//! Whom a certificate is for, and what the contract writes into it.

use edge_protocol::command::Role;
use edge_protocol::enrolment::Serial;
use edge_protocol::id::{AgencyId, CenterId, PersonId, UnitId};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The broker, by the names and addresses under which it is reached.
    Broker(Vec<String>),
    /// The center's interface, by the names and addresses under which other machines reach it.
    Interface(Vec<String>),
    /// The local page of a unit that is nobody's yet, by the name under which a phone finds it.
    Page(String),
    /// A unit that is nobody's yet: opens its own enrolment topics at the broker and nothing else.
    Claim(Serial),
    /// A unit of the agency.
    Unit(UnitId),
    /// A receiver of the agency's center; each has its own certificate, since the broker ends the older of two
    /// connections with one client id. It is named like a unit's, and says that it is a receiver's.
    Center(CenterId),
    /// A person who signs commands.
    Person(PersonId, Role),
}

/// Whether a receiver of that name would have the files of the root, or of another subject.
pub(super) fn has_files_called(name: &CenterId) -> bool {
    const ROOTS: [&str; 4] = ["root", "revoked", "dynamic-security", "mosquitto"];
    const OTHERS: [&str; 4] = ["broker", "interface", "page", "claim"];
    let name = name.as_str();
    ROOTS.contains(&name) || OTHERS.contains(&name) || name.starts_with("unit-") || name.starts_with("person-")
}

impl Subject {
    /// The file name, without extension, of key and certificate.
    pub fn file_stem(&self) -> String {
        match self {
            Self::Broker(_) => "broker".to_owned(),
            Self::Interface(_) => "interface".to_owned(),
            Self::Page(_) => "page".to_owned(),
            Self::Claim(_) => "claim".to_owned(),
            Self::Unit(name) => format!("unit-{name}"),
            Self::Center(name) => name.to_string(),
            Self::Person(name, _) => format!("person-{name}"),
        }
    }

    pub(super) fn parameters(&self, agency: &AgencyId) -> Result<CertificateParams, rcgen::Error> {
        let (common_name, alternative, usage) = match self {
            Self::Broker(names) | Self::Interface(names) => (
                self.file_stem(),
                CertificateParams::new(names.clone())?.subject_alt_names,
                Some(ExtendedKeyUsagePurpose::ServerAuth),
            ),
            Self::Page(name) => (
                name.clone(),
                CertificateParams::new(vec![name.clone()])?.subject_alt_names,
                Some(ExtendedKeyUsagePurpose::ServerAuth),
            ),
            Self::Claim(serial) => (serial.client_name(), Vec::new(), Some(ExtendedKeyUsagePurpose::ClientAuth)),
            Self::Unit(name) => (format!("{agency}/{name}"), Vec::new(), Some(ExtendedKeyUsagePurpose::ClientAuth)),
            Self::Center(name) => {
                let uri = format!("edge://{agency}/center/{name}");
                let alternative = vec![SanType::URI(uri.try_into()?)];
                (format!("{agency}/{name}"), alternative, Some(ExtendedKeyUsagePurpose::ClientAuth))
            }
            Self::Person(name, role) => {
                let uri = format!("edge://{agency}/person/{name}?role={}", role.as_str());
                (
                    format!("{agency}/person/{name}"),
                    vec![SanType::URI(uri.try_into()?)],
                    // A person's key signs commands, which is no usage that X.509 has a name for; the center's
                    // interface takes it as well.
                    None,
                )
            }
        };
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        parameters.subject_alt_names = alternative;
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = usage.into_iter().collect();
        parameters.use_authority_key_identifier_extension = true;
        Ok(parameters)
    }
}
