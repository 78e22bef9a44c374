use edge_protocol::record::PlateText;
use edge_store::disk::{RealDisk, replace};

use super::*;

const EXAMPLE: &str = include_str!("../../../docs/edge-agent.example.toml");

fn mistakes(text: &str) -> Vec<String> {
    match Config::parse(text) {
        Err(ConfigError::Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
        other => panic!("expected mistakes, got {other:?}"),
    }
}

#[test]
fn the_commented_example_is_valid() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!(config.profile, Profile::Field);
    assert_eq!(config.cameras.len(), 2);
    assert_eq!((config.reads.publish, config.reads.keep.as_secs()), (Publish::Counts, 24 * 3600));
    assert_eq!(config.cameras[0].zones[0].points.len(), 4);
}

#[test]
fn a_mask_is_an_outline_and_has_a_version_that_follows_it() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!(config.cameras[0].mask_version(), None);
    let masked = |points: &str| {
        let mask = format!("[[camera.mask]]\npoints = {points}\n\n[[camera]]\nid = \"gate\"");
        EXAMPLE.replace("[[camera]]\nid = \"gate\"", &mask)
    };
    let version = |points| Config::parse(&masked(points)).unwrap().cameras[0].mask_version();
    let (one, other) = (version("[[0, 0], [1, 0], [0, 1]]"), version("[[0, 0], [1, 0], [0, 0.5]]"));
    assert!(one.is_some() && one == version("[[0, 0], [1, 0], [0, 1]]") && one != other, "{one:?} {other:?}");
    let found = mistakes(&masked("[[0, 0], [1, 0]]"));
    assert!(found[0].starts_with("camera[0].mask[0].points: has 2 points"), "{found:?}");
}

#[test]
fn an_empty_file_is_told_everything_that_is_missing_at_once() {
    let found = mistakes("");
    for key in ["unit.agency", "unit.id", "uplink.host", "uplink.key", "control.agency_root", "models.dir", "camera"] {
        assert!(found.iter().any(|mistake| mistake.starts_with(&format!("{key}: is missing"))), "{key} in {found:?}");
    }
}

#[test]
fn test_plates_are_refused_in_the_field() {
    let text = EXAMPLE.replace("[hotlist]", "[hotlist]\ntest_plates = [\"ABC123\"]\n");
    assert!(mistakes(&text)[0].starts_with("hotlist.test_plates: is for tests"));
    let dev = text.replace("profile = \"field\"", "profile = \"dev\"");
    let plates = Config::parse(&dev).unwrap().hotlist.test_plates;
    assert_eq!(plates.iter().map(PlateText::as_str).collect::<Vec<_>>(), ["ABC123"]);
    let wrong = dev.replace("ABC123", "--");
    assert!(mistakes(&wrong)[0].starts_with("hotlist.test_plates: has 1 text(s) that are no plate"));
}

#[test]
fn a_password_in_an_address_is_refused_without_repeating_it() {
    for login in ["root:hunter2", "root:hun/ter2"] {
        let address = format!("rtsp://{login}@192.0.2.10/stream1");
        let found = mistakes(&EXAMPLE.replace("rtsp://192.0.2.10:554/stream1", &address));
        assert!(found[0].contains("0600 file"), "{found:?}");
        assert!(!found.concat().contains("ter2"));
    }
}

#[test]
fn a_mistake_beside_a_password_or_a_plate_is_named_by_its_place_and_repeats_neither() {
    let text = EXAMPLE.replace("\"rtsp://192.0.2.10:554/stream1\"", "\"rtsp://root:hunter2@192.0.2.10/stream1");
    let line = 1 + text.lines().position(|line| line.contains("hunter2")).unwrap();
    let said = Config::parse(&text).unwrap_err().to_string();
    assert!(said.contains(&format!("line {line}: ")) && !said.contains("hunter2"), "{said}");
    for (key, wrong) in [("url", "[\"rtsp://root:hunter2@192.0.2.10/stream1\"]"), ("test_plates", "\"hunter2\"")] {
        let text = EXAMPLE.replace("\"rtsp://192.0.2.10:554/stream1\"", wrong);
        let text =
            if key == "url" { text } else { EXAMPLE.replace("[hotlist]", &format!("[hotlist]\n{key} = {wrong}")) };
        let found = mistakes(&text).concat();
        assert!(found.contains(key) && !found.contains("hunter2"), "{found}");
    }
}

#[test]
fn two_cameras_may_not_share_an_id() {
    let text = EXAMPLE.replace("id = \"gate\"", "id = \"street\"");
    assert!(mistakes(&text)[0].contains("which another camera has"));
}

#[test]
fn metrics_stay_on_the_box() {
    let text = EXAMPLE.replace("127.0.0.1:9464", "0.0.0.0:9464");
    assert!(mistakes(&text)[0].starts_with("health.metrics: is not a loopback address"));
}

#[test]
fn every_network_that_is_none_is_told_with_all_other_mistakes() {
    assert_eq!(Config::parse(EXAMPLE).unwrap().allow, ["198.51.100.0/24".parse().unwrap()]);
    assert_eq!(Config::parse(&EXAMPLE.replace("allow = [\"198", "# allow = [\"198")).unwrap().allow, []);
    let allow = "allow = [\"192.0.2.7/24\", \"broker\", \"2001:db8::/32\", \"192.0.2.0/40\", 7]";
    let text = EXAMPLE.replace("allow = [\"198.51.100.0/24\"]", allow).replace("every_s = 60", "every_s = 0");
    let what = "give networks such as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7";
    assert_eq!(
        mistakes(&text),
        [
            format!("network.allow: is 7; {what}"),
            format!("network.allow: is \"192.0.2.7/24\", where the network of that prefix is 192.0.2.0/24; {what}"),
            format!("network.allow: is \"broker\", which holds no address; {what}"),
            format!("network.allow: is \"192.0.2.0/40\", whose prefix is not a number from 0 to 32; {what}"),
            "health.every_s: is 0; give a whole number from 1 to 3600".to_owned(),
        ]
    );
}

#[test]
fn a_board_is_a_file_and_simulated_only_on_a_desk() {
    assert_eq!(Config::parse(EXAMPLE).unwrap().board, BoardChoice::None);
    let file = format!("{EXAMPLE}\n[board]\nfile = \"/etc/edge-agent/board.toml\"\n");
    assert_eq!(Config::parse(&file).unwrap().board, BoardChoice::File("/etc/edge-agent/board.toml".into()));
    let simulated = format!("board = \"sim\"\n{EXAMPLE}");
    assert!(mistakes(&simulated)[0].starts_with("board: is simulated"));
    let dev = simulated.replace("profile = \"field\"", "profile = \"dev\"");
    assert_eq!(Config::parse(&dev).unwrap().board, BoardChoice::Simulated);
    assert!(mistakes(&format!("board = \"simm\"\n{EXAMPLE}"))[0].contains("give \"sim\""));
}

/// What the enrolment brings, without its own keys in the file.
fn enrolled(folder: &std::path::Path) -> String {
    let own = [
        "[unit]",
        "agency = ",
        "id = \"pole",
        "host = ",
        "port = ",
        "ca = ",
        "certificate = ",
        "key = ",
        "agency_root = ",
    ];
    let kept = EXAMPLE.lines().filter(|line| !own.iter().any(|key| line.starts_with(key)));
    let text = kept.collect::<Vec<_>>().join("\n");
    format!("enrolment = \"{}\"\n{text}", folder.display())
}

const IDENTITY: &str = "[unit]\nagency = \"metro\"\nid = \"gate-1\"\n[uplink]\nhost = \"b\"\nport = 8884\nca = \"/r\"\n\
    certificate = \"/c\"\nkey = \"/k\"\n[control]\nagency_root = \"/r\"\npurposes = [\"audit\"]\n";

#[test]
fn an_enrolled_unit_is_who_its_identity_says_and_one_that_is_not_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge-agent.toml");
    replace(&RealDisk, &file, enrolled(folder.path()).as_bytes()).unwrap();
    let error = Config::read(&file).unwrap_err();
    assert!(matches!(error, ConfigError::NotEnrolled { .. }), "{error}");
    assert_eq!(enrolment_place(&file).unwrap(), (folder.path().to_owned(), None));
    replace(&RealDisk, &folder.path().join("identity.toml"), IDENTITY.as_bytes()).unwrap();
    let config = Config::read(&file).unwrap();
    assert_eq!((config.unit.as_str(), config.uplink.port), ("gate-1", 8884));
    assert_eq!(config.enrolment.as_deref(), Some(folder.path()));
}

#[test]
fn what_both_the_file_and_the_enrolment_say_is_a_mistake() {
    let (both, mistakes) = identity::lay_under(&"[unit]\nid = \"other\"".parse().unwrap(), &IDENTITY.parse().unwrap());
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].to_string().starts_with("unit.id: is said by the enrolment"));
    assert_eq!(both["unit"]["agency"].as_str(), Some("metro"));
}

#[test]
fn a_page_is_there_where_the_file_has_its_table_and_shut_unless_it_is_armed() {
    assert_eq!(Config::parse(EXAMPLE).unwrap().page, None);
    let page =
        |lines: &str| Config::parse(&EXAMPLE.replace("[health]", &format!("[page]\n{lines}\n[health]"))).unwrap().page;
    let shipped = page("").unwrap();
    assert_eq!((shipped.listen.port(), shipped.claim.to_str(), shipped.armed), (8443, Some("/persist/claim"), false));
    assert!(page("armed = true").unwrap().armed);
}

#[test]
fn a_unit_that_is_nobodys_has_all_that_its_file_says_and_an_identity_beside_it_is_a_mistake() {
    let lines = EXAMPLE.lines().filter(|line| {
        let told = ["agency =", "id = \"pole", "host =", "ca =", "certificate =", "key =", "agency_root ="];
        !told.iter().any(|key| line.starts_with(key))
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let config = Config::before_enrolment(&text).unwrap();
    assert_eq!((config.unit.as_str(), config.cameras.len()), ("new", 2));
    let Err(ConfigError::Mistakes(mistakes)) = Config::before_enrolment(EXAMPLE) else { panic!("no mistake") };
    assert!(mistakes.iter().any(|mistake| mistake.key == "unit.id"), "{mistakes:?}");
}
