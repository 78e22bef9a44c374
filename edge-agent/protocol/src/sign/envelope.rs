//! The `COSE_Sign1` around what is signed.

use coset::cbor::Value;
use coset::iana::HeaderParameter;
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, Label, RegisteredLabelWithPrivate};
use rustls_pki_types::CertificateDer;

use super::{Chain, SignatureError, SigningKey};

/// The header parameter for a chain of certificates (RFC 9360).
const X5CHAIN: i64 = HeaderParameter::X5Chain as i64;

/// What kind of thing is signed; goes into the signature as external data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command.
    Command,
    /// A clip's manifest.
    ClipManifest,
    /// A request of a unit that has only its claim certificate.
    Enrolment,
    /// A request of a unit for its next certificate.
    Renewal,
    /// The manifest of a set of models.
    ModelSet,
    /// The manifest of a release of the agent.
    AgentRelease,
    /// A commissioning report.
    Commissioning,
    /// The head of the audit log at one of its entries.
    AuditHead,
}

impl Kind {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::Command => b"edge command v1",
            Self::ClipManifest => b"edge clip manifest v1",
            Self::Enrolment => b"edge enrolment v1",
            Self::Renewal => b"edge renewal v1",
            Self::ModelSet => b"edge model set v1",
            Self::AgentRelease => b"edge agent release v1",
            Self::Commissioning => b"edge commissioning v1",
            Self::AuditHead => b"edge audit head v1",
        }
    }
}

/// Something signed, whose signature was checked against the certificate that came with it.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What was signed.
    pub payload: Vec<u8>,
    /// Whose signature it is, if [`super::Root::check`] says so.
    pub chain: Chain,
}

impl Signed {
    /// Signs a payload and puts the chain beside it.
    ///
    /// # Errors
    /// If the key does not belong to the chain, or does not sign.
    pub fn seal(kind: Kind, payload: Vec<u8>, key: &SigningKey, chain: &Chain) -> Result<Vec<u8>, SignatureError> {
        let algorithm = key.algorithm();
        let certificates = chain.certificates().map(|der| Value::Bytes(der.to_vec()));
        // One certificate stands alone, several stand in an array (RFC 9360, 2).
        let chained = match certificates.collect::<Vec<_>>().as_mut_slice() {
            [one] => std::mem::replace(one, Value::Null),
            several => Value::Array(several.to_vec()),
        };
        let header = HeaderBuilder::new().algorithm(algorithm.cose()).value(X5CHAIN, chained).build();
        let sealed = CoseSign1Builder::new()
            .protected(header)
            .payload(payload)
            .try_create_signature(kind.word(), |message| key.sign(message))?
            .build();
        // A key that is not the certificate's would be found out by every reader; better now.
        sealed.verify_signature(kind.word(), |signature, message| chain.verify(message, signature))?;
        sealed.to_vec().map_err(|error| SignatureError::Malformed(error.to_string()))
    }

    /// Reads what [`Signed::seal`] wrote and checks the signature against the certificate beside it.
    ///
    /// # Errors
    /// If it is malformed or the signature is not the certificate's.
    pub fn open(kind: Kind, sealed: &[u8]) -> Result<Self, SignatureError> {
        let malformed = |error: coset::CoseError| SignatureError::Malformed(error.to_string());
        let envelope = CoseSign1::from_slice(sealed).map_err(malformed)?;
        let chain = chain(&envelope)?;
        let algorithm = RegisteredLabelWithPrivate::Assigned(chain.algorithm()?.cose());
        if envelope.protected.header.alg != Some(algorithm) {
            return Err(SignatureError::Malformed("the algorithm is not that of the certificate's key".to_owned()));
        }
        if !envelope.protected.header.crit.is_empty() {
            return Err(SignatureError::Malformed("critical headers are not known".to_owned()));
        }
        envelope.verify_signature(kind.word(), |signature, message| chain.verify(message, signature))?;
        let payload = envelope.payload.ok_or_else(|| SignatureError::Malformed("nothing is signed".to_owned()))?;
        Ok(Self { payload, chain })
    }
}

fn chain(envelope: &CoseSign1) -> Result<Chain, SignatureError> {
    let mut headers = envelope.protected.header.rest.iter();
    let found = headers.find_map(|(label, value)| if *label == Label::Int(X5CHAIN) { Some(value) } else { None });
    let certificate = |value: &Value| value.as_bytes().map(|der| CertificateDer::from(der.clone()));
    let certificates = match found {
        Some(Value::Array(several)) => several.iter().map(certificate).collect(),
        Some(one) => certificate(one).map(|one| vec![one]),
        None => None,
    };
    let missing = || SignatureError::Malformed("no certificates in the protected header".to_owned());
    Chain::new(certificates.ok_or_else(missing)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::testing::{Authority, Identity};

    fn sealed(identity: &Identity) -> Vec<u8> {
        Signed::seal(Kind::Command, b"open the gate".to_vec(), &identity.key, &identity.chain).unwrap()
    }

    #[test]
    fn both_kinds_of_key_seal_what_can_be_opened() {
        let authority = Authority::new("springfield");
        for identity in [authority.person("ada", "investigator"), authority.person_with_ed25519("bo", "viewer")] {
            let opened = Signed::open(Kind::Command, &sealed(&identity)).unwrap();
            assert_eq!(opened.payload, b"open the gate");
            assert_eq!(opened.chain, identity.chain);
        }
    }

    #[test]
    fn one_changed_bit_anywhere_is_found() {
        let envelope = sealed(&Authority::new("springfield").person("ada", "investigator"));
        for place in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[place] ^= 1;
            let opened = Signed::open(Kind::Command, &changed);
            assert!(opened.is_err(), "byte {place} of {}", envelope.len());
        }
    }

    #[test]
    fn a_manifest_is_no_command() {
        let identity = Authority::new("springfield").person("ada", "investigator");
        assert_eq!(Signed::open(Kind::ClipManifest, &sealed(&identity)).unwrap_err(), SignatureError::Forged);
    }

    #[test]
    fn a_key_that_is_not_the_certificates_seals_nothing() {
        let authority = Authority::new("springfield");
        let (ada, eve) = (authority.person("ada", "investigator"), authority.person("eve", "viewer"));
        let result = Signed::seal(Kind::Command, Vec::new(), &eve.key, &ada.chain);
        assert_eq!(result, Err(SignatureError::Forged));
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        for bytes in [&b""[..], b"{}", &[0x84], &[0x84, 0x40, 0xa0, 0xf6, 0x40], &[0xff; 40]] {
            assert!(matches!(Signed::open(Kind::Command, bytes), Err(SignatureError::Malformed(_))));
        }
    }
}
