//! An agency in memory that grants, and a disk that loses what was not synced.

use edge_protocol::enrolment::{Answer, Grant, ProofKey, SetupCode};
use edge_protocol::time::{ClockQuality, WallStamp};
use edge_store::disk::faulty::{FaultyDisk, Plan};
use edge_store::disk::{Disk, replace};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use serde::Serialize;

use super::*;
use crate::keys::Keys;

mod renewing;

const CLAIM: &str = "/persist/claim";
const IDENTITY_FOLDER: &str = "/data/identity";

fn now() -> WallStamp {
    WallStamp { time: "2026-06-01T12:00:00Z".parse().unwrap(), quality: ClockQuality::Free }
}

fn code() -> SetupCode {
    "3469-ACDE-FGHJ".parse().unwrap()
}

fn wrong_code() -> SetupCode {
    "3469-ACDE-FGHK".parse().unwrap()
}

struct Agency {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Agency {
    fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "metro root");
        Self { issuer: CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap() }
    }

    fn parameters(name: &str) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2026, 12, 31);
        parameters
    }

    /// What the factory puts on a unit.
    fn factory(&self, disk: &dyn Disk) {
        #[derive(Serialize)]
        struct UnitFile {
            serial: &'static str,
            setup_code: edge_protocol::enrolment::StoredCode,
        }
        let key = KeyPair::generate().unwrap();
        let claim = Self::parameters("enroll/SN42").signed_by(&key, &self.issuer).unwrap();
        let file = toml::to_string(&UnitFile { serial: "SN42", setup_code: code().stored([7; 16]) }).unwrap();
        disk.make_folder(Path::new(CLAIM)).unwrap();
        for (name, text) in [
            ("unit.toml", file),
            ("claim.pem", claim.pem()),
            ("claim.key", key.serialize_pem()),
            ("root.pem", self.issuer.pem()),
        ] {
            replace(disk, &Path::new(CLAIM).join(name), text.as_bytes()).unwrap();
        }
    }

    /// A grant to whoever has the key of this request.
    fn grant(&self, request: &[u8], unit: &str) -> Grant {
        let asked = CertificateSigningRequestParams::from_der(&request.into()).unwrap();
        let certificate = Self::parameters(&format!("metro/{unit}")).signed_by(&asked.public_key, &self.issuer);
        Grant {
            agency: "metro".parse().unwrap(),
            unit: unit.parse().unwrap(),
            certificate: certificate.unwrap().der().to_vec(),
            root: self.issuer.der().to_vec(),
            broker_host: "broker.metro.example".to_owned(),
            broker_port: 8883,
            purposes: vec!["audit".parse().unwrap()],
        }
    }
}

/// A new unit's disk.
fn disk(agency: &Agency) -> FaultyDisk {
    let disk = FaultyDisk::new(Plan::none());
    agency.factory(&disk);
    disk
}

fn begin(disk: &dyn Disk) -> Result<(Place, Claim, Asking), EnrolError> {
    let place = Place::open(disk, Path::new(IDENTITY_FOLDER))?;
    let claim = Claim::open(disk, Path::new(CLAIM), now())?;
    let asking = Asking::begin(&place, &claim, &code(), Keys::default(), disk)?;
    Ok((place, claim, asking))
}

fn asked(asking: &Asking) -> edge_protocol::enrolment::Request {
    edge_protocol::enrolment::SealedRequest::open(asking.message()).unwrap().request
}

fn proof_key() -> ProofKey {
    code().proof_key(&"SN42".parse().unwrap())
}

#[test]
fn a_unit_is_enrolled_with_what_was_granted_and_a_key_that_never_left_it() {
    let agency = Agency::new();
    let disk = disk(&agency);
    let (place, claim, asking) = begin(&disk).unwrap();
    let request = asked(&asking);
    assert!(request.is_proved_by(&proof_key()));
    let grant = agency.grant(&request.certificate_request, "pole-7");
    let answer = Answer::grant(request.nonce, &grant, &proof_key()).encode();
    let Answered::Granted(read) = asking.read(&answer).unwrap() else { panic!() };
    asking.check(&read, &claim, &place, &disk).unwrap();
    assert!(!place.is_enrolled(&disk).unwrap());
    asking.keep(&read, &place, &disk).unwrap();
    assert!(place.is_enrolled(&disk).unwrap());
    let identity = place.identity_of(&disk).unwrap();
    assert_eq!(
        (identity.unit.id.as_str(), &*identity.uplink.host, identity.uplink.port),
        ("pole-7", "broker.metro.example", 8883)
    );
    assert_eq!(identity.control.purposes, ["audit"]);
    whole(&place, &disk);
    let sent = String::from_utf8_lossy(asking.message()).into_owned();
    assert!(!sent.contains("PRIVATE"), "the key stays");
}

/// Everything that the identity names is there and fits together.
fn whole(place: &Place, disk: &dyn Disk) {
    use edge_protocol::sign::{Chain, Root, SigningKey};
    let [root, certificate, key] = place.files(disk).unwrap().map(|path| edge_store::disk::read(disk, &path).unwrap());
    let chain = Chain::from_pem(&certificate).unwrap();
    Root::from_pem(&root).unwrap().check(&chain, None).unwrap();
    assert_eq!(chain.public_key().unwrap(), SigningKey::from_pem(&key).unwrap().public());
}

#[test]
fn a_power_cut_at_any_step_of_keeping_leaves_a_unit_that_is_enrolled_or_one_that_is_not() {
    let agency = Agency::new();
    let base = disk(&agency);
    let (place, _, asking) = begin(&base).unwrap();
    let grant = agency.grant(&asked(&asking).certificate_request, "pole-7");
    let (mut enrolled, mut not, mut steps) = (0, 0, 0);
    for cut_at in 1.. {
        let mut crashed = false;
        for seed in 0..6 {
            let disk = base.after_power_cut(0);
            disk.plan(Plan { crash_at: Some(disk.operations() + cut_at), ..Plan::none() });
            let kept = asking.keep(&grant, &place, &disk);
            crashed |= disk.crashed();
            let after = disk.after_power_cut(seed);
            if place.is_enrolled(&after).unwrap() {
                whole(&place, &after);
                enrolled += 1;
            } else {
                assert!(kept.is_err(), "told as done and gone, cut at {cut_at}, seed {seed}");
                not += 1;
                // What was asked can be asked again, with the same key, and is then kept.
                asking.keep(&grant, &place, &after).unwrap();
                whole(&place, &after);
            }
        }
        if !crashed {
            break;
        }
        steps = cut_at;
    }
    println!("{steps} steps; enrolled after {enrolled} cuts, not after {not}");
    assert!(steps > 12 && enrolled > 0 && not > 0);
}

#[test]
fn a_power_cut_while_the_key_is_made_costs_nothing_and_what_was_asked_is_asked_again() {
    let agency = Agency::new();
    let base = disk(&agency);
    let mut again = 0;
    for cut_at in 1.. {
        let disk = base.after_power_cut(0);
        disk.plan(Plan { crash_at: Some(disk.operations() + cut_at), ..Plan::none() });
        let first = begin(&disk);
        let crashed = disk.crashed();
        let after = disk.after_power_cut(cut_at);
        let (place, _, second) = begin(&after).unwrap();
        assert!(!place.is_enrolled(&after).unwrap());
        if let Ok((_, _, first)) = first {
            assert_eq!(asked(&first), asked(&second), "cut at {cut_at}");
            assert!(second.is_again());
            again += 1;
        }
        if !crashed {
            break;
        }
    }
    assert!(again > 0);
}

#[test]
fn a_refused_question_is_forgotten_and_the_next_one_has_another_key() {
    let disk = disk(&Agency::new());
    let (place, _, first) = begin(&disk).unwrap();
    let refusal = Answer::refuse(asked(&first).nonce, Refusal::Unexpected, None).encode();
    let error = first.read(&refusal).unwrap_err();
    assert!(error.to_string().contains("rtcc enroll expect"), "{error}");
    first.forget(&place, &disk).unwrap();
    let (_, _, second) = begin(&disk).unwrap();
    assert_ne!(asked(&first).certificate_request, asked(&second).certificate_request);
}

#[test]
fn a_grant_for_another_key_another_unit_or_another_root_is_not_kept() {
    let agency = Agency::new();
    let disk = disk(&agency);
    let (place, claim, asking) = begin(&disk).unwrap();
    let own = asked(&asking).certificate_request;
    let other = CertificateParams::default().serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
    let renamed = Grant { unit: "pole-8".parse().unwrap(), ..agency.grant(&own, "pole-7") };
    for (grant, why) in [
        (agency.grant(&other, "pole-7"), "for another key"),
        (renamed, "for somebody else"),
        (Agency::new().grant(&own, "pole-7"), "another root"),
    ] {
        let error = asking.check(&grant, &claim, &place, &disk).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn an_answer_from_somebody_who_does_not_know_the_code_is_waited_past() {
    let agency = Agency::new();
    let disk = disk(&agency);
    let (_, _, asking) = begin(&disk).unwrap();
    let request = asked(&asking);
    let grant = agency.grant(&request.certificate_request, "pole-7");
    let forged = Answer::grant(request.nonce, &grant, &ProofKey::from_bytes([9; 32])).encode();
    assert!(matches!(asking.read(&forged), Ok(Answered::NotOurs(_))));
}

#[test]
fn five_wrong_codes_lock_for_ten_minutes_and_pulling_the_plug_wins_none() {
    let disk = disk(&Agency::new());
    let (place, claim, _) = begin(&disk).unwrap();
    let folder = place.folder().to_owned();
    let check = |disk: &FaultyDisk, code: &SetupCode, later_s| {
        let at = now().time.saturating_add(std::time::Duration::from_secs(later_s));
        check_code(disk, &folder, &claim.code, code, at)
    };
    let mut disk = disk;
    for left in (1..5).rev() {
        let error = check(&disk, &wrong_code(), 0).unwrap_err();
        assert!(matches!(error, EnrolError::WrongCode { left: found } if found == left), "{error}");
        disk = disk.after_power_cut(left.into());
    }
    // The plug is pulled as soon as the fifth is judged.
    assert!(matches!(check(&disk, &wrong_code(), 0), Err(EnrolError::Locked { .. })));
    let disk = disk.after_power_cut(9);
    assert!(matches!(check(&disk, &code(), 599), Err(EnrolError::Locked { .. })), "not even the right one");
    check(&disk, &code(), 600).unwrap();
    assert!(matches!(check(&disk, &wrong_code(), 601), Err(EnrolError::WrongCode { left: 4 })), "counted anew");
}

#[test]
fn a_claim_that_is_expired_or_not_of_this_serial_is_said_before_anything_is_asked() {
    let agency = Agency::new();
    let disk = disk(&agency);
    let late = WallStamp { time: "2027-06-01T12:00:00Z".parse().unwrap(), ..now() };
    let error = Claim::open(&disk, Path::new(CLAIM), late).unwrap_err();
    assert!(matches!(error, EnrolError::ExpiredClaim { .. }), "{error}");
    let lost = WallStamp { quality: ClockQuality::Unknown, ..late };
    Claim::open(&disk, Path::new(CLAIM), lost).unwrap();
    let file = Path::new(CLAIM).join("unit.toml");
    let text = String::from_utf8(edge_store::disk::read(&disk, &file).unwrap()).unwrap();
    replace(&disk, &file, text.replace("SN42", "SN43").as_bytes()).unwrap();
    let error = Claim::open(&disk, Path::new(CLAIM), now()).unwrap_err();
    assert!(error.to_string().contains("was a disk exchanged?"), "{error}");
}
