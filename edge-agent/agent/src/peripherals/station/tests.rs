use std::sync::{Arc, Mutex};

use super::super::simulated::{Bench, parts};
use super::super::{Amperes, PartError};
use super::*;

fn at(millis: u64) -> MonoTime {
    MonoTime::from_duration(Duration::from_millis(millis))
}

/// A box whose every part is simulated, with the hand that turns its knobs.
struct Box_ {
    station: Station,
    bench: Arc<Mutex<Bench>>,
    millis: u64,
}

impl Box_ {
    fn new() -> Self {
        let bench = Arc::new(Mutex::new(Bench::default()));
        Self { station: Station::new(parts(&bench)), bench, millis: 0 }
    }

    fn turn(&self, change: impl FnOnce(&mut Bench)) {
        change(&mut self.bench.lock().unwrap());
    }

    fn pass(&mut self, millis: u64) -> Vec<Noticed> {
        let until = self.millis + millis;
        let mut noticed = Vec::new();
        while self.millis < until {
            noticed.extend(self.station.step(at(self.millis), 12 * 60, Indication::Seeing));
            self.millis += 20;
        }
        noticed
    }
}

#[test]
fn a_quiet_box_reads_everything_and_says_nothing() {
    let mut box_ = Box_::new();
    assert_eq!(box_.pass(10_000), []);
    let readings = box_.station.readings();
    assert_eq!(readings.temperatures, [("enclosure".to_owned(), Celsius(31.0))]);
    assert_eq!(readings.opened, Some(false));
    assert_eq!((readings.heater, readings.fan, readings.illuminator), (Some(false), Some(false), Some(Share::OFF)));
    assert!(readings.tilt.unwrap().0 < 0.1 && readings.failing.is_empty());
}

#[test]
fn heat_takes_from_analysis_step_by_step_and_gives_back_with_a_margin() {
    let mut box_ = Box_::new();
    let mut efforts = Vec::new();
    for celsius in [70.0, 75.0, 81.9, 82.0, 95.0, 87.0, 86.0, 77.9, 71.0, 70.9] {
        box_.turn(|bench| bench.celsius = Some(celsius));
        efforts.extend(box_.pass(1000).into_iter().map(|noticed| {
            let Noticed::Effort(effort, _) = noticed else { panic!("{noticed:?}") };
            (celsius.to_string(), effort)
        }));
    }
    let expected = [
        ("75", Effort::Half),
        ("82", Effort::Quarter),
        ("95", Effort::RecordingAlone),
        ("86", Effort::Quarter),
        ("77.9", Effort::Half),
        ("71", Effort::Full),
    ];
    assert_eq!(efforts, expected.map(|(celsius, effort)| (celsius.to_owned(), effort)));
    assert_eq!(box_.station.readings().fan, Some(true), "the fan ran long before");
}

#[test]
fn a_weak_supply_does_the_same() {
    let mut box_ = Box_::new();
    box_.pass(1000);
    box_.turn(|bench| bench.power = Some(Power { voltage: Volts(10.1), current: Amperes(1.0) }));
    let noticed = box_.pass(1000);
    assert_eq!(noticed, [Noticed::Effort(Effort::RecordingAlone, "10.10 V from the supply".to_owned())]);
}

#[test]
fn a_trigger_is_told_once_with_the_time_at_which_it_closed() {
    let mut box_ = Box_::new();
    box_.pass(1000);
    box_.turn(|bench| bench.trigger = true);
    assert_eq!(box_.pass(1000), [Noticed::Trigger(0, at(1000))]);
    assert_eq!(box_.station.trigger(0), "trigger");
    box_.turn(|bench| bench.trigger = false);
    assert_eq!(box_.pass(1000), []);
}

#[test]
fn a_button_counts_once_it_was_held_and_not_when_somebody_leans_on_it() {
    let mut box_ = Box_::new();
    box_.pass(1000);
    box_.turn(|bench| bench.button = true);
    assert_eq!(box_.pass(4900), []);
    box_.turn(|bench| bench.button = false);
    assert_eq!(box_.pass(1000), []);
    box_.turn(|bench| bench.button = true);
    assert_eq!(box_.pass(20_000), [Noticed::Button], "once, however long");
    box_.turn(|bench| bench.button = false);
    assert_eq!(box_.pass(20_000), []);
}

#[test]
fn strokes_turns_and_an_opened_box_are_told_and_a_gust_is_not() {
    let mut box_ = Box_::new();
    box_.pass(1000);
    box_.turn(|bench| bench.tilt = Tilt { x_mg: 500, y_mg: 0, z_mg: 866 });
    box_.pass(2000);
    box_.turn(|bench| bench.tilt = Bench::default().tilt);
    assert_eq!(box_.pass(10_000), [], "a gust");
    box_.turn(|bench| {
        bench.tilt = Tilt { x_mg: 500, y_mg: 0, z_mg: 866 };
        bench.struck = true;
        bench.shut = false;
    });
    let noticed = box_.pass(20_000);
    assert!(noticed.contains(&Noticed::Struck) && noticed.contains(&Noticed::Enclosure(Edge::Opened)), "{noticed:?}");
    let tilted: Vec<_> = noticed.iter().filter(|noticed| matches!(noticed, Noticed::Tilted(..))).collect();
    assert!(matches!(tilted[..], [Noticed::Tilted(Degrees(angle), Edge::Opened)] if (29.0..31.0).contains(angle)));
    assert_eq!(noticed.len(), 3, "each is told once: {noticed:?}");
}

#[test]
fn without_its_thermometer_the_heater_rests_and_the_fan_runs_and_the_reason_is_told() {
    let mut box_ = Box_::new();
    box_.turn(|bench| bench.celsius = Some(-20.0));
    box_.pass(1000);
    assert_eq!(box_.station.readings().heater, Some(true));
    box_.turn(|bench| bench.celsius = None);
    box_.pass(1000);
    let readings = box_.station.readings();
    assert_eq!((readings.heater, readings.fan), (Some(false), Some(true)));
    let absent = PartError::Bus { part: "simulated part", reason: "NoAcknowledge".to_owned() };
    assert_eq!(readings.failing, [format!("enclosure: {absent}")]);
}

#[test]
fn the_illuminator_follows_the_light_or_the_clock() {
    let mut box_ = Box_::new();
    box_.turn(|bench| bench.lux = 2.0);
    box_.pass(1000);
    assert_eq!(box_.station.readings().illuminator, Some(Share::FULL));
    let mut parts = parts(&box_.bench);
    parts.illuminator.as_mut().unwrap().lighting = Lighting::Schedule(18 * 60, 6 * 60);
    let mut station = Station::new(parts);
    let mut lit = |minute: u16, millis| {
        station.step(at(millis), minute, Indication::Seeing);
        station.readings().illuminator.unwrap() == Share::FULL
    };
    assert_eq!([lit(17 * 60 + 59, 0), lit(18 * 60, 1000), lit(5, 2000), lit(6 * 60, 3000)], [false, true, true, false]);
}
