//! Plates and passwords stay where they belong: with the default settings no plate text leaves the unit but in a hit,
//! and with all settings no program says a plate or a password anywhere but in the events themselves.
//!
//! A real camera behind a password plays a drawn gate, so that there is something to read and to give away.
#![cfg(test)]
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a story starts its own threads and programs")]

#[path = "privacy/listener.rs"]
mod listener;
#[path = "privacy/secrets.rs"]
mod secrets;

use std::collections::BTreeSet;
use std::process::Command;

use edge_tests::gate::{self, Gate};
use edge_tests::pki::write_private;
use edge_tests::port;
use edge_tests::process::program;
use edge_tests::rtsp::{Access, RtspCamera};
use edge_tests::world::{CameraPlan, Plan, World, ended};
use listener::Listener;
use rusqlite::{Connection, OpenFlags};
use secrets::{Secret, escaped, told};
use tempfile::TempDir;

const USER: &str = "viewer";
/// With what addresses, files and logs have their own ways to write.
const PASSWORD: &str = "Qx7%w@öl/k#9&+u";
const WRONG_PASSWORD: &str = "Zj4%v@äm/p#6&+t";
/// So many different plates must have been read for a story to mean something.
const READS: usize = 2;
/// What the unit says of a camera that refuses its password.
const REFUSED: &str = "refuses the configured user or password";

fn camera(gate: &Gate) -> RtspCamera {
    gate.camera(Access { digest: Some((USER.to_owned(), PASSWORD.to_owned())), tls: None })
}

/// The camera at the gate as the unit is told of it, with its password in a file of its own.
fn camera_plan(id: &str, camera: &RtspCamera, folder: &TempDir, password: &str) -> CameraPlan {
    let file = folder.path().join(format!("{id}.credentials"));
    write_private(&file, &format!("{USER}:{password}\n"));
    let source = format!("kind = \"rtsp\"\nurl = \"{}\"\ncredentials = \"{}\"\n", camera.url(), file.display());
    CameraPlan { id: id.to_owned(), settings: gate::SETTINGS.to_owned(), source }
}

/// What the unit's own index says was read.
fn read_on_the_unit(world: &World) -> BTreeSet<String> {
    let path = world.data_dir().join("index.sqlite");
    let Ok(index) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
        return BTreeSet::new();
    };
    let Ok(mut rows) = index.prepare("SELECT DISTINCT plate FROM detection WHERE plate IS NOT NULL") else {
        return BTreeSet::new();
    };
    let plates = rows.query_map([], |row| row.get(0)).and_then(Iterator::collect);
    plates.unwrap_or_default()
}

#[test]
fn by_default_no_topic_carries_a_plate_but_a_hit() {
    let Some(gate) = gate::drawn() else { return };
    let (camera, folder) = (camera(&gate), tempfile::tempdir().expect("a folder"));
    let listed = &gate.plates[0];
    let plan = Plan {
        cameras: vec![camera_plan("gate", &camera, &folder, PASSWORD)],
        settings: format!("[hotlist]\ntest_plates = [\"{listed}\"]\n"),
        ..Plan::default()
    };
    let mut world = World::with("metro", plan);
    let listener = Listener::begin(&world);
    world.start_agent();
    world.wait_for_records("hit", 1);
    let read = world.wait("plates that are on no list are read on the unit", || {
        let mut read = read_on_the_unit(&world);
        read.remove(listed);
        (read.len() >= READS && read.iter().any(|plate| gate.plates.contains(plate))).then_some(read)
    });
    world.wait_for_health_after(jiff::Timestamp::now(), 3);
    let _said: Vec<String> = world.stop_agent();

    let heard = listener.heard();
    let in_hits = |topic: &str| topic.ends_with("/up/hit");
    let hits = heard.iter().filter(|(topic, _)| in_hits(topic));
    let listed_secret = Secret::plate(listed);
    assert!(hits.clone().any(|(_, payload)| listed_secret.is_in(payload)), "a text in a payload is found");
    let others: BTreeSet<_> = read.iter().chain(&gate.plates).filter(|plate| *plate != listed).collect();
    for (topic, payload) in &heard {
        for plate in &others {
            assert!(!Secret::plate(plate).is_in(payload), "{plate} was read on the unit and told on {topic}");
        }
        assert!(in_hits(topic) || !listed_secret.is_in(payload), "{listed} was told on {topic}");
    }
    let topics: BTreeSet<_> = heard.iter().map(|(topic, _)| topic.as_str()).collect();
    assert!(!topics.iter().any(|topic| topic.ends_with("/up/read")), "{topics:?}");
    assert!(topics.iter().any(|topic| topic.ends_with("/up/health")), "the listener hears the unit: {topics:?}");
}

#[test]
fn no_program_says_a_password_or_a_plate_but_in_the_events_themselves() {
    let Some(gate) = gate::drawn() else { return };
    let (camera, folder) = (camera(&gate), tempfile::tempdir().expect("a folder"));
    let metrics = port::free();
    let plan = Plan {
        cameras: vec![
            camera_plan("gate", &camera, &folder, PASSWORD),
            camera_plan("shut", &camera, &folder, WRONG_PASSWORD),
        ],
        settings: format!("[reads]\npublish = \"all\"\n[hotlist]\ntest_plates = [\"{}\"]\n", gate.plates[0]),
        metrics: Some(metrics),
        log: "trace",
        ..Plan::default()
    };
    let mut world = World::with("metro", plan);
    world.start_agent();
    world.wait_for_records("hit", 1);
    world.wait_for_records("read", READS);
    world.wait("the refused password is said", || {
        let health = world.events("health")?;
        health.iter().any(|event| event.to_string().contains(REFUSED)).then_some(())
    });
    let read = read_on_the_unit(&world);
    let clip = world.clip_of("gate", "clip.mp4", "audit", "26-0003");
    assert!(clip.succeeded, "rtcc clip:\n{}", clip.said);

    let mut outputs = vec![("rtcc clip".to_owned(), clip.said)];
    let scraped = ureq::get(format!("http://127.0.0.1:{metrics}/metrics")).call().expect("the unit's metrics");
    outputs.push(("the unit's metrics".to_owned(), scraped.into_body().read_to_string().expect("text")));
    for question in
        ["/metrics", "/api/units", "/api/cameras", "/api/ring", "/api/health", "/api/statistics", "/api/requests"]
    {
        let said = world.ask_for_text(question).unwrap_or_else(|| panic!("the center does not answer {question}"));
        outputs.push((question.to_owned(), said));
    }
    for lane in ["health", "alert", "audit", "answer", "object"] {
        let events = world.events(lane).unwrap_or_else(|| panic!("the center does not tell of lane {lane}"));
        outputs.push((format!("lane {lane}"), serde_json::Value::from(events).to_string()));
    }
    outputs.extend(judged_configurations(&world, &gate.plates[0]));
    outputs.push(("the broker's log".to_owned(), world.broker.lines().join("\n")));
    let events = [world.events("read"), world.events("hit")].map(|events| format!("{events:?}"));
    outputs.push(("the agent's log".to_owned(), world.stop_agent().join("\n")));
    outputs.push(("the center's log".to_owned(), world.stop_center().join("\n")));

    let plates: BTreeSet<_> = read.iter().chain(&gate.plates).collect();
    let known: Vec<_> = plates.iter().filter(|plate| events[0].contains(plate.as_str())).collect();
    assert!(known.len() >= READS, "the events tell of what was read: {known:?}");
    let mut secrets: Vec<_> = plates.iter().map(|plate| Secret::plate(plate)).collect();
    secrets.extend([Secret::password(USER, PASSWORD), Secret::password(USER, WRONG_PASSWORD)]);
    let found = told(&secrets, &outputs);
    assert!(found.is_empty(), "{} secrets are told:\n{}", found.len(), found.join("\n"));
    let lines = |name: &str| outputs.iter().find(|(of, _)| of == name).map_or(0, |(_, said)| said.lines().count());
    let counted = ["the agent's log", "the center's log"].map(lines);
    assert!(counted[0] > 10 && counted[1] > 1, "both logs were taken in: {counted:?} lines");
}

/// What the agent says of its configuration as it is, and of others that are wrong just where a secret stands.
fn judged_configurations(world: &World, plate: &str) -> Vec<(String, String)> {
    let good = std::fs::read_to_string(world.configuration()).expect("the configuration");
    let escaped = escaped(PASSWORD);
    let in_address = good.replace("rtsp://", &format!("rtsp://{USER}:{escaped}@"));
    let listed = format!("test_plates = [\"{plate}\"]");
    let variants = [
        ("as it is", good.clone()),
        ("with the password in the address", in_address.clone()),
        ("with an address that is not closed", in_address.replace("/stream\"", "/stream")),
        ("with a list that is not closed", good.replace(&listed, &listed.replace(']', ""))),
        ("with a list that is none", good.replace(&listed, &format!("test_plates = \"{plate}\""))),
        ("in the field", good.replace("profile = \"dev\"", "profile = \"field\"")),
    ];
    let judge = |(what, text): (&str, String)| {
        let file = world.file("judged.toml");
        std::fs::write(&file, text).expect("write a configuration");
        let checked = ended("check-config", Command::new(program("edge-agent")).arg("check-config").arg(&file));
        assert_eq!(checked.succeeded, what == "as it is", "{what}: {}", checked.said);
        let name = format!("check-config {what}");
        if checked.succeeded {
            return vec![(name, checked.said)];
        }
        let mut run = Command::new(program("edge-agent"));
        let run = ended("edge-agent run", run.arg("run").arg("--config").arg(&file).env("RUST_LOG", "trace"));
        assert!(!run.succeeded, "{what}: {}", run.said);
        vec![(name, checked.said), (format!("run {what}"), run.said)]
    };
    variants.into_iter().flat_map(judge).collect()
}

/// The judge finds what it looks for, in each form.
#[test]
fn a_secret_is_found_in_every_form() {
    let secrets = [Secret::password(USER, PASSWORD), Secret::plate("7ABC123")];
    for said in [
        format!("url=rtsp://{USER}:{PASSWORD}@host"),
        "GET rtsp://viewer:Qx7%25w%40%C3%B6l%2Fk%239%26%2Bu@host".to_owned(),
        "location: viewer:qx7%25w%40%c3%b6l%2fk%239%26%2bu@".to_owned(),
        format!("Authorization: Basic {}", gstreamer::glib::base64_encode(format!("{USER}:{PASSWORD}").as_bytes())),
        "read text=7ABC123 confidence=0.9".to_owned(),
    ] {
        assert_eq!(told(&secrets, &[("somewhere".to_owned(), said.clone())]).len(), 1, "{said}");
    }
    assert!(told(&secrets, &[("somewhere".to_owned(), "viewer at the gate, ABC".to_owned())]).is_empty());
}
