//! `rtcc units`, `rtcc cameras` and `rtcc ring`: what can be asked for.

use std::io::Write;

use clap::Args;
use jiff::tz::TimeZone;
use rtcc::show::lists;
use rtcc::show::text::terminal;
use serde_json::Value;

use super::center::CenterArguments;
use super::watch;

/// List every unit: whether it is there, since when, and what is wrong with it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtcc units\n  rtcc units --json | jq '.[] | select(.online | not) | .unit'")]
pub(crate) struct Units {
    #[command(flatten)]
    center: CenterArguments,
    /// The center's answer as JSON.
    #[arg(long)]
    json: bool,
}

/// List every camera: name, place and heading.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtcc cameras\n  rtcc cameras --unit gate-1 --json")]
pub(crate) struct Cameras {
    #[command(flatten)]
    center: CenterArguments,
    /// Only this unit's.
    #[arg(long)]
    unit: Option<String>,
    /// The center's answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Say what video a unit has on its disk: oldest, newest and gaps.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtcc ring --unit gate-1\n  rtcc ring --unit gate-1 --camera north --json

A unit says this once a minute, so the newest video is younger than what is \
shown.")]
pub(crate) struct Ring {
    #[command(flatten)]
    center: CenterArguments,
    /// Only this unit's.
    #[arg(long)]
    unit: Option<String>,
    /// Only this camera's.
    #[arg(long)]
    camera: Option<String>,
    /// The center's answer as JSON.
    #[arg(long)]
    json: bool,
}

impl Units {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let center = self.center.open()?;
        let units: Vec<Value> = center.get("/api/units", &[])?;
        let health: Value = center.get("/api/health", &[])?;
        if health.pointer("/center/broker_connected") == Some(&Value::Bool(false)) {
            watch::warn(watch::BROKER_AWAY)?;
        }
        let zone = TimeZone::system();
        show(self.json, &units, |unit| lists::unit(unit, &zone))
    }
}

impl Cameras {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let query = chosen(&[("unit", &self.unit)]);
        let cameras: Vec<Value> = self.center.open()?.get("/api/cameras", &query)?;
        show(self.json, &cameras, lists::camera)
    }
}

impl Ring {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let query = chosen(&[("unit", &self.unit), ("camera", &self.camera)]);
        let center = self.center.open()?;
        let rings: Vec<Value> = center.get("/api/ring", &query)?;
        if self.json {
            return show(true, &rings, lists::ring);
        }
        let units: Vec<Value> = center.get("/api/units", &[])?;
        let silent = silent(&units, self.unit.as_deref());
        for unit in &silent {
            watch::warn(&format!(
                "{} has not said yet what video it has; a unit does so once a minute",
                terminal(unit)
            ))?;
        }
        if rings.is_empty() && !silent.is_empty() {
            return Ok(());
        }
        show(false, &rings, lists::ring)
    }
}

/// The units that are there and have sent no health so far.
fn silent<'a>(units: &'a [Value], asked: Option<&str>) -> Vec<&'a str> {
    let has_said = |unit: &Value| unit.get("health").is_some_and(|health| !health.is_null());
    let silent = units.iter().filter(|unit| unit["online"] == true && !has_said(unit));
    silent.filter_map(|unit| unit["unit"].as_str()).filter(|unit| asked.is_none_or(|asked| asked == *unit)).collect()
}

fn chosen<'a>(pairs: &[(&'a str, &'a Option<String>)]) -> Vec<(&'a str, &'a str)> {
    pairs.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect()
}

fn show(json: bool, values: &[Value], line: impl Fn(&Value) -> String) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(values)?)?;
        return Ok(());
    }
    if values.is_empty() {
        writeln!(std::io::stderr(), "none so far")?;
    }
    for value in values {
        writeln!(out, "{}", line(value))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::silent;

    #[test]
    fn a_unit_that_has_sent_no_health_yet_is_not_one_without_video() {
        let units = [
            json!({ "unit": "gate-1", "online": true, "health": null }),
            json!({ "unit": "gate-2", "online": true, "health": {} }),
            json!({ "unit": "gate-3", "online": false, "health": null }),
            json!({ "unit": "gate-4", "online": true }),
        ];
        assert_eq!(silent(&units, None), ["gate-1", "gate-4"]);
        assert_eq!(silent(&units, Some("gate-4")), ["gate-4"]);
        assert!(silent(&units, Some("gate-2")).is_empty());
    }
}
