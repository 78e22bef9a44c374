use std::path::PathBuf;
use std::time::Duration;

use edge_protocol::time::ClockQuality;

use super::super::evidence::tests::healthy;
use super::super::{HOLD, Slot, Version, WITHIN};
use super::*;

fn at(span: Duration) -> MonoTime {
    MonoTime::from_duration(span)
}

fn wall() -> WallStamp {
    let quality = ClockQuality::Synchronised { bound_ms: 500 };
    WallStamp { time: "2026-11-25T12:00:00Z".parse().unwrap(), quality }
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn standing(booted: SlotName) -> Standing {
    let slot = |text| Slot { state: BootState::Good, version: Some(version(text)) };
    Standing { compatible: "edge-test".into(), booted, primary: Some(booted), a: slot("1.0.0"), b: slot("2.0.0") }
}

fn change() -> Change {
    let before = Before::from(&healthy());
    Change { from: SlotName::A, old: Some(version("1.0.0")), new: version("2.0.0"), before, boot: "first".into() }
}

fn in_phase(phase: Phase) -> State {
    let confirmed = Some(Confirmed { slot: SlotName::A, version: Some(version("1.0.0")) });
    State { floor: Some(version("1.0.0")), phase, confirmed, ..State::default() }
}

fn confirming() -> State {
    in_phase(Phase::Confirming { change: change(), watch: Watch::default() })
}

fn started(state: State, booted: SlotName, boot: &str) -> Step {
    apply(state, Event::Started(standing(booted), boot.into()), at(Duration::ZERO), wall())
}

/// Looks once a minute for so long.
fn watched(state: State, evidence: Option<&Evidence>, way_back: BootState, span: Duration) -> Step {
    watched_from(0, state, evidence, way_back, span)
}

fn watched_from(
    begin: u64,
    mut state: State,
    evidence: Option<&Evidence>,
    way_back: BootState,
    span: Duration,
) -> Step {
    let mut effects = Vec::new();
    for minute in begin..=begin + span.as_secs() / 60 {
        let now = at(Duration::from_mins(minute));
        let step = apply(state, Event::Looked(evidence.cloned(), way_back), now, wall());
        state = step.state;
        effects.extend(step.effects.into_iter().filter(|effect| !matches!(effect, Effect::Tell(_))));
    }
    Step { state, effects }
}

fn bundled(version: &str, compatible: &str) -> Bundled {
    let (version, build) = (version.to_owned(), "20261101120000".to_owned());
    let info = BundleInfo { compatible: compatible.to_owned(), version, build };
    Bundled { info, file: "/b.raucb".into(), standing: standing(SlotName::A), boot: "first".into() }
}

fn wanted() -> Wanted {
    Wanted { file: PathBuf::from("/b.raucb"), hash: None, version: None }
}

#[test]
fn a_refused_bundle_changes_nothing_but_what_is_told() {
    for (version, compatible) in [("0.9.0", "edge-test"), ("2.0.0", "edge-other")] {
        let asked = apply(in_phase(Phase::Idle), Event::Asked(wanted(), Before::default()), MonoTime::ZERO, wall());
        assert_eq!(asked.effects, [Effect::Check(wanted())]);
        let checked = Event::Checked(Ok(bundled(version, compatible)));
        let step = apply(asked.state, checked, MonoTime::ZERO, wall());
        assert!(matches!(step.state.untold.as_slice(), [Told::Refused(_)]), "{step:?}");
        let state = State { untold: Vec::new(), ..step.state };
        assert_eq!(state, State { latest: wall().time, ..in_phase(Phase::Idle) });
        assert!(step.effects.iter().all(|effect| !matches!(effect, Effect::Install(_) | Effect::Mark(_))));
    }
}

#[test]
fn a_bundle_of_another_version_than_was_ordered_is_refused() {
    for (ordered, is_taken) in [("2.0.0", true), ("2.0.1", false)] {
        let wanted = Wanted { version: Some(version(ordered)), ..wanted() };
        let asked = apply(in_phase(Phase::Idle), Event::Asked(wanted, Before::default()), MonoTime::ZERO, wall());
        let checked = Event::Checked(Ok(bundled("2.0.0", "edge-test")));
        let step = apply(asked.state, checked, MonoTime::ZERO, wall());
        assert_eq!(matches!(step.state.phase, Phase::Verified { .. }), is_taken, "{step:?}");
    }
}

#[test]
fn the_way_back_gets_all_its_attempts_before_anything_is_written() {
    let asked = apply(in_phase(Phase::Idle), Event::Asked(wanted(), Before::default()), MonoTime::ZERO, wall());
    let step = apply(asked.state, Event::Checked(Ok(bundled("2.0.0", "edge-test"))), MonoTime::ZERO, wall());
    assert!(matches!(step.effects.as_slice(), [Effect::Mark(BootState::Good), Effect::Install(_)]), "{step:?}");
}

#[test]
fn a_second_update_is_refused_while_one_is_under_way() {
    let step = apply(confirming(), Event::Asked(wanted(), Before::default()), MonoTime::ZERO, wall());
    assert_eq!(step.state.phase, confirming().phase);
    assert_eq!(step.effects, [Effect::Refuse(Refusal::Busy("confirming".into()))]);
}

#[test]
fn a_good_image_raises_the_floor_and_is_told() {
    let step = watched(confirming(), Some(&healthy()), BootState::Good, HOLD);
    assert_eq!(step.state.phase, Phase::Good { change: change() });
    assert_eq!(step.state.floor, Some(version("2.0.0")));
    assert_eq!(step.state.untold, [Told::Good(change())]);
    assert_eq!(step.effects, [Effect::Mark(BootState::Good)]);
}

#[test]
fn an_image_that_does_not_see_goes_back_and_the_floor_stays() {
    let mut blind = healthy();
    blind.cameras.clear();
    let step = watched(confirming(), Some(&blind), BootState::Good, WITHIN);
    assert_eq!(step.effects, [Effect::Mark(BootState::Bad), Effect::Reboot]);
    // The power fails before the mark: the same slot boots, and it is done again.
    let again = started(step.state, SlotName::B, "second");
    assert_eq!(again.effects, [Effect::Mark(BootState::Bad), Effect::Reboot]);
    let back = started(again.state, SlotName::A, "third");
    assert!(matches!(&back.state.phase, Phase::RolledBack { why, .. } if why.contains("no frame of camera north")));
    assert_eq!(back.state.floor, Some(version("1.0.0")));
}

#[test]
fn nothing_goes_back_to_a_slot_that_cannot_boot() {
    let step = watched(confirming(), None, BootState::Bad, WITHIN * 3);
    assert!(matches!(step.state.phase, Phase::Confirming { .. }));
    assert_eq!(step.effects, []);
}

#[test]
fn an_image_whose_line_is_silent_is_safe_from_power_cuts_and_waited_for() {
    let mut silent = healthy();
    (silent.reached, silent.acknowledged) = (false, false);
    let step = watched(confirming(), Some(&silent), BootState::Good, Duration::from_hours(20));
    assert!(matches!(step.state.phase, Phase::AwaitingLine { .. }));
    assert_eq!(step.effects, [Effect::Mark(BootState::Good)]);
    let heard = watched_from(20 * 60, step.state.clone(), Some(&healthy()), BootState::Good, HOLD);
    assert!(matches!(heard.state.phase, Phase::Good { .. }));
    let day = watched_from(20 * 60, step.state, Some(&silent), BootState::Good, Duration::from_hours(5));
    assert!(matches!(&day.state.phase, Phase::RollingBack { why, .. } if why.contains("center")));
}

#[test]
fn a_link_that_was_dead_before_never_rolls_a_good_image_back() {
    let mut change = change();
    change.before.reached = false;
    let mut silent = healthy();
    (silent.reached, silent.acknowledged) = (false, false);
    let state = in_phase(Phase::Confirming { change, watch: Watch::default() });
    let step = watched(state, Some(&silent), BootState::Good, HOLD);
    assert!(matches!(step.state.phase, Phase::Good { .. }));
}

#[test]
fn the_booted_slot_says_how_a_boot_went() {
    let installed = || in_phase(Phase::Installed { change: change() });
    assert_eq!(started(installed(), SlotName::A, "first").state.phase, Phase::Installed { change: change() });
    assert!(matches!(started(installed(), SlotName::B, "second").state.phase, Phase::Confirming { .. }));
    for state in [installed(), confirming(), in_phase(Phase::Rebooting { change: change() })] {
        let back = started(state, SlotName::A, "second").state;
        assert!(matches!(back.phase, Phase::RolledBack { .. }), "{back:?}");
        assert!(matches!(back.untold.as_slice(), [Told::RolledBack(..)]));
    }
}

#[test]
fn a_slot_written_by_other_hands_is_watched_if_newer_and_told_if_older() {
    let newer = started(in_phase(Phase::Idle), SlotName::B, "second");
    assert!(matches!(newer.state.phase, Phase::Confirming { .. }));
    let confirmed = Some(Confirmed { slot: SlotName::B, version: Some(version("2.0.0")) });
    let older = started(State { confirmed, ..in_phase(Phase::Idle) }, SlotName::A, "second");
    assert!(matches!(&older.state.phase, Phase::RolledBack { why, .. } if why.contains("bootloader")));
}

#[test]
fn a_confirmed_slot_is_marked_good_at_each_start_as_soon_as_the_agent_is_ready() {
    let mut starting = healthy();
    starting.ready = false;
    let begun = started(in_phase(Phase::Idle), SlotName::A, "second").state;
    assert_eq!(watched(begun.clone(), Some(&starting), BootState::Good, HOLD).effects, []);
    assert_eq!(watched(begun, Some(&healthy()), BootState::Good, HOLD).effects, [Effect::Mark(BootState::Good)]);
}

#[test]
fn what_nobody_took_is_told_again() {
    let good = watched(confirming(), Some(&healthy()), BootState::Good, HOLD).state;
    let again = apply(good, Event::Looked(None, BootState::Good), MonoTime::ZERO, wall());
    assert_eq!(again.effects, [Effect::Tell(vec![Told::Good(change())])]);
    let told = apply(again.state, Event::Told(1), MonoTime::ZERO, wall());
    assert!(told.state.untold.is_empty() && told.effects.is_empty());
}
