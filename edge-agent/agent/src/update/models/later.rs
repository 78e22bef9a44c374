//! What becomes of a set that had proved itself, and of what is known of it.

use std::path::Path;

use edge_protocol::record::Word;
use edge_protocol::time::WallStamp;
use edge_store::disk::{Disk as _, RealDisk};

use super::super::Before;
use super::super::artefact::{Standing, Swap, Told};
use super::world::{World, passes};
use super::*;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn gone_back(to: u64, standing: &Standing<u64>) -> String {
    match standing.untold.last() {
        Some(Told::GoneBack(swap, why)) if *swap == (Swap { from: None, to }) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_set_is_judged_by_each_of_its_files_and_by_the_version_of_the_agent() {
    for (file, words) in [
        ("plates/model.onnx", "plates/model.onnx is not what was signed"),
        ("plates/golden/input.f32", "plates/golden/input.f32 is not what was signed"),
        ("set.cose", "set.cose is not what was signed"),
    ] {
        let world = World::new();
        world.install(&world.set(7, "seven", |_| {}), &mut passes).unwrap();
        let (sets, ours) = (world.sets(), version("0.1.0"));
        let set = sets.in_use().unwrap();
        sets.fits(&set, &ours).unwrap();
        let older = sets.fits(&set, &version("0.0.9")).unwrap_err().to_string();
        assert!(older.contains("it needs version 0.1.0 of the agent, and this is 0.0.9"), "{older}");
        let path = set.folder.join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[2] ^= 1;
        edge_store::disk::replace(&RealDisk, &path, &bytes).unwrap();
        let refused = sets.fits(&set, &ours).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
        bytes.pop();
        edge_store::disk::replace(&RealDisk, &path, &bytes).unwrap();
        assert!(sets.fits(&set, &ours).is_err(), "{file}: shorter");
        std::fs::remove_file(&path).unwrap();
        assert!(sets.fits(&set, &ours).is_err(), "{file}: gone");
    }
}

#[test]
fn a_set_that_is_passed_over_keeps_the_floor_and_is_for_another_agent_to_try() {
    let world = World::new();
    let sets = world.sets();
    world.install(&world.set(6, "six", |_| {}), &mut passes).unwrap();
    world.install(&world.set(7, "seven", |_| {}), &mut passes).unwrap();
    sets.pass_over(&6, &version("0.1.0"), "it is not the one in use".to_owned()).unwrap();
    assert_eq!(world.revision(), Some(7));
    sets.pass_over(&7, &version("0.1.0"), "a file has rotted".to_owned()).unwrap();
    let standing = sets.standing().unwrap();
    assert_eq!((sets.in_use(), standing.floor, standing.current), (None, Some(7), Some(7)));
    assert_eq!(gone_back(7, &standing), "a file has rotted");
    assert_eq!(sets.to_try(&standing, &version("0.1.0")), None);
    let tried = sets.to_try(&standing, &version("0.2.0")).unwrap();
    assert_eq!(tried.revision, 7);
    let older = world.install(&world.set(6, "six", |_| {}), &mut passes).unwrap_err().to_string();
    assert!(older.contains("revision 6 is below 7"), "{older}");
    sets.take_up(&7).unwrap();
    let standing = sets.standing().unwrap();
    assert_eq!((world.revision(), standing.passed_over.as_ref()), (Some(7), None));
    assert_eq!(standing.untold.last(), Some(&Told::Taken(Swap { from: None, to: 7 })));
}

#[test]
fn a_set_that_is_passed_over_may_come_anew_and_gives_way_to_the_next() {
    for (next, text) in [(7, "seven anew"), (8, "eight")] {
        let world = World::new();
        let sets = world.sets();
        world.install(&world.set(7, "seven", |_| {}), &mut passes).unwrap();
        sets.pass_over(&7, &version("0.1.0"), "a file has rotted".to_owned()).unwrap();
        assert!(world.install(&world.set(next, text, |_| {}), &mut passes).unwrap());
        let standing = sets.standing().unwrap();
        assert_eq!((world.current().as_deref(), world.revision()), (Some(text), Some(next)));
        assert_eq!(standing.untold.last(), Some(&Told::Taken(Swap { from: None, to: next })));
    }
}

#[test]
fn a_set_on_trial_is_never_passed_over() {
    let world = World::new();
    let sets = world.sets();
    world.install_on(&sets, &world.set(7, "seven", |_| {}), Some(Before::default()), &mut passes).unwrap();
    let before = sets.standing().unwrap();
    sets.pass_over(&7, &version("0.1.0"), "it is for the trial to say".to_owned()).unwrap();
    assert_eq!(sets.standing().unwrap(), before);
}

#[test]
fn where_what_is_known_of_the_sets_is_damaged_or_gone_they_themselves_say_what_is_not_gone_below() {
    for damage in [Some(b"rotten".as_slice()), None] {
        let world = World::new();
        let sets = world.sets();
        for revision in [5, 7] {
            world.install(&world.set(revision, "a set", |_| {}), &mut passes).unwrap();
        }
        let path = world.data.path().join("models/standing");
        std::fs::remove_file(&path).unwrap();
        if let Some(bytes) = damage {
            edge_store::disk::replace(&RealDisk, &path, bytes).unwrap();
        }
        // Whoever looks first and whoever looks later see the same.
        for _ in 0..2 {
            let standing = sets.standing().unwrap();
            assert_eq!((standing.floor, standing.current), (Some(7), None));
            assert!(gone_back(7, &standing).contains("damaged or lost"));
        }
        assert_eq!(sets.in_use(), None);
        let older = world.install(&world.set(6, "six", |_| {}), &mut passes).unwrap_err().to_string();
        assert!(older.contains("revision 6 is below 7"), "{older}");
        world.install(&world.set(8, "eight", |_| {}), &mut passes).unwrap();
        assert_eq!(world.revision(), Some(8));
        let left = RealDisk.folders(&world.data.path().join("models/sets")).unwrap();
        assert_eq!(left, ["8"], "what nobody needs is removed");
    }
}

#[test]
fn a_clock_in_1970_makes_no_expired_set_good_and_no_good_one_expired() {
    let of = |built: &'static str| move |set: &mut ModelSet| set.built = built.parse().unwrap();
    let judged = |world: &World, set: &[u8], latest: &str| {
        let (latest, now) = (latest.parse().unwrap(), WallStamp::default());
        world.judged(set, |terms| (terms.latest, terms.now) = (latest, now)).map_err(|fault| fault.to_string())
    };
    let world = World::new();
    let old = world.set(6, "six", of("2026-03-01T00:00:00Z"));
    let refused = judged(&world, &old, "2026-11-25T00:00:00Z").unwrap_err();
    assert!(refused.contains("more than half a year ago"), "{refused}");
    // Its signer's certificate ended before that.
    let late = world.set(6, "six", of("2026-12-01T00:00:00Z"));
    let refused = judged(&world, &late, "2027-02-01T00:00:00Z").unwrap_err();
    assert!(refused.contains("not signed by a policy administrator"), "{refused}");
    judged(&world, &old, "2026-06-01T00:00:00Z").unwrap();
    judged(&World::new(), &world.set(6, "six", |_| {}), "1970-01-01T00:00:00Z").unwrap_err();
    judged(&world, &world.set(7, "seven", |_| {}), "1970-01-01T00:00:00Z").unwrap();
}

#[test]
fn a_set_leaves_a_fiftieth_of_the_disk_to_the_others() {
    let disk = edge_store::disk::faulty::FaultyDisk::new(edge_store::disk::faulty::Plan {
        stated: Some(100_000),
        ..edge_store::disk::faulty::Plan::none()
    });
    let world = World::new();
    let sets = ModelSets::new(&disk, Path::new("/data"));
    let of = |bytes: usize| {
        let files = [("plates/model.onnx".to_owned(), vec![7; bytes])];
        world.set_of(7, &files, |set| set.least_software = Word::cut("0.1.0"))
    };
    let mut never = |_: &Path| panic!("tested");
    let refused = world.install_on(&sets, &of(98_500), None, &mut never).unwrap_err();
    assert!(matches!(refused, ArtefactFault::DiskFull { .. }), "{refused}");
    world.install_on(&sets, &of(90_000), None, &mut passes).unwrap();
}
