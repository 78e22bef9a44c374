//! Rules for the board and its image: watchdog, sealed storage, slots. What a board has not, or does not tell, is
//! never green.

use edge_protocol::commissioning::Finding;

/// `RuntimeWatchdogSec` of the image, and the longest that a hang may last before the board is reset.
const EXPECTED_S: u32 = 30;
const LONGEST_S: u32 = 120;

/// A hardware watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app::doctor) struct WatchdogFacts {
    /// What it calls itself.
    pub(in crate::app::doctor) identity: String,
    /// Whether somebody has started it; none where the kernel does not tell.
    pub(in crate::app::doctor) is_active: Option<bool>,
    /// After how many seconds without a sign it resets the board.
    pub(in crate::app::doctor) timeout_s: Option<u32>,
}

pub(in crate::app::doctor) fn watchdog(facts: Option<&WatchdogFacts>) -> Finding {
    let Some(WatchdogFacts { identity, is_active, timeout_s }) = facts else {
        return Finding::unchecked("watchdog", "not on this board: a kernel that hangs is not reset");
    };
    let after = timeout_s.map_or_else(String::new, |seconds| format!(", resets after {seconds} s without a sign"));
    let measured = |state: &str| format!("{identity}: {state}{after} (expected: running, {EXPECTED_S} s)");
    let set = "set RuntimeWatchdogSec=30 in /etc/systemd/system.conf and boot again";
    match is_active {
        Some(true) if timeout_s.is_some_and(|seconds| seconds > LONGEST_S) => {
            Finding::warning("watchdog", measured("running"), set)
        }
        Some(true) => Finding::ok("watchdog", measured("running, fed by the system")),
        Some(false) => Finding::failed("watchdog", measured("nobody has started it"), set),
        None => Finding::warning(
            "watchdog",
            measured("the kernel does not tell whether it runs"),
            "build the kernel with CONFIG_WATCHDOG_SYSFS; `systemctl show --property=RuntimeWatchdogUSec` tells what is asked of it",
        ),
    }
}

/// What lies between the data and its drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app::doctor) struct SealFacts {
    /// The device mapper's name for what maps the data; none where nothing does.
    pub(in crate::app::doctor) mapped: Option<String>,
    /// Whether the image encrypts its data.
    pub(in crate::app::doctor) is_expected: bool,
}

pub(in crate::app::doctor) fn seal(facts: &SealFacts) -> Finding {
    let of = |kind: &str| facts.mapped.as_deref().is_some_and(|uuid| uuid.starts_with(kind));
    if of("CRYPT-LUKS2-") {
        Finding::ok("storage key", "the board gave the key; data is encrypted (LUKS2)")
    } else if of("CRYPT-") {
        let words = "data is encrypted, not by LUKS2 (expected: LUKS2)";
        Finding::warning(
            "storage key",
            words,
            "make the data partition anew with this image: its key slot can be destroyed",
        )
    } else if facts.is_expected {
        let words = "the data partition is locked or missing: what is written now is in memory (expected: open, LUKS2)";
        let advice = "the board's key store gave no key: see journalctl -u edge-data-key@*; another board's disk stays locked for ever";
        Finding::failed("storage key", words, advice)
    } else {
        Finding::unchecked(
            "storage key",
            "not on this machine: its data is not encrypted, whoever takes the disk can read it",
        )
    }
}

/// The two slots of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app::doctor) struct SlotFacts {
    /// Each in words.
    pub(in crate::app::doctor) words: String,
    /// Where the update stands.
    pub(in crate::app::doctor) update: String,
    /// Those that the bootloader passes over.
    pub(in crate::app::doctor) bad: Vec<String>,
    /// Whether the slot that runs boots next.
    pub(in crate::app::doctor) is_booted_next: bool,
}

pub(in crate::app::doctor) fn slots(slots: Option<&Result<SlotFacts, String>>) -> Finding {
    let facts = match slots {
        None => {
            return Finding::unchecked(
                "slots",
                "not on this machine: it has no RAUC, so no image to update or fall back to",
            );
        }
        Some(Err(why)) => {
            let advice = "see journalctl -u rauc; the unit cannot be updated until RAUC answers";
            return Finding::failed("slots", why, advice);
        }
        Some(Ok(facts)) => facts,
    };
    let measured = format!("{}; update: {} (expected: both good)", facts.words, facts.update);
    if !facts.bad.is_empty() {
        let advice = "nothing to fall back to: install an update, which writes the other slot (rtcc update)";
        Finding::warning("slots", measured, advice)
    } else if facts.is_booted_next {
        Finding::ok("slots", measured)
    } else {
        Finding::warning("slots", measured, "an update waits for its boot: look again when it has booted")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use edge_protocol::commissioning::Verdict;

    use super::*;

    pub(in crate::app::doctor::rules) fn says(finding: &Finding, verdict: Verdict, measured: &str, advice: &str) {
        assert_eq!(finding.verdict, verdict, "{finding:?}");
        assert!(finding.measured.contains(measured), "{measured} in {finding:?}");
        assert!(finding.advice.as_deref().unwrap_or_default().contains(advice), "{advice} in {finding:?}");
    }

    #[test]
    fn a_watchdog_must_run_and_one_that_is_not_there_is_not_green() {
        says(&watchdog(None), Verdict::Unchecked, "not on this board", "");
        let facts = |is_active, timeout_s| WatchdogFacts { identity: "dw-wdt".to_owned(), is_active, timeout_s };
        says(&watchdog(Some(&facts(Some(true), Some(30)))), Verdict::Ok, "dw-wdt: running, fed", "");
        says(&watchdog(Some(&facts(Some(true), Some(600)))), Verdict::Warning, "600 s", "RuntimeWatchdogSec=30");
        says(
            &watchdog(Some(&facts(Some(false), Some(60)))),
            Verdict::Failed,
            "nobody has started",
            "RuntimeWatchdogSec",
        );
        says(&watchdog(Some(&facts(None, None))), Verdict::Warning, "does not tell", "CONFIG_WATCHDOG_SYSFS");
    }

    #[test]
    fn storage_that_should_be_sealed_and_is_not_is_red() {
        let facts = |mapped: Option<&str>, is_expected| SealFacts { mapped: mapped.map(str::to_owned), is_expected };
        says(&seal(&facts(Some("CRYPT-LUKS2-1-data"), true)), Verdict::Ok, "LUKS2", "");
        says(&seal(&facts(Some("CRYPT-PLAIN-data"), true)), Verdict::Warning, "not by LUKS2", "anew");
        for mapped in [None, Some("LVM-1")] {
            says(&seal(&facts(mapped, true)), Verdict::Failed, "locked", "edge-data-key");
            says(&seal(&facts(mapped, false)), Verdict::Unchecked, "not encrypted", "");
        }
    }

    #[test]
    fn slots_are_well_where_both_are_good_and_the_running_one_boots_next() {
        let facts = |bad: &[&str], is_booted_next| {
            let bad = bad.iter().map(|slot| (*slot).to_owned()).collect();
            Some(Ok(SlotFacts { words: "A: 1.2.0, good".to_owned(), update: "idle".to_owned(), bad, is_booted_next }))
        };
        says(&slots(None), Verdict::Unchecked, "no RAUC", "");
        says(&slots(facts(&[], true).as_ref()), Verdict::Ok, "A: 1.2.0, good; update: idle", "");
        says(&slots(facts(&["B"], true).as_ref()), Verdict::Warning, "idle", "nothing to fall back to");
        says(&slots(facts(&[], false).as_ref()), Verdict::Warning, "idle", "waits for its boot");
        says(&slots(Some(&Err("no service".to_owned()))), Verdict::Failed, "no service", "journalctl -u rauc");
    }
}
