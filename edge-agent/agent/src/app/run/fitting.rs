//! What the board file describes, as parts of the station.

use std::sync::{Arc, Mutex};

use crate::config::{self, Board, BoardChoice, ConfigError};
use crate::peripherals::fit::{self, OnBus, OnLine};
use crate::peripherals::simulated::{self, Bench};
use crate::peripherals::{
    Celsius, Climate, Debounce, Degrees, Drive, HELD, Illuminator, Input, Level, Lighting, Lux, Parts, Share, Supply,
    Tilt, TwoPoint, Volts,
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

/// The parts of the board that the configuration names; none where it names none. A simulated one reads `bench`.
///
/// # Errors
/// When the board file cannot be read or has mistakes.
pub(in crate::app) fn fittings(choice: &BoardChoice, bench: Bench) -> Result<Option<Fittings>, ConfigError> {
    match choice {
        BoardChoice::None => Ok(None),
        BoardChoice::Simulated => {
            let bench = Arc::new(Mutex::new(bench));
            Ok(Some(Fittings { parts: simulated::parts(&bench), triggers: Vec::new(), bench: Some(bench) }))
        }
        BoardChoice::File(path) => {
            let board = Board::read(path)?;
            Ok(Some(Fittings { parts: parts(&board), triggers: board.triggers, bench: None }))
        }
    }
}

fn on_bus(place: &config::I2cPlace) -> OnBus {
    OnBus { bus: place.bus.clone(), address: place.address }
}

fn on_line(line: &config::BoardLine) -> OnLine {
    OnLine { chip: line.chip.clone(), line: line.line, active_low: line.active_low }
}

fn parts(board: &Board) -> Parts {
    let thermometer = |sensor: &config::TemperatureSensor| match sensor.part {
        config::TemperaturePart::Lm75 => fit::lm75(&sensor.name, on_bus(&sensor.place)),
        config::TemperaturePart::Tmp117 => fit::tmp117(&sensor.name, on_bus(&sensor.place)),
    };
    let climate = |name, drive: &config::Climate, blind| Climate {
        switch: fit::switch(name, on_line(&drive.line)),
        rule: TwoPoint::new(Celsius(drive.on_at), Celsius(drive.off_at), blind),
    };
    let input = |name: &str, line: &config::BoardLine, settle| Input {
        contact: fit::contact(name, on_line(line)),
        debounce: Debounce::new(settle),
    };
    Parts {
        thermometers: board.temperatures.iter().map(thermometer).collect(),
        heat: Some([board.heat.warm_at, board.heat.hot_at, board.heat.stop_at].map(Celsius)),
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
    use crate::peripherals::{Indication, Station};

    #[test]
    fn a_board_of_which_nothing_answers_is_told_part_by_part_and_stops_nothing() {
        let text = include_str!("../../../../docs/board.example.toml").replace("/dev/", "/dev/none-");
        let mut station = Station::new(parts(&Board::parse(&text).unwrap()));
        assert_eq!(station.step(MonoTime::ZERO, 0, Indication::Booting), []);
        let failing = &station.readings().failing;
        let names = ["enclosure", "board", "power", "accelerometer", "light", "illuminator", "heater", "fan", "led"];
        for name in names.iter().chain(&["gunshot", "tamper", "button"]) {
            assert!(failing.iter().any(|words| words.starts_with(&format!("{name}: "))), "{name} in {failing:#?}");
        }
        assert_eq!(failing.len(), names.len() + 3);
    }
}
