use super::*;
use crate::enrolment::SetupCode;
use crate::sign::testing::{Authority, at};

fn serial(text: &str) -> Serial {
    text.parse().unwrap()
}

fn key() -> ProofKey {
    "3469-ACDE-FGHJ".parse::<SetupCode>().unwrap().proof_key(&serial("SN42"))
}

fn request() -> Request {
    Request::new(serial("SN42"), [5; 16], b"pkcs10".to_vec(), &key())
}

fn grant() -> Grant {
    Grant {
        agency: "springfield".parse().unwrap(),
        unit: "pole-7".parse().unwrap(),
        certificate: vec![1; 400],
        root: vec![2; 400],
        broker_host: "broker.springfield.example".to_owned(),
        broker_port: 8883,
        purposes: vec!["audit".parse().unwrap()],
    }
}

#[test]
fn a_request_is_read_as_it_was_sealed_and_its_proof_binds_serial_nonce_and_key() {
    let authority = Authority::new("springfield");
    let claim = authority.claim("SN42");
    let opened = SealedRequest::open(&request().seal(&claim.key, &claim.chain).unwrap()).unwrap();
    assert_eq!(opened.request, request());
    assert_eq!(opened.check_claim(&authority.root(), at()), Ok(()));
    assert!(opened.request.is_proved_by(&key()));
    for changed in [
        Request { serial: serial("SN43"), ..request() },
        Request { nonce: [6; 16], ..request() },
        Request { certificate_request: b"other".to_vec(), ..request() },
    ] {
        assert!(!changed.is_proved_by(&key()), "{changed:?}");
    }
}

#[test]
fn claims_of_another_serial_agency_time_or_kind_are_refused_by_name() {
    let authority = Authority::new("springfield");
    let with = |identity: &crate::sign::testing::Identity| {
        SealedRequest::open(&request().seal(&identity.key, &identity.chain).unwrap()).unwrap()
    };
    let late = "2028-01-01T00:00:00Z".parse().unwrap();
    let root = authority.root();
    assert_eq!(with(&authority.claim("SN43")).check_claim(&root, at()), Err(Refusal::WrongSerial));
    assert_eq!(with(&authority.unit("pole-7")).check_claim(&root, at()), Err(Refusal::WrongSerial));
    assert_eq!(with(&authority.claim("SN42")).check_claim(&root, late), Err(Refusal::ExpiredClaim));
    let stranger = Authority::new("springfield");
    assert_eq!(with(&stranger.claim("SN42")).check_claim(&root, at()), Err(Refusal::Untrusted));
}

#[test]
fn the_contract_has_every_refusal_with_its_number() {
    let words: Vec<String> =
        Refusal::ALL.iter().zip(0..).map(|(refusal, number)| format!("{}: {number}", refusal.as_str())).collect();
    let rule = format!("enrolment-refusal = &({})", words.join(", "));
    assert!(include_str!("../../../contract/enrolment.cddl").contains(&rule), "{rule}");
}

#[test]
fn a_code_typed_wrongly_at_the_center_is_not_blamed_on_whoever_read_the_label() {
    for refusal in [Refusal::WrongCode, Refusal::Locked] {
        let words = refusal.sentence();
        assert!(words.contains("at the center") && words.contains("expected anew"), "{words}");
        assert!(!words.contains("compare"), "the unit has compared it: {words}");
    }
}

#[test]
fn one_changed_bit_of_a_request_is_found() {
    let claim = Authority::new("springfield").claim("SN42");
    let sealed = request().seal(&claim.key, &claim.chain).unwrap();
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert!(SealedRequest::open(&changed).is_err(), "byte {place}");
    }
}

#[test]
fn a_grant_is_believed_only_from_somebody_who_knows_the_code_and_only_for_its_request() {
    let key = key();
    let message = Answer::grant([5; 16], &grant(), &key).encode();
    assert_eq!(Answer::read(&message, [5; 16], &key), Ok(Outcome::Granted(Box::new(grant()))));
    assert_eq!(Answer::read(&message, [6; 16], &key), Err(BadAnswer::Other));
    let other = ProofKey::from_bytes([9; 32]);
    assert_eq!(Answer::read(&message, [5; 16], &other), Err(BadAnswer::Unproved));
    for place in 0..message.len() {
        let mut changed = message.clone();
        changed[place] ^= 1;
        let read = Answer::read(&changed, [5; 16], &key);
        assert!(!matches!(read, Ok(Outcome::Granted(_))), "byte {place}");
    }
}

#[test]
fn a_refusal_says_why_and_until_when() {
    let message = Answer::refuse([5; 16], Refusal::Locked, Some(at())).encode();
    let refused = Refused { reason: Refusal::Locked, until: Some(at()) };
    assert_eq!(Answer::read(&message, [5; 16], &key()), Ok(Outcome::Refused(refused)));
    for bytes in [&b""[..], &[0xa0], &[0xff; 30]] {
        assert_eq!(Answer::read(bytes, [5; 16], &ProofKey::from_bytes([9; 32])), Err(BadAnswer::Malformed));
    }
}
