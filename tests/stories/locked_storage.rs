//! The data partition stays locked: the unit sees and tells all the same, records nothing, and says so to everybody who
//! asks. The real programs; what the image's mount leaves there (`systemd/mount.edge-data`) is made for real as well,
//! where this may mount.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files, starts programs and says aloud what it skips"
)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edge_agent::app::doctor::{Around, Machine, Verdict, examine};
use edge_agent::peripherals::simulated::Bench;
use edge_agent::supervise::Clock;
use edge_agent::update::Evidence;
use edge_tests::gate;
use edge_tests::process::program;
use edge_tests::rtsp::Access;
use edge_tests::world::{CAMERA, CameraPlan, Ended, Plan, World};
use serde_json::Value;

const WHY: &str = "the data partition was not unlocked";
const VIDEO: Duration = Duration::from_secs(3);

/// Marks a folder as memory that stands in for locked storage.
fn lock(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("storage.locked"), format!("{WHY}\n")).expect("a stamp");
}

fn storage(event: &Value) -> &Value {
    &event["record"]["storage"]
}

/// What can be had of the unit's storage while there is none.
fn asks_in_vain(world: &World) {
    let to = jiff::Timestamp::now();
    let clip: Ended = world.clip_between("locked.mp4", to - Duration::from_secs(10), to);
    assert!(!clip.succeeded && clip.said.contains("storage: locked"), "rtcc clip:\n{}", clip.said);
    assert!(clip.said.contains("no video is recorded on this unit"), "rtcc clip:\n{}", clip.said);
    let kept = |name: &str| world.data_dir().join(name).exists();
    assert!(!kept("ring") && !kept("index.sqlite"), "something is recorded into the memory");
}

/// Whether an update takes the agent for one that works, by the first evidence that is as wanted.
fn is_ready(world: &World, runtime: &Path, wanted: impl Fn(&Evidence) -> bool) -> bool {
    let read = || serde_json::from_slice::<Evidence>(&std::fs::read(runtime.join("evidence")).ok()?).ok();
    world.wait("evidence for an update", || read().filter(&wanted)).ready
}

fn doctor_is_red(world: &World) {
    let around = Around {
        now: Clock::system().wall(),
        program: program("edge-agent"),
        bench: Bench::default(),
        machine: Machine::default(),
        running: None,
    };
    let report = examine(&world.configuration(), &around);
    let row = report.findings.iter().find(|finding| finding.check == "storage").expect("a row of the storage");
    assert_eq!(row.verdict, Verdict::Failed, "{row:?}");
    assert!(row.measured.contains(WHY), "{row:?}");
    assert!(row.advice.as_deref().is_some_and(|advice| advice.contains("systemd-cryptsetup@")), "{row:?}");
    assert!(!report.findings.iter().any(|finding| finding.check == "ring"), "there is no ring to look at: {report}");
}

#[test]
fn a_unit_whose_storage_stays_locked_tells_live_and_records_nothing_until_it_is_unlocked() {
    let Some(gate) = gate::drawn() else { return };
    let camera = gate.camera(Access::default());
    let at_gate = CameraPlan { settings: gate::SETTINGS.to_owned(), ..CameraPlan::rtsp(CAMERA, &camera.url()) };
    let settings = "[reads]\npublish = \"all\"\n".to_owned();
    let runtime = tempfile::tempdir().expect("a folder");
    let started_by = vec!["env".to_owned(), format!("RUNTIME_DIRECTORY={}", runtime.path().display())];
    let mut world = World::with("metro", Plan { cameras: vec![at_gate], settings, started_by, ..Plan::default() });
    lock(&world.data_dir());
    world.start_agent();

    let told = world.wait_for_event("health", "health says so", |event| storage(event)["locked"] == WHY);
    let problems = told["record"]["problems"].to_string();
    assert_eq!(problems.matches("storage: locked").count(), 1, "in words, once: {problems}");
    assert!(!problems.contains("its ring cannot be opened"), "one cause, one sentence: {problems}");
    assert!(told["record"]["cameras"][0]["ring"].is_null(), "{told}");
    world.wait_for_event("alert", "an alert says so", |event| event.to_string().contains("storage: locked"));
    world.wait_for_event("audit", "so does the audit log", |event| event.to_string().contains("storage: locked"));
    let read = world.wait_for_event("read", "a plate is read live", |event| event["record"]["revision"] == "final");
    assert!(gate.plates.iter().any(|plate| read["record"]["text"] == **plate), "{read}");
    asks_in_vain(&world);
    doctor_is_red(&world);
    // Else the bootloader would stay with an image that cannot unlock its storage.
    assert!(!is_ready(&world, runtime.path(), |seen| seen.inferred), "an update would mark this image good");
    world.stop_agent();

    // The next start finds its partition; the memory is gone.
    std::fs::remove_dir_all(world.data_dir()).expect("remove the memory");
    world.start_agent();
    world.wait_for_video(VIDEO);
    let (last, _) = world.ring(CAMERA).expect("a ring");
    let open = world.wait_for_event("health", "health is well", |event| storage(event)["locked"].is_null());
    assert!(!open["record"]["problems"].to_string().contains("storage: locked"), "{open}");
    assert!(last < jiff::Timestamp::now());
    assert!(is_ready(&world, runtime.path(), |seen| seen.ready), "an update sees a whole unit");
    let units = world.wait("the center tells of units", || world.ask("/api/units"));
    assert_eq!(units[0]["epochs"], 2, "what the memory held is an epoch of its own: {units}");
}

/// An enrolled unit's name and key lie in the storage too: nobody enrols it anew into memory.
#[test]
fn a_unit_whose_identity_is_locked_away_says_so_and_is_not_enrolled_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    lock(&state);
    let file = folder.path().join("edge-agent.toml");
    let text = format!(
        "data_dir = \"{0}\"\nenrolment = \"{0}/identity\"\n[models]\ndir = \"{0}\"\n\
         [[camera]]\nid = \"yard\"\n[camera.source]\nkind = \"test\"\n",
        state.display()
    );
    std::fs::write(&file, text).expect("a configuration");
    let said = |arguments: &[&str]| {
        let mut agent = Command::new(program("edge-agent"));
        let output = agent.args(arguments).arg("--config").arg(&file).output().expect("run edge-agent");
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let enrol = said(&["enroll", "--claim", "nowhere", "--code", "AAAA-AAAA-AAAA"]);
    assert!(enrol.contains("storage: locked") && enrol.contains("would not outlive this start"), "{enrol}");
    let run = said(&["run"]);
    assert!(run.contains("storage: locked") && run.contains("so is the unit's identity"), "{run}");
    assert!(!state.join("identity").exists(), "nothing is written there");
}

/// Says why this cannot mount, where it cannot.
fn may_mount() -> bool {
    let tried = Command::new("unshare").args(["--mount", "sh", "-c", "losetup -f"]).output();
    let may = tried.is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("SKIPPED: this may not mount, or has no loop devices: root's rights are needed");
    }
    may
}

#[test]
fn what_mounts_the_data_gives_the_partition_or_memory_that_says_why() {
    if !may_mount() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let helper = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/mount.edge-data");
    let looks = "mounted() { awk '$2 == place { print $3, $4 }' place=\"$PWD/mnt\" /proc/mounts; }";
    let script = format!(
        "set -e; {looks}; mkdir mnt; truncate -s 16M data.img; mkfs.ext4 -q -F data.img\n\
         device=$(losetup -f --show data.img); trap 'losetup -d $device' EXIT\n\
         try() {{ $HELPER $1 mnt -o noatime,nodev,nosuid,noexec; mounted; cat mnt/storage.locked || :; umount mnt; }}\n\
         try $device; try no-such-mapping; dd if=/dev/zero of=$device bs=1M count=4 status=none; try $device\n"
    );
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-c", &script]).current_dir(folder.path()).env("HELPER", helper);
    let output = shell.output().expect("run unshare");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    let [partition, memory, why, spoilt, spoilt_why] = lines.as_slice() else { panic!("{said}") };
    assert!(partition.starts_with("ext4 ") && partition.contains("noexec"), "{said}");
    for memory in [memory, spoilt] {
        assert!(memory.starts_with("tmpfs ") && memory.contains("size=65536k"), "bounded: {said}");
        assert!(["noexec", "nosuid", "nodev"].iter().all(|option| memory.contains(option)), "{said}");
    }
    assert_eq!((*why, *spoilt_why), (WHY, "the data partition is unlocked and cannot be mounted"));
}
