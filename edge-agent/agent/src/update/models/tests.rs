use std::path::Path;
use std::time::Duration;

use edge_protocol::record::Word;
use edge_protocol::time::MonoTime;

use super::super::artefact::{Standing, Swap, Told};
use super::super::evidence::tests::healthy;
use super::super::{Before, Patience, Watch, Worker};
use super::world::{World, passes};
use super::*;

#[test]
fn a_set_becomes_the_current_one_only_after_its_self_test() {
    let world = World::new();
    assert_eq!(world.current(), None);
    assert!(world.install(&world.set(1, "one", |_| {}), &mut passes).unwrap());
    assert_eq!(world.current().as_deref(), Some("one"));
    let mut seen = None;
    let mut fails = |folder: &Path| {
        seen = std::fs::read_to_string(folder.join("plates/model.onnx")).ok();
        Err("plates: golden outputs differ".to_owned())
    };
    let failed = world.install(&world.set(2, "two", |_| {}), &mut fails).unwrap_err();
    assert!(failed.to_string().contains("golden outputs differ"), "{failed}");
    assert_eq!(seen.as_deref(), Some("two"), "tested where it lies");
    assert_eq!((world.current().as_deref(), world.revision()), (Some("one"), Some(1)));
    let two = world.set(2, "two", |_| {});
    assert!(world.install(&two, &mut passes).unwrap());
    assert_eq!(world.current().as_deref(), Some("two"));
    assert!(world.data.path().join("models/sets/1").is_dir(), "the way back");
    assert!(!world.install(&two, &mut passes).unwrap(), "it was in use already");
}

#[test]
fn another_revision_than_was_ordered_is_refused() {
    let world = World::new();
    let set = world.set(7, "seven", |_| {});
    let refused = world.judged(&set, |terms| terms.wanted = Some(8)).unwrap_err().to_string();
    assert!(refused.contains("it is revision 7, and 8 was wanted"), "{refused}");
    assert_eq!(world.sets().standing().unwrap(), Standing::default());
}

fn worker(set: u64, life: u64) -> Evidence {
    let cameras = vec!["north".parse().unwrap()];
    Evidence { worker: Some(Worker { set: Some(set), life, cameras }), ..healthy() }
}

/// What is seen of the agent at these seconds; nothing where there is none.
type Looks = Vec<(u64, Option<Evidence>)>;

fn at(seconds: u64) -> MonoTime {
    MonoTime::from_duration(Duration::from_secs(seconds))
}

/// What the sets say after looks at these seconds.
fn looked(sets: &ModelSets<'_>, looks: &[(u64, Option<Evidence>)]) -> Standing<u64> {
    let mut watch = Watch::default();
    for (second, evidence) in looks {
        sets.look(&mut watch, evidence.as_ref(), Patience::default(), (at(*second), "boot")).unwrap();
    }
    sets.standing().unwrap()
}

#[test]
fn a_set_on_trial_is_kept_when_its_own_worker_has_worked_for_five_minutes_and_goes_when_it_has_not() {
    let before = || Some(Before::from(&healthy()));
    let blind = || {
        let mut seen = worker(8, 0);
        seen.worker.as_mut().unwrap().cameras.clear();
        Some(seen)
    };
    let cases: [(&str, Looks, Option<u64>); 7] = [
        ("works", vec![(0, Some(worker(8, 1))), (300, Some(worker(8, 1)))], Some(8)),
        ("the watch is not over", vec![(0, Some(worker(8, 1))), (299, Some(worker(8, 1)))], Some(8)),
        ("the former worker still runs", vec![(0, Some(worker(7, 0))), (1200, Some(worker(7, 0)))], Some(7)),
        ("it comes up and dies", (0..=20).map(|n| (n * 60, Some(worker(8, n)))).collect(), Some(8)),
        ("it does not come up", vec![(0, Some(healthy())), (1200, Some(healthy()))], Some(7)),
        ("it sees nothing", vec![(0, blind()), (1200, blind())], Some(7)),
        ("no agent", vec![(0, None), (1200, None)], Some(7)),
    ];
    for (what, looks, ends) in cases {
        let world = World::new();
        world.install(&world.set(7, "seven", |_| {}), &mut passes).unwrap();
        let sets = world.sets();
        world.install_on(&sets, &world.set(8, "eight", |_| {}), before(), &mut passes).unwrap();
        assert_eq!((world.revision(), sets.standing().unwrap().floor), (Some(8), Some(7)), "in use and not proved");
        let standing = looked(&sets, &looks);
        assert_eq!(standing.current, ends, "{what}");
        let swap = Swap { from: Some(7), to: 8 };
        match what {
            "works" => {
                assert_eq!((&standing.trial, standing.floor), (&None, Some(8)), "{what}");
                assert_eq!(standing.untold.last(), Some(&Told::Taken(swap)), "{what}");
            }
            "the watch is not over" | "it comes up and dies" => assert!(standing.trial.is_some(), "{what}"),
            _ => {
                assert_eq!((&standing.trial, standing.floor), (&None, Some(7)), "{what}");
                let told = standing.untold.last();
                assert!(matches!(told, Some(Told::GoneBack(of, _)) if *of == swap), "{what}: {told:?}");
                assert_eq!(world.current().as_deref(), Some("seven"), "{what}");
                // It may come again, and has to prove itself again.
                world.install_on(&sets, &world.set(8, "better", |_| {}), before(), &mut passes).unwrap();
                assert_eq!(world.current().as_deref(), Some("better"), "{what}");
            }
        }
    }
}

#[test]
fn the_first_set_gives_way_to_the_images_own_models() {
    let world = World::new();
    let sets = world.sets();
    world.install_on(&sets, &world.set(1, "one", |_| {}), Some(Before::default()), &mut passes).unwrap();
    let standing = looked(&sets, &[(0, None), (1200, None)]);
    assert_eq!((standing.current, standing.floor, world.current()), (None, None, None));
}

/// A driver or a watchdog in hardware takes the machine down sooner than any watch is over.
#[test]
fn a_set_with_which_the_unit_boots_three_times_anew_is_given_up() {
    let world = World::new();
    let sets = world.sets();
    world.install(&world.set(7, "seven", |_| {}), &mut passes).unwrap();
    world.install_on(&sets, &world.set(8, "eight", |_| {}), Some(Before::from(&healthy())), &mut passes).unwrap();
    let look = |boot| {
        let mut watch = Watch::default();
        sets.look(&mut watch, Some(&worker(8, 1)), Patience::default(), (at(0), boot)).unwrap()
    };
    // The process that watches begins anew within a boot, too.
    assert!(!["first", "first", "second", "third", "third"].map(look).contains(&true));
    assert_eq!(world.revision(), Some(8));
    assert!(look("fourth"));
    assert_eq!((world.current().as_deref(), world.revision()), (Some("seven"), Some(7)));
    let standing = sets.standing().unwrap();
    let Some(Told::GoneBack(_, why)) = standing.untold.last() else { panic!("{standing:?}") };
    assert!(why.contains("booted anew 3 times"), "{why}");
    assert!(standing.boots.is_empty() && standing.trial.is_none());
}

/// A self-test that has the process killed for its memory says nothing, and is not tried for ever.
#[test]
fn an_ordered_set_whose_attempts_never_end_is_refused_after_three_and_may_be_ordered_again() {
    let world = World::new();
    let (sets, eight) = (world.sets(), world.set(8, "eight", |_| {}));
    world.install(&world.set(7, "seven", |_| {}), &mut passes).unwrap();
    let order = |test: &mut dyn FnMut(&Path) -> Result<(), String>| {
        world.install_on(&sets, &eight, Some(Before::default()), test)
    };
    let dies = || {
        let attempt = || order(&mut |_| panic!("the process is killed"));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).is_err()
    };
    assert!((0..3).all(|_| dies()));
    let refused = order(&mut |_| panic!("tested a fourth time")).unwrap_err().to_string();
    assert!(refused.contains("begun 3 times, and no attempt came to an end"), "{refused}");
    assert_eq!((world.current().as_deref(), world.revision()), (Some("seven"), Some(7)));
    assert!(!world.data.path().join("models/sets/8").exists(), "something is left");
    assert!(dies());
    order(&mut |_| Err("golden outputs differ".to_owned())).unwrap_err();
    assert_eq!(sets.standing().unwrap().begun, None, "what came to an end is not counted");
    assert!(order(&mut passes).unwrap());
    assert_eq!((world.current().as_deref(), sets.standing().unwrap().begun), (Some("eight"), None));
}

/// Its order was lost, so nobody watches it any more.
#[test]
fn a_set_that_is_still_on_trial_when_another_comes_is_given_up() {
    let world = World::new();
    let sets = world.sets();
    world.install(&world.set(7, "seven", |_| {}), &mut passes).unwrap();
    world.install_on(&sets, &world.set(8, "eight", |_| {}), Some(Before::default()), &mut passes).unwrap();
    world.install_on(&sets, &world.set(9, "nine", |_| {}), Some(Before::default()), &mut passes).unwrap();
    let standing = sets.standing().unwrap();
    assert_eq!((standing.current, standing.former), (Some(9), Some(7)));
    assert!(standing.untold.iter().any(|told| matches!(told, Told::GoneBack(swap, _) if swap.to == 8)));
    assert!(!world.data.path().join("models/sets/8").exists());
}

#[test]
fn each_set_that_does_not_belong_here_is_refused_and_the_current_one_stays() {
    let world = World::new();
    world.install(&world.set(5, "five", |_| {}), &mut passes).unwrap();
    let mut torn = world.set(6, "six", |_| {});
    let end = torn.len() - 1;
    torn[end] ^= 1;
    let mut longer = world.set(6, "six", |_| {});
    longer.push(0);
    let short = world.set(6, "six", |_| {})[..end].to_vec();
    let stranger = World::new().set(6, "six", |_| {});
    let cases = [
        (torn, "plates/golden/input.f32 is not what was signed"),
        (longer, "what follows the last file"),
        (short, "plates/golden/input.f32 is not what was signed"),
        (b"edgemod1".to_vec(), "its head is not what was signed"),
        (stranger, "not signed by a policy administrator"),
        (world.set(4, "four", |_| {}), "revision 4 is below 5"),
        (world.set(5, "other", |_| {}), "revision 5 is in use already"),
        (world.set(6, "six", |set| set.built = "2026-01-01T00:00:00Z".parse().unwrap()), "half a year ago"),
        (world.set(6, "six", |set| set.least_software = Word::cut("9.0.0")), "needs version 9.0.0 of the agent"),
    ];
    for (set, words) in cases {
        let mut never = |_: &Path| panic!("{words}: tested");
        let refused = world.install(&set, &mut never).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused} does not say {words}");
        assert_eq!((world.current().as_deref(), world.revision()), (Some("five"), Some(5)));
        assert!(!world.data.path().join("models/sets/6").exists(), "{words}: something is left");
    }
}
