//! The station's rules: what is read when, what is driven by it, and what is worth telling. No chip, no thread.

use std::time::Duration;

use edge_protocol::time::MonoTime;

use super::{
    Celsius, Debounce, Degrees, Drivable, Drive, Edge, Fitted, Indication, Lux, Posture, Power, Sensor, Share, Tilt,
    TwoPoint, Volts,
};

/// How often slow parts are read.
const SLOW: Duration = Duration::from_secs(1);
/// A turn must last this long to be told: a gust is none.
const LASTING: Duration = Duration::from_secs(5);
/// Strokes closer together than this are one.
const ONE_STROKE: Duration = Duration::from_secs(30);
/// How far below its threshold a temperature must fall before analysis gets more again.
const COOLER: f32 = 4.0;
/// How far above its threshold the supply must rise.
const STRONGER: f32 = 0.3;

/// A button counts as pressed once it was held for so long: nobody leans on it by mistake.
pub const HELD: Duration = Duration::from_secs(5);

/// How much analysis heat and power leave. Recording and hits are never touched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// The configured rate.
    #[default]
    Full,
    /// Half of it.
    Half,
    /// A quarter of it.
    Quarter,
    /// None.
    RecordingAlone,
}

impl Effort {
    /// As a share of the configured rate.
    pub fn share(self) -> Share {
        match self {
            Self::Full => Share::FULL,
            Self::Half => Share::of(0.5),
            Self::Quarter => Share::of(0.25),
            Self::RecordingAlone => Share::OFF,
        }
    }
}

/// When the illuminator is lit.
#[derive(Debug)]
pub enum Lighting {
    /// By the light sensor.
    Light(TwoPoint<Lux>),
    /// Between two minutes of the day, UTC; over midnight where the first is the later.
    Schedule(u16, u16),
}

/// The illuminator with its rule.
#[derive(Debug)]
pub struct Illuminator {
    /// The channel.
    pub dimmer: Fitted<dyn Drivable<Share>>,
    /// How bright it is when lit.
    pub brightness: Share,
    /// When it is lit.
    pub lighting: Lighting,
}

/// A heater or fan with its rule.
#[derive(Debug)]
pub struct Climate {
    /// Its line.
    pub switch: Fitted<dyn Drivable<bool>>,
    /// When it runs.
    pub rule: TwoPoint<Celsius>,
}

/// A contact with its bounces taken out.
#[derive(Debug)]
pub struct Input {
    /// Its line; the name is told with each alert.
    pub contact: Fitted<dyn Sensor<bool>>,
    /// Its rule.
    pub debounce: Debounce,
}

/// The accelerometer with its rule.
#[derive(Debug)]
pub struct Level {
    /// The part.
    pub part: Fitted<dyn Sensor<Posture>>,
    /// A turn beyond this is told.
    pub limit: Degrees,
    /// How it reads as mounted; the first reading where none is given.
    pub upright: Option<Tilt>,
}

/// The power monitor with its rules.
#[derive(Debug)]
pub struct Supply {
    /// The part.
    pub part: Fitted<dyn Sensor<Power>>,
    /// At or below this analysis is thinned.
    pub low: Volts,
    /// At or below this only recording goes on.
    pub critical: Volts,
}

/// Everything that is fitted.
#[derive(Debug, Default)]
pub struct Parts {
    /// Heater and fan follow the first.
    pub thermometers: Vec<Fitted<dyn Sensor<Celsius>>>,
    /// Half, a quarter, no analysis from these temperatures on.
    pub heat: Option<[Celsius; 3]>,
    /// What the box is fed.
    pub supply: Option<Supply>,
    /// How it hangs.
    pub level: Option<Level>,
    /// How bright it is outside.
    pub light: Option<Fitted<dyn Sensor<Lux>>>,
    /// Light of its own.
    pub illuminator: Option<Illuminator>,
    /// Against the cold.
    pub heater: Option<Climate>,
    /// Against the heat.
    pub fan: Option<Climate>,
    /// For somebody on a ladder.
    pub led: Option<Fitted<dyn Drivable<bool>>>,
    /// Closed while the enclosure is shut.
    pub tamper: Option<Input>,
    /// The service button; its rule is [`HELD`].
    pub button: Option<Input>,
    /// Contacts that hold video.
    pub triggers: Vec<Input>,
}

/// What was noticed.
#[derive(Debug, Clone, PartialEq)]
pub enum Noticed {
    /// The service button was held for [`HELD`].
    Button,
    /// A trigger's contact closed; its place in [`Parts::triggers`].
    Trigger(usize, MonoTime),
    /// The enclosure was opened, or shut again.
    Enclosure(Edge),
    /// The box was struck.
    Struck,
    /// The box turned from where it was mounted, or is back.
    Tilted(Degrees, Edge),
    /// Heat or supply leave another share for analysis than before; why, in words.
    Effort(Effort, String),
}

/// What the parts read last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    /// Each sensor's name and temperature.
    pub temperatures: Vec<(String, Celsius)>,
    /// The supply.
    pub power: Option<Power>,
    /// How far the box turned.
    pub tilt: Option<Degrees>,
    /// How bright it is.
    pub light: Option<Lux>,
    /// Whether the enclosure is open.
    pub opened: Option<bool>,
    /// Whether the heater runs.
    pub heater: Option<bool>,
    /// Whether the fan runs.
    pub fan: Option<bool>,
    /// How bright the illuminator is.
    pub illuminator: Option<Share>,
    /// What is left for analysis.
    pub effort: Effort,
    /// What gives no reading, in words.
    pub failing: Vec<String>,
}

/// The station.
#[derive(Debug)]
pub struct Station {
    parts: Parts,
    readings: Readings,
    due: MonoTime,
    heat: Option<[TwoPoint<Celsius>; 3]>,
    weak: Option<[TwoPoint<Volts>; 2]>,
    tilted: bool,
    /// Since when the posture is other than what was told.
    turning: Option<MonoTime>,
    struck: Option<MonoTime>,
}

impl Station {
    /// A station that has read nothing yet.
    pub fn new(parts: Parts) -> Self {
        let below = |at: Celsius| TwoPoint::new(at, Celsius(at.0 - COOLER), Drive::Off);
        let above = |at: Volts| TwoPoint::new(at, Volts(at.0 + STRONGER), Drive::Off);
        let heat = parts.heat.map(|at| at.map(below));
        let weak = parts.supply.as_ref().map(|supply| [supply.low, supply.critical].map(above));
        Self {
            parts,
            readings: Readings::default(),
            due: MonoTime::ZERO,
            heat,
            weak,
            tilted: false,
            turning: None,
            struck: None,
        }
    }

    /// What was read last.
    pub fn readings(&self) -> &Readings {
        &self.readings
    }

    /// A trigger's name.
    pub fn trigger(&self, place: usize) -> &str {
        self.parts.triggers.get(place).map_or("", |input| input.contact.name())
    }

    /// Looks at the contacts, and once a second at everything; `minute` is the minute of the day, UTC. Call it every
    /// 20 ms.
    pub fn step(&mut self, now: MonoTime, minute: u16, indication: Indication) -> Vec<Noticed> {
        let mut noticed = Vec::new();
        if let Some(led) = self.parts.led.as_mut() {
            led.set(indication.is_lit(now.as_duration()), now);
        }
        for (place, input) in self.parts.triggers.iter_mut().enumerate() {
            if let Some((Edge::Closed, at)) = input.look(now) {
                noticed.push(Noticed::Trigger(place, at));
            }
        }
        if let Some((Edge::Closed, _)) = self.parts.button.as_mut().and_then(|button| button.look(now)) {
            noticed.push(Noticed::Button);
        }
        if let Some(tamper) = self.parts.tamper.as_mut() {
            noticed.extend(tamper.look(now).map(|(edge, _)| Noticed::Enclosure(edge)));
            self.readings.opened = tamper.debounce.closed().map(|closed| !closed);
        }
        if now >= self.due {
            self.due = now.saturating_add(SLOW);
            self.measure(now);
            self.drive(now, minute);
            noticed.extend(self.posture(now));
            noticed.extend(self.effort());
            self.readings.failing = self.failing();
        }
        noticed
    }

    /// Turns off what could do harm while nobody watches: the heater. Called when the station ends.
    pub fn rest(&mut self, now: MonoTime) {
        if let Some(heater) = self.parts.heater.as_mut() {
            heater.switch.set(false, now);
        }
    }

    fn measure(&mut self, now: MonoTime) {
        let read = |part: &mut Fitted<dyn Sensor<Celsius>>| Some((part.name().to_owned(), part.read(now)?));
        self.readings.temperatures = self.parts.thermometers.iter_mut().filter_map(read).collect();
        self.readings.power = self.parts.supply.as_mut().and_then(|supply| supply.part.read(now));
        self.readings.light = self.parts.light.as_mut().and_then(|part| part.read(now));
    }

    fn drive(&mut self, now: MonoTime, minute: u16) {
        let first = self.parts.thermometers.first().map(Fitted::name);
        let first = self.readings.temperatures.iter().find(|(name, _)| Some(name.as_str()) == first);
        let temperature = first.map(|(_, celsius)| *celsius);
        let run = |climate: &mut Climate| {
            let on = climate.rule.decide(temperature) == Drive::On;
            climate.switch.set(on, now).then_some(on)
        };
        self.readings.heater = self.parts.heater.as_mut().and_then(run);
        self.readings.fan = self.parts.fan.as_mut().and_then(run);
        let light = self.readings.light;
        self.readings.illuminator = self.parts.illuminator.as_mut().and_then(|illuminator| {
            let lit = match &mut illuminator.lighting {
                Lighting::Light(rule) => rule.decide(light) == Drive::On,
                Lighting::Schedule(from, to) => is_between(minute, *from, *to),
            };
            let share = if lit { illuminator.brightness } else { Share::OFF };
            illuminator.dimmer.set(share, now).then_some(share)
        });
    }

    fn posture(&mut self, now: MonoTime) -> Vec<Noticed> {
        let Some(level) = self.parts.level.as_mut() else { return Vec::new() };
        let Some(posture) = level.part.read(now) else {
            self.readings.tilt = None;
            return Vec::new();
        };
        let mut noticed = Vec::new();
        let angle = posture.tilt.angle_from(level.upright.get_or_insert(posture.tilt));
        self.readings.tilt = Some(angle);
        if posture.struck && self.struck.is_none_or(|last| now.saturating_since(last) >= ONE_STROKE) {
            self.struck = Some(now);
            noticed.push(Noticed::Struck);
        }
        if (angle > level.limit) == self.tilted {
            self.turning = None;
        } else if now.saturating_since(*self.turning.get_or_insert(now)) >= LASTING {
            (self.tilted, self.turning) = (!self.tilted, None);
            noticed.push(Noticed::Tilted(angle, if self.tilted { Edge::Opened } else { Edge::Closed }));
        }
        noticed
    }

    fn effort(&mut self) -> Option<Noticed> {
        let hottest = self.readings.temperatures.iter().map(|(_, celsius)| celsius.0);
        let hottest = hottest.fold(None, |most: Option<f32>, now| Some(most.map_or(now, |most| most.max(now))));
        let volts = self.readings.power.map(|power| power.voltage);
        let on = |rule: &mut TwoPoint<Celsius>| rule.decide(hottest.map(Celsius)) == Drive::On;
        let heat = self.heat.as_mut().map_or([false; 3], |rules| rules.each_mut().map(on));
        let on = |rule: &mut TwoPoint<Volts>| rule.decide(volts) == Drive::On;
        let weak = self.weak.as_mut().map_or([false; 2], |rules| rules.each_mut().map(on));
        let by_heat = match heat {
            [_, _, true] => Effort::RecordingAlone,
            [_, true, _] => Effort::Quarter,
            [true, _, _] => Effort::Half,
            [false, false, false] => Effort::Full,
        };
        let by_power = match weak {
            [_, true] => Effort::RecordingAlone,
            [true, _] => Effort::Quarter,
            [false, false] => Effort::Full,
        };
        let effort = by_heat.max(by_power);
        if std::mem::replace(&mut self.readings.effort, effort) == effort {
            return None;
        }
        let heat =
            hottest.map(|celsius| format!("{celsius:.1} °C at the hottest sensor")).filter(|_| by_heat == effort);
        let power = volts.map(|volts| format!("{:.2} V from the supply", volts.0)).filter(|_| by_power == effort);
        let why = heat.into_iter().chain(power).collect::<Vec<_>>().join(", ");
        Some(Noticed::Effort(effort, why))
    }

    fn failing(&self) -> Vec<String> {
        let parts = &self.parts;
        let inputs = || parts.triggers.iter().chain(&parts.tamper).chain(&parts.button);
        let mut words: Vec<String> = parts.thermometers.iter().filter_map(Fitted::trouble).collect();
        words.extend(parts.supply.iter().filter_map(|supply| supply.part.trouble()));
        words.extend(parts.level.iter().filter_map(|level| level.part.trouble()));
        words.extend(parts.light.iter().filter_map(Fitted::trouble));
        words.extend(parts.illuminator.iter().filter_map(|illuminator| illuminator.dimmer.trouble()));
        words.extend(parts.heater.iter().chain(&parts.fan).filter_map(|climate| climate.switch.trouble()));
        words.extend(parts.led.iter().filter_map(Fitted::trouble));
        words.extend(inputs().filter_map(|input| input.contact.trouble()));
        let restless = inputs().filter(|input| input.debounce.is_restless());
        words.extend(
            restless.map(|input| format!("{}: flutters without settling; look at its wire", input.contact.name())),
        );
        words
    }
}

/// Whether a minute of the day lies between two others, over midnight where the first is the later.
fn is_between(minute: u16, from: u16, to: u16) -> bool {
    if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
}

impl Input {
    fn look(&mut self, now: MonoTime) -> Option<(Edge, MonoTime)> {
        let closed = self.contact.read(now)?;
        self.debounce.take(closed, now)
    }
}

#[cfg(test)]
mod tests;
