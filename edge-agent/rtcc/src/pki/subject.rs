//! Whom a certificate is for, and what the contract writes into it.

use std::str::FromStr;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};

use super::Name;

/// What a person may do; carried in the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sees what is published.
    Viewer,
    /// Asks for clips.
    Investigator,
    /// Asks for clips and approves what needs two persons.
    Supervisor,
    /// Reads the logs, never video.
    Auditor,
    /// Health and commissioning, never video.
    Technician,
    /// Signs policy.
    PolicyAdmin,
}

/// Why a text is no role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no role: viewer, investigator, supervisor, auditor, technician or policy-admin")]
pub struct UnknownRole {
    text: String,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Investigator, Self::Supervisor, Self::Auditor, Self::Technician, Self::PolicyAdmin];

    /// The role as certificates carry it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Investigator => "investigator",
            Self::Supervisor => "supervisor",
            Self::Auditor => "auditor",
            Self::Technician => "technician",
            Self::PolicyAdmin => "policy-admin",
        }
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole { text: text.chars().take(64).collect() })
    }
}

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The broker, by the names and addresses under which it is reached.
    Broker(Vec<String>),
    /// A unit of the agency.
    Unit(Name),
    /// A receiver of the agency's center; each has its own certificate, since the broker ends the older of two
    /// connections with one client id.
    Center(Name),
    /// A person who signs commands.
    Person(Name, Role),
}

impl Subject {
    /// The file name, without extension, of key and certificate.
    pub fn file_stem(&self) -> String {
        match self {
            Self::Broker(_) => "broker".to_owned(),
            Self::Unit(name) => format!("unit-{name}"),
            Self::Center(name) => name.to_string(),
            Self::Person(name, _) => format!("person-{name}"),
        }
    }

    pub(super) fn parameters(&self, agency: &Name) -> Result<CertificateParams, rcgen::Error> {
        let (common_name, alternative, usage) = match self {
            Self::Broker(names) => (
                "broker".to_owned(),
                CertificateParams::new(names.clone())?.subject_alt_names,
                Some(ExtendedKeyUsagePurpose::ServerAuth),
            ),
            Self::Unit(name) | Self::Center(name) => {
                (format!("{agency}/{name}"), Vec::new(), Some(ExtendedKeyUsagePurpose::ClientAuth))
            }
            Self::Person(name, role) => {
                let uri = format!("edge://{agency}/person/{name}?role={}", role.as_str());
                (
                    format!("{agency}/person/{name}"),
                    vec![SanType::URI(uri.try_into()?)],
                    // A person's key signs commands; it opens no connection.
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
