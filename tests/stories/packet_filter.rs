//! The image's packet filter, loaded for real into a network of its own: what a stranger reaches on either port, and
//! who may talk to the outside. Skipped where that cannot be had: it needs root, `nft`, `ip` and a kernel with
//! nftables.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files and says aloud what it skips"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Accounts of the image, as numbers that no account of this machine has.
const ACCOUNTS: [(&str, &str); 4] = [
    ("\"edge\"", "20001"),
    ("\"chronyd\"", "20002"),
    ("\"systemd-resolve\"", "20003"),
    ("\"systemd-network\"", "20004"),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Why this machine cannot tell, if it cannot.
fn lacking() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("a network of its own needs root".to_owned());
    }
    let try_all = "nft list ruleset && ip link add name try0 type veth peer name try1";
    match Command::new("unshare").args(["--net", "sh", "-c", try_all]).output() {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// What each probe found, with the image's filter, changed.
fn scan(change: impl Fn(String) -> String) -> Option<BTreeMap<String, String>> {
    if let Some(why) = lacking() {
        eprintln!("SKIPPED: {why}");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = repository().join("yocto/meta-edge-agent/recipes-connectivity/edge-network/files");
    let mut rules = std::fs::read_to_string(files.join("nftables.conf")).unwrap();
    for (name, number) in ACCOUNTS {
        assert!(rules.contains(name), "the filter names no account {name}");
        rules = rules.replace(name, number);
    }
    let path = folder.path().join("nftables.conf");
    std::fs::write(&path, change(rules)).unwrap();
    let script = repository().join("tests/stories/packet_filter/scan.sh");
    let output = Command::new("unshare").args(["--net", "--mount"]).arg(script).arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.ends_with("done\n"), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let probes = told.lines().filter_map(|line| line.rsplit_once(' '));
    Some(probes.map(|(probe, found)| (probe.to_owned(), found.to_owned())).collect())
}

fn open(found: &BTreeMap<String, String>) -> Vec<&str> {
    found.iter().filter(|(_, found)| *found == "open").map(|(probe, _)| probe.as_str()).collect()
}

#[test]
fn a_stranger_reaches_the_page_s_port_on_the_service_port_and_nothing_else() {
    let Some(found) = scan(|rules| rules) else { return };
    assert_eq!(found.len(), 25, "probes are missing: {found:?}");
    let reached: Vec<_> = open(&found).into_iter().filter(|probe| probe.starts_with("far")).collect();
    assert_eq!(reached, ["far 10.9.2.1 443", "far fd00:2::1 443"]);
    assert!(found.values().all(|found| found != "refused"), "a refusal tells a stranger that somebody is there");
}

#[test]
fn cameras_answer_the_port_that_has_asked_them_and_no_other() {
    let Some(found) = scan(|rules| rules) else { return };
    let answered = open(&found).into_iter().filter(|probe| probe.starts_with("udp"));
    assert_eq!(answered.collect::<Vec<_>>(), ["udp asked 3702 10.9.1.1 40001"], "{found:?}");
}

#[test]
fn only_the_agent_talks_to_broker_and_cameras() {
    let Some(found) = scan(|rules| rules) else { return };
    let talked: Vec<_> = open(&found).into_iter().filter(|probe| probe.starts_with("account")).collect();
    assert_eq!(talked, ["account-20001 10.9.1.2 8883", "account-20001 fd00:1::2 443"]);
}

#[test]
fn a_filter_without_its_policy_would_be_noticed() {
    let Some(found) = scan(|rules| rules.replace("policy drop", "policy accept")) else { return };
    assert_eq!(open(&found).len(), found.len(), "{found:?}");
}
