use std::os::unix::fs::PermissionsExt;

use edge_protocol::sign::{Chain, Root, Subject as Holder};
use edge_protocol::time::WallTime;

use super::*;

/// 2026-11-21T00:00:00Z.
const NOW_US: i64 = 1_795_219_200_000_000;

fn authority(folder: &Path) -> Authority {
    Authority::create(folder, &"metro".parse().unwrap(), NOW_US).unwrap()
}

fn order(serial: &Serial) -> Order<'_> {
    Order { serial, broker: None, board: None, time_servers: &[], allow: &[] }
}

/// The words of the label, as its one content stream has them.
fn words(label: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(label).unwrap();
    text.lines().filter_map(|line| Some(line.split_once('(')?.1.split_once(") Tj")?.0.to_owned())).collect()
}

#[test]
fn a_unit_gets_a_claim_for_its_own_serial_and_the_label_the_code_that_the_unit_can_check() {
    let (pki, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = authority(pki.path());
    let serial: Serial = "SN.0042".parse().unwrap();
    let broker = "broker.example.org:8883".parse().unwrap();
    let order = Order { broker: Some(&broker), ..order(&serial) };
    let made = make(&authority, order, out.path(), NOW_US).unwrap();
    let chain = Chain::from_pem(&std::fs::read(made.claim.join("claim.pem")).unwrap()).unwrap();
    let root = Root::from_pem(&std::fs::read(made.claim.join("root.pem")).unwrap()).unwrap();
    let holder = root.check(&chain, Some(WallTime::from_micros(NOW_US))).unwrap();
    assert_eq!(holder, Holder::Claim(serial));
    let words = words(&made.label);
    assert_eq!(words[..2], ["Unit SN.0042", "https://edge-sn-0042.local/"]);
    let code: SetupCode = words[words.iter().position(|word| word == "Setup code").unwrap() + 1].parse().unwrap();
    assert_eq!(words[words.len() - 4..].concat(), made.page.to_string());
    let file: toml::Table = std::fs::read_to_string(made.claim.join("unit.toml")).unwrap().parse().unwrap();
    let stored: StoredCode = file["setup_code"].clone().try_into().unwrap();
    assert!(stored.is(&code));
    assert_eq!(file["broker"].as_str(), Some("broker.example.org:8883"));
    assert_eq!(file["page"].as_str(), Some("edge-sn-0042.local"));
    assert_eq!(std::fs::read_to_string(made.persist.join("hostname")).unwrap(), "edge-sn-0042\n");
}

#[test]
fn board_and_time_servers_lie_where_the_image_looks_for_them() {
    let (pki, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, serial) = (authority(pki.path()), "SN42".parse().unwrap());
    let board = out.path().join("carrier-a.toml");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/board.example.toml"), &board).unwrap();
    let time_servers = ["ntp.example.org", "2001:db8::1"].map(|host| host.parse().unwrap());
    let allow = ["198.51.100.0/24", "2001:db8::7"].map(|network| network.parse().unwrap());
    let order = Order { board: Some(&board), time_servers: &time_servers, allow: &allow, ..order(&serial) };
    let made = make(&authority, order, &out.path().join("SN42"), NOW_US).unwrap();
    let text = |file: &str| std::fs::read_to_string(made.persist.join(file)).unwrap();
    assert_eq!(text("config/board.toml"), std::fs::read_to_string(&board).unwrap());
    assert_eq!(text("chrony/agency.sources"), "server ntp.example.org iburst\nserver 2001:db8::1 iburst\n");
    let config: toml::Table = text("config/edge-agent.toml").parse().unwrap();
    let allowed = config["network"]["allow"].as_array().unwrap().iter().filter_map(|network| network.as_str());
    assert_eq!(allowed.collect::<Vec<_>>(), ["198.51.100.0/24", "2001:db8::7"]);
    assert_eq!(config["board"]["file"].as_str(), Some("/etc/edge-agent/board.toml"));
}

#[test]
fn what_is_no_board_file_and_no_time_server_is_refused_before_anything_is_made() {
    let (pki, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, serial) = (authority(pki.path()), "SN42".parse().unwrap());
    let board = pki.path().join("root.pem");
    let refused = make(&authority, Order { board: Some(&board), ..order(&serial) }, out.path(), NOW_US).unwrap_err();
    assert!(refused.to_string().contains("root.pem is no board file: "), "{refused}");
    assert!(!out.path().join("persist").exists());
    for bad in ["", "-h", "ntp.example.org prefer", "a\nport 123", &"a".repeat(254)] {
        assert!(bad.parse::<TimeServer>().is_err(), "{bad:?}");
    }
    for bad in ["", "broker.example.org", "198.51.100.0/33", "198.51.100.0/", "2001:db8::/129", "::1\", \"::2"] {
        assert!(bad.parse::<Network>().is_err(), "{bad:?}");
    }
}

#[test]
fn the_code_is_nowhere_on_the_unit_and_keys_are_their_owners_alone() {
    let (pki, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = make(&authority(pki.path()), order(&"SN42".parse().unwrap()), out.path(), NOW_US).unwrap();
    let words = words(&made.label);
    let code = &words[words.iter().position(|word| word == "Setup code").unwrap() + 1];
    for entry in std::fs::read_dir(&made.claim).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(code.as_str()) && !text.contains(&code.replace('-', "")), "{}", path.display());
        let secret = path.extension().is_some_and(|extension| extension == "key" || extension == "toml");
        let bits = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(bits, if secret { 0o600 } else { 0o644 }, "{}", path.display());
    }
    assert_eq!(std::fs::metadata(&made.label).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_unit_is_not_made_twice_in_one_folder() {
    let (pki, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = authority(pki.path());
    let serial = "SN42".parse().unwrap();
    let first = make(&authority, order(&serial), out.path(), NOW_US).unwrap();
    let label = std::fs::read(&first.label).unwrap();
    assert!(matches!(make(&authority, order(&serial), out.path(), NOW_US), Err(FactoryError::Exists { .. })));
    assert_eq!(std::fs::read(&first.label).unwrap(), label);
}
