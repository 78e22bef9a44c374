//! The only place that reads a clock.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use edge_protocol::time::{ClockQuality, MonoTime, WallStamp, WallTime};

use nix::time::{ClockId, clock_gettime};

use super::BootTime;

/// The variable in which the service unit says the boot's id (`%b`).
const BOOT_ID: &str = "EDGE_BOOT_ID";
/// What says that the clock follows a source of time, and for how long it is believed.
const MARKS: [(&str, Option<Duration>); 2] = [
    // systemd-timesyncd touches it once the clock was set from the network.
    ("/run/systemd/timesync/synchronized", None),
    // The image's edge-clock.service touches it every minute in which chrony is within the bound.
    ("/run/edge-clock/synchronized", Some(Duration::from_mins(5))),
];
/// What edge-clock.service demands. timesyncd states none; its default poll keeps an ordinary crystal well within this.
const BOUND_MS: u32 = 500;

/// Reads time for the whole agent. Clones share one origin, so their [`MonoTime`]s compare.
#[derive(Debug, Clone)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// The system's clocks, monotonic time counted from now.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn system() -> Self {
        Self { origin: Instant::now() }
    }

    /// A clock on which so much time has passed already.
    #[cfg(test)]
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub(crate) fn ahead(by: Duration) -> Self {
        Self { origin: Instant::now().checked_sub(by).unwrap() }
    }

    /// Time since this clock was made; never goes back.
    pub fn mono(&self) -> MonoTime {
        MonoTime::from_duration(self.origin.elapsed())
    }

    /// Time since the machine booted, and which boot that is. The service unit says the boot's id, since its sandbox
    /// hides the file in `/proc` that says it otherwise.
    pub fn boot(&self) -> BootTime {
        let told = std::env::var(BOOT_ID).ok().filter(|id| !id.is_empty());
        let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let boot = told.or_else(read).unwrap_or_else(|| BootTime::UNKNOWN.to_owned()).trim().replace('-', "");
        let since = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or_else(|_| self.origin.elapsed(), Duration::from);
        BootTime { boot, since }
    }

    /// The wall clock with its quality. A box without a battery boots in 1970 and says [`ClockQuality::Free`].
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn wall(&self) -> WallStamp {
        let now = SystemTime::now();
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX);
        WallStamp { time: WallTime::from_micros(micros), quality: quality(now) }
    }
}

fn quality(now: SystemTime) -> ClockQuality {
    if MARKS.iter().any(|(mark, within)| is_fresh(Path::new(mark), *within, now)) {
        ClockQuality::Synchronised { bound_ms: BOUND_MS }
    } else {
        ClockQuality::Free
    }
}

/// Whether a mark is there and, where its age counts, not older than that. One of the future is of another clock.
fn is_fresh(mark: &Path, within: Option<Duration>, now: SystemTime) -> bool {
    let Ok(touched) = mark.metadata().and_then(|facts| facts.modified()) else { return false };
    within.is_none_or(|within| now.duration_since(touched).is_ok_and(|age| age <= within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_of_two_clones_compares() {
        let clock = Clock::system();
        let earlier = clock.mono();
        assert!(clock.clone().mono() >= earlier);
    }

    #[test]
    fn a_mark_that_is_absent_old_or_of_the_future_makes_no_synchronised_clock() {
        let mark = tempfile::NamedTempFile::new().unwrap();
        let touched = mark.path().metadata().unwrap().modified().unwrap();
        let minutes = Duration::from_mins;
        let fresh = |within, now| is_fresh(mark.path(), within, now);
        assert!(fresh(Some(minutes(5)), touched + minutes(4)));
        assert!(!fresh(Some(minutes(5)), touched + minutes(6)), "chrony has lost its source");
        assert!(!fresh(Some(minutes(5)), touched - minutes(1)));
        assert!(fresh(None, touched + minutes(6)));
        assert!(!is_fresh(Path::new("/nonexistent/mark"), None, touched));
    }
}
