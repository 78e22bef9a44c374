//! Whether a bundle may be installed, judged before anything is changed. Pure.

use std::path::PathBuf;
use std::time::Duration;

use edge_protocol::hash::Hash256;
use edge_protocol::time::{ClockQuality, WallStamp, WallTime};
use serde::{Deserialize, Serialize};

use super::{BundleInfo, Standing, Version};

/// A bundle is good for half a year from its build: whoever holds newer ones back cannot do so for longer.
pub const BUNDLE_LIFE: Duration = Duration::from_hours(24 * 183);
/// A bundle may come from a machine whose clock is ahead by this much.
const CLOCKS_APART: Duration = Duration::from_hours(24);

/// A bundle that somebody wants installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Where it is.
    pub file: PathBuf,
    /// The file's SHA-256, where whoever wants it said so.
    pub hash: Option<Hash256>,
    /// The version, where whoever wants it said so.
    pub version: Option<Version>,
}

/// A bundle that was found good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Its version.
    pub version: Version,
    /// When it was built.
    pub built: WallTime,
    /// Where it lies.
    pub file: PathBuf,
}

/// Why a bundle is not installed; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another update is under way.
    #[error("another update is under way ({0}); wait until it is good or rolled back")]
    Busy(String),
    /// The file is not there or cannot be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// RAUC does not find a signature under its keyring.
    #[error("it is not signed by a key that this unit trusts: {0}")]
    Signature(String),
    /// RAUC cannot make sense of it.
    #[error("it is no whole bundle; copy or download it again: {0}")]
    Damaged(String),
    /// It is made for another board.
    #[error("it is for `{bundle}`, and this unit is `{unit}`; take the bundle of this board")]
    OtherBoard {
        /// The bundle's compatible.
        bundle: String,
        /// The unit's.
        unit: String,
    },
    /// Its version is none.
    #[error("it has no version that can be compared: {0}")]
    NoVersion(String),
    /// Its version is another than was wanted.
    #[error("its version is {found}, and {wanted} was wanted")]
    OtherVersion {
        /// The bundle's version.
        found: Version,
        /// The one wanted.
        wanted: Version,
    },
    /// Its version is below the floor.
    #[error("its version {version} is below {floor}, which this unit has already confirmed; it never goes back")]
    BelowFloor {
        /// The bundle's version.
        version: Version,
        /// The lowest that is taken.
        floor: Version,
    },
    /// It does not say when it was built.
    #[error("its build `{0}` is no date such as 20261125101500, so nobody can say whether its time is over")]
    NoBuildDate(String),
    /// Its time is over.
    #[error("it was built {built} and was good until {until}; take a newer one")]
    Expired {
        /// When it was built.
        built: WallTime,
        /// Until when it was good.
        until: WallTime,
    },
    /// It comes from the future.
    #[error("it says that it was built {built}, which is still to come; set the clock, or take another bundle")]
    Early {
        /// When it was built.
        built: WallTime,
    },
    /// The file is another than was wanted.
    #[error("its hash is {found}, and {wanted} was wanted; nothing of it is used")]
    OtherHash {
        /// The file's.
        found: Hash256,
        /// The one wanted.
        wanted: Hash256,
    },
    /// There is no room for it.
    #[error("{needs} bytes are needed and {free} are free; let the ring give way, or wait until the outbox has sent")]
    DiskFull {
        /// What it takes.
        needs: u64,
        /// What there is.
        free: u64,
    },
    /// It did not arrive.
    #[error("it did not arrive: {0}")]
    NotFetched(String),
    /// RAUC did not install it; the booted slot is still primary.
    #[error("it was not installed: {0}")]
    NotInstalled(String),
}

/// What a unit holds a bundle to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'r> {
    pub(super) standing: &'r Standing,
    /// The version that was asked for, where one was.
    pub(super) wanted: Option<&'r Version>,
    pub(super) floor: Option<&'r Version>,
    /// The latest moment that is known to have been, whatever the clock says.
    pub(super) latest: WallTime,
    pub(super) now: WallStamp,
}

/// Judges what RAUC read from a bundle whose signature is good.
pub(super) fn judge(info: &BundleInfo, file: PathBuf, rules: Rules<'_>) -> Result<Bundle, Refusal> {
    if info.compatible != rules.standing.compatible {
        let unit = rules.standing.compatible.clone();
        return Err(Refusal::OtherBoard { bundle: info.compatible.clone(), unit });
    }
    let version: Version = info.version.parse().map_err(|_| Refusal::NoVersion(info.version.clone()))?;
    if let Some(wanted) = rules.wanted.filter(|wanted| version != **wanted) {
        return Err(Refusal::OtherVersion { found: version, wanted: wanted.clone() });
    }
    if let Some(floor) = rules.floor.filter(|floor| version < **floor) {
        return Err(Refusal::BelowFloor { version, floor: floor.clone() });
    }
    let built = build_date(&info.build).ok_or_else(|| Refusal::NoBuildDate(info.build.clone()))?;
    let until = built.saturating_add(BUNDLE_LIFE);
    // A clock that nobody has set says nothing; what is known to have been stands in for it.
    let now = known_time(rules.latest, rules.now);
    if now > until {
        return Err(Refusal::Expired { built, until });
    }
    if is_set(rules.now) && built > rules.now.time.saturating_add(CLOCKS_APART) {
        return Err(Refusal::Early { built });
    }
    Ok(Bundle { version, built, file })
}

/// The latest of what is known to have been and of a clock that was set.
pub(super) fn known_time(latest: WallTime, now: WallStamp) -> WallTime {
    if is_set(now) { latest.max(now.time) } else { latest }
}

/// Whether the clock was set by a time source.
pub(super) const fn is_set(now: WallStamp) -> bool {
    match now.quality {
        ClockQuality::Synchronised { .. } => true,
        ClockQuality::Free | ClockQuality::Unknown => false,
    }
}

/// A manifest's `build`: 14 digits in UTC as the build system writes them, or RFC 3339.
fn build_date(text: &str) -> Option<WallTime> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let piece = |from: usize, to: usize| text.get(from..to);
    let date = format!("{}-{}-{}", piece(0, 4)?, piece(4, 6)?, piece(6, 8)?);
    format!("{date}T{}:{}:{}Z", piece(8, 10)?, piece(10, 12)?, piece(12, 14)?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::{BootState, Slot, SlotName};
    use super::*;

    fn standing() -> Standing {
        let slot = Slot { state: BootState::Good, version: None };
        let (booted, primary) = (SlotName::A, Some(SlotName::A));
        Standing { compatible: "edge-raspberrypi5".into(), booted, primary, a: slot.clone(), b: slot }
    }

    fn info(version: &str, build: &str) -> BundleInfo {
        BundleInfo { compatible: "edge-raspberrypi5".into(), version: version.into(), build: build.into() }
    }

    fn judged(info: &BundleInfo, now: &str, quality: ClockQuality, latest: &str) -> Result<Bundle, Refusal> {
        let (standing, floor) = (standing(), "1.4.0".parse().unwrap());
        let now = WallStamp { time: now.parse().unwrap(), quality };
        let rules =
            Rules { standing: &standing, wanted: None, floor: Some(&floor), latest: latest.parse().unwrap(), now };
        judge(info, PathBuf::from("/b"), rules)
    }

    const SET: ClockQuality = ClockQuality::Synchronised { bound_ms: 500 };
    const NOW: &str = "2026-11-25T12:00:00Z";

    #[test]
    fn each_bundle_that_does_not_belong_here_is_refused_in_its_own_words() {
        let other = BundleInfo { compatible: "edge-qemuarm64".into(), ..info("1.4.0", "20261101120000") };
        let cases = [
            (other, "it is for `edge-qemuarm64`"),
            (info("today", "20261101120000"), "no version that can be compared"),
            (info("1.3.9", "20261101120000"), "version 1.3.9 is below 1.4.0"),
            (info("1.4.0-rc.1", "20261101120000"), "below 1.4.0"),
            (info("1.5.0", ""), "no date"),
            (info("1.5.0", "20261301120000"), "no date"),
            (info("1.5.0", "20260501120000"), "was good until 2026-10-31"),
            (info("1.5.0", "20261127120000"), "still to come"),
        ];
        for (info, words) in cases {
            let refusal = judged(&info, NOW, SET, "1970-01-01T00:00:00Z").unwrap_err().to_string();
            assert!(refusal.contains(words), "{refusal} does not say {words}");
        }
        for good in [info("1.4.0", "20261101120000"), info("1.5.0", "2026-11-25T18:00:00Z")] {
            assert!(judged(&good, NOW, SET, "1970-01-01T00:00:00Z").is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_clock_in_1970_makes_no_expired_bundle_good_and_no_good_one_early() {
        let old = info("1.5.0", "20260501120000");
        let judged = |info, latest| judged(info, "1970-01-01T00:10:00Z", ClockQuality::Free, latest);
        assert!(matches!(judged(&old, NOW), Err(Refusal::Expired { .. })));
        assert!(judged(&old, "2026-06-01T00:00:00Z").is_ok());
        assert!(judged(&info("1.5.0", "20261101120000"), "1970-01-01T00:00:00Z").is_ok());
    }
}
