//! `rtcc units`, `rtcc cameras` and `rtcc ring`: what can be asked for.

use std::io::Write;

use clap::Args;
use jiff::tz::TimeZone;
use rtcc::show::lists;
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

The unit says this once a minute, so the newest video is younger than what is shown.")]
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
        let rings: Vec<Value> = self.center.open()?.get("/api/ring", &query)?;
        show(self.json, &rings, lists::ring)
    }
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
