//! Resident memory of both processes of a unit that sees with all models, and how soon it does.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Surroundings;
use super::unit::Unit;
use crate::cost::Spread;
use crate::table::Row;

/// By then buffers have their size.
const SETTLED: Duration = Duration::from_secs(20);
const DEADLINE: Duration = Duration::from_mins(2);
const MIB: f64 = 1024.0 * 1024.0;

/// Resident bytes of a process.
pub(super) fn resident(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(kibibytes.parse::<f64>()? * 1024.0)
}

/// Resident bytes of the unit's processes, and seconds to ready.
fn unit(around: &Surroundings, cameras: usize) -> Result<(f64, f64)> {
    let video = around.full_hd()?;
    let source = format!("kind = \"file\"\npath = \"{}\"\nrepeat = true", video.display());
    let began = Instant::now();
    let unit = Unit::start(around, &around.root.join("models"), &vec![source; cameras])?;
    let ready = unit.agent.find_line(DEADLINE, |line| line.contains("ready"));
    ready.with_context(|| format!("never ready:\n{}", unit.agent.lines().join("\n")))?;
    let started = began.elapsed().as_secs_f64();
    thread::sleep(SETTLED);
    let pid = unit.agent.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))?.flatten();
    let mut all = children;
    for task in tasks {
        all.push(' ');
        all.push_str(&fs::read_to_string(task.path().join("children")).unwrap_or_default());
    }
    let mut pids: Vec<u32> = all.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    pids.sort_unstable();
    pids.dedup();
    let mut bytes = resident(pid)?;
    for child in pids {
        bytes += resident(child)?;
    }
    Ok((bytes / MIB, started))
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let (mut one, mut more, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..around.extent.rounds {
        let (single, started) = unit(around, 1)?;
        let (triple, _) = unit(around, 3)?;
        one.push(single);
        more.push((triple - single) / 2.0);
        starts.push(started);
    }
    let (one, more, starts) = (Spread::of(one), Spread::of(more), Spread::of(starts));
    let row = |what: &str, goal: &str, measured: String, met| Row {
        what: what.to_owned(),
        goal: goal.to_owned(),
        measured,
        reference: "VmRSS of the agent and its worker; a 1080p30 file, all models".to_owned(),
        met: Some(met),
    };
    Ok(vec![
        row("memory of one 1080p camera, both processes, MiB", "<= 250", one.show(0), one.median <= 250.0),
        row("memory of each further camera, MiB", "<= 40", more.show(0), more.median <= 40.0),
        row("start to ready: models loaded and tested, s", "<= 2", starts.show(2), starts.median <= 2.0),
    ])
}
