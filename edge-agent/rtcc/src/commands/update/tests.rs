//! Rollouts to units that say what the test has them say.

use edge_protocol::agent_release::AgentRelease;
use edge_protocol::command::{Artefact, Command, Role};
use edge_protocol::hash::Hash256;
use rtcc::database::requests::RequestStatus;
use tokio::sync::mpsc::error::TryRecvError;

use super::*;
use crate::commands::stage::maker::Maker;
use crate::commands::stage::{Unit, World};

const UNITS: [&str; 3] = ["gate-1", "gate-2", "gate-3"];

fn world() -> (World, [Unit; 3]) {
    world_of(Role::Supervisor)
}

fn world_of(role: Role) -> (World, [Unit; 3]) {
    let world = World::new("grace", role);
    let units = UNITS.map(|name| {
        let mut unit = world.unit(name);
        unit.is_born(1);
        unit
    });
    rtcc::files::replace(&world.path("b.raucb"), b"bundle", rtcc::files::Access::Owner).unwrap();
    (world, units)
}

impl World {
    fn words(&self, more: &[&str]) -> Vec<String> {
        let center = format!("http://{}", self.address);
        ["rtcc", "update"]
            .into_iter()
            .chain(more.iter().copied())
            .chain(["--center", &center])
            .map(str::to_owned)
            .collect()
    }

    fn signed(&self, more: &[&str]) -> Vec<String> {
        let files = ["pki/person-grace.key", "pki/person-grace.pem"].map(|name| self.path(name).display().to_string());
        self.words(&[more, &["--key", &files[0], "--cert", &files[1]]].concat())
    }

    /// Begins a rollout to all three units.
    fn roll_out(&self, more: &[&str]) -> std::thread::JoinHandle<anyhow::Result<()>> {
        let bundle = self.path("b.raucb").display().to_string();
        let what = ["--version", "1.5.0", "--url", "https://updates.example/b.raucb", "--bundle", &bundle];
        let whom = ["--units", "gate-1,gate-2,gate-3", "--case", "CHG-17"];
        Self::run(self.signed(&[&what[..], &whom, more].concat()))
    }

    fn is_quiet(&mut self) -> bool {
        matches!(self.commands.try_recv(), Err(TryRecvError::Empty))
    }
}

fn failure(run: std::thread::JoinHandle<anyhow::Result<()>>) -> String {
    format!("{:#}", run.join().unwrap().unwrap_err())
}

fn scope(command: &Command) -> UpdateScope {
    let Operation::Update(scope) = &command.operation else { panic!("{command:?}") };
    scope.clone()
}

#[test]
fn that_there_was_no_rollout_is_an_answer() {
    let (world, _units) = world();
    World::run(world.words(&["status"])).join().unwrap().unwrap();
    World::run(world.words(&["status", "--json"])).join().unwrap().unwrap();
    assert!(failure(World::run(world.words(&["stop"]))).contains("there was no rollout so far"));
}

#[test]
fn the_second_wave_is_asked_when_the_first_is_good() {
    let (mut world, [mut first, mut second, mut third]) = world();
    let run = world.roll_out(&["--waves", "1,100%", "--window", "02:00-04:00", "--utc-offset", "-08:00"]);
    let asked = first.hear(&mut world.commands);
    assert_eq!((asked.role, asked.case.as_str()), (Role::Supervisor, "CHG-17"));
    let scope = scope(&asked);
    assert_eq!((scope.hash, scope.bytes), (Hash256::of(b"bundle"), 6));
    assert_eq!(scope.quiet, Some(QuietHours { from_min: 120, to_min: 240, offset_min: -480 }));
    first.answer(&asked, RequestStatus::Accepted, None);
    assert!(world.is_quiet(), "nobody else while the first is under way");
    first.answer(&asked, RequestStatus::Complete, None);
    for unit in [&mut second, &mut third] {
        let asked = unit.hear(&mut world.commands);
        unit.answer(&asked, RequestStatus::Complete, None);
    }
    run.join().unwrap().unwrap();
    World::run(world.words(&["status"])).join().unwrap().unwrap();
}

/// What a file is, its first bytes say.
#[test]
fn a_set_of_models_is_rolled_out_like_a_bundle_and_names_itself() {
    let (mut world, [mut first, mut second, _]) = world_of(Role::PolicyAdmin);
    let models = world.path("models/plates");
    std::fs::create_dir_all(&models).unwrap();
    for name in ["manifest.json", "model.onnx"] {
        rtcc::files::replace(&models.join(name), b"{}", rtcc::files::Access::Owner).unwrap();
    }
    let (from, set) = (world.path("models").display().to_string(), world.path("models-7.set").display().to_string());
    let made = ["rtcc", "models", "--from", &from, "--revision", "7", "-o", &set];
    let files = ["pki/person-grace.key", "pki/person-grace.pem"].map(|name| world.path(name).display().to_string());
    let signed = ["--key", &files[0], "--cert", &files[1]];
    World::run([&made[..], &signed].concat().into_iter().map(str::to_owned).collect()).join().unwrap().unwrap();
    let what = ["--url", "https://updates.example/models-7.set", "--bundle", &set, "--case", "CHG-18"];
    let whom = ["--units", "gate-1,gate-2", "--waves", "1,1"];
    let wrong = World::run(world.signed(&[&what[..], &whom, &["--version", "8"]].concat()));
    assert!(failure(wrong).contains("is revision 7 of the models"));
    let run = World::run(world.signed(&[&what[..], &whom].concat()));
    let asked = first.hear(&mut world.commands);
    let scope = scope(&asked);
    assert_eq!((scope.artefact, scope.version.as_str()), (Some(Artefact::Models), "7"));
    assert_eq!((scope.hash, scope.label().as_str()), (Hash256::of(&std::fs::read(&set).unwrap()), "models 7"));
    assert!(world.is_quiet(), "nobody else while the first is under way");
    first.answer(&asked, RequestStatus::Complete, None);
    let asked = second.hear(&mut world.commands);
    second.answer(&asked, RequestStatus::Failed, None);
    assert!(failure(run).contains("STOPPED in wave 2 of 2"));
}

#[test]
fn a_release_of_the_agent_is_rolled_out_like_a_bundle_and_names_itself() {
    let (mut world, [mut first, ..]) = world();
    let maker = Maker::new();
    maker.release(&[]).unwrap();
    let release = maker.path("agent.release").display().to_string();
    let url = "https://updates.example/agent-1.4.1.release";
    let what = ["--url", url, "--bundle", &release, "--units", "gate-1", "--case", "CHG-19"];
    let wrong = World::run(world.signed(&[&what[..], &["--version", "1.4.2", "--patience", "1s"]].concat()));
    assert!(failure(wrong).contains("is version 1.4.1 of the agent, whatever --version says"));
    let run = World::run(world.signed(&[&what[..], &["--version", "1.4.1"]].concat()));
    let asked = first.hear(&mut world.commands);
    let scope = scope(&asked);
    assert_eq!((scope.artefact, scope.version.as_str()), (Some(Artefact::Agent), "1.4.1"));
    let whole = std::fs::read(&release).unwrap();
    assert_eq!((scope.hash, scope.bytes), (Hash256::of(&whole), whole.len() as u64));
    assert_eq!(scope.label(), "agent 1.4.1");
    first.answer(&asked, RequestStatus::Complete, None);
    run.join().unwrap().unwrap();
}

/// What is cut off, and what was changed after it was signed, would be refused by every unit.
#[test]
fn a_release_whose_head_is_not_whole_is_no_bundle_either() {
    let (mut world, _units) = world();
    let maker = Maker::new();
    maker.release(&[]).unwrap();
    let whole = std::fs::read(maker.path("agent.release")).unwrap();
    let length = AgentRelease::manifest_length(*whole.first_chunk().unwrap()).unwrap();
    let mut forged = whole.clone();
    forged[12 + length - 1] ^= 1;
    for (bytes, words) in [
        (&whole[..40], "it ends within its head"),
        (&forged, "the signature is not the certificate's"),
        (&b"edgeagt1\xff\xff\xff\xff"[..], "it does not begin as one"),
    ] {
        maker.write("damaged", bytes);
        let damaged = maker.path("damaged").display().to_string();
        let what = ["--version", "1.4.1", "--url", "https://updates.example/b", "--bundle", &damaged];
        let whom = ["--units", "gate-1", "--case", "CHG-19", "--patience", "1s"];
        let found = failure(World::run(world.signed(&[&what[..], &whom].concat())));
        assert!(found.contains(words), "{found}");
    }
    assert!(world.is_quiet());
}

#[test]
fn a_failure_in_the_first_wave_keeps_the_second_from_ever_beginning() {
    let (mut world, [mut first, ..]) = world();
    let run = world.roll_out(&["--waves", "1,100%", "--stop-after", "1"]);
    let asked = first.hear(&mut world.commands);
    first.answer(&asked, RequestStatus::Failed, None);
    let words = failure(run);
    assert!(words.contains("STOPPED in wave 1 of 2") && words.contains("gate-1 for one: the unit's words"), "{words}");
    assert!(failure(World::run(world.signed(&["resume"]))).contains("STOPPED in wave 1"), "and so it stays");
    assert!(world.is_quiet());
}

#[test]
fn an_interrupted_rollout_goes_on_where_it_was_and_asks_nobody_twice() {
    let (mut world, [mut first, mut second, mut third]) = world();
    let interrupted = world.roll_out(&["--waves", "1,1,1"]);
    let asked = first.hear(&mut world.commands);
    first.answer(&asked, RequestStatus::Complete, None);
    let asked = second.hear(&mut world.commands);
    second.answer(&asked, RequestStatus::Accepted, None);
    let again = world.roll_out(&[]);
    assert!(failure(again).contains("a rollout is running"));
    let resumed = World::run(world.signed(&["resume"]));
    second.answer(&asked, RequestStatus::Complete, None);
    let asked = third.hear(&mut world.commands);
    third.answer(&asked, RequestStatus::Complete, None);
    resumed.join().unwrap().unwrap();
    interrupted.join().unwrap().unwrap();
    assert!(world.is_quiet(), "each was asked once");
}

#[test]
fn a_stopped_rollout_asks_nobody_else() {
    let (mut world, [mut first, ..]) = world();
    let run = world.roll_out(&["--waves", "1,100%"]);
    let asked = first.hear(&mut world.commands);
    World::run(world.words(&["stop", "--why", "wrong file"])).join().unwrap().unwrap();
    let words = failure(run);
    assert!(words.contains("STOPPED") && words.contains("wrong file"), "{words}");
    first.answer(&asked, RequestStatus::Complete, None);
    assert!(world.is_quiet());
    assert!(failure(World::run(world.words(&["stop"]))).contains("is not running"));
}

#[test]
fn a_recalled_rollout_asks_nobody_else_and_tells_who_was_asked_not_to_begin() {
    let (mut world, [mut first, ..]) = world();
    let run = world.roll_out(&["--waves", "1,100%"]);
    let asked = first.hear(&mut world.commands);
    first.answer(&asked, RequestStatus::Accepted, None);
    let recall = World::run(world.signed(&["recall", "--why", "wrong file"]));
    let recalled = first.hear(&mut world.commands);
    assert_eq!(recalled.operation, Operation::Recall(asked.request));
    assert_ne!(recalled.request, asked.request);
    first.answer(&recalled, RequestStatus::Complete, None);
    recall.join().unwrap().unwrap();
    let words = failure(run);
    assert!(words.contains("STOPPED") && words.contains("wrong file"), "{words}");
    assert!(world.is_quiet());
    first.answer(&asked, RequestStatus::Failed, None);
    World::run(world.signed(&["recall"])).join().unwrap().unwrap();
    assert!(world.is_quiet(), "nobody has it under way");
}

#[test]
fn a_unit_that_has_begun_is_named() {
    let (mut world, [mut first, ..]) = world();
    let _run = world.roll_out(&["--waves", "1,100%"]);
    let asked = first.hear(&mut world.commands);
    first.answer(&asked, RequestStatus::Accepted, None);
    let recall = World::run(world.signed(&["recall"]));
    let recalled = first.hear(&mut world.commands);
    first.answer(&recalled, RequestStatus::Failed, None);
    assert!(failure(recall).contains("not called back from gate-1"));
}

#[test]
fn a_second_recall_goes_on_past_a_unit_that_has_answered_the_first() {
    let (mut world, [mut first, mut second, mut third]) = world();
    let _run = world.roll_out(&["--waves", "100%"]);
    let [of_first, of_second, of_third] = [&first, &second, &third].map(|unit| unit.hear(&mut world.commands));
    first.answer(&of_first, RequestStatus::Accepted, None);
    second.answer(&of_second, RequestStatus::Accepted, None);
    third.answer(&of_third, RequestStatus::Complete, None);
    second.dies();
    let recall = World::run(world.signed(&["recall", "--wait", "0s"]));
    let recalled = first.hear(&mut world.commands);
    let words = failure(recall);
    assert!(words.contains("gate-1, gate-2 said nothing so far"), "{words}");
    first.answer(&recalled, RequestStatus::Failed, None);
    second.is_born(2);
    let again = World::run(world.signed(&["recall"]));
    let [of_first, of_second] = [&first, &second].map(|unit| unit.hear(&mut world.commands));
    first.answer(&of_first, RequestStatus::Failed, None);
    second.answer(&of_second, RequestStatus::Complete, None);
    assert!(failure(again).contains("not called back from gate-1"));
    assert!(world.is_quiet(), "it is in use at gate-3");
}

#[test]
fn a_unit_that_was_silent_for_longer_than_the_rollout_waits_is_called_back_too() {
    let (mut world, [mut first, ..]) = world();
    let run = world.roll_out(&["--waves", "1,100%", "--patience", "1s"]);
    let asked = first.hear(&mut world.commands);
    first.answer(&asked, RequestStatus::Accepted, None);
    let words = failure(run);
    assert!(words.contains("it has not said what became of it"), "{words}");
    let recall = World::run(world.signed(&["recall"]));
    let recalled = first.hear(&mut world.commands);
    assert_eq!(recalled.operation, Operation::Recall(asked.request));
    first.answer(&recalled, RequestStatus::Complete, None);
    recall.join().unwrap().unwrap();
}

#[test]
fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    let (mut world, _units) = world();
    for (wrong, words) in [
        (["--units", "gate-9"], "no unit called gate-9 was ever heard"),
        (["--url", "http://updates.example/b"], "--url is no address"),
        (["--bundle", "/nowhere"], "/nowhere"),
    ] {
        let bundle = world.path("b.raucb").display().to_string();
        let mut given = BTreeMap::from([("--units", "gate-1"), ("--url", "https://updates.example/b")]);
        given.insert("--bundle", &bundle);
        given.insert(wrong[0], wrong[1]);
        let mut all = vec!["--version", "1.5.0", "--case", "CHG-17"];
        all.extend(given.iter().flat_map(|(key, value)| [*key, *value]));
        let found = failure(World::run(world.signed(&all)));
        assert!(found.contains(words), "{found}");
    }
    assert!(world.is_quiet());
    let investigator = World::new("grace", Role::Investigator);
    rtcc::files::replace(&investigator.path("b.raucb"), b"bundle", rtcc::files::Access::Owner).unwrap();
    assert!(failure(investigator.roll_out(&[])).contains("signed by a supervisor or policy-admin"));
}

#[test]
fn hours_are_two_different_times_of_a_day() {
    assert_eq!(hours("02:00-04:30"), Ok((120, 270)));
    assert_eq!(hours("23:00-01:00"), Ok((1380, 60)));
    for wrong in ["", "2-4", "02:00", "24:00-01:00", "02:60-03:00", "02:00-02:00", "night"] {
        assert!(hours(wrong).is_err(), "{wrong}");
    }
    assert_eq!(["+05:30", "-08:00", "00:00"].map(offset), [Ok(330), Ok(-480), Ok(0)]);
    assert!(offset("PST").is_err());
}

#[test]
fn the_center_may_be_named_before_the_word_and_behind_it() {
    use clap::Parser as _;

    let parsed = |words: &[&str]| crate::commands::Arguments::try_parse_from([&["rtcc", "update"], words].concat());
    let center = ["--center", "http://127.0.0.1:1"];
    for word in ["status", "stop"] {
        assert!(parsed(&[&center[..], &[word]].concat()).is_ok(), "before {word}");
        assert!(parsed(&[&[word], &center[..]].concat()).is_ok(), "behind {word}");
    }
    assert!(parsed(&["--url", "https://host/b"]).is_err(), "half a rollout");
    assert!(parsed(&["--url", "https://host/b", "status"]).is_err(), "half a rollout with a word");
}
