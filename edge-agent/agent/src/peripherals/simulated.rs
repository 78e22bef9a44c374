//! A board without a board: parts that read what a bench says, for demonstrations, the page and the rules' own tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::station::{Climate, HELD, Illuminator, Input, Level, Lighting, Parts, Supply};
use super::{
    Amperes, Celsius, Debounce, Degrees, Drivable, Drive, Fitted, Lux, PartError, Posture, Power, Sensor, Share, Tilt,
    TwoPoint, Volts,
};

/// What the simulated parts read; `None` is a part that does not answer.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a contact of its own, open or closed")]
pub struct Bench {
    /// Temperature of the enclosure.
    pub celsius: Option<f32>,
    /// The supply.
    pub power: Option<Power>,
    /// The pull on the box.
    pub tilt: Tilt,
    /// Whether it was struck since the last look.
    pub struck: bool,
    /// Brightness outside.
    pub lux: f32,
    /// Whether the enclosure is shut.
    pub shut: bool,
    /// Whether somebody presses the service button.
    pub button: bool,
    /// Whether the trigger's contact is closed.
    pub trigger: bool,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            celsius: Some(31.0),
            power: Some(Power { voltage: Volts(12.1), current: Amperes(0.85) }),
            tilt: UPRIGHT,
            struck: false,
            lux: 420.0,
            shut: true,
            button: false,
            trigger: false,
        }
    }
}

/// How the bench stands.
const UPRIGHT: Tilt = Tilt { x_mg: 0, y_mg: 0, z_mg: 1000 };

type Knob = Arc<Mutex<Bench>>;

fn look(bench: &Knob) -> MutexGuard<'_, Bench> {
    bench.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a value off the bench.
struct Reader<F>(Knob, F);

impl<T, F: FnMut(&mut Bench) -> Option<T> + Send> Sensor<T> for Reader<F> {
    fn read(&mut self) -> Result<T, PartError> {
        let absent = PartError::Bus { part: "simulated part", reason: "NoAcknowledge".to_owned() };
        (self.1)(&mut look(&self.0)).ok_or(absent)
    }
}

/// Takes every value; what a lamp or heater does with it is nobody's concern here.
struct Sink;

impl<T> Drivable<T> for Sink {
    fn set(&mut self, _value: T) -> Result<(), PartError> {
        Ok(())
    }
}

fn sensor<T: 'static>(
    name: &str,
    bench: &Knob,
    read: impl FnMut(&mut Bench) -> Option<T> + Clone + Send + 'static,
) -> Fitted<dyn Sensor<T>> {
    let bench = Arc::clone(bench);
    Fitted::new(name, Box::new(move || Ok(Box::new(Reader(Arc::clone(&bench), read.clone())))))
}

fn sink<T: 'static>(name: &str) -> Fitted<dyn Drivable<T>> {
    Fitted::new(name, Box::new(|| Ok(Box::new(Sink))))
}

/// A whole board on a bench.
pub fn parts(bench: &Arc<Mutex<Bench>>) -> Parts {
    let posture = |bench: &mut Bench| Some(Posture { tilt: bench.tilt, struck: std::mem::take(&mut bench.struck) });
    let input = |name, read: fn(&mut Bench) -> Option<bool>| Input {
        contact: sensor(name, bench, read),
        debounce: Debounce::new(Duration::from_millis(50)),
    };
    let climate = |name, on_at, off_at, blind| Climate {
        switch: sink(name),
        rule: TwoPoint::new(Celsius(on_at), Celsius(off_at), blind),
    };
    Parts {
        thermometers: vec![sensor("enclosure", bench, |bench| bench.celsius.map(Celsius))],
        heat: Some([75.0, 82.0, 90.0].map(Celsius)),
        supply: Some(Supply {
            part: sensor("power", bench, |bench| bench.power),
            low: Volts(10.8),
            critical: Volts(10.2),
        }),
        level: Some(Level {
            part: sensor("accelerometer", bench, posture),
            limit: Degrees(5.0),
            upright: Some(UPRIGHT),
        }),
        light: Some(sensor("light", bench, |bench| Some(Lux(bench.lux)))),
        illuminator: Some(Illuminator {
            dimmer: sink("illuminator"),
            brightness: Share::FULL,
            lighting: Lighting::Light(TwoPoint::new(Lux(5.0), Lux(20.0), Drive::Off)),
        }),
        heater: Some(climate("heater", -5.0, 2.0, Drive::Off)),
        fan: Some(climate("fan", 55.0, 48.0, Drive::On)),
        led: Some(sink("led")),
        tamper: Some(input("tamper", |bench| Some(bench.shut))),
        button: Some(Input {
            contact: sensor("button", bench, |bench| Some(bench.button)),
            debounce: Debounce::new(HELD),
        }),
        triggers: vec![input("trigger", |bench| Some(bench.trigger))],
    }
}
