//! What agent, vision worker and center talk to, by the kernel's own account: every address is one that the
//! configuration names, and no name is looked up elsewhere. Skipped where processes cannot be traced.
#![cfg(test)]
#![allow(clippy::print_stderr, reason = "a story says aloud what it skips")]

#[path = "connections/calls.rs"]
mod calls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use calls::{Place, calls};
use edge_tests::port;
use edge_tests::rtsp::{Coding, Reel, RtspCamera};
use edge_tests::world::{CAMERA, CameraPlan, Plan, World};
use tempfile::TempDir;

const VIDEO: Duration = Duration::from_secs(4);
/// The second camera, which one of the lists leaves out.
const OTHER: &str = "dock";
/// Sockets of this machine that a process may try, and what for. A name ends with `*` where it goes on.
const LOCAL: [(&str, &str); 2] = [
    ("/run/systemd/notify*", "the service manager hears of start and heartbeat"),
    ("/var/run/nscd/socket", "the C library asks for a cache of names before it reads /etc/hosts and /etc/passwd"),
];

#[test]
fn no_process_opens_a_connection_that_the_configuration_does_not_name() {
    if let Some(why) = untraceable() {
        eprintln!("SKIPPED: processes cannot be traced here: {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let reel = || Reel::drawn(Coding::H264, (320, 240), 15, 45);
    let (yard, dock) = (RtspCamera::start(reel()), RtspCamera::start(reel()));
    let metrics = port::free();
    let plan = Plan {
        cameras: vec![CameraPlan::rtsp(CAMERA, &yard.url()), CameraPlan::rtsp(OTHER, &dock.url())],
        started_by: tracer(&folder, "agent"),
        center_started_by: tracer(&folder, "center"),
        metrics: Some(metrics),
        ..Plan::default()
    };
    let mut world = World::with("metro", plan);
    world.start_agent();
    world.wait_for_event("health", "the worker looks", |event| {
        event["record"]["cameras"][0]["analysed_mfps"].as_u64().is_some_and(|rate| rate > 0)
    });
    world.wait_for_video(VIDEO);
    let clip = world.clip("clip.mp4", "audit", "26-0004");
    assert!(clip.succeeded, "rtcc clip:\n{}", clip.said);
    let listen = world.center_address().trim_start_matches("http://").parse().expect("the center's address");
    let _said: Vec<String> = world.stop_agent();
    let _said: Vec<String> = world.stop_center();

    let (agent, center) = (calls(folder.path(), "agent"), calls(folder.path(), "center"));
    let named = [
        (world.link.address(), "the broker, over the story's link"),
        (local(yard.port()), "the first camera"),
        (local(dock.port()), "the second camera"),
        (local(metrics), "the agent's own metrics"),
    ];
    assert_eq!(unnamed(&agent, &named), Vec::<String>::new(), "agent and worker");
    let center_named = [(world.broker.address(), "the broker"), (listen, "the center's own interface")];
    assert_eq!(unnamed(&center, &center_named), Vec::<String>::new(), "the center");

    // The same account finds what a list does not name, and each of these was really talked to.
    for (address, what) in named {
        let others: Vec<_> = named.into_iter().filter(|(other, _)| *other != address).collect();
        let missing = unnamed(&agent, &others);
        assert!(missing.iter().any(|line| line.contains(&address.to_string())), "{what}: {missing:?}");
    }
    assert!(!unnamed(&center, &[]).is_empty());
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Why this machine cannot tell, if it cannot.
fn untraceable() -> Option<String> {
    match Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output() {
        Err(error) => Some(format!("strace: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// What writes down every call of a program that can name an address: a file for each of its threads. The program
/// itself stays the story's own child (`-D`), so that its signals and its end are its own.
fn tracer(folder: &TempDir, name: &str) -> Vec<String> {
    let file = folder.path().join(name).display().to_string();
    let words = ["strace", "-D", "-f", "-ff", "-s", "0", "-e", "signal=none", "-e", TRACED, "-o", &file];
    words.map(str::to_owned).to_vec()
}

const TRACED: &str = "trace=connect,sendto,sendmsg,sendmmsg,bind";

/// Every place that is neither named nor a known socket of this machine, with how often it was tried.
fn unnamed(calls: &[(String, Place)], named: &[(SocketAddr, &str)]) -> Vec<String> {
    let mut found = BTreeMap::<String, usize>::new();
    for (call, place) in calls {
        let is_named = match place {
            Place::Internet(address) => named.iter().any(|(known, _)| known == address),
            Place::Unix(path) => LOCAL.iter().any(|(known, _)| fits(known, path)),
            // The kernel itself answers: which addresses and routes this machine has.
            Place::Netlink | Place::Nowhere => true,
            Place::Unknown(_) => false,
        };
        if !is_named {
            *found.entry(format!("{call} {place}")).or_default() += 1;
        }
    }
    found.into_iter().map(|(line, count)| format!("{line}, {count} times")).collect()
}

fn fits(known: &str, path: &Path) -> bool {
    let path = path.to_string_lossy();
    known.strip_suffix('*').map_or(path == known, |beginning| path.starts_with(beginning))
}
