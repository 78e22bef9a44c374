//! A unit asks for its next certificate over its living identity.

use edge_protocol::enrolment::{Refusal, Renewal, RenewalAnswer};
use edge_protocol::id::UnitId;

use super::decide::keep;
use super::{About, Desk, EnrolmentError, RULE, alarm, now};
use crate::database::enrolment::NewDecision;
use crate::database::ingest::Ingest;
use crate::pki::{self, Subject};

impl Desk {
    /// Gives a unit its next certificate, or the same again where the answer was lost. The present certificate speaks
    /// for the unit: under the agency's root, valid, and not revoked.
    pub(super) fn renew(
        &self,
        ingest: &Ingest<'_>,
        unit: &UnitId,
        sealed: &[u8],
    ) -> Result<RenewalAnswer, EnrolmentError> {
        match self.renewal(ingest, unit, sealed)? {
            Ok(der) => Ok(RenewalAnswer::Granted(der)),
            Err(refusal) => {
                let words = format!("{unit} gets no further certificate: {}", refusal.as_str());
                alarm(ingest, About::Unit(unit.as_str()), &format!("renewal-{}", refusal.as_str()), &words)?;
                Ok(RenewalAnswer::Refused(refusal))
            }
        }
    }

    fn renewal(
        &self,
        ingest: &Ingest<'_>,
        unit: &UnitId,
        sealed: &[u8],
    ) -> Result<Result<Vec<u8>, Refusal>, EnrolmentError> {
        let (renewal, chain) = match Renewal::open(sealed, (&self.agency, unit), &self.root, now(ingest)) {
            Ok(opened) => opened,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Ok(number) = chain.serial() else { return Ok(Err(Refusal::Malformed)) };
        let present = ingest.certificate(&number)?;
        if matches!(present, Some((_, true))) || ingest.is_shut_out(unit.as_str())? {
            return Ok(Err(Refusal::Untrusted));
        }
        let Ok(key) = pki::public_key(&renewal.certificate_request) else { return Ok(Err(Refusal::BadKey)) };
        match ingest.certificate_of_key(&key.to_string())? {
            Some((of, der)) if of == unit.as_str() => return Ok(Ok(der)),
            Some(_) => return Ok(Err(Refusal::BadKey)),
            None => {}
        }
        let Some(issuer) = &self.issuer else { return Ok(Err(Refusal::Unavailable)) };
        let der = issuer.certify(&Subject::Unit(unit.clone()), &renewal.certificate_request, ingest.now_us())?;
        let serial = present.and_then(|(serial, _)| serial);
        keep(ingest, (unit.as_str(), serial.as_deref()), &renewal.certificate_request, &der)?;
        let decision = NewDecision {
            who: RULE,
            what: "renew",
            serial: serial.as_deref(),
            unit: Some(unit.as_str()),
            words: "the unit's next certificate",
        };
        ingest.decision(&decision)?;
        Ok(Ok(der))
    }
}
