//! A set of models is put to use with the power failing at every step: what is in use is the former set or the new one,
//! whole, and in the end the state says which and somebody was told.

use std::path::Path;

use edge_protocol::time::MonoTime;
use edge_store::disk::Disk;
use edge_store::disk::faulty::{FaultyDisk, Plan};

use super::super::artefact::Told;
use super::super::evidence::tests::healthy;
use super::super::{Before, Patience, Watch, Worker, keep};
use super::world::{World, passes};
use super::*;

const DATA: &str = "/data";
/// Lives after which a sequence must have come to rest.
const MOST_LIVES: u64 = 20;

/// What the new set is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// It works.
    Works,
    /// It passes its self-test, and no worker comes up with it.
    Dead,
    /// It fails its self-test.
    Wrong,
}

fn file(disk: &dyn Disk, path: &Path) -> Option<Vec<u8>> {
    keep::whole(disk, path).ok()
}

/// The model in use, which must be a whole one.
fn in_use(disk: &FaultyDisk) -> Result<String, String> {
    let sets = ModelSets::new(disk, Path::new(DATA));
    if let Some(damaged) = file(disk, Path::new("/data/models/standing.damaged")) {
        return Err(format!("the state was damaged: {}", String::from_utf8_lossy(&damaged)));
    }
    let Some(set) = sets.in_use() else { return Err("the image's own models are in use".to_owned()) };
    let read =
        |name: &str| file(disk, &set.folder.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (model, golden) = (read("plates/model.onnx"), read("plates/golden/input.f32"));
    match (set.revision, model.as_deref(), golden.as_deref()) {
        (7, Some("seven"), Some("golden")) | (8, Some("eight"), Some("golden")) => Ok(model.unwrap_or_default()),
        found => Err(format!("what is in use is not whole: {found:?}")),
    }
}

/// One life of whoever carries the order out; true when it came to rest.
fn live(world: &World, disk: &FaultyDisk, worth: Worth, told: &mut Vec<Told<u64>>) -> bool {
    let sets = ModelSets::new(disk, Path::new(DATA));
    let seen = || {
        let worker = Worker { set: Some(8), life: 1, cameras: healthy().cameras };
        Evidence { worker: (worth == Worth::Works).then_some(worker), ..healthy() }
    };
    let (mut watch, boot) = (Watch::default(), disk.operations().to_string());
    for minute in 0..60 {
        let Ok(standing) = sets.standing() else { return false };
        if let Some(first) = standing.untold.first() {
            if disk.crashed() {
                return false;
            }
            told.push(first.clone());
            if sets.told(1).is_err() {
                return false;
            }
            continue;
        }
        if standing.trial.is_some() {
            let now = MonoTime::from_duration(std::time::Duration::from_mins(minute));
            if sets.look(&mut watch, Some(&seen()), Patience::default(), (now, &boot)).is_err() {
                return false;
            }
            continue;
        }
        let ended = |told: &Told<u64>| matches!(told, Told::Taken(_) | Told::GoneBack(..));
        if told.iter().any(ended) {
            return true;
        }
        let mut test = |_: &Path| if worth == Worth::Wrong { Err("golden outputs differ".to_owned()) } else { Ok(()) };
        let before = Some(Before::from(&healthy()));
        match world.install_on(&sets, &world.set(8, "eight", |_| {}), before, &mut test) {
            Ok(_) => {}
            Err(ArtefactFault::SelfTest(_)) if !disk.crashed() => return true,
            Err(_) => return false,
        }
    }
    false
}

/// How a sequence ended.
struct Ended {
    /// What is in use.
    model: String,
    /// How many operations of the disk the longest life took.
    operations: u64,
    /// How often the power failed.
    cuts: u64,
}

/// From the set 7 on to an end, with the power failing before so many operations of each of the first lives.
fn run(world: &World, worth: Worth, planned: &[u64]) -> Result<Ended, String> {
    let mut disk = FaultyDisk::new(Plan::none());
    let sets = ModelSets::new(&disk, Path::new(DATA));
    world.install_on(&sets, &world.set(7, "seven", |_| {}), None, &mut passes).map_err(|fault| fault.to_string())?;
    sets.told(1).map_err(|fault| fault.to_string())?;
    let (mut told, mut most, mut cuts) = (Vec::new(), 0, 0);
    for life in 0..MOST_LIVES {
        let before = disk.operations();
        let cut = usize::try_from(life).ok().and_then(|life| planned.get(life));
        disk.plan(Plan { crash_at: cut.map(|cut| before + cut), ..Plan::none() });
        let rests = live(world, &disk, worth, &mut told);
        most = most.max(disk.operations() - before);
        cuts += u64::from(disk.crashed());
        if rests {
            return in_use(&disk).map(|model| Ended { model, operations: most, cuts });
        }
        disk = disk.after_power_cut(planned.iter().sum::<u64>() + life);
        in_use(&disk)?;
    }
    Err(format!("no rest after {MOST_LIVES} lives; told {told:?}"))
}

#[test]
fn a_cut_at_every_step_leaves_the_former_set_or_the_new_one_whole() {
    let world = World::new();
    let mut cuts = 0;
    for (worth, ends) in [(Worth::Works, "eight"), (Worth::Dead, "seven"), (Worth::Wrong, "seven")] {
        let quiet = run(&world, worth, &[]).unwrap();
        assert_eq!((quiet.model.as_str(), quiet.cuts), (ends, 0), "{worth:?} without a cut");
        let steps = 1..=quiet.operations;
        let again = |first: u64| [vec![first], vec![first, first], vec![first, quiet.operations + 1 - first]];
        for planned in steps.flat_map(again) {
            let ended = run(&world, worth, &planned).unwrap_or_else(|why| panic!("{worth:?}, cuts {planned:?}: {why}"));
            assert_eq!(ended.model, ends, "{worth:?}, cuts {planned:?}");
            assert!(ended.cuts > 0, "{worth:?}, cuts {planned:?}");
            cuts += ended.cuts;
        }
    }
    println!("{cuts} cuts, one at every step of each life");
    assert!(cuts >= 200, "{cuts}");
}
