//! The next certificate of a unit, before the present one ends. CBOR alone.

use minicbor::{Decode, Encode};

use super::messages::{decoded, encoded};
use super::{MAX_ENROLMENT_BYTES, Refusal};
use crate::batch::CONTRACT_VERSION;
use crate::id::{AgencyId, UnitId};
use crate::sign::{Chain, Kind, Root, SignatureError, Signed, SigningKey, Subject};
use crate::time::WallTime;

/// A unit asks for its next certificate. Signed with the key of the present one, which says who asks.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Renewal {
    /// Version of the contract.
    #[n(0)]
    version: u32,
    /// PKCS#10 request for the next key, DER.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub certificate_request: Vec<u8>,
}

impl Renewal {
    /// A request for a certificate of the key that signed this PKCS#10 request.
    pub const fn new(certificate_request: Vec<u8>) -> Self {
        Self { version: CONTRACT_VERSION, certificate_request }
    }

    /// Signs it with the present key.
    ///
    /// # Errors
    /// If the key does not belong to the certificate.
    pub fn seal(&self, key: &SigningKey, chain: &Chain) -> Result<Vec<u8>, SignatureError> {
        Signed::seal(Kind::Renewal, encoded(self), key, chain)
    }

    /// Reads what [`Renewal::seal`] wrote, and checks that it is this unit's.
    ///
    /// # Errors
    /// Says why it is not.
    pub fn open(
        sealed: &[u8],
        (agency, unit): (&AgencyId, &UnitId),
        root: &Root,
        now: WallTime,
    ) -> Result<(Self, Chain), Refusal> {
        if sealed.len() > MAX_ENROLMENT_BYTES {
            return Err(Refusal::Malformed);
        }
        let signed = Signed::open(Kind::Renewal, sealed).map_err(|_| Refusal::Forged)?;
        match root.check(&signed.chain, Some(now)) {
            Ok(Subject::Unit(of, whom)) if (&of, &whom) == (agency, unit) => {}
            Ok(Subject::Unit(..) | Subject::Claim(_) | Subject::Person(..) | Subject::Center(..)) => {
                return Err(Refusal::WrongSerial);
            }
            Err(_) => return Err(Refusal::Untrusted),
        }
        let renewal: Self = decoded(&signed.payload).ok_or(Refusal::Malformed)?;
        if renewal.version == CONTRACT_VERSION { Ok((renewal, signed.chain)) } else { Err(Refusal::UnknownVersion) }
    }
}

/// The center's answer. It needs no proof: the unit believes a certificate of its own next key under its root.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum RenewalAnswer {
    /// The next certificate, DER.
    #[n(0)]
    Granted(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Why there is none.
    #[n(1)]
    Refused(#[n(0)] Refusal),
}

impl RenewalAnswer {
    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        encoded(self)
    }

    /// Reads a message; none where it is not one.
    pub fn decode(message: &[u8]) -> Option<Self> {
        if message.len() > MAX_ENROLMENT_BYTES { None } else { decoded(message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::testing::{Authority, at};

    #[test]
    fn a_renewal_is_the_units_own_alone() {
        let authority = Authority::new("springfield");
        let (agency, unit) = ("springfield".parse().unwrap(), "pole-7".parse().unwrap());
        let open = |sealed: &[u8]| Renewal::open(sealed, (&agency, &unit), &authority.root(), at());
        let renewal = Renewal::new(b"pkcs10".to_vec());
        let own = authority.unit("pole-7");
        assert_eq!(open(&renewal.seal(&own.key, &own.chain).unwrap()), Ok((renewal.clone(), own.chain.clone())));
        for (other, why) in [
            (authority.unit("pole-8"), Refusal::WrongSerial),
            (authority.claim("SN42"), Refusal::WrongSerial),
            // A receiver that is called like a unit is none.
            (authority.center("pole-7"), Refusal::WrongSerial),
            (Authority::new("springfield").unit("pole-7"), Refusal::Untrusted),
        ] {
            assert_eq!(open(&renewal.seal(&other.key, &other.chain).unwrap()), Err(why));
        }
        assert_eq!(open(b"nonsense"), Err(Refusal::Forged));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for answer in [RenewalAnswer::Granted(vec![1, 2]), RenewalAnswer::Refused(Refusal::Unavailable)] {
            assert_eq!(RenewalAnswer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(RenewalAnswer::decode(b"nonsense"), None);
    }
}
