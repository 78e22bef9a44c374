//! The board file: what is fitted to this box, on which bus, address or line, and when it acts.
//!
//! A file of its own, because it belongs to the board and not to the site: one is shipped per carrier board. Read like
//! the configuration: unknown keys are refused and all mistakes are told at once. Whether the parts answer is found
//! out by who opens them, and an absent one is told in health.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_protocol::id::CameraId;

use super::fields::Fields;
use super::{ConfigError, Profile};

/// Which board the configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BoardChoice {
    /// None: a plain computer.
    #[default]
    None,
    /// Simulated parts, for demonstrations; refused in the field.
    Simulated,
    /// The board that a file describes.
    File(PathBuf),
}

/// A part on an I2C bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct I2cPlace {
    /// The bus, e.g. `/dev/i2c-1`.
    pub bus: PathBuf,
    /// The 7-bit address.
    pub address: u8,
}

/// A line of a GPIO chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The chip, e.g. `/dev/gpiochip0`.
    pub chip: PathBuf,
    /// The line's number on it.
    pub line: u32,
    /// Whether a low level means closed, lit or running.
    pub active_low: bool,
}

/// The chips that measure temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemperaturePart {
    /// NXP LM75B and its relatives.
    Lm75,
    /// Texas Instruments TMP117.
    Tmp117,
}

/// A temperature sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemperatureSensor {
    /// What it measures, e.g. `enclosure`.
    pub name: String,
    /// Which chip.
    pub part: TemperaturePart,
    /// Where.
    pub place: I2cPlace,
}

/// The power monitor, an INA226.
#[derive(Debug, Clone, PartialEq)]
pub struct PowerMonitor {
    /// Where.
    pub place: I2cPlace,
    /// The shunt, ohms.
    pub shunt_ohms: f32,
    /// Below this many volts analysis is thinned; 0 for never.
    pub low_volts: f32,
    /// Below this many volts analysis stops and only recording goes on; 0 for never.
    pub critical_volts: f32,
}

/// The accelerometer, a LIS2DH12.
#[derive(Debug, Clone, PartialEq)]
pub struct Accelerometer {
    /// Where.
    pub place: I2cPlace,
    /// A turn beyond this many degrees is told.
    pub tilt_degrees: f32,
    /// A stroke beyond this many thousandths of g is told.
    pub shock_mg: u16,
    /// What it reads where the box hangs as mounted, thousandths of g; the first reading where `None`.
    pub upright_mg: Option<[i16; 3]>,
}

/// When the illuminator is lit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lighting {
    /// By the light sensor: lit below the first, dark above the second, in lux.
    Light(f32, f32),
    /// By time of day: from the first to the second minute of the day, UTC.
    Schedule(u16, u16),
}

/// The infrared illuminator on a channel of a PCA9685.
#[derive(Debug, Clone, PartialEq)]
pub struct Illuminator {
    /// Where.
    pub place: I2cPlace,
    /// The channel, 0 to 15.
    pub channel: u8,
    /// Brightness while lit, 0 to 1.
    pub brightness: f32,
    /// When it is lit.
    pub lighting: Lighting,
}

/// A heater or fan on a line, by the first temperature sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Climate {
    /// Where.
    pub line: Line,
    /// The temperature at which it starts.
    pub on_at: f32,
    /// The temperature at which it stops.
    pub off_at: f32,
}

/// A contact that marks and holds video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its name, told with each alert.
    pub name: String,
    /// Where.
    pub line: Line,
    /// How long the contact must stay for a change to count.
    pub settle: Duration,
    /// How much video before the contact closed is held.
    pub before: Duration,
    /// How much after.
    pub after: Duration,
    /// For how long it is held.
    pub hold: Duration,
    /// Whose video; every camera's where empty.
    pub cameras: Vec<CameraId>,
}

/// Temperatures at which analysis gives way, degrees Celsius, of the hottest sensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heat {
    /// Half the rate.
    pub warm_at: f32,
    /// A quarter of the rate.
    pub hot_at: f32,
    /// No analysis: only recording goes on.
    pub stop_at: f32,
}

/// What is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// The board's name.
    pub name: String,
    /// Temperature sensors; heater and fan follow the first.
    pub temperatures: Vec<TemperatureSensor>,
    /// When heat takes from analysis.
    pub heat: Heat,
    /// The power monitor.
    pub power: Option<PowerMonitor>,
    /// The accelerometer.
    pub accelerometer: Option<Accelerometer>,
    /// The light sensor, an OPT3001.
    pub light: Option<I2cPlace>,
    /// The illuminator.
    pub illuminator: Option<Illuminator>,
    /// The heater.
    pub heater: Option<Climate>,
    /// The fan.
    pub fan: Option<Climate>,
    /// The status LED.
    pub led: Option<Line>,
    /// The tamper switch: closed while the enclosure is shut.
    pub tamper: Option<Line>,
    /// Trigger inputs.
    pub triggers: Vec<Trigger>,
}

/// `board = "sim"`, or `[board]` with a file.
pub(super) fn choice(root: &Fields<'_>, profile: Profile) -> BoardChoice {
    if !root.has("board") {
        return BoardChoice::None;
    }
    if root.is_text("board") {
        let simulated = root.choice("board", &[("sim", true)], false);
        if simulated && profile == Profile::Field {
            root.mistake(
                "board",
                "is simulated; describe the real one with [board] file = \"...\", or set profile = \"dev\"",
            );
        }
        return if simulated { BoardChoice::Simulated } else { BoardChoice::None };
    }
    let fields = root.table("board");
    let file = fields.text("file", "the board file");
    fields.finish();
    file.map_or(BoardChoice::None, |file| BoardChoice::File(file.into()))
}

impl Board {
    /// Reads and checks a board file.
    ///
    /// # Errors
    /// See [`ConfigError`]; all mistakes come together.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Checks a text.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table = super::parse(text)?;
        let root = Fields::root(&table);
        let board = read(&root);
        let mistakes = root.mistakes();
        match board {
            Some(board) if mistakes.is_empty() => Ok(board),
            _ => Err(ConfigError::Mistakes(mistakes)),
        }
    }
}

fn read(root: &Fields<'_>) -> Option<Board> {
    let name = root.text("name", "the board's name");
    let temperatures: Vec<_> = root.tables("temperature").iter().map(temperature).collect();
    let heat = heat(&root.table("heat"));
    let power = optional(&root.table("power"), power);
    let accelerometer = optional(&root.table("accelerometer"), accelerometer);
    let light = optional(&root.table("light"), |fields| i2c(fields, 0x44..=0x47));
    let illuminator = optional(&root.table("illuminator"), illuminator);
    let heater = optional(&root.table("heater"), |fields| climate(fields, "below"));
    let fan = optional(&root.table("fan"), |fields| climate(fields, "above"));
    let led = optional(&root.table("led"), line);
    let tamper = optional(&root.table("tamper"), line);
    let triggers: Vec<_> = root.tables("trigger").iter().map(trigger).collect();
    root.finish();
    let board = Board {
        name: name?,
        temperatures: temperatures.into_iter().collect::<Option<_>>()?,
        heat,
        power: power?,
        accelerometer: accelerometer?,
        light: light?,
        illuminator: illuminator?,
        heater: heater?,
        fan: fan?,
        led: led?,
        tamper: tamper?,
        triggers: triggers.into_iter().collect::<Option<_>>()?,
    };
    between_parts(root, &board);
    Some(board)
}

/// What only two parts together can get wrong.
fn between_parts(root: &Fields<'_>, board: &Board) {
    if board.temperatures.is_empty() {
        for (key, _) in [("heater", &board.heater), ("fan", &board.fan)].iter().filter(|(_, drive)| drive.is_some()) {
            root.mistake(key, "follows the first [[temperature]], and there is none; describe one");
        }
    }
    let by_light = |lit: &Illuminator| matches!(lit.lighting, Lighting::Light(..));
    if board.light.is_none() && board.illuminator.as_ref().is_some_and(by_light) {
        root.mistake(
            "illuminator.by",
            "is \"light\", and there is no [light]; describe one, or give by = \"schedule\"",
        );
    }
    let mut lines = BTreeSet::new();
    let named = [("heater", board.heater.as_ref().map(|drive| &drive.line))].into_iter();
    let named = named.chain([("fan", board.fan.as_ref().map(|drive| &drive.line)), ("led", board.led.as_ref())]);
    let named = named.chain([("tamper", board.tamper.as_ref())]);
    for (key, line) in named.chain(board.triggers.iter().map(|trigger| ("trigger", Some(&trigger.line)))) {
        if let Some(line) = line.filter(|line| !lines.insert((line.chip.clone(), line.line))) {
            root.mistake(key, format!("has line {} of {}, which another part has", line.line, line.chip.display()));
        }
    }
}

/// `Some(None)` where the table is absent, `None` where it is wrong.
#[allow(clippy::option_option, reason = "absent and wrong are two things here")]
fn optional<T>(fields: &Fields<'_>, read: impl Fn(&Fields<'_>) -> Option<T>) -> Option<Option<T>> {
    if !fields.is_present() {
        return Some(None);
    }
    let value = read(fields);
    fields.finish();
    value.map(Some)
}

fn i2c(fields: &Fields<'_>, allowed: std::ops::RangeInclusive<u64>) -> Option<I2cPlace> {
    let bus = fields.text("bus", "a bus such as /dev/i2c-1").map(PathBuf::from);
    let address = fields.optional_integer("address", allowed.clone());
    if address.is_none() && !fields.has("address") {
        fields.mistake("address", format!("is missing; give {:#04x} to {:#04x}", allowed.start(), allowed.end()));
    }
    Some(I2cPlace { bus: bus?, address: u8::try_from(address?).ok()? })
}

fn line(fields: &Fields<'_>) -> Option<Line> {
    let chip = fields.text("chip", "a chip such as /dev/gpiochip0").map(PathBuf::from);
    let line = fields.optional_integer("line", 0..=1023);
    if line.is_none() && !fields.has("line") {
        fields.mistake("line", "is missing; give the line's number on its chip");
    }
    let active_low = fields.boolean("active_low", false);
    Some(Line { chip: chip?, line: u32::try_from(line?).ok()?, active_low })
}

/// The nearest `f32`.
#[allow(clippy::cast_possible_truncation, reason = "a setting of a few digits")]
fn real(fields: &Fields<'_>, key: &'static str, allowed: std::ops::RangeInclusive<f64>, default: f32) -> f32 {
    fields.number(key, allowed).map_or(default, |number| number as f32)
}

fn temperature(fields: &Fields<'_>) -> Option<TemperatureSensor> {
    let name = fields.text("name", "what it measures");
    let parts = [("lm75", TemperaturePart::Lm75), ("tmp117", TemperaturePart::Tmp117)];
    let part = fields.choice("part", &parts, TemperaturePart::Lm75);
    let allowed = match part {
        TemperaturePart::Lm75 => 0x48..=0x4f,
        TemperaturePart::Tmp117 => 0x48..=0x4b,
    };
    let place = i2c(fields, allowed);
    fields.finish();
    Some(TemperatureSensor { name: name?, part, place: place? })
}

fn heat(fields: &Fields<'_>) -> Heat {
    let at = |key, default| real(fields, key, 0.0..=125.0, default);
    let heat = Heat { warm_at: at("warm_at", 75.0), hot_at: at("hot_at", 82.0), stop_at: at("stop_at", 90.0) };
    if !(heat.warm_at < heat.hot_at && heat.hot_at < heat.stop_at) {
        fields.mistake("warm_at", "must lie below hot_at, and that below stop_at");
    }
    fields.finish();
    heat
}

fn power(fields: &Fields<'_>) -> Option<PowerMonitor> {
    let place = i2c(fields, 0x40..=0x4f);
    let shunt = fields.number("shunt_ohms", 0.0001..=1.0);
    if shunt.is_none() && !fields.has("shunt_ohms") {
        fields.mistake("shunt_ohms", "is missing; give the shunt's resistance, e.g. 0.002");
    }
    let low_volts = real(fields, "low_volts", 0.0..=36.0, 0.0);
    let critical_volts = real(fields, "critical_volts", 0.0..=36.0, 0.0);
    if critical_volts > low_volts {
        fields.mistake("critical_volts", "lies above low_volts; the supply falls to the low one first");
    }
    #[allow(clippy::cast_possible_truncation, reason = "a shunt of a few digits")]
    let shunt_ohms = shunt? as f32;
    Some(PowerMonitor { place: place?, shunt_ohms, low_volts, critical_volts })
}

fn accelerometer(fields: &Fields<'_>) -> Option<Accelerometer> {
    let place = i2c(fields, 0x18..=0x19);
    let tilt_degrees = real(fields, "tilt_degrees", 0.5..=90.0, 5.0);
    let shock = fields.integer("shock_mg", 100..=2000, 800);
    let upright = fields.table("upright_mg");
    let upright_mg =
        upright.is_present().then(|| ["x", "y", "z"].map(|axis| real(&upright, axis, -2000.0..=2000.0, 0.0)));
    upright.finish();
    #[allow(clippy::cast_possible_truncation, reason = "at most 2000")]
    let upright_mg = upright_mg.map(|axes| axes.map(|axis| axis as i16));
    Some(Accelerometer { place: place?, tilt_degrees, shock_mg: u16::try_from(shock).unwrap_or(800), upright_mg })
}

fn illuminator(fields: &Fields<'_>) -> Option<Illuminator> {
    let place = i2c(fields, 0x40..=0x7f);
    let channel = fields.integer("channel", 0..=15, 0);
    let brightness = real(fields, "brightness", 0.0..=1.0, 1.0);
    let lighting = if fields.choice("by", &[("light", true), ("schedule", false)], true) {
        let (below, above) =
            (real(fields, "on_below_lx", 0.0..=1e5, 5.0), real(fields, "off_above_lx", 0.0..=1e5, 20.0));
        if below >= above {
            fields.mistake("off_above_lx", "must lie above on_below_lx, or the light chatters");
        }
        Lighting::Light(below, above)
    } else {
        let what = "a time of day such as \"18:30\", UTC";
        let (from, to) = (fields.text("from_utc", what), fields.text("to_utc", what));
        let minute = |key: &str, text: Option<String>| {
            let text = text?;
            minute_of_day(&text).or_else(|| {
                fields.mistake(key, format!("is \"{text}\"; give {what}"));
                None
            })
        };
        let (from, to) = (minute("from_utc", from), minute("to_utc", to));
        Lighting::Schedule(from?, to?)
    };
    Some(Illuminator { place: place?, channel: u8::try_from(channel).unwrap_or(0), brightness, lighting })
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn climate(fields: &Fields<'_>, starts: &str) -> Option<Climate> {
    let line = line(fields);
    let (default_on, default_off) = if starts == "below" { (-5.0, 2.0) } else { (55.0, 48.0) };
    let (on_at, off_at) =
        (real(fields, "on_at", -40.0..=125.0, default_on), real(fields, "off_at", -40.0..=125.0, default_off));
    if (starts == "below") != (on_at < off_at) {
        let side = if starts == "below" { "above" } else { "below" };
        fields
            .mistake("off_at", format!("must lie {side} on_at: it starts {starts} the one and rests {side} the other"));
    }
    Some(Climate { line: line?, on_at, off_at })
}

fn trigger(fields: &Fields<'_>) -> Option<Trigger> {
    let name = fields.text("name", "the input's name");
    let line = line(fields);
    let seconds = |key, allowed, default| Duration::from_secs(fields.integer(key, allowed, default));
    let settle = Duration::from_millis(fields.integer("settle_ms", 0..=5000, 50));
    let (before, after) = (seconds("before_s", 0..=600, 30), seconds("after_s", 0..=600, 60));
    let hold = Duration::from_hours(fields.integer("hold_hours", 1..=720, 72));
    let cameras = fields.texts("cameras", "a list of camera ids");
    let parse = |text: &String| {
        text.parse().map_err(|error| fields.mistake("cameras", format!("holds \"{text}\", {error}"))).ok()
    };
    let cameras: Option<Vec<CameraId>> = cameras.iter().map(parse).collect();
    fields.finish();
    Some(Trigger { name: name?, line: line?, settle, before, after, hold, cameras: cameras? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../docs/board.example.toml");

    fn mistakes(text: &str) -> Vec<String> {
        match Board::parse(text) {
            Err(ConfigError::Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
            other => panic!("expected mistakes, got {other:?}"),
        }
    }

    #[test]
    fn the_commented_example_is_valid_and_fits_every_kind_of_part() {
        let board = Board::parse(EXAMPLE).unwrap();
        assert_eq!(board.temperatures.len(), 2);
        assert_eq!(board.temperatures[0].place.address, 0x48);
        assert!(board.power.is_some() && board.accelerometer.is_some() && board.light.is_some());
        assert!(board.illuminator.is_some() && board.heater.is_some() && board.fan.is_some());
        assert!(board.led.is_some() && board.tamper.is_some() && !board.triggers.is_empty());
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_keys() {
        let found = mistakes(
            "name = \"b\"\nzebra = 1\n[power]\nbus = \"/dev/i2c-1\"\naddress = 0x20\n[fan]\nchip = \"/dev/gpiochip0\"\n\
             line = 3\non_at = 40\noff_at = 50\n[led]\nchip = \"/dev/gpiochip0\"\nline = 3\n[illuminator]\nby = \"schedule\"\n\
             bus = \"/dev/i2c-1\"\naddress = 0x41\nfrom_utc = \"25:00\"\nto_utc = \"06:00\"\n",
        );
        for start in [
            "power.address: is 32; give a whole number from 64 to 79",
            "power.shunt_ohms: is missing",
            "fan.off_at: must lie below on_at",
            "illuminator.from_utc: is \"25:00\"",
            "zebra: is not a known key",
        ] {
            assert!(found.iter().any(|mistake| mistake.starts_with(start)), "{start} in {found:#?}");
        }
    }

    #[test]
    fn two_parts_cannot_share_a_line_and_a_fan_needs_a_thermometer() {
        let found = mistakes(
            "name = \"b\"\n[fan]\nchip = \"/dev/gpiochip0\"\nline = 3\n[led]\nchip = \"/dev/gpiochip0\"\nline = 3\n",
        );
        assert_eq!(
            found,
            [
                "fan: follows the first [[temperature]], and there is none; describe one",
                "led: has line 3 of /dev/gpiochip0, which another part has",
            ]
        );
    }
}
