//! The box itself: from the running agent, which has its parts open, or from the parts.

use std::path::Path;

use edge_protocol::record::Health;
use edge_protocol::time::MonoTime;

use super::rules;
use crate::app::run::fitting::{Fittings, fittings};
use crate::config::BoardChoice;
use crate::peripherals::simulated::Bench;
use crate::peripherals::{Fitted, Level, Parts, Supply, Tilt, zone};
use edge_protocol::commissioning::Finding;

/// What the configured board says; a simulated one stands on `bench`.
pub(super) fn board(choice: &BoardChoice, bench: &Bench, running: Option<&Health>) -> Vec<Finding> {
    let none = "none is configured: no tilt or power is measured, heat by the kernel's zones where it has any";
    let mut findings = Vec::new();
    if *choice == BoardChoice::None {
        findings.push(Finding::ok("board", none));
    }
    findings.extend(fitted(choice, bench, running));
    findings
}

fn fitted(choice: &BoardChoice, bench: &Bench, running: Option<&Health>) -> Vec<Finding> {
    match fittings(choice, bench.clone(), Path::new(zone::FOLDER)) {
        Ok(None) => Vec::new(),
        Err(error) => vec![Finding::failed(
            "board",
            error.to_string(),
            "correct the board file; `edge-agent check-config` tells all its mistakes",
        )],
        Ok(Some(Fittings { parts, .. })) => match running {
            Some(health) => as_told(&parts, health),
            None => as_read(parts),
        },
    }
}

/// Thousandths as told in health.
#[allow(clippy::cast_precision_loss, reason = "readings of a few digits")]
fn whole(thousandths: i64) -> f32 {
    thousandths as f32 / 1000.0
}

fn as_told(parts: &Parts, health: &Health) -> Vec<Finding> {
    let heat = parts.heat.map(|limits| limits.map(|celsius| celsius.0));
    let Some(board) = &health.board else { return Vec::new() };
    let mut findings = Vec::new();
    if let (Some(level), Some(tilt)) = (&parts.level, board.tilt_mdeg) {
        findings.push(rules::tilt(whole(tilt.into()), level.limit.0));
    }
    if let (Some(supply), Some(volts)) = (&parts.supply, board.supply_mv) {
        let amperes = whole(board.supply_ma.unwrap_or(0).into());
        findings.push(rules::power(whole(volts.into()), amperes, supply.low.0, supply.critical.0));
    }
    let warm = health.temperatures.iter();
    findings.extend(warm.map(|one| rules::heat(one.of.as_str(), whole(one.millicelsius.into()), heat)));
    findings.extend(board.failing.iter().map(|failing| rules::part(failing.as_str())));
    findings
}

fn as_read(mut parts: Parts) -> Vec<Finding> {
    let now = MonoTime::ZERO;
    let heat = parts.heat.map(|limits| limits.map(|celsius| celsius.0));
    let mut findings: Vec<Finding> = parts.level.as_mut().map(|level| tilt(level, now)).into_iter().collect();
    findings.extend(parts.supply.as_mut().map(|supply| power(supply, now)));
    for thermometer in &mut parts.thermometers {
        let of = thermometer.name().to_owned();
        let read = thermometer.read(now);
        findings.push(read.map_or_else(|| trouble(thermometer), |celsius| rules::heat(&of, celsius.0, heat)));
    }
    findings
}

fn trouble<T: ?Sized>(part: &Fitted<T>) -> Finding {
    rules::part(&part.trouble().unwrap_or_default())
}

fn tilt(level: &mut Level, now: MonoTime) -> Finding {
    let Some(posture) = level.part.read(now) else { return trouble(&level.part) };
    if let Some(upright) = &level.upright {
        return rules::tilt(posture.tilt.angle_from(upright).0, level.limit.0);
    }
    let Tilt { x_mg, y_mg, z_mg } = posture.tilt;
    let words = format!("reads [{x_mg}, {y_mg}, {z_mg}]; the board file has no upright_mg to compare with");
    Finding::ok("tilt", words)
}

fn power(supply: &mut Supply, now: MonoTime) -> Finding {
    let Some(power) = supply.part.read(now) else { return trouble(&supply.part) };
    rules::power(power.voltage.0, power.current.0, supply.low.0, supply.critical.0)
}
