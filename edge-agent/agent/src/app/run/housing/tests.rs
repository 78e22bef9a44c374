use std::sync::Arc;

use super::*;
use crate::peripherals::simulated::parts;
use crate::peripherals::{Degrees, Share};
use crate::supervise::Heartbeats;
use crate::supervise::queue::{Bounds, Overflow, Receiver, bounded};

fn housing() -> (Housing, Receiver<Entry>) {
    let (entries, queued) = bounded(Bounds::items("entries", 64, Overflow::Wait));
    let clock = Clock::system();
    let housing = Housing {
        station: Station::new(parts(&Arc::new(Mutex::new(Bench::default())))),
        triggers: Vec::new(),
        holding: Holding::new(Vec::new()),
        cameras: ["gate", "street"].map(|id| id.parse().unwrap()).to_vec(),
        entries,
        vitals: Vitals::default(),
        throttle: Throttle::default(),
        alarms: None,
        pulse: Heartbeats::default().register("peripherals", LOOK, clock.mono()),
        clock,
        last_reset: Sentence::cut("tests"),
        page: None,
        blind_since: None,
    };
    (housing, queued)
}

fn alerts(records: Vec<Record>) -> Vec<Alert> {
    let alert = |record| {
        let Record::Alert(alert) = record else { panic!("{record:?}") };
        *alert
    };
    records.into_iter().map(alert).collect()
}

#[test]
fn heat_takes_analysis_away_says_so_for_every_camera_and_gives_it_back() {
    let (mut housing, _queued) = housing();
    let told = alerts(housing.make_of(Noticed::Effort(Effort::Half, "76.0 °C".to_owned()), MonoTime::ZERO));
    assert_eq!((told.len(), housing.throttle.percent()), (1, 50));
    let told = alerts(housing.make_of(Noticed::Effort(Effort::RecordingAlone, "91.0 °C".to_owned()), MonoTime::ZERO));
    assert_eq!(housing.throttle.percent(), 0);
    assert_eq!(told[0].text.as_str(), "nothing is analysed, recording goes on: 91.0 °C");
    let open =
        |alert: &Alert| matches!(&alert.kind, AlertKind::Gap(gap) if gap.of == GapOf::Analysis && gap.to.is_none());
    assert_eq!(told.iter().filter(|alert| open(alert) && alert.camera.is_some() && !alert.over).count(), 2);
    let told = alerts(housing.make_of(Noticed::Effort(Effort::Full, "70.0 °C".to_owned()), MonoTime::ZERO));
    assert_eq!(housing.throttle.percent(), 100);
    let closed = |alert: &Alert| matches!(&alert.kind, AlertKind::Gap(gap) if gap.to.is_some());
    assert_eq!(told.iter().filter(|alert| closed(alert) && alert.over).count(), 2);
    assert!(told[0].over, "{told:?}");
}

#[test]
fn a_trigger_is_an_alert_dated_when_the_contact_closed() {
    let (mut housing, _queued) = housing();
    let before = housing.clock.wall().time;
    let now = MonoTime::from_duration(Duration::from_secs(9));
    let at = MonoTime::from_duration(Duration::from_secs(4));
    let told = alerts(housing.make_of(Noticed::Trigger(0, at), now));
    assert_eq!(told[0].kind, AlertKind::Trigger(Word::cut("trigger")));
    let age = before.saturating_since(WallTime::from_millis(told[0].at.as_millis()));
    assert!((4900..=5000).contains(&age.as_millis()), "{age:?}");
}

#[test]
fn the_service_button_opens_the_page_and_is_told_where_there_is_one() {
    let (mut housing, _queued) = housing();
    assert_eq!(housing.make_of(Noticed::Button, MonoTime::ZERO), []);
    let folder = tempfile::tempdir().unwrap();
    housing.page = Some(Opening::of(folder.path()));
    let told = housing.make_of(Noticed::Button, MonoTime::ZERO);
    assert!(matches!(&told[..], [Record::Audit(entry)] if entry.text.as_str().starts_with("the service button")));
    assert!(Opening::of(folder.path()).is_open(MonoTime::ZERO));
}

#[test]
fn the_board_is_told_in_the_contracts_units_and_what_fails_in_words() {
    let readings = Readings {
        temperatures: vec![("enclosure".to_owned(), Celsius(-12.125))],
        tilt: Some(Degrees(1.5)),
        illuminator: Some(Share::FULL),
        effort: Effort::Quarter,
        failing: vec!["power: INA226 does not answer: Bus".to_owned()],
        opened: Some(true),
        ..Readings::default()
    };
    assert_eq!(temperatures(&readings)[0].millicelsius, -12_125);
    let board = board_health(&readings, &Sentence::cut("the hardware watchdog reset the unit"));
    assert_eq!((board.tilt_mdeg, board.illuminator, board.supply_mv), (Some(1500), Some(Confidence::ONE), None));
    let problems: Vec<String> = problems(&board).iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "heat or a weak supply: 25 % of the configured analysis",
            "the enclosure is open",
            "power: INA226 does not answer: Bus",
        ]
    );
}

#[test]
fn a_life_that_was_not_ended_in_order_is_found_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join(MARK);
    assert_eq!(last_reset(&mark, Some("a")), "the agent had been stopped in order");
    assert_eq!(last_reset(&mark, Some("a")), "the agent ended without being told to and was started again");
    let lost = last_reset(&mark, Some("b"));
    // A machine whose watchdog noted something says that instead.
    assert!(lost.starts_with("the unit "), "{lost}");
    assert_eq!(last_reset(&mark, Some("b")), "the agent ended without being told to and was started again");
    std::fs::remove_file(&mark).unwrap();
    assert_eq!(last_reset(&mark, Some("b")), "the agent had been stopped in order");
}
