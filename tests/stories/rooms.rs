//! The rooms keep their doors: reads the sources and says in a sentence which arrow points the wrong way and why.
//!
//! No crate looks up, no station of the agent knows another, and a few libraries live in one place each. This reads
//! text, not types: a path through a macro would get past it, and none does.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A crate, where it lives, and whom of ours it may know.
const FLOORS: [(&str, &str, &[&str]); 6] = [
    ("edge_protocol", "edge-agent/protocol", &[]),
    ("edge_analytics", "edge-agent/analytics", &["edge_protocol"]),
    ("edge_store", "edge-agent/store", &["edge_protocol"]),
    ("edge_agent", "edge-agent/agent", &["edge_protocol", "edge_analytics", "edge_store"]),
    ("edge_data_key", "edge-agent/data-key", &[]),
    ("rtcc", "edge-agent/rtcc", &["edge_protocol"]),
];

/// What every station of the agent stands on.
const GROUND: [&str; 3] = ["keys", "media", "supervise"];
/// The only folder that joins stations.
const JOINER: &str = "app";

/// A name, the folders in which it may be used, and why nowhere else.
const ONE_PLACE: [(&str, &[&str], &str); 8] = [
    (
        "ort",
        &["edge-agent/agent/src/inference"],
        "the runtime of the models can be exchanged only while one room knows it",
    ),
    (
        "rumqttc",
        &["edge-agent/agent/src/uplink", "edge-agent/rtcc/src", "tests"],
        "the outbox owns delivery, so one room alone talks MQTT",
    ),
    (
        "gstreamer",
        &["edge-agent/agent/src/capture", "edge-agent/agent/src/vision", "tests"],
        "bitstreams are met at the camera and in the worker, nowhere else",
    ),
    (
        "rusqlite",
        &["edge-agent/store/src", "edge-agent/rtcc/src", "tests"],
        "what must survive a power cut belongs to the store, or to the center",
    ),
    (
        "axum",
        &["edge-agent/agent/src/metrics", "edge-agent/agent/src/page", "edge-agent/rtcc/src"],
        "a listening port is a decision, not a convenience",
    ),
    (
        "linux_embedded_hal",
        &["edge-agent/agent/src/peripherals/fit.rs"],
        "drivers stand on the traits, so that a mock bus can test them",
    ),
    ("cryptoki", &["edge-agent/agent/src/keys"], "a token's library knows one application, so one room talks to it"),
    ("seccompiler", &["edge-agent/agent/src/vision"], "the worker alone confines itself"),
];

/// What the pure crates do without, and why.
const IMPURE: [(&str, &str); 7] = [
    ("std::fs", "reads or writes files"),
    ("std::net", "opens connections"),
    ("std::thread", "starts threads"),
    ("std::process", "starts programs"),
    ("std::time::Instant", "reads a clock"),
    ("std::time::SystemTime", "reads a clock"),
    ("tokio", "brings a runtime"),
];
const PURE: [&str; 2] = ["edge-agent/protocol/src", "edge-agent/analytics/src"];

/// A source file: its place from the root of the repository, and its code without comments.
struct Source {
    place: String,
    code: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn sources(under: &str) -> Vec<Source> {
    let mut folders = vec![root().join(under)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let place = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                let code = without_comments(&fs::read_to_string(&path).unwrap());
                sources.push(Source { place, code });
            }
        }
    }
    assert!(!sources.is_empty(), "no sources under {under}");
    sources
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether `code` names `path` as a path of its own, not as a part of a longer word.
fn names(code: &str, path: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(path).any(|(start, _)| {
        let before = code.get(..start).unwrap_or_default().chars().next_back();
        let after = code.get(start + path.len()..).unwrap_or_default();
        let begins = before.is_none_or(|c| !word(c) && c != '.' && c != ':' && c != '"' && c != '-');
        begins && !after.starts_with(word) && (path.contains("::") || after.starts_with("::") || after.starts_with(';'))
    })
}

/// Names that follow `prefix` directly: `crate::` gives the stations that a file reaches for.
fn after<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let tails = code.split(prefix).skip(1);
    tails.map(|tail| tail.split(|c| !word(c)).next().unwrap_or_default()).filter(|name| !name.is_empty()).collect()
}

/// The crates of ours that a manifest depends on, tests aside.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.contains("dev-dependencies");
        } else if inside {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default().replace('-', "_");
            found.extend(FLOORS.iter().filter(|floor| floor.0 == name).map(|floor| floor.0.to_owned()));
        }
    }
    found
}

fn wrong_floors(krate: &str, allowed: &[&str], sources: &[Source], manifest: &str) -> Vec<String> {
    let foreign: Vec<&str> =
        FLOORS.iter().map(|floor| floor.0).filter(|name| *name != krate && !allowed.contains(name)).collect();
    let of_manifest = dependencies(manifest).into_iter().filter(|name| foreign.contains(&name.as_str()));
    let mut wrong: Vec<String> = of_manifest
        .map(|name| format!("{krate} depends on {name}, but a crate never looks up: move what both need down"))
        .collect();
    for source in sources {
        for name in foreign.iter().filter(|name| names(&source.code, name)) {
            wrong.push(format!("{} names {name}, but {krate} stands below it: a crate never looks up", source.place));
        }
    }
    wrong
}

fn wrong_stations(stations: &[String], sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let Some(inside) = source.place.strip_prefix("edge-agent/agent/src/") else { continue };
        let Some((own, _)) = inside.split_once('/') else { continue };
        if own == JOINER {
            continue;
        }
        for name in after(&source.code, "crate::") {
            let station = stations.iter().any(|station| station == name);
            if station && name != own && !GROUND.contains(&name) {
                wrong.push(format!(
                    "{} imports crate::{name}, but stations do not know each other: say what {own} needs in a type or \
                     trait of its own, and let {JOINER} bring it",
                    source.place
                ));
            }
        }
    }
    wrong
}

fn wrong_places(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        for (name, allowed, why) in ONE_PLACE {
            let at_home = allowed.iter().any(|folder| source.place.starts_with(folder));
            if !at_home && names(&source.code, name) {
                wrong.push(format!("{} names {name}, which lives in {} only: {why}", source.place, allowed.join(", ")));
            }
        }
        for (name, what) in IMPURE {
            if PURE.iter().any(|folder| source.place.starts_with(folder)) && names(&source.code, name) {
                wrong.push(format!(
                    "{} names {name}, which {what}: this crate is pure, its caller does that",
                    source.place
                ));
            }
        }
    }
    wrong
}

/// The folders of the agent.
fn stations() -> Vec<String> {
    let entries = fs::read_dir(root().join("edge-agent/agent/src")).unwrap();
    let folders = entries.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    folders.map(|folder| folder.file_name().into_string().unwrap()).collect()
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_crate_never_looks_up() {
    let mut wrong = Vec::new();
    for (krate, folder, allowed) in FLOORS {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        wrong.extend(wrong_floors(krate, allowed, &sources(&format!("{folder}/src")), &manifest));
    }
    assert_none(&wrong);
}

#[test]
fn stations_of_the_agent_do_not_know_each_other() {
    assert_none(&wrong_stations(&stations(), &sources("edge-agent/agent/src")));
}

#[test]
fn libraries_live_where_they_belong_and_pure_crates_stay_pure() {
    let all: Vec<Source> = FLOORS.iter().flat_map(|floor| sources(&format!("{}/src", floor.1))).collect();
    assert_none(&wrong_places(&all));
}

/// Each made-up breach and a piece of the sentence that it must cause.
#[test]
fn every_kind_of_breach_is_found_and_explained() {
    let source = |place: &str, code: &str| vec![Source { place: place.into(), code: without_comments(code) }];
    let (store, agent) = ("edge-agent/store/src/lib.rs", "edge-agent/agent/src/record/mod.rs");
    let stations: Vec<String> = ["record", "uplink", "media", "supervise", "app"].map(String::from).to_vec();
    let up = "[dependencies]\nedge-agent.workspace = true\n[dev-dependencies]\nrtcc.workspace = true\n";
    let breaches: BTreeMap<&str, Vec<String>> = BTreeMap::from([
        ("depends on edge_agent", wrong_floors("edge_store", &["edge_protocol"], &[], up)),
        ("names edge_analytics", wrong_floors("edge_store", &[], &source(store, "use edge_analytics::x;"), "")),
        ("imports crate::uplink", wrong_stations(&stations, &source(agent, "fn f() { crate::uplink::go(); }"))),
        ("names ort", wrong_places(&source(agent, "use ort::session::Session;"))),
        ("reads a clock", wrong_places(&source("edge-agent/analytics/src/a.rs", "std::time::Instant::now()"))),
    ]);
    for (piece, wrong) in breaches {
        assert_eq!(wrong.len(), 1, "{piece}: {wrong:?}");
        assert!(wrong[0].contains(piece), "{piece}: {wrong:?}");
    }
    let right = "use crate::media::AccessUnit; use crate::record::x; // crate::uplink\nlet report::x = 1;";
    assert_none(&wrong_stations(&stations, &source(agent, right)));
    assert_none(&wrong_stations(&stations, &source("edge-agent/agent/src/app/run.rs", "use crate::uplink::Uplink;")));
    assert_none(&wrong_places(&source(agent, "let support = transport::open(\"ort\");")));
}
