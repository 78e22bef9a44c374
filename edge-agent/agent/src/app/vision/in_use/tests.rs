use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use edge_protocol::record::{AlertKind, AuditKind, Record};
use edge_protocol::sign::Root;

use super::*;
use crate::app::update::outside::{certified, left};
use crate::update::artefact::Standing;
use crate::update::models::world::{World, passes};

/// A unit with the product's models in its image and a data folder for sets.
struct Pole {
    world: World,
    config: Config,
    root: Root,
    begun: Arc<Mutex<Vec<Option<u64>>>>,
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// The product's models as a set.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["road-objects", "plates", "plate-text"]
        .into_iter()
        .flat_map(|name| [name.to_owned(), format!("{name}/golden")])
    {
        for entry in std::fs::read_dir(models().join(&folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_str().unwrap();
                files.push((format!("{folder}/{name}"), std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

impl Pole {
    fn new() -> Pole {
        let world = World::new();
        let (mut config, root) = certified(world.data.path());
        config.data_dir = world.data.path().to_owned();
        config.models.dir = models();
        let library = world.data.path().join("library.so");
        edge_store::disk::replace(&RealDisk, &library, b"never loaded here").unwrap();
        config.models.library = Some(library);
        let pole = Pole { world, config, root, begun: Arc::default() };
        pole.install();
        pole.sets().told(1).unwrap();
        pole
    }

    fn install(&self) {
        let set = self.world.set_of(7, &files(), |_| {});
        assert!(self.world.install(&set, &mut passes).unwrap());
    }

    fn sets(&self) -> ModelSets<'static> {
        self.world.sets()
    }

    fn chooser(&self) -> Prepare {
        let heard = Arc::clone(&self.begun);
        let begun = move |set| heard.lock().unwrap_or_else(PoisonError::into_inner).push(set);
        Chooser::new(&self.config, Clock::system(), Numbers::forgotten(), begun).prepare()
    }

    /// The set that a worker is started with, which stays the one it is to have.
    fn starts(&self, prepare: &mut Prepare, former: Former) -> Option<u64> {
        let start = prepare(former).unwrap();
        assert_eq!(start.models.len(), 3);
        assert!(!(start.is_outdated)(), "it would make way at once");
        self.begun.lock().unwrap().last().copied().unwrap()
    }

    fn rot(&self, file: &str) {
        let path = self.world.data.path().join("models/sets/7").join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[9] ^= 1;
        edge_store::disk::replace(&RealDisk, &path, &bytes).unwrap();
    }

    /// Says what was told since the last time: the alert's versions and the sealed entry's words.
    fn told(&self) -> Vec<(String, String)> {
        assert!(self.sets().standing().unwrap().untold.is_empty());
        let told = left(self.world.data.path());
        std::fs::remove_dir_all(self.world.data.path().join("update/tell")).unwrap();
        let pairs = told.chunks(2).map(|pair| {
            let [Record::Alert(alert), Record::Audit(entry)] = pair else { panic!("{told:?}") };
            let (kind, versions) = if let AlertKind::Update(versions) = &alert.kind {
                ("update", versions)
            } else if let AlertKind::Rollback(versions) = &alert.kind {
                ("rollback", versions)
            } else {
                panic!("{alert:?}")
            };
            assert_eq!(entry.kind, AuditKind::Outcome);
            assert!(entry.check_seal(&self.config.agency, &self.config.unit, &self.root).unwrap().is_ok());
            (format!("{kind} {} > {}", versions.from.as_str(), versions.to.as_str()), entry.text.to_string())
        });
        pairs.collect()
    }
}

#[test]
fn a_set_in_use_that_rots_gives_way_to_the_images_models_with_a_sealed_word() {
    for file in ["plates/plates.onnx", "road-objects/golden/input.f32", "plate-text/manifest.json", "set.cose"] {
        let pole = Pole::new();
        let mut prepare = pole.chooser();
        assert_eq!(pole.starts(&mut prepare, Former::WasNot), Some(7));
        pole.rot(file);
        assert_eq!(pole.starts(&mut prepare, Former::WasReady), None, "{file}");
        let told = pole.told();
        let [(versions, words)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(versions, "rollback models 7 > the image's models");
        assert!(words.contains(&format!("models 7 were given up: {file} is not what was signed")), "{words}");
        assert_eq!(pole.sets().standing().unwrap().floor, Some(7));
        // Another life of the agent does not say it again, and the same set may come anew.
        assert_eq!(pole.starts(&mut pole.chooser(), Former::WasNot), None);
        assert!(!pole.world.data.path().join("update/tell").exists());
        pole.install();
        assert_eq!(pole.starts(&mut prepare, Former::WasReady), Some(7));
    }
}

#[test]
fn a_set_that_needs_a_newer_agent_waits_for_it() {
    let pole = Pole::new();
    let newer = |set: &mut edge_protocol::model_set::ModelSet| {
        set.least_software = edge_protocol::record::Word::cut("99.0.0");
    };
    let (set, newest) = (pole.world.set_of(8, &files(), newer), "99.0.0".parse().unwrap());
    pole.world.judged_by(&newest, &set).unwrap();
    pole.sets().told(1).unwrap();
    let mut prepare = pole.chooser();
    assert_eq!(pole.starts(&mut prepare, Former::WasNot), None);
    let told = pole.told();
    assert!(told[0].1.contains("it needs version 99.0.0 of the agent"), "{told:?}");
    let standing = pole.sets().standing().unwrap();
    assert_eq!(pole.sets().to_try(&standing, &newest).map(|set| set.revision), Some(8), "it is tried by that one");
}

#[test]
fn a_set_that_another_agent_could_not_use_is_taken_up_again_with_a_sealed_word() {
    let pole = Pole::new();
    pole.sets().pass_over(&7, &"0.0.1".parse().unwrap(), "it was too old for it".to_owned()).unwrap();
    pole.sets().told(1).unwrap();
    assert_eq!(pole.starts(&mut pole.chooser(), Former::WasNot), Some(7));
    let told = pole.told();
    assert_eq!(told[0].0, "update the image's models > models 7");
    assert_eq!(pole.sets().in_use().map(|set| set.revision), Some(7));
}

#[test]
fn a_proved_set_with_which_no_worker_gets_ready_any_more_gives_way() {
    let pole = Pole::new();
    let mut prepare = pole.chooser();
    for _ in 0..MOST_UNREADY {
        assert_eq!(pole.starts(&mut prepare, Former::WasNot), Some(7));
    }
    // One that was ready in between begins the count anew.
    assert_eq!(pole.starts(&mut prepare, Former::WasReady), Some(7));
    for _ in 1..MOST_UNREADY {
        assert_eq!(pole.starts(&mut prepare, Former::WasNot), Some(7));
    }
    assert_eq!(pole.starts(&mut prepare, Former::WasNot), None);
    let told = pole.told();
    assert!(told[0].1.contains("6 vision workers in a row"), "{told:?}");
}

#[test]
fn what_is_no_fault_of_the_set_is_not_laid_to_it() {
    let mut pole = Pole::new();
    pole.config.models.library = Some(pole.world.data.path().join("gone.so"));
    assert!(pole.chooser()(Former::WasNot).is_err());
    assert_eq!(pole.sets().in_use().map(|set| set.revision), Some(7));
}

#[test]
fn a_state_of_the_sets_that_is_lost_is_told_and_the_image_looks() {
    let pole = Pole::new();
    std::fs::remove_file(pole.world.data.path().join("models/standing")).unwrap();
    assert_eq!(pole.starts(&mut pole.chooser(), Former::WasNot), None);
    let told = pole.told();
    assert!(told[0].1.contains("what was known of them was damaged or lost"), "{told:?}");
    let Standing { floor, current, .. } = pole.sets().standing().unwrap();
    assert_eq!((floor, current), (Some(7), None));
}
