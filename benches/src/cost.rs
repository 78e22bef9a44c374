//! What something costs: processor seconds of this process or of a child, as the kernel counts them.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Processor and wall time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// User and system seconds of all threads.
    pub cpu_s: f64,
    /// Seconds by the clock.
    pub wall_s: f64,
}

fn seconds(time: TimeVal) -> f64 {
    Duration::from_secs(time.tv_sec().unsigned_abs()).as_secs_f64()
        + Duration::from_micros(time.tv_usec().unsigned_abs()).as_secs_f64()
}

fn cpu(who: UsageWho) -> Result<f64> {
    let usage: Usage = getrusage(who).context("the kernel does not say what was used")?;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn measured<T>(who: UsageWho, work: impl FnOnce() -> Result<T>) -> Result<(T, Cost)> {
    let (before, began) = (cpu(who)?, Instant::now());
    let done = work()?;
    Ok((done, Cost { cpu_s: cpu(who)? - before, wall_s: began.elapsed().as_secs_f64() }))
}

/// What `work` costs this process.
///
/// # Errors
/// Those of `work`.
pub fn of<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Cost)> {
    measured(UsageWho::RUSAGE_SELF, work)
}

/// What the children cost that `work` starts and waits for.
///
/// # Errors
/// Those of `work`.
pub fn of_children<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Cost)> {
    measured(UsageWho::RUSAGE_CHILDREN, work)
}

/// What a program costs that runs to its end; its standard output comes back.
///
/// # Errors
/// When it cannot be started or fails; its standard error is in the words.
pub fn of_program(command: &mut Command) -> Result<(String, Cost)> {
    of_children(|| {
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    })
}

/// Middle, least and greatest of some figures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Spread {
    /// Of at least one figure.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or_default();
        Self { median: at(figures.len() / 2), least: at(0), most: at(figures.len().saturating_sub(1)) }
    }

    /// `median (least to most)` with so many decimals.
    pub fn show(&self, decimals: usize) -> String {
        format!("{:.decimals$} ({:.decimals$} to {:.decimals$})", self.median, self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_what_it_takes_and_a_child_is_not_this_process() -> Result<()> {
        let spin = || {
            let until = Instant::now() + Duration::from_millis(50);
            while Instant::now() < until {}
            Ok(())
        };
        let ((), own) = of(spin)?;
        assert!(own.cpu_s > 0.01 && own.wall_s >= 0.05, "{own:?}");
        let (said, child) =
            of_program(Command::new("sh").args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo $i"]))?;
        assert_eq!(said.trim(), "100000");
        assert!(child.cpu_s > 0.001, "{child:?}");
        Ok(())
    }

    #[test]
    fn the_middle_is_not_moved_by_one_bad_run() {
        let spread = Spread::of(vec![1.0, 90.0, 2.0, 3.0, 2.5]);
        assert_eq!(spread.show(1), "2.5 (1.0 to 90.0)");
    }
}
