//! Request and answer of an enrolment. CBOR alone.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::{MAX_ENROLMENT_BYTES, ProofKey, Serial};
use crate::batch::CONTRACT_VERSION;
use crate::hash::Hash256;
use crate::id::{AgencyId, UnitId};
use crate::record::{Word, words};
use crate::sign::{Chain, Kind, Root, SignatureError, Signed, SigningKey, Subject};
use crate::time::WallTime;
use crate::wire::blob;

const REQUEST_PROOF: &[u8] = b"edge enrolment request v1";
const ANSWER_PROOF: &[u8] = b"edge enrolment answer v1";

/// A unit asks for its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// The unit's serial number.
    #[n(1)]
    pub serial: Serial,
    /// Sixteen random bytes that name this request.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// PKCS#10 request for the key that the unit made, DER.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub certificate_request: Vec<u8>,
    /// That whoever asks knows the setup code.
    #[n(4)]
    proof: Hash256,
}

/// A request whose signature is its claim certificate's. Whether that certificate and the code are good is to be seen.
#[derive(Debug, Clone)]
pub struct SealedRequest {
    /// What is asked.
    pub request: Request,
    claim: Chain,
}

impl Request {
    /// A request, proved with the key of the setup code.
    pub fn new(serial: Serial, nonce: [u8; 16], certificate_request: Vec<u8>, key: &ProofKey) -> Self {
        let proof = key.prove(REQUEST_PROOF, [serial.as_str().as_bytes(), &nonce, &certificate_request]);
        Self { version: CONTRACT_VERSION, serial, nonce, certificate_request, proof }
    }

    /// Signs it with the claim key.
    ///
    /// # Errors
    /// If the key does not belong to the certificate.
    pub fn seal(&self, key: &SigningKey, claim: &Chain) -> Result<Vec<u8>, SignatureError> {
        Signed::seal(Kind::Enrolment, encoded(self), key, claim)
    }

    /// Whether it was made by somebody who knows the setup code.
    pub fn is_proved_by(&self, key: &ProofKey) -> bool {
        let parts: [&[u8]; 3] = [self.serial.as_str().as_bytes(), &self.nonce, &self.certificate_request];
        key.proves(REQUEST_PROOF, parts, &self.proof)
    }
}

impl SealedRequest {
    /// Reads what [`Request::seal`] wrote.
    ///
    /// # Errors
    /// Says why it is no request, or not one of the claim certificate that came with it.
    pub fn open(sealed: &[u8]) -> Result<Self, Refusal> {
        if sealed.len() > MAX_ENROLMENT_BYTES {
            return Err(Refusal::Malformed);
        }
        let signed = Signed::open(Kind::Enrolment, sealed).map_err(|error| match error {
            SignatureError::Forged => Refusal::Forged,
            SignatureError::Malformed(_)
            | SignatureError::Certificate(_)
            | SignatureError::Untrusted(_)
            | SignatureError::Key(_) => Refusal::Malformed,
        })?;
        let request: Request = decoded(&signed.payload).ok_or(Refusal::Malformed)?;
        if request.version != CONTRACT_VERSION {
            return Err(Refusal::UnknownVersion);
        }
        Ok(Self { request, claim: signed.chain })
    }

    /// Whether the claim certificate is a valid one of this agency for this very serial number.
    ///
    /// # Errors
    /// Says which of these it is not.
    pub fn check_claim(&self, root: &Root, now: WallTime) -> Result<(), Refusal> {
        match root.check(&self.claim, Some(now)) {
            Ok(Subject::Claim(serial)) if serial == self.request.serial => Ok(()),
            Ok(Subject::Claim(_) | Subject::Unit(..) | Subject::Person(..) | Subject::Center(..)) => {
                Err(Refusal::WrongSerial)
            }
            Err(_) if self.claim.is_expired(now) => Err(Refusal::ExpiredClaim),
            Err(_) => Err(Refusal::Untrusted),
        }
    }
}

words!(
    /// Why an enrolment is refused.
    Refusal {
        /// It cannot be read.
        Malformed = 0 "malformed",
        /// Of a version of the contract that the center does not know.
        UnknownVersion = 1 "unknown-version",
        /// The signature is not the claim certificate's.
        Forged = 2 "forged",
        /// The claim certificate is not of this agency.
        Untrusted = 3 "untrusted",
        /// The claim certificate's time is over.
        ExpiredClaim = 4 "expired-claim",
        /// The claim certificate is for another serial number.
        WrongSerial = 5 "wrong-serial",
        /// Nobody at the center expects this serial number now.
        Unexpected = 6 "unexpected",
        /// The setup code is wrong.
        WrongCode = 7 "wrong-code",
        /// Too many wrong codes.
        Locked = 8 "locked",
        /// This very request was made before.
        Replayed = 9 "replayed",
        /// This serial number is enrolled already.
        Claimed = 10 "claimed",
        /// The key that the certificate is asked for is no good.
        BadKey = 11 "bad-key",
        /// The center cannot answer now.
        Unavailable = 12 "unavailable",
    }
);

impl Refusal {
    /// What to tell the person at the unit: what is wrong and what to do.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Malformed => "the center cannot read the request: are unit and center of fitting versions?",
            Self::UnknownVersion => "the center does not know this unit's version: update the center first",
            Self::Forged => "the claim key does not belong to the claim certificate: the unit needs the factory again",
            Self::Untrusted => "the claim certificate is not of this agency: was the unit prepared for another one?",
            Self::ExpiredClaim => "the claim certificate has expired: the unit needs a new one from the factory",
            Self::WrongSerial => "the claim certificate is for another serial number: was a disk exchanged?",
            Self::Unexpected => "the center does not expect this unit now: have it expected (`rtcc enroll expect`)",
            // What is typed at a unit it compares itself, before it asks.
            Self::WrongCode => {
                "the setup code that was typed at the center is not this unit's: have it expected anew with its label's"
            }
            Self::Locked => {
                "too many wrong setup codes at the center: have it expected anew with this unit's, or wait ten minutes"
            }
            Self::Replayed => "this request was made before: start the enrolment anew",
            Self::Claimed => "this serial number is enrolled already: if this is the unit, have it expected again",
            Self::BadKey => "the center refuses the unit's key: start the enrolment anew",
            Self::Unavailable => "the center cannot enrol now: try again in a minute",
        }
    }
}

/// What a center answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Answer {
    /// Version of the contract.
    #[n(0)]
    pub version: u32,
    /// The request that is answered; zeros where it could not be read.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: [u8; 16],
    /// What became of it.
    #[n(2)]
    outcome: OutcomeOnWire,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
enum OutcomeOnWire {
    /// A grant as CBOR, and that whoever grants knows the setup code.
    #[n(0)]
    Granted(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>, #[n(1)] Hash256),
    /// Why not. Proves nothing: a broker could say it.
    #[n(1)]
    Refused(#[n(0)] Refused),
}

/// Why there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refused {
    /// The reason.
    #[n(0)]
    pub reason: Refusal,
    /// Until when nothing is tried, where it is locked.
    #[n(1)]
    pub until: Option<WallTime>,
}

/// Everything that makes a unit one of the agency's.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Grant {
    /// The agency.
    #[n(0)]
    pub agency: AgencyId,
    /// What the unit is called from now on.
    #[n(1)]
    pub unit: UnitId,
    /// The unit's certificate, DER.
    #[cbor(n(2), with = "minicbor::bytes")]
    #[serde(with = "blob")]
    pub certificate: Vec<u8>,
    /// The agency's root certificate, DER.
    #[cbor(n(3), with = "minicbor::bytes")]
    #[serde(with = "blob")]
    pub root: Vec<u8>,
    /// The broker's name, as its certificate has it.
    #[n(4)]
    pub broker_host: String,
    /// The broker's port.
    #[n(5)]
    pub broker_port: u16,
    /// The purposes for which video may be asked.
    #[n(6)]
    pub purposes: Vec<Word>,
}

/// What an answer says, once it is known to be the center's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The unit is the agency's.
    Granted(Box<Grant>),
    /// It is not.
    Refused(Refused),
}

/// Why an answer is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// It cannot be read.
    #[error("the answer is not one of the contract's")]
    Malformed,
    /// It answers another request.
    #[error("the answer is to another request")]
    Other,
    /// It grants, but whoever grants does not know the setup code.
    #[error("the answer does not come from somebody who knows the setup code: is this the agency's broker?")]
    Unproved,
}

impl Answer {
    /// A grant.
    pub fn grant(nonce: [u8; 16], grant: &Grant, key: &ProofKey) -> Self {
        let bytes = encoded(grant);
        let proof = key.prove(ANSWER_PROOF, [&nonce, &bytes, b""]);
        Self { version: CONTRACT_VERSION, nonce, outcome: OutcomeOnWire::Granted(bytes, proof) }
    }

    /// A refusal.
    pub const fn refuse(nonce: [u8; 16], reason: Refusal, until: Option<WallTime>) -> Self {
        Self { version: CONTRACT_VERSION, nonce, outcome: OutcomeOnWire::Refused(Refused { reason, until }) }
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        encoded(self)
    }

    /// Reads a message and says what it means to the unit that asked with this nonce and setup code.
    ///
    /// # Errors
    /// Says why it is not believed.
    pub fn read(message: &[u8], nonce: [u8; 16], key: &ProofKey) -> Result<Outcome, BadAnswer> {
        if message.len() > MAX_ENROLMENT_BYTES {
            return Err(BadAnswer::Malformed);
        }
        let answer: Self = decoded(message).ok_or(BadAnswer::Malformed)?;
        if answer.version != CONTRACT_VERSION {
            return Err(BadAnswer::Malformed);
        }
        match answer.outcome {
            // A request that could not be read could not be named either.
            OutcomeOnWire::Refused(refused) if answer.nonce == nonce || answer.nonce == [0; 16] => {
                Ok(Outcome::Refused(refused))
            }
            OutcomeOnWire::Granted(bytes, proof) if answer.nonce == nonce => {
                if !key.proves(ANSWER_PROOF, [&nonce, &bytes, b""], &proof) {
                    return Err(BadAnswer::Unproved);
                }
                let grant = decoded(&bytes).ok_or(BadAnswer::Malformed)?;
                Ok(Outcome::Granted(Box::new(grant)))
            }
            OutcomeOnWire::Refused(_) | OutcomeOnWire::Granted(..) => Err(BadAnswer::Other),
        }
    }
}

/// Encoding into memory cannot fail but for a value that refuses itself, and none here does.
pub(super) fn encoded<T: Encode<()>>(message: &T) -> Vec<u8> {
    minicbor::to_vec(message).unwrap_or_default()
}

pub(super) fn decoded<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Option<T> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().ok()?;
    (decoder.position() == bytes.len()).then_some(message)
}

#[cfg(test)]
mod tests;
