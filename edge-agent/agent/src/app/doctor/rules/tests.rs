use std::collections::BTreeSet;
use std::net::IpAddr;

use edge_analytics::infer::ModelRole;

use super::*;
use crate::app::named;
use crate::config::Network;
use crate::keys::{KeyError, TokenPlace};
use crate::uplink::probe::Distrust;
use edge_protocol::commissioning::Verdict;

const NOW: WallTime = WallTime::from_millis(1_790_000_000_000);

fn good_camera() -> CameraFacts {
    CameraFacts {
        trouble: None,
        codec: Some(Codec::H264),
        size: Some((1920, 1080)),
        pictures: 61,
        span: Duration::from_secs(4),
        group: Some(Duration::from_secs(2)),
    }
}

fn says(finding: &Finding, verdict: Verdict, measured: &str, advice: &str) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert!(finding.measured.contains(measured), "{measured} in {finding:?}");
    assert!(finding.advice.as_deref().unwrap_or_default().contains(advice), "{advice} in {finding:?}");
    assert_eq!(finding.advice.is_none(), verdict == Verdict::Ok, "what is not well says what to do: {finding:?}");
}

#[test]
fn a_camera_is_judged_by_what_came_of_it() {
    says(
        &camera(&good_camera()),
        Verdict::Ok,
        "H.264 1920x1080, 15.0 pictures a second, a key picture every 2.0 s",
        "",
    );
    let seldom = CameraFacts { group: Some(Duration::from_secs(10)), ..good_camera() };
    says(&camera(&seldom), Verdict::Warning, "every 10.0 s", "2 seconds");
    let once = CameraFacts { group: None, ..good_camera() };
    says(&camera(&once), Verdict::Warning, "no second key picture", "2 seconds");
    let slow = CameraFacts { pictures: 9, ..good_camera() };
    says(&camera(&slow), Verdict::Warning, "2.0 pictures", "at least 10");
    says(&camera(&CameraFacts::default()), Verdict::Failed, "no picture came", "cable");
    for (trouble, advice) in [
        (Trouble::CredentialsRefused, "correct user and password"),
        (Trouble::CredentialsMissing, "0600"),
        (Trouble::Refused, "check the port"),
        (Trouble::Unreachable, "power"),
        (Trouble::NoSuchStream, "path"),
        (Trouble::Certificate, "source.certificate"),
        (Trouble::Codec("VP8".to_owned()), "H.264 or H.265"),
    ] {
        let words = trouble.to_string();
        let facts = CameraFacts { trouble: Some(trouble), ..CameraFacts::default() };
        says(&camera(&facts), Verdict::Failed, &words, advice);
    }
}

#[test]
fn a_picture_is_judged_by_its_light() {
    let day = Appearance { brightness: 110.0, burnt: 0.01, sharpness: Some(0.11) };
    let shipped = CareSettings::default();
    let good = "decoded; brightness 110 of 255 (dark below 12), 1 % burnt out (at most 50 %), focus 88";
    says(&picture(Ok(&day), &shipped), Verdict::Ok, good, "");
    let dark = Appearance { brightness: 3.0, ..day };
    says(&picture(Ok(&dark), &shipped), Verdict::Warning, "brightness 3 of 255 (dark below 12)", "lens cap");
    let burnt = Appearance { burnt: 0.8, ..day };
    says(&picture(Ok(&burnt), &shipped), Verdict::Warning, "80 % burnt out (at most 50 %)", "over-exposed");
    says(&picture(Err("none was decoded"), &shipped), Verdict::Failed, "none was decoded", "decoders");
    // What the configuration says of a camera is what its picture is held against.
    let own = CareSettings { dark_below: 2.5, burnt_above: 0.9, ..shipped };
    says(&picture(Ok(&dark), &own), Verdict::Ok, "brightness 3 of 255 (dark below 2.5)", "");
    says(&picture(Ok(&burnt), &own), Verdict::Ok, "80 % burnt out (at most 90 %)", "");
}

#[test]
fn a_clock_that_was_never_set_is_told_from_one_without_a_source() {
    let at = |time, quality| clock(&WallStamp { time, quality });
    says(&at(NOW, ClockQuality::Synchronised { bound_ms: 4 }), Verdict::Ok, "within 4 ms", "");
    says(&at(NOW, ClockQuality::Free), Verdict::Warning, "no source", "NTP");
    says(
        &at(WallTime::from_millis(5_000), ClockQuality::Free),
        Verdict::Failed,
        "1970-01-01 00:00:05 UTC: never",
        "NTP",
    );
}

#[test]
fn a_disk_is_judged_by_writing_room_and_speed() {
    let good = DiskFacts { total: 500 << 30, free: 100 << 30, write: Ok(90_000_000) };
    says(&disk(&good), Verdict::Ok, "writes 90 MB/s", "");
    let read_only = DiskFacts { write: Err("Read-only file system".to_owned()), ..good.clone() };
    says(&disk(&read_only), Verdict::Failed, "Read-only", "writable");
    let full = DiskFacts { free: 0, write: Err("No space left on device".to_owned()), ..good.clone() };
    says(&disk(&full), Verdict::Failed, "No space", "free space");
    says(&disk(&DiskFacts { free: 1 << 30, ..good.clone() }), Verdict::Failed, "1.0 GB of", "quota_bytes");
    says(&disk(&DiskFacts { write: Ok(2_000_000), ..good }), Verdict::Warning, "2 MB/s", "too slow");
}

#[test]
fn a_ring_is_judged_by_what_it_holds_and_may_hold() {
    let hours = |hours| Some((NOW.saturating_sub(Duration::from_hours(hours)), NOW));
    let ring_of = |span, quota| ring(&RingFacts { span, quota }, 100 << 30);
    says(&ring_of(Ok(hours(26)), 20 << 30), Verdict::Ok, "26 h 0 min", "");
    says(&ring_of(Ok(None), 20 << 30), Verdict::Warning, "nothing recorded", "start the agent");
    says(&ring_of(Ok(hours(1)), 200 << 30), Verdict::Warning, "the disk holds 107.3 GB", "quota_bytes");
    says(&ring_of(Err("malformed".to_owned()), 1), Verdict::Failed, "malformed", "folder");
}

#[test]
fn models_are_judged_by_file_and_self_test() {
    says(&runtime(&Err("not found; looked at /usr/lib".to_owned())), Verdict::Failed, "/usr/lib", "library");
    says(&model(&Err("sha256: the file's hash is 1".to_owned())), Verdict::Failed, "hash", "install the models anew");
    let standing = |fallbacks| ModelStanding {
        role: ModelRole::Plates,
        label: "plates-1".to_owned(),
        provider: "cpu".to_owned(),
        fallbacks,
    };
    says(&self_test(&Ok(vec![standing(vec![])])), Verdict::Ok, "plates-1 on cpu", "");
    let slower = self_test(&Ok(vec![standing(vec!["cuda: no device".to_owned()])]));
    says(&slower, Verdict::Warning, "plates-1", "cuda: no device");
    says(&self_test(&Err("self-test: differs".to_owned())), Verdict::Failed, "differs", "red");
}

#[test]
fn models_are_quick_enough_for_the_frames_that_are_asked_for_or_not() {
    let work = |took_ms, asked_fps| speed(&Work { frames: 10, took_ms, asked_fps });
    says(&work(400.0, 15.0), Verdict::Ok, "40 ms a frame (expected: below 67 ms for 15 frames", "");
    says(&work(400.0, 30.0), Verdict::Warning, "below 33 ms", "analysed_fps");
    assert_eq!(speed(&Work::default()).verdict, Verdict::Unchecked);
}

#[test]
fn a_certificate_is_told_before_it_ends() {
    let days = |days: u64| NOW.saturating_add(Duration::from_hours(24 * days));
    says(&certificate("the unit's certificate", days(200), NOW), Verdict::Ok, "200 days", "");
    says(&certificate("the unit's certificate", days(9), NOW), Verdict::Warning, "in 9 days", "renew");
    let over = NOW.saturating_sub(Duration::from_hours(1));
    says(&certificate("the unit's certificate", over, NOW), Verdict::Failed, "ended", "renew");
}

#[test]
fn the_way_to_the_broker_ends_with_its_own_advice() {
    let at = |reached| broker("broker.example:8883", &reached, None);
    says(&at(Reached::Connected(40)), Verdict::Ok, "MQTT in 40 ms", "");
    says(&at(Reached::ByAgent(true)), Verdict::Ok, "the agent is connected", "");
    says(&at(Reached::ByAgent(false)), Verdict::Failed, "not connected", "revoked");
    says(&at(Reached::NotTried), Verdict::Warning, "not tried", "metrics");
    says(&at(Reached::NoConnection("refused".to_owned())), Verdict::Failed, "refused", "firewall");
    says(&at(Reached::Refused("alert".to_owned())), Verdict::Failed, "alert", "revoked");
    says(&at(Reached::OwnFiles("no unit.key".to_owned())), Verdict::Failed, "unit.key", "root");
    for (distrust, advice) in [
        (Distrust::Authority, "[uplink] ca"),
        (Distrust::Time, "clock"),
        (Distrust::Name, "host"),
        (Distrust::Other, "TLS 1.3"),
    ] {
        says(&at(Reached::Untrusted("why".to_owned(), distrust)), Verdict::Failed, "why", advice);
    }
}

#[test]
fn a_broker_that_the_service_may_not_talk_to_is_said_where_it_is_not_reached() {
    let at = |reached| broker("broker.example:8883", &reached, Some("203.0.113.5"));
    let advice = "the service may not talk to 203.0.113.5: add its network to [network] allow";
    says(&at(Reached::NoConnection("not permitted".to_owned())), Verdict::Failed, "no connection", advice);
    says(&at(Reached::ByAgent(false)), Verdict::Failed, "the agent is not connected", advice);
    says(&at(Reached::ByAgent(true)), Verdict::Ok, "the agent is connected", "");
}

#[test]
fn a_broker_is_beyond_where_no_allowed_network_holds_any_of_its_addresses() {
    let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<Network>>();
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    let of = |found: &[&str], allowed: &[&str]| beyond("broker", &addresses(found), &networks(allowed));
    let site = ["198.51.100.0/24"];
    assert_eq!(of(&["203.0.113.5", "2001:db8::5"], &site).as_deref(), Some("203.0.113.5"));
    assert_eq!(of(&["203.0.113.5"], &[]).as_deref(), Some("203.0.113.5"));
    assert_eq!(of(&["2001:db8::5", "198.51.100.9"], &site), None, "one way is enough");
    assert_eq!((of(&["127.0.0.1"], &[]), of(&["::1"], &site)), (None, None));
    // Whose name is not known: it may be in what is allowed, if anything is.
    assert_eq!((of(&[], &site), of(&[], &[]).as_deref()), (None, Some("broker")));
}

#[test]
fn the_center_is_judged_by_what_waits_for_it() {
    let told = OutboxFacts { made: 10, settled: 8, waiting: 2, oldest: Some(NOW) };
    says(&center(&Ok(Some(told.clone())), NOW), Verdict::Ok, "8 records acknowledged, 2 wait", "");
    let old = OutboxFacts { oldest: Some(NOW.saturating_sub(Duration::from_mins(9))), ..told.clone() };
    says(&center(&Ok(Some(old)), NOW), Verdict::Failed, "for 9 min", "receiver");
    let never = OutboxFacts { settled: 0, ..told };
    says(&center(&Ok(Some(never)), NOW), Verdict::Warning, "no record acknowledged", "knows this unit");
    says(&center(&Ok(None), NOW), Verdict::Warning, "nothing was told", "start the agent");
    says(&center(&Err("denied".to_owned()), NOW), Verdict::Failed, "denied", "root");
}

#[test]
fn the_box_is_judged_by_its_own_limits() {
    says(&tilt(1.0, 5.0), Verdict::Ok, "1.0°", "");
    says(&tilt(20.0, 5.0), Verdict::Failed, "20.0°", "straighten");
    says(&power(12.0, 0.8, 10.8, 10.2), Verdict::Ok, "12.00 V, 0.80 A", "");
    says(&power(10.5, 0.8, 10.8, 10.2), Verdict::Warning, "10.50 V", "terminals");
    says(&power(10.0, 0.8, 10.8, 10.2), Verdict::Failed, "10.00 V", "terminals");
    let limits = Some([75.0, 82.0, 90.0]);
    says(&heat("soc", 40.0, limits), Verdict::Ok, "40.0 °C", "");
    says(&heat("soc", 76.0, limits), Verdict::Warning, "76.0", "shade");
    says(&heat("soc", 91.0, limits), Verdict::Failed, "91.0", "fan");
    says(&position(None), Verdict::Warning, "unknown", "on the technician's page");
    let place = Place { latitude: 34.0195, longitude: -118.4912, heading: None, field_of_view: None };
    says(&position(Some(&place)), Verdict::Ok, "34.01950, -118.49120", "");
}

#[test]
fn a_key_is_good_if_it_signs_for_its_certificate_and_each_way_to_fail_has_its_own_advice() {
    let place = TokenPlace { module: "/lib/p11.so".into(), label: "gate-1".into(), pin_file: "/persist/pin".into() };
    says(&key(None, KeyFacts::Signs(None)), Verdict::Ok, "in a file: signs", "");
    let there = KeyFacts::Signs(Some("gate-1".to_owned()));
    says(&key(Some(&place), there), Verdict::Ok, "in the token \"gate-1\": signs", "");
    says(&key(Some(&place), KeyFacts::Signs(None)), Verdict::Warning, "in a file: signs", "enroll --again");
    says(&key(None, KeyFacts::OfAnother), Verdict::Failed, "of another key", "enrol the unit anew");
    says(&key(None, KeyFacts::Unread("/k: gone".to_owned())), Verdict::Failed, "/k: gone", "[uplink]");
    let away = KeyError::Away { label: "gate-1".to_owned(), present: vec![] };
    let library = KeyError::Library { module: "/lib/p11.so".into(), why: "no such file".to_owned() };
    for (error, advice) in [
        (KeyError::File("it is damaged".to_owned()), "restore"),
        (KeyError::Elsewhere("gate-2".to_owned()), "write [token]"),
        (library, "install the token's library"),
        (away, "connect the token"),
        (KeyError::Pin("/persist/pin".into()), "the token locks"),
        (KeyError::PinLocked, "security officer"),
        (KeyError::Missing("07".to_owned()), "enrol the unit anew"),
        (KeyError::Token { doing: "sign", why: "device error".to_owned() }, "records are kept"),
    ] {
        let words = error.to_string();
        says(&key(Some(&place), KeyFacts::Fails(error)), Verdict::Failed, &words, advice);
    }
}

#[test]
fn what_a_token_needs_is_told_and_a_pin_that_others_may_read_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pin_file = folder.path().join("pin");
    let place =
        TokenPlace { module: folder.path().join("p11.so"), label: "edge".to_owned(), pin_file: pin_file.clone() };
    let told = || named::token(&place);
    says(&token(&told()[0]), Verdict::Failed, "token.module: ", "install the token's library");
    says(&token(&told()[1]), Verdict::Failed, "token.pin_file: ", "write the token's PIN");
    std::os::unix::fs::symlink("/etc/passwd", &pin_file).unwrap();
    says(&token(&told()[1]), Verdict::Warning, "may be read by others", "chmod 600 ");
}
