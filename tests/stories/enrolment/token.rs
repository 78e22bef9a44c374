//! The unit's key in a token: made there, used from there, and what is said when the token is not what it was.

use std::path::Path;
use std::process::Command;

use edge_agent::keys::{KeyError, Keys, TokenPlace};
use edge_protocol::enrolment::Renewal;
use edge_protocol::sign::{Chain, Kind, Signed};
use edge_tests::process::{Process, program};
use edge_tests::token::{LABEL, SoftToken};
use edge_tests::world::ended;

use super::factory::FromFactory;
use super::killing::{enrol_in_child, operations};
use super::{City, DEADLINE};

const MARK: &str = "edge-agent 1";

/// A unit whose configuration names the token.
fn factory(city: &City, token: &SoftToken, serial: &str) -> FromFactory {
    let unit = city.factory(serial);
    std::fs::write(unit.config(), unit.configuration() + &token.configuration()).unwrap();
    unit
}

fn keys_in(token: &SoftToken) -> Keys {
    let place = TokenPlace { module: token.module().to_owned(), label: LABEL.to_owned(), pin_file: token.pin_file() };
    Keys::of(Some(&place))
}

fn run(unit: &FromFactory, token: &SoftToken) -> Process {
    let mut command = Command::new(program("edge-agent"));
    command.arg("run").arg("--config").arg(unit.config()).env("NO_COLOR", "1").env("RUST_LOG", "info");
    Process::spawn("edge-agent run", token.given_to(command.env("ORT_DISABLE_TELEMETRY", "1")))
}

fn healths(city: &City) -> usize {
    let page = city.ask("/api/events?lane=health&unit=gate-1&limit=1000");
    page.and_then(|page| page["events"].as_array().map(Vec::len)).unwrap_or_default()
}

#[test]
fn a_key_made_in_a_token_enrols_connects_and_is_renewed_and_never_lies_in_a_file() {
    let Some(token) = SoftToken::new() else { return };
    let city = City::start();
    let unit = factory(&city, &token, "SN42");
    city.expect(&unit, "gate-1");
    let mut enrolling = Process::spawn("edge-agent enroll", token.given_to(&mut unit.enroll_command(&unit.code)));
    city.approve(&unit);
    assert!(enrolling.wait(DEADLINE).success(), "{}", enrolling.lines().join("\n"));
    enrolling.wait_for_line("made a key in the token; it stays there", DEADLINE);
    enrolling.wait_for_line("the claim's key is erased", DEADLINE);
    assert_eq!((token.keys(), private_keys_in(&unit.home)), (1, 0));
    // A box whose token is away looks, and keeps what it has to tell until the token is there again.
    token.take_away();
    let mut agent = run(&unit, &token);
    agent.wait_for_line("no token \"edge\" ([token] label) is there", DEADLINE);
    token.bring_back();
    city.wait("its health arrives under its name", |city| (healths(city) > 1).then_some(()));
    assert!(agent.terminate(DEADLINE).success());
    // An old certificate is renewed: the next key is made in the token as well, and the former one is destroyed in it.
    city.make_old(&unit, "gate-1");
    let mut agent = run(&unit, &token);
    agent.wait_for_line("the new certificate is in use", DEADLINE);
    let seen = healths(&city);
    city.wait("health goes on", |city| (healths(city) > seen + 1).then_some(()));
    city.pulls_a_clip_that_verifies();
    assert!(agent.terminate(DEADLINE).success());
    assert_eq!((token.keys(), private_keys_in(&unit.home)), (1, 0));
}

/// How many files below a folder hold a private key.
fn private_keys_in(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let count = |path: std::path::PathBuf| {
        if path.is_dir() {
            return private_keys_in(&path);
        }
        let text = std::fs::read(&path).unwrap_or_default();
        usize::from(String::from_utf8_lossy(&text).contains("PRIVATE KEY-----") && !path.ends_with("page.key"))
    };
    entries.map(count).sum()
}

#[test]
fn a_token_that_is_not_what_it_should_be_is_said_in_words_and_nothing_is_half_enrolled() {
    let Some(token) = SoftToken::new() else { return };
    let city = City::start();
    let unit = factory(&city, &token, "SN42");
    let whole = std::fs::read_to_string(unit.config()).unwrap();
    let without = unit.configuration();
    let halved = without.clone() + "\n[token]\nmodule = \"/usr/lib/token.so\"\n";
    for (config, words) in [
        (without.as_str(), "names no token; write [token] with module, label and pin_file"),
        (&halved, "token.pin_file: is missing"),
        (
            &whole.replace("label = \"edge\"", "label = \"other\""),
            "no token \"other\" ([token] label) is there; those there: edge",
        ),
        (&whole.replace("/pin\"", "/none\""), "cannot read the token's PIN from"),
        (&whole.replace("libsofthsm2", "libnone"), "which should speak PKCS#11"),
    ] {
        std::fs::write(unit.config(), config).unwrap();
        let mut command = unit.enroll_command(&unit.code);
        let away = ended("edge-agent enroll", token.given_to(command.args(["--key", "pkcs11"])));
        assert!(!away.succeeded && away.said.contains(words), "{words:?} in {}", away.said);
    }
    std::fs::write(unit.config(), &whole).unwrap();
    token.write_pin("00000000");
    let away = ended("edge-agent enroll", token.given_to(&mut unit.enroll_command(&unit.code)));
    assert!(!away.succeeded && away.said.contains("the token refuses the PIN in"), "{}", away.said);
    assert!(!unit.identity().exists() && token.keys() == 0);
}

#[test]
fn nobody_enrols_for_a_service_that_could_not_read_it() {
    let city = City::start();
    let unit = city.factory("SN42");
    std::fs::create_dir(unit.home.join("identity")).unwrap();
    if std::os::unix::fs::chown(unit.home.join("identity"), Some(4242), None).is_err() {
        println!("SKIPPED: only root can give a folder to somebody else");
        return;
    }
    let away = ended("edge-agent enroll", &mut unit.enroll_command(&unit.code));
    assert!(!away.succeeded && away.said.contains("belongs to another user (uid 4242)"), "{}", away.said);
}

#[test]
#[ignore = "a child of the next test"]
fn a_child_that_seals_with_a_key_in_a_token() {
    let token = SoftToken::of_parent();
    let keys = keys_in(&token);
    let made = keys.make(MARK).unwrap();
    let next = keys.make(MARK).unwrap();
    assert_ne!(made.file, next.file);
    // Opened from what its file says, as after a restart.
    let key = keys.open(&made.file).unwrap();
    assert_eq!(key.public(), made.key.public());
    let issuer = rcgen::CertifiedIssuer::self_signed(authority(), rcgen::KeyPair::generate().unwrap()).unwrap();
    let asked = rcgen::CertificateSigningRequestParams::from_der(&made.request.as_slice().into()).unwrap();
    let certificate = rcgen::CertificateParams::default().signed_by(&asked.public_key, &issuer).unwrap();
    let chain = Chain::from_der(certificate.der().to_vec());
    assert_eq!(chain.public_key().unwrap(), key.public());
    for number in 0..40 {
        let sealed = Renewal::new(vec![number]).seal(&key, &chain).unwrap();
        Signed::open(Kind::Renewal, &sealed).unwrap();
    }
    // What has this mark and is no longer named is destroyed; what has another stays.
    let other = keys.make("edge-agent 2").unwrap();
    let (next, other) = (keys.open(&next.file).unwrap(), keys.open(&other.file).unwrap());
    keys.keep_only(MARK, std::slice::from_ref(&made.file)).unwrap();
    assert!(next.sign(b"words").is_err() && other.sign(b"words").is_ok() && key.sign(b"words").is_ok());
    // A file that cannot be judged destroys nothing.
    keys.keep_only(MARK, &[b"damaged".to_vec()]).unwrap_err();
    key.sign(b"words").unwrap();
    assert!(matches!(Keys::default().open(&made.file), Err(KeyError::Elsewhere(label)) if label == "edge"));
}

fn authority() -> rcgen::CertificateParams {
    let mut parameters = rcgen::CertificateParams::default();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters
}

#[test]
fn what_is_sealed_in_a_token_is_accepted_and_only_keys_that_a_file_names_stay() {
    for token in [SoftToken::new(), SoftToken::in_a_tpm()].into_iter().flatten() {
        token.given_to_test("token::a_child_that_seals_with_a_key_in_a_token");
    }
}

#[test]
#[ignore = "a child of the next test"]
fn a_child_whose_token_has_its_bad_days() {
    let token = SoftToken::of_parent();
    let keys = keys_in(&token);
    let key = keys.make(MARK).unwrap().key;
    let said = || key.sign(b"words").unwrap_err().to_string();
    key.sign(b"words").unwrap();
    token.take_away();
    assert!(said().contains("no token \"edge\""), "{}", said());
    token.make_another("other");
    assert!(said().contains("those there: other"), "{}", said());
    token.bring_back();
    key.sign(b"words").unwrap();
    token.write_pin("00000000");
    assert!(said().contains("the token refuses the PIN in"), "{}", said());
    // The same PIN is not tried again, not even now that it would be right: a token counts wrong ones, and locks.
    token.make_anew_for("00000000");
    assert!(said().contains("the token refuses the PIN in"), "{}", said());
    token.make_anew();
    token.mend_pin();
    assert!(said().contains("the token holds no key"), "{}", said());
}

#[test]
fn a_token_that_is_away_locked_or_made_anew_is_said_and_found_again_without_a_restart() {
    let Some(token) = SoftToken::new() else { return };
    token.given_to_test("token::a_child_whose_token_has_its_bad_days");
}

/// What a hanging library is built from.
const HANGS: &str = "#include <unistd.h>\nunsigned long C_GetFunctionList(void **list) { for (;;) pause(); }\n";

#[test]
#[ignore = "a child of the next test"]
fn a_child_whose_token_hangs() {
    let token = SoftToken::of_parent();
    let made = keys_in(&token).make(MARK).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [source, module] = ["hangs.c", "hangs.so"].map(|name| folder.path().join(name));
    std::fs::write(&source, HANGS).unwrap();
    let mut compiler = Command::new("cc");
    assert!(compiler.args(["-shared", "-fPIC", "-o"]).arg(&module).arg(&source).status().unwrap().success());
    let place = TokenPlace { module, label: LABEL.to_owned(), pin_file: token.pin_file() };
    let key = Keys::of(Some(&place)).open(&made.file).unwrap();
    let said = key.sign(b"words").unwrap_err().to_string();
    assert!(said.ends_with("the token does not sign: it does not answer"), "{said}");
}

#[test]
fn a_token_that_hangs_holds_up_nobody_for_longer_than_some_seconds() {
    let Some(token) = SoftToken::new() else { return };
    token.given_to_test("token::a_child_whose_token_hangs");
}

#[test]
#[ignore = "a child of the next test"]
fn a_child_that_finds_a_key_of_another_process() {
    let token = SoftToken::of_parent();
    let keys = keys_in(&token);
    // From here on this process has the library, and what that knows of the token.
    keys.make(MARK).unwrap().key.sign(b"words").unwrap();
    token.given_to_test("token::a_child_that_leaves_a_key");
    let file = std::fs::read(token.pin_file().with_extension("key")).unwrap();
    keys.open(&file).unwrap().sign(b"words").unwrap();
}

#[test]
#[ignore = "a child of the test before"]
fn a_child_that_leaves_a_key() {
    let token = SoftToken::of_parent();
    std::fs::write(token.pin_file().with_extension("key"), keys_in(&token).make(MARK).unwrap().file).unwrap();
}

#[test]
fn a_key_that_another_process_has_made_is_found() {
    for token in [SoftToken::new(), SoftToken::in_a_tpm()].into_iter().flatten() {
        token.given_to_test("token::a_child_that_finds_a_key_of_another_process");
    }
}

#[test]
fn an_enrolment_that_waits_is_not_lost_while_the_token_is_away() {
    let Some(token) = SoftToken::new() else { return };
    let city = City::start();
    let unit = factory(&city, &token, "SN42");
    city.expect(&unit, "gate-1");
    let enrol = || Process::spawn("edge-agent enroll", token.given_to(&mut unit.enroll_command(&unit.code)));
    let first = enrol();
    first.wait_for_line("waiting for approval", DEADLINE);
    drop(first);
    token.take_away();
    let mut away = enrol();
    assert!(!away.wait(DEADLINE).success());
    away.wait_for_line("no token \"edge\"", DEADLINE);
    token.bring_back();
    let mut again = enrol();
    again.wait_for_line("going on with the key that was made before", DEADLINE);
    city.approve(&unit);
    assert!(again.wait(DEADLINE).success(), "{}", again.lines().join("\n"));
    assert_eq!(token.keys(), 1);
    assert_eq!(city.alarms(), "");
}

/// Killed before each operation of the disk, the unit is enrolled in the end, and the token holds one key.
#[test]
fn an_enrolment_killed_at_any_step_leaves_no_key_behind_in_the_token() {
    let Some(token) = SoftToken::new() else { return };
    let city = City::start();
    let first = factory(&city, &token, "SN0");
    city.expect(&first, "gate");
    let total = operations(&city, &first, Some(&token));
    let every = if std::env::var("ENROLMENT_KILLS").is_ok_and(|kills| kills == "all") { 1 } else { 3 };
    for dies_at in (1..=total).step_by(every) {
        token.make_anew();
        let (serial, called) = (format!("SN{dies_at}"), format!("gate-{dies_at}"));
        let unit = factory(&city, &token, &serial);
        city.expect(&unit, &called);
        let mut child = enrol_in_child(&city, &unit, dies_at, Some(&token));
        city.approve_if_asked(&unit, &mut child);
        assert!(!child.wait(DEADLINE).success(), "killed before operation {dies_at}");
        if !unit.identity().exists() {
            let mut again = Process::spawn("enroll", token.given_to(&mut unit.enroll_command(&unit.code)));
            city.approve_if_asked(&unit, &mut again);
            assert!(again.wait(DEADLINE).success(), "after {dies_at}: {}", again.lines().join("\n"));
        }
        assert_eq!(token.keys(), 1, "killed before operation {dies_at} of {total}");
    }
}
