//! A unit asks for its certificate: who may, and who may not.

use edge_protocol::enrolment::{Answer, ProofKey, Refusal, Request, SealedRequest, Serial};
use edge_protocol::time::WallTime;

use super::{About, Desk, EnrolmentError, alarm, now};
use crate::database::enrolment::{Enrolment, EnrolmentState, Expectation, NewEnrolment};
use crate::database::ingest::Ingest;
use crate::pki;

/// How long a grant is given again to a unit that asks for it again and was not heard since: its answer was lost.
const GIVEN_AGAIN_US: i64 = 3_600_000_000;

/// Why a request is not taken, and until when none is.
struct No(Refusal, Option<WallTime>);

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self(refusal, None)
    }
}

impl Desk {
    /// Judges a request that came under a serial number's topic. None where a person must decide first.
    pub(super) fn judge(
        &self,
        ingest: &Ingest<'_>,
        serial: &Serial,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, EnrolmentError> {
        let (nonce, judged) = match self.checked(sealed, serial, now(ingest)) {
            Ok(request) => (request.nonce, self.place(ingest, &request)?),
            Err((nonce, refusal)) => (nonce, Err(refusal.into())),
        };
        match judged {
            Ok(answer) => Ok(answer),
            Err(No(refusal, until)) => {
                let words = format!("{serial} was refused: {}", refusal.as_str());
                alarm(ingest, About::Serial(serial.as_str()), &format!("enrolment-{}", refusal.as_str()), &words)?;
                Ok(Some(Answer::refuse(nonce, refusal, until).encode()))
            }
        }
    }

    /// Whether the request is one, and one of this claim certificate and this agency.
    fn checked(&self, sealed: &[u8], serial: &Serial, at: WallTime) -> Result<Request, ([u8; 16], Refusal)> {
        let opened = SealedRequest::open(sealed).map_err(|refusal| ([0; 16], refusal))?;
        let nonce = opened.request.nonce;
        if opened.request.serial != *serial {
            return Err((nonce, Refusal::WrongSerial));
        }
        opened.check_claim(&self.root, at).map_err(|refusal| (nonce, refusal))?;
        Ok(opened.request)
    }

    /// Where the request belongs: to a person, back with the answer that it had before, or nowhere.
    fn place(&self, ingest: &Ingest<'_>, request: &Request) -> Result<Result<Option<Vec<u8>>, No>, EnrolmentError> {
        let serial = request.serial.as_str();
        if let Some(before) = ingest.enrolment(&request.nonce)? {
            return again(ingest, request, before);
        }
        let Some(expected) = ingest.expectation(serial)? else {
            let refusal = if ingest.is_claimed(serial)? { Refusal::Claimed } else { Refusal::Unexpected };
            return Ok(Err(refusal.into()));
        };
        if let Some(until) = expected.tries.locked(now(ingest)) {
            return Ok(Err(No(Refusal::Locked, Some(until))));
        }
        let new = NewEnrolment {
            nonce: &request.nonce,
            serial,
            expected: &expected,
            key_request: &request.certificate_request,
        };
        if let Err(no) = self.proved(ingest, request, &expected)? {
            ingest.keep_enrolment(&new, Some(no.0.as_str()))?;
            return Ok(Err(no));
        }
        ingest.keep_enrolment(&new, None)?;
        tracing::info!(serial, unit = expected.unit, "a unit with the right setup code waits for approval");
        Ok(Ok(None))
    }

    /// Whether whoever asks knows the setup code and has a key that can be certified.
    fn proved(
        &self,
        ingest: &Ingest<'_>,
        request: &Request,
        expected: &Expectation,
    ) -> Result<Result<(), No>, EnrolmentError> {
        let serial = request.serial.as_str();
        if !request.is_proved_by(&ProofKey::from_bytes(expected.proof_key)) {
            let tries = expected.tries.after_wrong(now(ingest));
            ingest.note_tries(serial, tries)?;
            return Ok(Err(No(Refusal::WrongCode, tries.locked(now(ingest)))));
        }
        ingest.note_tries(serial, edge_protocol::enrolment::Tries::default())?;
        if self.issuer.is_none() {
            tracing::error!(serial, "a unit asks for its certificate, and this receiver was started without --issuer");
            return Ok(Err(Refusal::Unavailable.into()));
        }
        match pki::public_key(&request.certificate_request) {
            Ok(_) => Ok(Ok(())),
            Err(error) => {
                tracing::warn!(serial, %error, "a key that cannot be certified");
                Ok(Err(Refusal::BadKey.into()))
            }
        }
    }
}

/// A request that was here before. A unit that waits asks again whenever its line was cut, and one whose answer was
/// lost on the way gets it again, until it is heard under its new name. Beyond that it is a replay.
fn again(
    ingest: &Ingest<'_>,
    request: &Request,
    before: Enrolment,
) -> Result<Result<Option<Vec<u8>>, No>, EnrolmentError> {
    let same = before.serial == request.serial.as_str() && before.key_request == request.certificate_request;
    match (before.state, before.answer) {
        (EnrolmentState::Waiting, _) if same => Ok(Ok(None)),
        (EnrolmentState::Granted, Some(answer)) if same => {
            let since = before.decided_us.unwrap_or_default();
            let fresh = ingest.now_us().saturating_sub(since) < GIVEN_AGAIN_US;
            if fresh && !ingest.was_heard_since(&before.unit, since)? {
                return Ok(Ok(Some(answer)));
            }
            Ok(Err(Refusal::Replayed.into()))
        }
        _ => Ok(Err(Refusal::Replayed.into())),
    }
}
