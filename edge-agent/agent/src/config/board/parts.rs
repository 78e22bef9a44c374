//! Each part of the board file as it is read and checked by itself.

use std::path::PathBuf;
use std::time::Duration;

use edge_protocol::id::CameraId;

use super::{
    Accelerometer, Climate, Heat, I2cPlace, Illuminator, Lighting, Line, PowerMonitor, TemperaturePart,
    TemperatureSensor, Trigger,
};
use crate::config::fields::Fields;

/// `Some(None)` where the table is absent, `None` where it is wrong.
#[allow(clippy::option_option, reason = "absent and wrong are two things here")]
pub(super) fn optional<T>(fields: &Fields<'_>, read: impl Fn(&Fields<'_>) -> Option<T>) -> Option<Option<T>> {
    if !fields.is_present() {
        return Some(None);
    }
    let value = read(fields);
    fields.finish();
    value.map(Some)
}

pub(super) fn i2c(fields: &Fields<'_>, allowed: std::ops::RangeInclusive<u64>) -> Option<I2cPlace> {
    let bus = fields.text("bus", "a bus such as /dev/i2c-1").map(PathBuf::from);
    let address = fields.optional_integer("address", allowed.clone());
    if address.is_none() && !fields.has("address") {
        fields.mistake("address", format!("is missing; give {:#04x} to {:#04x}", allowed.start(), allowed.end()));
    }
    Some(I2cPlace { bus: bus?, address: u8::try_from(address?).ok()? })
}

pub(super) fn line(fields: &Fields<'_>) -> Option<Line> {
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

/// Reads what one kind of thermometer says beside its name.
type ReadPart = fn(&Fields<'_>) -> Option<TemperaturePart>;

pub(super) fn temperature(fields: &Fields<'_>) -> Option<TemperatureSensor> {
    let name = fields.text("name", "what it measures");
    let read: [(&str, ReadPart); 3] = [
        ("lm75", |fields| i2c(fields, 0x48..=0x4f).map(TemperaturePart::Lm75)),
        ("tmp117", |fields| i2c(fields, 0x48..=0x4b).map(TemperaturePart::Tmp117)),
        ("zone", |fields| fields.text("zone", "a zone's type such as \"soc-thermal\"").map(TemperaturePart::Zone)),
    ];
    let part = fields.choice("part", &read, read[0].1)(fields);
    fields.finish();
    Some(TemperatureSensor { name: name?, part: part? })
}

pub(super) fn heat(fields: &Fields<'_>) -> Heat {
    let at = |key, default| real(fields, key, 0.0..=125.0, default);
    let Heat { warm_at, hot_at, stop_at } = Heat::default();
    let heat = Heat { warm_at: at("warm_at", warm_at), hot_at: at("hot_at", hot_at), stop_at: at("stop_at", stop_at) };
    if !(heat.warm_at < heat.hot_at && heat.hot_at < heat.stop_at) {
        fields.mistake("warm_at", "must lie below hot_at, and that below stop_at");
    }
    fields.finish();
    heat
}

pub(super) fn power(fields: &Fields<'_>) -> Option<PowerMonitor> {
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

pub(super) fn accelerometer(fields: &Fields<'_>) -> Option<Accelerometer> {
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

pub(super) fn illuminator(fields: &Fields<'_>) -> Option<Illuminator> {
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

pub(super) fn climate(fields: &Fields<'_>, starts: &str) -> Option<Climate> {
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

pub(super) fn trigger(fields: &Fields<'_>) -> Option<Trigger> {
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
