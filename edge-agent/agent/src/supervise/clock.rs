//! The only place that reads a clock.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use edge_protocol::time::{ClockQuality, MonoTime, WallStamp, WallTime};

use nix::time::{ClockId, clock_gettime};

use super::BootTime;

/// The variable in which the service unit says the boot's id (`%b`).
const BOOT_ID: &str = "EDGE_BOOT_ID";
/// The file that systemd-timesyncd touches once the clock was set from the network.
const TIMESYNC_MARK: &str = "/run/systemd/timesync/synchronized";
/// timesyncd states no error bound; its default poll keeps an ordinary crystal well within this.
const TIMESYNC_BOUND_MS: u32 = 500;

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

    /// Time since this clock was made; never goes back.
    pub fn mono(&self) -> MonoTime {
        MonoTime::from_duration(self.origin.elapsed())
    }

    /// Time since the machine booted, and which boot that is. The service unit says the boot's id, since its sandbox
    /// hides the file in `/proc` that says it otherwise.
    pub fn boot(&self) -> BootTime {
        let told = std::env::var(BOOT_ID).ok().filter(|id| !id.is_empty());
        let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        let boot = told.or_else(read).unwrap_or_else(|| "unknown".to_owned()).trim().replace('-', "");
        let since = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or_else(|_| self.origin.elapsed(), Duration::from);
        BootTime { boot, since }
    }

    /// The wall clock with its quality. A box without a battery boots in 1970 and says [`ClockQuality::Free`].
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn wall(&self) -> WallStamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX);
        WallStamp { time: WallTime::from_micros(micros), quality: quality() }
    }
}

fn quality() -> ClockQuality {
    if Path::new(TIMESYNC_MARK).exists() {
        ClockQuality::Synchronised { bound_ms: TIMESYNC_BOUND_MS }
    } else {
        ClockQuality::Free
    }
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
}
