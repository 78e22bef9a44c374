//! What the board file describes, as parts of the station.

use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::config::{self, Board, BoardChoice, ConfigError, Heat};
use crate::peripherals::fit::{self, OnBus, OnLine};
use crate::peripherals::simulated::{self, Bench};
use crate::peripherals::{
    Celsius, Climate, Debounce, Degrees, Drive, Fitted, HELD, Illuminator, Input, Level, Lighting, Lux, Parts, Sensor,
    Share, Supply, Tilt, TwoPoint, Volts, zone,
};

/// The tamper switch's spring.
const TAMPER_SETTLE: std::time::Duration = std::time::Duration::from_millis(200);

/// What is fitted to the box.
pub(in crate::app) struct Fittings {
    /// The parts.
    pub(in crate::app) parts: Parts,
    /// What its triggers hold, in the parts' order; a simulated board's one trigger holds what is usual.
    pub(in crate::app) triggers: Vec<config::Trigger>,
    /// The knobs of a simulated board.
    pub(in crate::app) bench: Option<Arc<Mutex<Bench>>>,
}

/// The parts of the board that the configuration names; without one, the kernel's thermal zones in the folder `zones`,
/// and none where there is no zone. A simulated board reads `bench`.
///
/// # Errors
/// When the board file cannot be read or has mistakes.
pub(in crate::app) fn fittings(
    choice: &BoardChoice,
    bench: Bench,
    zones: &Path,
) -> Result<Option<Fittings>, ConfigError> {
    match choice {
        BoardChoice::None => {
            let parts =
                Parts { thermometers: all_zones(zones), heat: Some(limits(Heat::default())), ..Parts::default() };
            let warm = !parts.thermometers.is_empty();
            Ok(warm.then_some(Fittings { parts, triggers: Vec::new(), bench: None }))
        }
        BoardChoice::Simulated => {
            let bench = Arc::new(Mutex::new(bench));
            Ok(Some(Fittings { parts: simulated::parts(&bench), triggers: Vec::new(), bench: Some(bench) }))
        }
        BoardChoice::File(path) => {
            let board = Board::read(path)?;
            Ok(Some(Fittings { parts: parts(&board, zones), triggers: board.triggers, bench: None }))
        }
    }
}

fn on_bus(place: &config::I2cPlace) -> OnBus {
    OnBus { bus: place.bus.clone(), address: place.address }
}

fn on_line(line: &config::BoardLine) -> OnLine {
    OnLine { chip: line.chip.clone(), line: line.line, active_low: line.active_low }
}

/// One thermometer for all zones, which health tells one by one.
fn all_zones(zones: &Path) -> Vec<Fitted<dyn Sensor<Celsius>>> {
    if zone::readings(zones).is_empty() { Vec::new() } else { vec![fit::zones("thermal zones", zones, None)] }
}

fn limits(heat: Heat) -> [Celsius; 3] {
    [heat.warm_at, heat.hot_at, heat.stop_at].map(Celsius)
}

fn thermometers(board: &Board, zones: &Path) -> Vec<Fitted<dyn Sensor<Celsius>>> {
    let thermometer = |sensor: &config::TemperatureSensor| match &sensor.part {
        config::TemperaturePart::Lm75(place) => fit::lm75(&sensor.name, on_bus(place)),
        config::TemperaturePart::Tmp117(place) => fit::tmp117(&sensor.name, on_bus(place)),
        config::TemperaturePart::Zone(of) => fit::zones(&sensor.name, zones, Some(of)),
    };
    if board.temperatures.is_empty() { all_zones(zones) } else { board.temperatures.iter().map(thermometer).collect() }
}

fn parts(board: &Board, zones: &Path) -> Parts {
    let climate = |name, drive: &config::Climate, blind| Climate {
        switch: fit::switch(name, on_line(&drive.line)),
        rule: TwoPoint::new(Celsius(drive.on_at), Celsius(drive.off_at), blind),
    };
    let input = |name: &str, line: &config::BoardLine, settle| Input {
        contact: fit::contact(name, on_line(line)),
        debounce: Debounce::new(settle),
    };
    Parts {
        thermometers: thermometers(board, zones),
        heat: Some(limits(board.heat)),
        supply: board.power.as_ref().map(|power| Supply {
            part: fit::ina226(on_bus(&power.place), power.shunt_ohms),
            low: Volts(power.low_volts),
            critical: Volts(power.critical_volts),
        }),
        level: board.accelerometer.as_ref().map(|part| Level {
            part: fit::lis2dh12(on_bus(&part.place), part.shock_mg),
            limit: Degrees(part.tilt_degrees),
            upright: part.upright_mg.map(|[x_mg, y_mg, z_mg]| Tilt { x_mg, y_mg, z_mg }),
        }),
        light: board.light.as_ref().map(|place| fit::opt3001(on_bus(place))),
        illuminator: board.illuminator.as_ref().map(illuminator),
        // A heater that nobody watches is a fire, and so is a fan that stands still.
        heater: board.heater.as_ref().map(|drive| climate("heater", drive, Drive::Off)),
        fan: board.fan.as_ref().map(|drive| climate("fan", drive, Drive::On)),
        led: board.led.as_ref().map(|line| fit::switch("led", on_line(line))),
        tamper: board.tamper.as_ref().map(|line| input("tamper", line, TAMPER_SETTLE)),
        button: board.button.as_ref().map(|line| input("button", line, HELD)),
        triggers: board.triggers.iter().map(|trigger| input(&trigger.name, &trigger.line, trigger.settle)).collect(),
    }
}

fn illuminator(described: &config::Illuminator) -> Illuminator {
    Illuminator {
        dimmer: fit::pca9685(on_bus(&described.place), described.channel),
        brightness: Share::of(described.brightness),
        lighting: match described.lighting {
            config::Lighting::Light(below, above) => Lighting::Light(TwoPoint::new(Lux(below), Lux(above), Drive::Off)),
            config::Lighting::Schedule(from, to) => Lighting::Schedule(from, to),
        },
    }
}

#[cfg(test)]
mod tests {
    use edge_protocol::time::MonoTime;

    use super::*;
    use crate::peripherals::zone::tests::zone;
    use crate::peripherals::{Effort, Indication, Noticed, Station};

    #[test]
    fn a_board_of_which_nothing_answers_is_told_part_by_part_and_stops_nothing() {
        let text = include_str!("../../../../docs/board.example.toml").replace("/dev/", "/dev/none-");
        let mut station = Station::new(parts(&Board::parse(&text).unwrap(), Path::new("/none")));
        assert_eq!(station.step(MonoTime::ZERO, 0, Indication::Booting), []);
        let failing = &station.readings().failing;
        let names = ["enclosure", "board", "power", "accelerometer", "light", "illuminator", "heater", "fan", "led"];
        for name in names.iter().chain(&["gunshot", "tamper", "button"]) {
            assert!(failing.iter().any(|words| words.starts_with(&format!("{name}: "))), "{name} in {failing:#?}");
        }
        assert_eq!(failing.len(), names.len() + 3);
    }

    /// What the station makes of each reading of the second zone, a second after the other.
    fn efforts(parts: Parts, folder: &Path, readings: &[&str]) -> Vec<(Effort, String)> {
        let mut station = Station::new(parts);
        let mut told = Vec::new();
        for (second, reading) in (1_u64..).zip(readings) {
            zone(folder, "thermal_zone1", "gpu", reading);
            let now = MonoTime::from_duration(std::time::Duration::from_secs(second));
            told.extend(station.step(now, 0, Indication::Seeing).into_iter().map(|noticed| {
                let Noticed::Effort(effort, why) = noticed else { panic!("{noticed:?}") };
                (effort, why)
            }));
        }
        told
    }

    #[test]
    fn without_a_sensor_of_its_own_a_hot_processor_takes_from_analysis_and_gives_back_with_the_same_margin() {
        let folder = tempfile::tempdir().unwrap();
        zone(folder.path(), "thermal_zone0", "soc", "60000");
        let fitted = |choice| fittings(&choice, Bench::default(), folder.path()).unwrap().unwrap().parts;
        let bare = parts(&Board::parse("name = \"b\"\n").unwrap(), folder.path());
        for parts in [fitted(BoardChoice::None), bare] {
            let told = efforts(parts, folder.path(), &["74000", "75000", "83500", "90000", "86100", "86000", "70900"]);
            let expected = [
                (Effort::Half, "75.0"),
                (Effort::Quarter, "83.5"),
                (Effort::RecordingAlone, "90.0"),
                (Effort::Quarter, "86.0"),
                (Effort::Full, "70.9"),
            ];
            assert_eq!(told, expected.map(|(effort, at)| (effort, format!("{at} °C at the hottest sensor"))));
        }
    }

    #[test]
    fn a_board_that_names_a_zone_follows_that_zone_by_its_own_limits() {
        let folder = tempfile::tempdir().unwrap();
        zone(folder.path(), "thermal_zone0", "soc", "99000");
        let text = "name = \"b\"\n[[temperature]]\nname = \"cores\"\npart = \"zone\"\nzone = \"gpu\"\n\
            [heat]\nwarm_at = 50\nhot_at = 60\nstop_at = 70\n";
        let parts = parts(&Board::parse(text).unwrap(), folder.path());
        let told = efforts(parts, folder.path(), &["49000", "50000", ""]);
        assert_eq!(told.iter().map(|(effort, _)| *effort).collect::<Vec<_>>(), [Effort::Half, Effort::Full]);
    }

    #[test]
    fn a_computer_without_board_and_zones_has_no_parts() {
        let fitted = fittings(&BoardChoice::None, Bench::default(), Path::new("/none")).unwrap();
        assert!(fitted.is_none());
    }
}
