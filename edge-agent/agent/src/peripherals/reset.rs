//! Why the unit started last: what the hardware watchdog noted, and how the agent's life before ended.

use std::fs;
use std::path::Path;

/// What the kernel says of the watchdog's chip, `linux/watchdog.h`.
const OVERHEAT: u32 = 0x0001;
const FAN_FAULT: u32 = 0x0002;
const POWER_UNDER: u32 = 0x0010;
const CARD_RESET: u32 = 0x0020;
const POWER_OVER: u32 = 0x0040;

/// How a life of the agent ended, and on which boot of the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLife {
    /// The kernel's id of the boot in which it lived; none where the system hides it.
    pub boot: Option<String>,
}

/// The cause of the last start in words.
///
/// `status` is the watchdog's own word, where there is one; `before` the life whose mark was still there, none after
/// a clean stop; `boot` the kernel's id of this boot.
pub fn cause(status: Option<u32>, before: Option<&LastLife>, boot: Option<&str>) -> String {
    let flags = status.unwrap_or(0);
    let hardware = [
        (CARD_RESET, "the hardware watchdog reset the unit"),
        (OVERHEAT, "the unit was reset because of heat"),
        (POWER_UNDER, "the unit was reset because its supply was low"),
        (POWER_OVER, "the unit was reset because its supply was high"),
        (FAN_FAULT, "the unit was reset because its fan stood still"),
    ];
    let same_boot = before.and_then(|life| Some(life.boot.as_deref()? == boot?));
    // The chip's word is about the boot, not about a restart of the agent within it.
    if same_boot != Some(true)
        && let Some((_, words)) = hardware.iter().find(|(flag, _)| flags & flag != 0)
    {
        return (*words).to_owned();
    }
    match (before, same_boot) {
        (None, _) => "the agent had been stopped in order",
        (Some(_), Some(true)) => "the agent ended without being told to and was started again",
        (Some(_), Some(false)) => "the unit lost power or was reset while the agent ran",
        (Some(_), None) => "the agent ended without being told to, or the unit lost power",
    }
    .to_owned()
}

/// What the first watchdog noted at boot; none where there is none.
pub fn watchdog_status() -> Option<u32> {
    fs::read_to_string("/sys/class/watchdog/watchdog0/bootstatus").ok()?.trim().parse().ok()
}

/// The mark of a life that was not ended in order.
pub fn read_mark(mark: &Path) -> Option<LastLife> {
    let text = fs::read_to_string(mark).ok()?;
    Some(LastLife { boot: Some(text.trim().to_owned()).filter(|id| !id.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_words() {
        let life = |boot: &str| LastLife { boot: Some(boot.to_owned()) };
        let here = Some("b");
        for (status, before, boot, words) in [
            (None, None, here, "the agent had been stopped in order"),
            (Some(0), Some(life("b")), here, "the agent ended without being told to and was started again"),
            (Some(0), Some(life("a")), here, "the unit lost power or was reset while the agent ran"),
            (Some(0x8020), Some(life("a")), here, "the hardware watchdog reset the unit"),
            (Some(0x20), Some(life("b")), here, "the agent ended without being told to and was started again"),
            (Some(0x10), None, here, "the unit was reset because its supply was low"),
            (None, Some(life("a")), None, "the agent ended without being told to, or the unit lost power"),
        ] {
            assert_eq!(cause(status, before.as_ref(), boot), words, "{status:?} {before:?} {boot:?}");
        }
    }
}
