//! Waves of units that say what the test has them say.

use super::*;

const PATIENCE: Duration = Duration::from_hours(2);

fn units(count: usize) -> Vec<UnitId> {
    (0..count).map(|number| format!("pole-{number:02}").parse().unwrap()).collect()
}

fn sizes(sizes: &[&str]) -> Vec<WaveSize> {
    sizes.iter().map(|size| size.parse().unwrap()).collect()
}

fn plan(count: usize, waves_of: &[&str], stop_after: u32) -> Plan {
    Plan { waves: waves(&units(count), &sizes(waves_of)), stop_after, patience: PATIENCE }
}

const fn at(wave: usize, minutes: u64) -> At {
    At { wave, since: Duration::from_mins(minutes) }
}

/// All are online; the first of them have said so much, the others nothing.
fn seen(count: usize, said: &[Asked]) -> BTreeMap<UnitId, Seen> {
    let said = said.iter().cloned().chain(std::iter::repeat(Asked::No));
    units(count).into_iter().zip(said).map(|(unit, asked)| (unit, Seen { online: true, asked })).collect()
}

fn ask(numbers: &[usize]) -> Step {
    Step::Ask(numbers.iter().map(|number| units(number + 1).pop().unwrap()).collect())
}

const WORKING: Asked = Asked::Yes(Duration::from_mins(10));

fn failed() -> Asked {
    Asked::Failed("no frame of camera north".to_owned())
}

#[test]
fn waves_cover_every_unit_once_and_in_order() {
    let lengths = |count, of: &[&str]| waves(&units(count), &sizes(of)).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(20, &["1", "10%", "50%"]), [1, 2, 10, 7]);
    assert_eq!(lengths(20, &["1", "10%", "100%"]), [1, 2, 17]);
    assert_eq!(lengths(3, &["1", "10%"]), [1, 1, 1]);
    assert_eq!(lengths(2, &["5"]), [2]);
    assert_eq!(lengths(0, &["1"]), Vec::<usize>::new());
    let twice: Vec<UnitId> = units(2).into_iter().chain(units(2)).collect();
    assert_eq!(waves(&twice, &[]), [units(2)]);
    for bad in ["", "0", "0%", "101%", "-1", "ten"] {
        assert!(bad.parse::<WaveSize>().is_err(), "{bad}");
    }
}

#[test]
fn the_next_wave_is_asked_only_when_the_one_before_is_good() {
    let plan = plan(3, &["1"], 1);
    assert_eq!(step(&plan, at(0, 0), &seen(3, &[])), ask(&[0]));
    assert_eq!(step(&plan, at(0, 60), &seen(3, &[WORKING])), ask(&[]), "the first has not said anything");
    assert_eq!(step(&plan, at(0, 61), &seen(3, &[Asked::Good])), Step::NextWave);
    assert_eq!(step(&plan, at(1, 0), &seen(3, &[Asked::Good])), ask(&[1, 2]));
    assert_eq!(step(&plan, at(1, 10), &seen(3, &[Asked::Good, WORKING, Asked::Good])), ask(&[]));
    assert_eq!(step(&plan, at(1, 20), &seen(3, &[Asked::Good, Asked::Good, Asked::Good])), Step::Done);
}

#[test]
fn a_failure_in_the_first_wave_keeps_the_second_from_ever_beginning() {
    let plan = plan(3, &["1"], 1);
    let stopped = step(&plan, at(0, 20), &seen(3, &[failed()]));
    assert_eq!(stopped, Step::Stop("1 failed in 1 wave(s), pole-00 for one: no frame of camera north".into()));
}

#[test]
fn failures_count_over_all_waves_and_the_one_too_many_stops_everything_at_once() {
    let plan = plan(31, &["2", "20"], 3);
    let first = [Asked::Good, failed()];
    assert_eq!(step(&plan, at(0, 10), &seen(31, &first)), Step::NextWave, "one of three may fail");
    let second = |more: usize| {
        let failing = std::iter::repeat_n(failed(), more).chain(std::iter::repeat(WORKING));
        seen(31, &first.iter().cloned().chain(failing).take(22).collect::<Vec<_>>())
    };
    assert_eq!(step(&plan, at(1, 10), &second(1)), ask(&[]));
    assert!(matches!(step(&plan, at(1, 11), &second(2)), Step::Stop(why) if why.starts_with("3 failed in 2 wave(s)")));
}

#[test]
fn a_unit_that_says_nothing_has_failed_and_one_that_is_away_is_left_out() {
    let silent = plan(1, &[], 1);
    let since = |minutes| seen(1, &[Asked::Yes(Duration::from_mins(minutes))]);
    assert_eq!(step(&silent, at(0, 119), &since(119)), ask(&[]));
    assert!(matches!(step(&silent, at(0, 120), &since(120)), Step::Stop(why) if why.contains("has not said")));

    let lost = seen(1, &[Asked::Again(Duration::from_mins(119))]);
    assert_eq!(step(&silent, at(0, 119), &lost), ask(&[0]), "a command that was lost is signed afresh");
    let refusing = seen(1, &[Asked::Again(PATIENCE)]);
    assert!(matches!(step(&silent, at(0, 120), &refusing), Step::Stop(_)));

    let away = plan(12, &["2"], 1);
    let mut one_is_away = seen(12, &[Asked::Good]);
    let absent = units(2).pop().unwrap();
    one_is_away.insert(absent.clone(), Seen { online: false, asked: Asked::No });
    assert_eq!(step(&away, at(0, 119), &one_is_away), ask(&[]), "it is waited for");
    assert_eq!(outcome(&away, at(0, 120), one_is_away.get(&absent)), Some(Outcome::LeftOut));
    assert_eq!(step(&away, at(0, 120), &one_is_away), Step::NextWave, "the wave has ended without it");
}

#[test]
fn a_wave_of_which_nobody_was_there_shows_nothing() {
    let plan = plan(2, &["1"], 1);
    let nobody = BTreeMap::new();
    assert_eq!(step(&plan, at(0, 0), &nobody), ask(&[]));
    assert!(matches!(step(&plan, at(0, 120), &nobody), Step::Stop(why) if why.contains("nothing shows")));
}

#[test]
fn a_unit_keeps_its_request_and_shares_it_with_none() {
    let [a, b]: [UnitId; 2] = units(2).try_into().unwrap();
    assert_eq!(request("aa", &a), request("aa", &a));
    assert_ne!(request("aa", &a), request("aa", &b));
    assert_ne!(request("aa", &a), request("ab", &a));
}
