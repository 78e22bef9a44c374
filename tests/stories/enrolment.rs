//! A unit from the factory to its first health record under its own name, and everybody who must not get that far.
//!
//! Every program is the real one: `rtcc factory`, `rtcc serve`, `rtcc enroll`, `edge-agent enroll`, `edge-agent run`,
//! and Mosquitto as `rtcc pki` configures it.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story writes its own files and reads the clock for deadlines")]

#[path = "enrolment/city.rs"]
mod city;
#[path = "enrolment/factory.rs"]
mod factory;
#[path = "enrolment/killing.rs"]
mod killing;
#[path = "enrolment/peer.rs"]
mod peer;
#[path = "enrolment/token.rs"]
mod token;

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use city::{City, DEADLINE};
use edge_agent::app::enroll::{EnrollArgs, enrol};
use edge_protocol::enrolment::{Outcome, Refusal};
use edge_tests::browser::Browser;
use edge_tests::process::{Process, program};
use edge_tests::world::ended;
use factory::FromFactory;
use peer::{Peer, alert, birth};
use rtcc::pki::Subject;

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refused) => refused.reason,
        Outcome::Granted(grant) => panic!("granted: {grant:?}"),
    }
}

#[test]
fn from_the_factory_to_the_first_health_under_its_own_name() {
    let city = City::start();
    let unit = city.factory("SN42");
    let mut early = run(&unit);
    assert!(!early.wait(DEADLINE).success());
    assert!(early.lines().join("\n").contains("this unit is not enrolled"), "{:?}", early.lines());
    city.expect(&unit, "gate-1");
    let mut enrolling = Process::spawn("edge-agent enroll", &mut unit.enroll_command(&unit.code));
    enrolling.wait_for_line("waiting for approval", DEADLINE);
    city.wait("the operator sees it", |city| {
        city.rtcc_does(&["enroll", "list"])
            .lines()
            .any(|line| line.starts_with("waiting   SN42") && line.contains("code ok  Main St"))
            .then_some(())
    });
    city.rtcc_does(&["enroll", "approve", "--serial", "SN42"]);
    assert!(enrolling.wait(DEADLINE).success(), "{:?}", enrolling.lines());
    let said = enrolling.lines().join("\n");
    for step in ["the setup code is right", "made a key", "enrolled as metro/gate-1", "the claim's key is erased"] {
        assert!(said.contains(step), "{step:?} in {said}");
    }
    assert!(!unit.claim.join("claim.key").exists());
    let mut agent = run(&unit);
    city.wait("its health arrives under its name", |city| {
        let page = city.ask("/api/events?lane=health&unit=gate-1")?;
        page["events"].as_array()?.first().map(drop)
    });
    assert!(agent.terminate(DEADLINE).success());
    let who = "ada at the center".to_owned();
    assert_eq!(city.decisions(), [(who.clone(), "expect".into()), (who, "approve".into())]);
    assert_eq!(city.alarms(), "");
}

#[test]
fn a_question_that_a_dead_receiver_took_with_it_is_asked_again() {
    let city = City::start();
    city.second_receiver().kill();
    // The broker goes on sharing messages out between the two: one of these questions goes to the dead one.
    city.enrol("SN42", "gate-1");
    city.enrol("SN43", "gate-2");
}

#[test]
fn a_new_unit_opens_its_page_by_itself_and_begins_anew_once_it_is_enrolled() {
    let city = City::start();
    let unit = city.factory("SN42");
    let port = edge_tests::port::free();
    unit.as_the_factory_left_it(port);
    let mut waiting = run(&unit);
    waiting.wait_for_line("the technician's page is open", DEADLINE);
    waiting.wait_for_line("this unit is not enrolled: it looks, and keeps and tells nothing", DEADLINE);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    city.expect(&unit, "gate-1");
    let mut enrolling = Process::spawn("edge-agent enroll", &mut unit.enroll_command(&unit.code));
    city.approve(&unit);
    assert!(enrolling.wait(DEADLINE).success(), "{:?}", enrolling.lines());
    assert!(waiting.wait(DEADLINE).success(), "it ends in order: {:?}", waiting.lines());
    assert!(
        !unit.home.join("data/ring").exists() && !unit.home.join("data/outbox.sqlite").exists(),
        "nothing was kept"
    );
    let mut agent = run(&unit);
    city.wait("its health arrives under its name", |city| {
        let page = city.ask("/api/events?lane=health&unit=gate-1")?;
        page["events"].as_array()?.first().map(drop)
    });
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "its page stays open until it is commissioned");
    assert!(agent.terminate(DEADLINE).success());
}

#[test]
fn a_new_unit_is_enrolled_on_its_page() {
    let Some(browser) = Browser::start() else { return };
    let city = City::start();
    let unit = city.factory("SN42");
    let port = edge_tests::port::free();
    unit.as_the_factory_left_it(port);
    let mut waiting = run(&unit);
    waiting.wait_for_line("the technician's page is open", DEADLINE);
    browser.open(&format!("https://localhost:{port}/#setup={}", unit.code.on_the_label()));
    browser.enter("#name", "Kim");
    browser.click("#enter");
    browser.wait("the way to enrol", |browser| {
        let script = "return document.querySelector('[data-tab=enrol]').hidden";
        (browser.run(script) == false).then_some(())
    });
    city.expect(&unit, "gate-1");
    browser.click("[data-tab=enrol]");
    browser.enter("#enrol-code", &unit.code.on_the_label());
    browser.click("#begin-enrolment");
    city.approve(&unit);
    assert!(waiting.wait(DEADLINE).success(), "it ends in order: {:?}", waiting.lines());
    assert!(unit.identity().exists() && !unit.claim.join("claim.key").exists(), "enrolled, and the claim is erased");
}

fn run(unit: &FromFactory) -> Process {
    let mut command = Command::new(program("edge-agent"));
    command.arg("run").arg("--config").arg(unit.config()).env("NO_COLOR", "1").env("RUST_LOG", "info");
    Process::spawn("edge-agent run", command.env("ORT_DISABLE_TELEMETRY", "1"))
}

#[test]
fn a_unit_that_nobody_expects_and_one_with_a_wrong_code_are_sent_away_in_clear_words() {
    let city = City::start();
    let unit = city.factory("SN42");
    let away = ended("edge-agent enroll", &mut unit.enroll_command(&unit.code));
    assert!(!away.succeeded && away.said.contains("have it expected (`rtcc enroll expect`)"), "{}", away.said);
    assert!(city.alarms().contains("SN42 was refused: unexpected [fault]"), "{}", city.alarms());
    let wrong = "3333-3333-3333".parse().unwrap();
    for left in (1..5).rev() {
        let away = ended("edge-agent enroll", &mut unit.enroll_command(&wrong));
        let words = format!("the setup code is wrong: compare it with the label; {left} more");
        assert!(!away.succeeded && away.said.contains(&words), "{}", away.said);
    }
    for code in [&wrong, &unit.code] {
        let away = ended("edge-agent enroll", &mut unit.enroll_command(code));
        assert!(!away.succeeded && away.said.contains("too many wrong setup codes"), "{}", away.said);
    }
    assert!(!unit.identity().exists());
}

#[test]
fn a_stolen_claim_without_its_code_is_locked_out_and_so_is_the_right_code_for_ten_minutes() {
    let city = City::start();
    let unit = city.factory("SN42");
    city.expect(&unit, "gate-1");
    let wrong = "3333-3333-3333".parse().unwrap();
    for number in 1..=5 {
        let nonce = [number; 16];
        assert_eq!(refused(city.ask_as(&unit, &unit.request(nonce, &wrong), nonce)), Refusal::WrongCode);
    }
    let away = ended("edge-agent enroll", &mut unit.enroll_command(&unit.code));
    assert!(!away.succeeded && away.said.contains("wait ten minutes (until 20"), "{}", away.said);
    let listed = city.rtcc_does(&["enroll", "list"]);
    assert!(listed.contains("locked after wrong setup codes"), "{listed}");
    assert_eq!(listed.matches("code WRONG").count(), 5, "{listed}");
    for why in ["wrong-code", "locked"] {
        assert!(city.alarms().contains(&format!("SN42 was refused: {why}")), "{}", city.alarms());
    }
}

#[test]
fn a_second_claim_a_replay_and_an_expired_claim_are_refused_with_an_alarm() {
    let city = City::start();
    let unit = city.factory("SN42");
    let (copied, recorded) = (unit.copy("copied"), unit.request([7; 16], &unit.code));
    city.expect(&unit, "gate-1");
    // The recorded question is one that was refused in its time.
    let line = std::thread::scope(|scope| {
        let asked = scope.spawn(|| city.ask_as(&copied, &recorded, [7; 16]));
        city.approve(&unit);
        asked.join().unwrap()
    });
    assert!(matches!(line, Outcome::Granted(_)), "whoever has claim and code is the unit: {line:?}");
    let mut peer = city.issued("gate-1");
    assert_eq!(peer.may_publish("rtcc/v1/metro/gate-1/up/alert", &alert(1)), Some(true));
    city.wait("the unit is heard", |city| {
        city.ask("/api/units")?.as_array()?.iter().find(|unit| unit["unit"] == "gate-1").map(drop)
    });
    assert_eq!(refused(city.ask_as(&copied, &recorded, [7; 16])), Refusal::Replayed);
    let away = ended("edge-agent enroll", &mut unit.enroll_command(&unit.code));
    assert!(!away.succeeded && away.said.contains("enrolled already: if this is the unit"), "{}", away.said);
    let late = city.factory("SN43");
    city.expect(&late, "gate-2");
    let (sealed, then) = (with_expired_claim(&city, &late), [8; 16]);
    assert_eq!(refused(city.ask_as(&late, &sealed, then)), Refusal::ExpiredClaim);
    for words in ["SN42 was refused: replayed", "SN42 was refused: claimed", "SN43 was refused: expired-claim"] {
        assert!(city.alarms().contains(words), "{words} in {}", city.alarms());
    }
}

/// A request of this serial number that is signed with a claim of long ago.
fn with_expired_claim(city: &City, unit: &FromFactory) -> Vec<u8> {
    let long_ago = rtcc::clock::wall_us() - 500 * 24 * 3_600_000_000;
    let old = city.authority.make(&Subject::Claim(unit.serial.clone()), long_ago).unwrap();
    let expired = unit.copy("expired");
    std::fs::write(expired.claim.join("claim.pem"), old.certificate).unwrap();
    std::fs::write(expired.claim.join("claim.key"), old.key).unwrap();
    let away = ended("edge-agent enroll", &mut expired.enroll_command(&unit.code));
    assert!(!away.succeeded && away.said.contains("the claim certificate was good until"), "{}", away.said);
    expired.request([8; 16], &unit.code)
}

/// The longest that a revoked unit's living session may go on.
const REVOKED_WITHIN: Duration = Duration::from_mins(1);

#[test]
fn a_revoked_unit_is_thrown_out_and_its_name_is_its_replacements() {
    let (to, from) = ("rtcc/v1/metro/gate-1/down/cmd", "rtcc/v1/metro/gate-1/up/alert");
    let city = City::start();
    let unit = city.enrol("SN42", "gate-1");
    let mut peer = city.connect(&unit, "gate-1").expect("the unit is let in");
    let mut center = city.issued("center-2");
    // Not to what the center acknowledges, of which something may be on its way all the time.
    peer.subscribe(to);
    assert_eq!(peer.may_publish(from, &alert(1)), Some(true));
    assert_eq!(center.may_publish(to, b"a first command"), Some(true));
    assert_eq!(peer.hears().as_deref(), Some(&b"a first command"[..]), "as long as it is one of the agency's");
    let begun = Instant::now();
    let said = city.rtcc_does(&["enroll", "revoke", "--unit", "gate-1", "--why", "stolen"]);
    assert!(said.contains("gate-1 is revoked, and the broker has ended its session"), "{said}");
    assert_eq!(center.may_publish(to, b"a second command"), Some(true), "the center stays");
    peer.publish(from, &alert(2));
    let left = REVOKED_WITHIN.saturating_sub(begun.elapsed());
    assert!(peer.ends_within(left), "the living session has not ended {REVOKED_WITHIN:?} after `rtcc enroll revoke`");
    city.wait("the broker has read the list", |city| city.connect(&unit, "gate-1").is_none().then_some(()));
    // The pole gets another unit under the same name.
    let next = city.enrol("SN43", "gate-1");
    let mut peer = city.connect(&next, "gate-1").expect("the replacement is let in");
    assert_eq!(peer.may_publish(from, &alert(3)), Some(true));
    assert!(city.connect(&unit, "gate-1").is_none(), "the old one stays out");
    assert_eq!(peer.may_publish(from, &alert(4)), Some(true), "and disturbs nobody");
    // What the broker took comes in its order: had it taken what the revoked unit sent, that would be here by now.
    let taken = city.wait("what the replacement says", |city| {
        let page = city.ask("/api/events?unit=gate-1&lane=alert")?;
        let taken: Vec<_> = page["events"].as_array()?.iter().filter_map(|event| event["sequence"].as_i64()).collect();
        taken.contains(&4).then_some(taken)
    });
    assert_eq!(taken, [1, 3, 4], "nothing of what the revoked unit sent is taken");
}

#[test]
fn a_replacement_keeps_the_names_of_its_cameras_and_opens_a_new_sequence() {
    let city = City::start();
    let health_of = |city: &City, epochs: i64| {
        let units = city.ask("/api/units")?;
        (units[0]["epochs"] == epochs && !units[0]["health"].is_null()).then_some(())
    };
    let mut former = run(&city.enrol("SN42", "gate-1"));
    city.wait("the first unit's health", |city| health_of(city, 1));
    city.rtcc_does(&["enroll", "revoke", "--unit", "gate-1", "--why", "replaced"]);
    former.wait_for_line("the connection to the broker ended", DEADLINE);
    former.wait_for_line("the broker is not reached", DEADLINE);
    let count = |city: &City| {
        city.ask("/api/events?unit=gate-1&limit=5000").map(|page| page["events"].as_array().map(Vec::len))
    };
    let said = count(&city);
    let mut next = run(&city.enrol("SN43", "gate-1"));
    city.wait("the next unit's health under the same name", |city| health_of(city, 2));
    assert!(count(&city) > said, "and only it is heard");
    let cameras = city.ask("/api/cameras").unwrap();
    assert_eq!((&cameras[0]["unit"], &cameras[0]["id"]), (&"gate-1".into(), &"yard".into()), "{cameras}");
    assert_eq!(cameras.as_array().map(Vec::len), Some(1), "{cameras}");
    assert!(former.terminate(DEADLINE).success() && next.terminate(DEADLINE).success());
}

#[test]
fn where_the_center_cannot_tell_the_broker_of_certificates_a_revoked_unit_is_thrown_out_and_made_mute() {
    let city = City::start_with(false);
    let unit = city.enrol("SN42", "gate-1");
    let peer = city.connect(&unit, "gate-1").expect("the unit is let in");
    city.rtcc_does(&["enroll", "revoke", "--unit", "gate-1", "--why", "stolen"]);
    assert!(peer.ends());
    if let Some(mut mute) = city.connect(&unit, "gate-1") {
        mute.subscribe("rtcc/v1/metro/gate-1/down/#");
        let mut center = city.issued("center-2");
        center.may_publish("rtcc/v1/metro/gate-1/down/cmd", b"a command").expect("the center stays");
        // Had it been let through to the unit, it would be there before the answer to what the unit says next.
        assert_eq!(mute.hears_or_may_publish("rtcc/v1/metro/gate-1/up/alert", &alert(1)), Some(false));
    }
    let refused = city.rtcc(&["enroll", "expect", "--serial", "SN43", "--unit", "gate-1", "--code", "3333-3333-3333"]);
    assert!(!refused.succeeded && refused.said.contains("--broker-pid"), "{}", refused.said);
}

#[test]
fn one_identity_in_two_places_is_an_alarm() {
    let city = City::start();
    let unit = city.enrol("SN42", "gate-1");
    let say = |peer: &mut Peer, life| peer.may_publish("rtcc/v1/metro/gate-1/state", &birth("gate-1", life));
    let mut first = city.connect(&unit, "gate-1").unwrap();
    assert_eq!(say(&mut first, 1), Some(true));
    let mut second = city.connect(&unit, "gate-1").unwrap();
    assert!(first.ends(), "the broker ends the older of two");
    assert_eq!(say(&mut second, 2), Some(true));
    let mut first = city.connect(&unit, "gate-1").unwrap();
    assert_eq!(say(&mut first, 1), Some(true));
    city.wait("the alarm", |city| city.alarms().contains("two units connect as gate-1").then_some(()));
    assert_eq!(city.alarms().matches("two units connect").count(), 1, "a flood is one line a minute");
}

#[test]
fn a_running_unit_and_a_copy_of_it_take_turns_and_that_is_an_alarm() {
    let city = City::start();
    let unit = city.enrol("SN42", "gate-1");
    let mut agent = run(&unit);
    city.wait("the unit is there", |city| (city.ask("/api/units")?[0]["online"] == true).then_some(()));
    // The unit may take its place back before the copy has got a word in.
    let copy = city.wait("a copy of the disk is let in as well, and heard", |city| {
        let mut copy = city.connect(&unit, "gate-1")?;
        let is_heard = copy.may_publish("rtcc/v1/metro/gate-1/state", &birth("gate-1", 1)) == Some(true);
        is_heard.then_some(copy)
    });
    assert!(copy.ends(), "the unit takes its place back");
    city.wait("the alarm", |city| city.alarms().contains("two units connect as gate-1").then_some(()));
    assert!(agent.terminate(DEADLINE).success());
}

#[test]
fn a_certificate_past_two_thirds_of_its_life_is_renewed_over_the_living_line_and_nothing_is_lost() {
    let city = City::start();
    let unit = city.enrol("SN42", "gate-1");
    city.make_old(&unit, "gate-1");
    let before = std::fs::read_to_string(unit.identity()).unwrap();
    let mut agent = run(&unit);
    agent.wait_for_line("the new certificate is in use", DEADLINE);
    let after = std::fs::read_to_string(unit.identity()).unwrap();
    assert_ne!(before, after, "the identity names the new pair");
    let files = std::fs::read_dir(unit.home.join("identity")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(files.filter(|name| name.to_string_lossy().starts_with("unit-")).count(), 2, "one pair is left");
    let health = |city: &City| city.ask("/api/events?lane=health&unit=gate-1&limit=1000");
    let seen = health(&city).map_or(0, |page| page["events"].as_array().unwrap().len());
    city.wait("health goes on", |city| (health(city)?["events"].as_array()?.len() > seen + 1).then_some(()));
    city.wait("no gap is left", |city| city.ask("/api/gaps").filter(|gaps| gaps.as_array().is_some_and(Vec::is_empty)));
    assert_eq!(city.ask("/api/units").unwrap()[0]["epochs"], 1);
    assert!(city.decisions().iter().any(|(who, what)| who == "center" && what == "renew"));
    city.pulls_a_clip_that_verifies();
    assert!(agent.terminate(DEADLINE).success());
}

/// Enrols a unit in this process, on a disk that ends it by SIGKILL before a stated operation.
#[test]
#[ignore = "a child of the next test"]
fn a_child_that_enrols_and_dies() {
    let [home, code, port, dies_at] = killing::CHILD.map(|name| std::env::var(name).expect("started by its parent"));
    let home = std::path::PathBuf::from(home);
    let disk = killing::Disk::new(dies_at.parse().unwrap());
    let arguments = EnrollArgs {
        config: home.join("edge-agent.toml"),
        claim: home.join("persist/claim"),
        code: Some(code.parse().unwrap()),
        broker: Some(format!("localhost:{port}").parse().unwrap()),
        wait: 5,
        key: None,
        again: false,
    };
    enrol(&arguments, &disk, &mut |step| println!("{step}")).unwrap();
    println!("operations {}", disk.operations());
}

/// `ENROLMENT_KILLS=all` dies before every operation, else before every fifth.
#[test]
fn a_unit_killed_at_any_step_is_enrolled_or_not_and_goes_on_when_it_is_started_again() {
    let city = City::start();
    let every = if std::env::var("ENROLMENT_KILLS").is_ok_and(|kills| kills == "all") { 1 } else { 5 };
    let first = city.factory("SN");
    city.expect(&first, "gate");
    let total = killing::operations(&city, &first, None);
    let (mut before, mut after) = (0, 0);
    for dies_at in (1..=total).step_by(every) {
        let (serial, called) = (format!("SN{dies_at}"), format!("gate-{dies_at}"));
        let unit = city.factory(&serial);
        city.expect(&unit, &called);
        let mut child = killing::enrol_in_child(&city, &unit, dies_at, None);
        city.approve_if_asked(&unit, &mut child);
        assert!(!child.wait(DEADLINE).success(), "killed before operation {dies_at}");
        if unit.identity().exists() {
            after += 1;
        } else {
            before += 1;
            let mut again = Process::spawn("edge-agent enroll", &mut unit.enroll_command(&unit.code));
            city.approve_if_asked(&unit, &mut again);
            assert!(again.wait(DEADLINE).success(), "after {dies_at}: {}", again.lines().join("\n"));
        }
        let mut check = Command::new(program("edge-agent"));
        let checked = ended("edge-agent check-config", check.arg("check-config").arg(unit.config()));
        assert!(checked.succeeded && checked.said.contains(&format!("unit metro/{called}")), "{}", checked.said);
        city.connect(&unit, &called).expect("key and certificate fit, and the broker knows them");
    }
    println!("{total} operations; killed before it was enrolled {before} times, after {after} times");
    assert!(before > 0 && after > 0);
}
