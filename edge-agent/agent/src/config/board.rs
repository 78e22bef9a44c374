//! The board file: what is fitted to this box, on which bus, address or line, and when it acts.
//!
//! A file of its own, because it belongs to the board and not to the site: one is shipped per carrier board. Read like
//! the configuration: unknown keys are refused and all mistakes are told at once. Whether the parts answer is found
//! out by who opens them, and an absent one is told in health.

mod parts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_protocol::id::CameraId;

use super::fields::Fields;
use super::{ConfigError, Profile};
use parts::{accelerometer, climate, heat, i2c, illuminator, line, optional, power, temperature, trigger};

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

/// What measures a temperature, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemperaturePart {
    /// NXP LM75B and its relatives.
    Lm75(I2cPlace),
    /// Texas Instruments TMP117.
    Tmp117(I2cPlace),
    /// The kernel's thermal zones of this type.
    Zone(String),
}

/// A temperature sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemperatureSensor {
    /// What it measures, e.g. `enclosure`.
    pub name: String,
    /// What measures it.
    pub part: TemperaturePart,
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

impl Default for Heat {
    fn default() -> Self {
        Self { warm_at: 75.0, hot_at: 82.0, stop_at: 90.0 }
    }
}

/// What is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// The board's name.
    pub name: String,
    /// Temperature sensors; heater and fan follow the first. All of the kernel's thermal zones where empty.
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
    /// The service button, which opens the technician's page.
    pub button: Option<Line>,
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
        super::read_text(path).and_then(|text| Self::parse(&text)).map_err(|why| Self::wrong(path, why))
    }

    /// A mistake in a board file, told as such.
    pub fn wrong(path: &Path, why: ConfigError) -> ConfigError {
        ConfigError::Named { what: "the board file", path: path.to_owned(), why: why.into() }
    }

    /// Whether a text is meant to describe a board: it has a name, and nothing that a unit's configuration begins with.
    pub fn is_meant(text: &str) -> bool {
        super::parse(text).is_ok_and(|table| {
            table.contains_key("name")
                && !["unit", "camera", "uplink", "data_dir"].iter().any(|key| table.contains_key(*key))
        })
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
    let button = optional(&root.table("button"), line);
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
        button: button?,
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
    let named = named.chain([("tamper", board.tamper.as_ref()), ("button", board.button.as_ref())]);
    for (key, line) in named.chain(board.triggers.iter().map(|trigger| ("trigger", Some(&trigger.line)))) {
        if let Some(line) = line.filter(|line| !lines.insert((line.chip.clone(), line.line))) {
            root.mistake(key, format!("has line {} of {}, which another part has", line.line, line.chip.display()));
        }
    }
}

#[cfg(test)]
mod tests;
