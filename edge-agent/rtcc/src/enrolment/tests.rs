//! A desk with a real database and real certificates; the clock is an argument.

use edge_protocol::enrolment::{Outcome, ProofKey, Request, SetupCode};
use edge_protocol::hash::Hash256;
use edge_protocol::sign::{Chain, SigningKey, Subject as Holder};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

use super::*;
use crate::database::enrolment::{EnrolmentState, NewExpectation, OWN_NAME, overview};
use crate::database::queries::{EventFilter, events};
use crate::pki::{Made, Subject};

/// 2026-11-21T00:00:00Z.
const NOW_US: i64 = 1_795_219_200_000_000;
const MINUTE_US: i64 = 60_000_000;

struct City {
    desk: Desk,
    database: Database,
    _folder: TempDir,
    now_us: i64,
}

/// A unit before it is one.
struct Box {
    serial: Serial,
    claim: Made,
    key: KeyPair,
    key_request: Vec<u8>,
    nonce: u8,
}

fn code() -> SetupCode {
    "3469-ACDE-FGHJ".parse().unwrap()
}

fn other_code() -> SetupCode {
    "3469-ACDE-FGHK".parse().unwrap()
}

impl City {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let issuer = Authority::create(&folder.path().join("pki"), &"metro".parse().unwrap(), NOW_US).unwrap();
        let desk = Desk {
            agency: "metro".parse().unwrap(),
            root: Root::from_pem(issuer.certificate().as_bytes()).unwrap(),
            issuer: Some(issuer),
            told: Told {
                broker_host: "broker.metro.example".to_owned(),
                broker_port: 8883,
                purposes: vec!["audit".parse().unwrap()],
            },
            broker_pid: None,
        };
        let database = Database::open(&folder.path().join("center.db"), std::time::Duration::from_millis(10)).unwrap();
        Self { desk, database, _folder: folder, now_us: NOW_US }
    }

    fn unit(&self, serial: &str) -> Box {
        let serial: Serial = serial.parse().unwrap();
        let issuer = self.desk.issuer.as_ref().unwrap();
        let claim = issuer.make(&Subject::Claim(serial.clone()), self.now_us).unwrap();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key_request = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
        Box { serial, claim, key, key_request, nonce: 1 }
    }

    fn within<T>(&mut self, work: impl FnOnce(&Desk, &Ingest<'_>) -> T) -> T {
        let transaction = self.database.write().unwrap();
        let done = work(&self.desk, &Ingest::new(&transaction, self.now_us));
        transaction.commit().unwrap();
        done
    }

    fn expect(&mut self, serial: &str, unit: &str) -> Result<(), String> {
        let proof_key = *code().proof_key(&serial.parse().unwrap()).as_bytes();
        let until_us = self.now_us + 30 * MINUTE_US;
        self.within(|desk, ingest| {
            let new = NewExpectation { serial, unit, place: "a pole", proof_key: &proof_key, until_us };
            desk.expect(ingest, &new, ADA).map_err(|error| error.to_string())
        })
    }

    fn approve(&mut self, serial: &str) -> Result<Vec<Departure>, String> {
        self.within(|desk, ingest| desk.approve(ingest, serial, ADA).map_err(|error| error.to_string()))
    }

    /// Sends a request, and says what came of it.
    fn ask(&mut self, unit: &Box, code: &SetupCode) -> Option<Outcome> {
        let sealed = unit.request(code);
        self.send(unit, &sealed)
    }

    fn send(&mut self, unit: &Box, sealed: &[u8]) -> Option<Outcome> {
        let topic = Topic::EnrollRequest(unit.serial.clone()).to_string();
        let mut departures = self.desk.receive(&mut self.database, (topic.as_bytes(), sealed), self.now_us);
        let departure = departures.pop()?;
        assert!(departures.is_empty());
        Some(unit.read(&departure))
    }

    fn renew(&mut self, unit: &str, sealed: &[u8]) -> RenewalAnswer {
        let topic = Topic::RenewRequest("metro".parse().unwrap(), unit.parse().unwrap()).to_string();
        match &self.desk.receive(&mut self.database, (topic.as_bytes(), sealed), self.now_us)[..] {
            [Departure::Publish { payload, .. }] => RenewalAnswer::decode(payload).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The kinds of the center's own alarms so far.
    fn alarms(&self) -> Vec<String> {
        let filter = EventFilter { unit: Some(OWN_NAME.to_owned()), limit: 100, ..EventFilter::default() };
        let found = events(self.database.reader(), &filter).unwrap();
        found.iter().map(|event| event.record["kind"]["fault"].as_str().unwrap().to_owned()).collect()
    }

    fn decisions(&self) -> Vec<(String, String)> {
        let mut found = overview(self.database.reader(), self.now_us).unwrap().decisions;
        found.reverse();
        found.into_iter().map(|decision| (decision.who, decision.what)).collect()
    }
}

const ADA: Who<'static> = Who { name: "ada", words: "seen on the pole" };

impl Box {
    fn proof_key(&self, code: &SetupCode) -> ProofKey {
        code.proof_key(&self.serial)
    }

    fn request(&self, code: &SetupCode) -> Vec<u8> {
        let key = SigningKey::from_pem(self.claim.key.as_bytes()).unwrap();
        let chain = Chain::from_pem(self.claim.certificate.as_bytes()).unwrap();
        let request =
            Request::new(self.serial.clone(), [self.nonce; 16], self.key_request.clone(), &self.proof_key(code));
        request.seal(&key, &chain).unwrap()
    }

    fn read(&self, departure: &Departure) -> Outcome {
        let Departure::Publish { topic, payload } = departure else { panic!("{departure:?}") };
        assert_eq!(*topic, Topic::EnrollResponse(self.serial.clone()).to_string());
        Answer::read(payload, [self.nonce; 16], &self.proof_key(&code())).unwrap()
    }

    fn again(mut self) -> Self {
        self.nonce += 1;
        self
    }
}

fn refused(outcome: Option<Outcome>) -> Refusal {
    match outcome {
        Some(Outcome::Refused(refused)) => refused.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_unit_gets_the_name_of_a_receiver_which_hears_all_units() {
    let mut city = City::new();
    let issuer = city.desk.issuer.as_ref().unwrap();
    issuer.write_broker_files(8883, &["center-1".parse().unwrap()], NOW_US).unwrap();
    let said = city.expect("SN42", "center-1").unwrap_err();
    assert!(said.contains("a receiver's name at the broker"), "{said}");
    city.expect("SN42", "center-2").unwrap();
}

#[test]
fn a_unit_with_the_right_code_waits_for_a_person_and_gets_a_certificate_of_its_key_and_name() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    assert_eq!(city.ask(&unit, &code()), None);
    assert_eq!(city.ask(&unit, &code()), None, "its line was cut, and it asks again");
    let departures = city.approve("SN42").unwrap();
    let Outcome::Granted(grant) = unit.read(&departures[0]) else { panic!() };
    assert_eq!((grant.unit.as_str(), &*grant.broker_host, grant.broker_port), ("pole-7", "broker.metro.example", 8883));
    let chain = Chain::from_der(grant.certificate.clone());
    let holder = city.desk.root.check(&chain, Some(WallTime::from_micros(NOW_US))).unwrap();
    assert_eq!(holder, Holder::Unit("metro".parse().unwrap(), "pole-7".parse().unwrap()));
    assert_eq!(Hash256::of(&chain.public_key().unwrap()), Hash256::of(unit.key.public_key_raw()));
    assert_eq!(city.alarms(), [""; 0]);
    assert_eq!(city.decisions(), [("ada".into(), "expect".into()), ("ada".into(), "approve".into())]);
}

#[test]
fn an_answer_that_was_lost_is_given_again_until_the_unit_is_heard_and_then_it_is_a_replay() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    city.ask(&unit, &code());
    let first = unit.read(&city.approve("SN42").unwrap()[0]);
    assert_eq!(city.ask(&unit, &code()), Some(first));
    city.now_us += 1;
    city.within(|_, ingest| ingest.heard("pole-7").unwrap());
    assert_eq!(refused(city.ask(&unit, &code())), Refusal::Replayed);
    assert_eq!(city.alarms(), ["enrolment-replayed"]);
}

#[test]
fn a_second_claim_of_a_serial_is_refused_with_an_alarm_and_so_is_one_that_nobody_expects() {
    let mut city = City::new();
    let unit = city.unit("SN42");
    assert_eq!(refused(city.ask(&unit, &code())), Refusal::Unexpected);
    city.expect("SN42", "pole-7").unwrap();
    assert_eq!(city.ask(&unit, &code()), None, "what was refused as unexpected was not kept");
    city.approve("SN42").unwrap();
    let second = city.unit("SN42").again();
    assert_eq!(refused(city.ask(&second, &code())), Refusal::Claimed);
    assert_eq!(city.alarms(), ["enrolment-unexpected", "enrolment-claimed"]);
}

#[test]
fn five_wrong_codes_lock_for_ten_minutes_even_for_the_right_one() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let mut unit = city.unit("SN42");
    for _ in 0..5 {
        unit = unit.again();
        assert_eq!(refused(city.ask(&unit, &other_code())), Refusal::WrongCode);
    }
    unit = unit.again();
    city.now_us += 10 * MINUTE_US - 1;
    match city.ask(&unit, &code()) {
        Some(Outcome::Refused(refused)) => {
            assert_eq!(refused.reason, Refusal::Locked);
            assert_eq!(refused.until, Some(WallTime::from_micros(NOW_US + 10 * MINUTE_US)));
        }
        other => panic!("{other:?}"),
    }
    city.now_us += 1;
    assert_eq!(city.ask(&unit, &code()), None);
    assert_eq!(city.alarms(), ["enrolment-wrong-code", "enrolment-locked"], "a flood is one line a minute");
    let ruled = city.decisions().into_iter().filter(|(who, _)| who == RULE).count();
    assert_eq!(ruled, 2, "and one entry in the audit table");
    let counted: i64 = city
        .database
        .reader()
        .query_row("SELECT count FROM refusals WHERE reason = 'enrolment-wrong-code'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(counted, 5, "but everything is counted");
    let told = overview(city.database.reader(), city.now_us).unwrap().requests;
    assert_eq!(told.iter().filter(|asked| !asked.code_ok).count(), 5);
    assert_eq!(told[0].state, EnrolmentState::Waiting);
}

#[test]
fn claims_that_are_expired_foreign_of_another_serial_or_forged_are_refused_by_name() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    let sealed = unit.request(&code());
    let neighbour = city.unit("SN43").request(&code());
    assert_eq!(refused(city.send(&unit, &neighbour)), Refusal::WrongSerial);
    let stranger = City::new().unit("SN42").request(&code());
    assert_eq!(refused(city.send(&unit, &stranger)), Refusal::Untrusted);
    let mut changed = sealed.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(refused(city.send(&unit, &changed)), Refusal::Forged);
    assert_eq!(refused(city.send(&unit, b"nonsense")), Refusal::Malformed);
    city.now_us += 400 * 24 * 60 * MINUTE_US;
    city.expect("SN42", "pole-7").unwrap();
    assert_eq!(refused(city.send(&unit, &sealed)), Refusal::ExpiredClaim);
    let kinds = ["wrong-serial", "untrusted", "forged", "malformed", "expired-claim"];
    assert_eq!(city.alarms(), kinds.map(|kind| format!("enrolment-{kind}")));
}

#[test]
fn a_key_request_that_is_not_signed_by_its_key_is_refused() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    let mut request = unit.key_request.clone();
    *request.last_mut().unwrap() ^= 1;
    let key = SigningKey::from_pem(unit.claim.key.as_bytes()).unwrap();
    let chain = Chain::from_pem(unit.claim.certificate.as_bytes()).unwrap();
    let request = Request::new(unit.serial.clone(), [1; 16], request, &unit.proof_key(&code()));
    assert_eq!(refused(city.send(&unit, &request.seal(&key, &chain).unwrap())), Refusal::BadKey);
}

#[test]
fn a_unit_that_was_sent_away_has_no_certificate_and_is_expected_no_longer() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    city.ask(&unit, &code());
    let departures = city.within(|desk, ingest| desk.refuse(ingest, "SN42", ADA).unwrap());
    assert_eq!(refused(Some(unit.read(&departures[0]))), Refusal::Unexpected);
    assert!(city.approve("SN42").unwrap_err().contains("does not wait"));
    assert_eq!(refused(city.ask(&unit.again(), &code())), Refusal::Unexpected);
}

#[test]
fn an_expectation_ends_after_its_time_and_a_late_approval_is_none() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    city.ask(&unit, &code());
    city.now_us += 30 * MINUTE_US;
    assert!(city.approve("SN42").unwrap_err().contains("expected no longer"));
    assert_eq!(refused(city.ask(&unit.again(), &code())), Refusal::Unexpected);
}

#[test]
fn a_name_is_another_units_only_after_the_former_one_is_revoked() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    city.ask(&unit, &code());
    city.approve("SN42").unwrap();
    assert!(city.expect("SN43", "pole-7").unwrap_err().contains("pole-7 is SN42: revoke it first"));
    city.within(|desk, ingest| desk.revoke(ingest, "pole-7", ADA).unwrap());
    assert!(city.expect("SN43", "pole-7").unwrap_err().contains("--broker-pid"));
    assert!(city.expect("SN43", "pole-8").is_ok());
}

#[test]
fn a_living_identity_is_renewed_the_same_again_for_a_lost_answer_and_never_after_it_was_revoked() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    city.ask(&unit, &code());
    let Outcome::Granted(grant) = unit.read(&city.approve("SN42").unwrap()[0]) else { panic!() };
    let present = SigningKey::from_pkcs8(&unit.key.serialize_der()).unwrap();
    let chain = Chain::from_der(grant.certificate);
    let next = city.unit("SN42");
    let sealed = |request: Vec<u8>| edge_protocol::enrolment::Renewal::new(request).seal(&present, &chain).unwrap();
    let RenewalAnswer::Granted(first) = city.renew("pole-7", &sealed(next.key_request.clone())) else { panic!() };
    assert_eq!(city.renew("pole-7", &sealed(next.key_request.clone())), RenewalAnswer::Granted(first.clone()));
    let renewed = Chain::from_der(first);
    assert_eq!(Hash256::of(&renewed.public_key().unwrap()), Hash256::of(next.key.public_key_raw()));
    assert_eq!(city.renew("pole-8", &sealed(next.key_request.clone())), RenewalAnswer::Refused(Refusal::WrongSerial));
    city.within(|desk, ingest| desk.revoke(ingest, "pole-7", ADA).unwrap());
    let another = city.unit("SN42");
    assert_eq!(city.renew("pole-7", &sealed(another.key_request.clone())), RenewalAnswer::Refused(Refusal::Untrusted));
    assert_eq!(city.alarms(), ["renewal-wrong-serial", "renewal-untrusted"]);
}

#[test]
fn revoking_writes_the_list_for_the_broker_and_says_what_the_broker_answered() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    city.ask(&unit, &code());
    city.approve("SN42").unwrap();
    let departures = city.within(|desk, ingest| desk.revoke(ingest, "pole-7", ADA).unwrap());
    let Departure::Publish { topic, payload } = &departures[0] else { panic!() };
    assert_eq!(topic, "$CONTROL/dynamic-security/v1");
    let text = String::from_utf8(payload.clone()).unwrap();
    assert!(text.contains("disableClient") && text.contains("metro/pole-7"), "{text}");
    let list = city.desk.issuer.as_ref().unwrap().folder().join("revoked.pem");
    assert!(std::fs::read_to_string(list).unwrap().contains("X509 CRL"));
    for (said, confirmed) in [("", true), (r#","error":"Client not found""#, false)] {
        let said = format!(r#"{{"responses":[{{"command":"disableClient","correlationData":"pole-7"{said}}}]}}"#);
        city.desk.receive(&mut city.database, (RESPONSES.as_bytes(), said.as_bytes()), NOW_US);
        let told = overview(city.database.reader(), NOW_US).unwrap().revocations;
        assert_eq!((told[0].confirmed_us.is_some(), told[0].trouble.is_none()), (confirmed, confirmed));
    }
}

#[test]
fn decisions_can_be_neither_changed_nor_taken_away() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let transaction = city.database.write().unwrap();
    for change in ["UPDATE decisions SET who = 'eve'", "DELETE FROM decisions"] {
        assert!(transaction.execute(change, []).is_err(), "{change}");
    }
}

#[test]
fn what_was_made_from_the_setup_code_is_gone_once_the_unit_is_enrolled() {
    let mut city = City::new();
    city.expect("SN42", "pole-7").unwrap();
    let unit = city.unit("SN42");
    city.ask(&unit, &code());
    city.approve("SN42").unwrap();
    let kept: i64 = city.database.reader().query_row("SELECT count(*) FROM expected", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 0);
}

#[test]
fn only_a_program_that_speaks_after_its_successor_is_a_copy() {
    let birth = |life: u32| serde_json::json!({ "state": "online", "epoch": "1", "started": life });
    let mut lives = Lives::default();
    for (life, copied) in [(1, false), (1, false), (2, false), (2, false), (1, true), (2, true), (2, false)] {
        assert_eq!(lives.note("pole-7", &birth(life)), copied, "{life}");
        assert!(!lives.note("pole-8", &birth(9)));
    }
    lives.forget();
    assert!(!lives.note("pole-7", &birth(1)), "a new connection may bring the same births again");
}
