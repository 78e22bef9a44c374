//! Rules for the wear of the drive under the data. What a drive does not tell, or told long ago, is never green.

use std::path::PathBuf;

use edge_protocol::commissioning::{Finding, Verdict};

use crate::app::doctor::smart::{Smart, Unread};

/// The check's name.
const CHECK: &str = "disk wear";
/// Per cent of the rated life from which on the drive is to be replaced, and at which it is used up.
const WORN: u8 = 90;
const USED_UP: u8 = 100;
/// The bit of a critical warning that says nothing of wear.
const TEMPERATURE: u8 = 1 << 1;
/// The bits of a critical warning, lowest first.
const WARNINGS: [&str; 6] = [
    "its spare cells are nearly used up",
    "it is too hot or too cold",
    "it is no longer reliable",
    "it can only be read",
    "the backup of its memory has failed",
    "its persistent memory can only be read",
];
const REPLACE: &str = "replace the disk at the next visit: it becomes read-only when its cells are used up";

/// What is known of a drive's wear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app::doctor) enum Wear {
    /// Tenths of its rated life that are used: 11 is beyond it. eMMC tells it to everybody.
    Tenths {
        /// The drive.
        name: String,
        /// Of ten.
        tenths: u8,
    },
    /// An `NVMe` drive, which tells it to root alone.
    Nvme {
        /// The drive.
        name: String,
        /// Where what it told is noted.
        note: PathBuf,
        /// That note.
        told: Result<Smart, Unread>,
    },
    /// A drive that tells nothing: SD cards, disks behind USB.
    Untold {
        /// The drive.
        name: String,
    },
    /// The data is on no drive of this machine.
    NoDrive,
}

pub(in crate::app::doctor) fn wear(wear: &Wear) -> Finding {
    match wear {
        Wear::Tenths { name, tenths } => {
            let measured =
                format!("{name}: {} % of its rated life used (expected: below {WORN} %)", u16::from(*tenths) * 10);
            match tenths {
                11.. => Finding::failed(CHECK, measured, REPLACE),
                9..=10 => Finding::warning(CHECK, measured, REPLACE),
                0..=8 => Finding::ok(CHECK, measured),
            }
        }
        Wear::Nvme { name, told: Ok(smart), .. } => nvme(name, *smart),
        Wear::Nvme { name, note, told: Err(why) } => {
            let note = note.display();
            let words = match why {
                Unread::NoNote => {
                    // On a machine without the package that asks the drive, and on every one right after its boot.
                    let words = format!("{name}: not read yet: no {note}, which edge-wear.timer has nvme-cli write");
                    return Finding::unchecked(CHECK, words);
                }
                Unread::Old(age) => format!("{note} is {} h old (expected: an hour at most)", age.as_secs() / 3600),
                Unread::Ahead => format!("{note} was made at a time that is not yet: the clock was set back"),
                Unread::Broken(why) => format!("{note} is no SMART log: {why}"),
            };
            let advice = "look why the drive is not asked: systemctl status edge-wear.timer; journalctl -u edge-wear";
            Finding::warning(CHECK, format!("{name}: {words}"), advice)
        }
        Wear::Untold { name } => {
            Finding::unchecked(CHECK, format!("{name} is no eMMC or NVMe: the kernel tells nothing of its wear"))
        }
        Wear::NoDrive => Finding::unchecked(CHECK, "the data is on no drive that the kernel shows here"),
    }
}

fn nvme(name: &str, smart: Smart) -> Finding {
    let Smart { used, spare, spare_limit, warnings } = smart;
    // Every drive begins with all of them, and none gives itself no limit.
    let tells_spare = (spare, spare_limit) != (0, 0);
    let (spare_words, expected) = if tells_spare {
        let words = format!("{spare} % of its spare cells left");
        (words, format!("below {WORN} %, spare not below {spare_limit} %"))
    } else {
        ("nothing told of its spare cells".to_owned(), format!("below {WORN} %"))
    };
    let warned = if warnings == 0 { String::new() } else { format!("; the drive warns: {}", words(warnings)) };
    let measured = format!("{name}: {used} % of its rated life used, {spare_words}{warned} (expected: {expected})");
    if warnings & !TEMPERATURE != 0 || used > USED_UP || spare < spare_limit {
        Finding::failed(CHECK, measured, REPLACE)
    } else if used >= WORN {
        Finding::warning(CHECK, measured, REPLACE)
    } else if warnings != 0 {
        Finding::warning(CHECK, measured, "look at the box's fan, filter and shade: a drive that is too hot slows down")
    } else if tells_spare {
        Finding::ok(CHECK, measured)
    } else {
        Finding { verdict: Verdict::Unchecked, ..Finding::ok(CHECK, measured) }
    }
}

/// The warnings of a drive in words.
fn words(warnings: u8) -> String {
    let bits = (0..u8::BITS).filter(|bit| warnings & (1 << bit) != 0);
    let word = |bit: u32| match WARNINGS.into_iter().zip(0..).find(|(_, known)| *known == bit) {
        Some((words, _)) => words.to_owned(),
        None => format!("bit {bit}, which has no meaning yet"),
    };
    bits.map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::machine::tests::says;
    use super::*;

    fn nvme(told: Result<Smart, Unread>) -> Finding {
        wear(&Wear::Nvme { name: "nvme0n1".to_owned(), note: "/run/edge-wear/nvme0.json".into(), told })
    }

    const GOOD: Smart = Smart { used: 3, spare: 100, spare_limit: 10, warnings: 0 };

    #[test]
    fn wear_is_judged_where_it_is_told_and_never_green_where_not() {
        let emmc = |tenths| wear(&Wear::Tenths { name: "mmcblk0".to_owned(), tenths });
        says(&emmc(2), Verdict::Ok, "mmcblk0: 20 % of its rated life", "");
        says(&emmc(9), Verdict::Warning, "90 %", "replace the disk");
        says(&emmc(11), Verdict::Failed, "110 %", "replace the disk");
        says(&wear(&Wear::Untold { name: "sda".to_owned() }), Verdict::Unchecked, "tells nothing", "");
        says(&wear(&Wear::NoDrive), Verdict::Unchecked, "no drive", "");
    }

    #[test]
    fn an_nvme_drive_is_judged_by_life_spare_cells_and_its_own_warnings() {
        let good = "nvme0n1: 3 % of its rated life used, 100 % of its spare cells left (expected: below 90 %, spare not \
                    below 10 %)";
        says(&nvme(Ok(GOOD)), Verdict::Ok, good, "");
        for (smart, verdict, measured, advice) in [
            (Smart { used: 89, ..GOOD }, Verdict::Ok, "89 % of its rated life", ""),
            (Smart { used: 90, ..GOOD }, Verdict::Warning, "90 % of its rated life", "replace the disk"),
            (Smart { used: 100, ..GOOD }, Verdict::Warning, "100 % of its rated life", "replace the disk"),
            (Smart { used: 101, ..GOOD }, Verdict::Failed, "101 % of its rated life", "replace the disk"),
            (Smart { spare: 10, ..GOOD }, Verdict::Ok, "10 % of its spare cells left", ""),
            (Smart { spare: 9, ..GOOD }, Verdict::Failed, "9 % of its spare cells left", "replace the disk"),
            (Smart { warnings: 0x02, ..GOOD }, Verdict::Warning, "warns: it is too hot or too cold", "fan"),
            (Smart { warnings: 0x02, used: 95, ..GOOD }, Verdict::Warning, "95 %", "replace the disk"),
            (Smart { warnings: 0x08, ..GOOD }, Verdict::Failed, "warns: it can only be read", "replace the disk"),
            (Smart { warnings: 0x05, ..GOOD }, Verdict::Failed, "nearly used up, it is no longer reliable", "replace"),
            (Smart { warnings: 0x80, ..GOOD }, Verdict::Failed, "warns: bit 7, which has no meaning yet", "replace"),
        ] {
            says(&nvme(Ok(smart)), verdict, measured, advice);
        }
        let silent = Smart { spare: 0, spare_limit: 0, ..GOOD };
        says(&nvme(Ok(silent)), Verdict::Unchecked, "nothing told of its spare cells (expected: below 90 %)", "");
        says(&nvme(Ok(Smart { used: 95, ..silent })), Verdict::Warning, "95 %", "replace the disk");
        says(&nvme(Ok(Smart { spare: 0, ..GOOD })), Verdict::Failed, " 0 % of its spare cells", "replace the disk");
    }

    #[test]
    fn a_note_that_tells_nothing_is_said_and_not_green() {
        says(&nvme(Err(Unread::NoNote)), Verdict::Unchecked, "no /run/edge-wear/nvme0.json, which edge-wear.timer", "");
        for (why, words) in [
            (Unread::Old(Duration::from_hours(30)), "/run/edge-wear/nvme0.json is 30 h old"),
            (Unread::Ahead, "at a time that is not yet"),
            (Unread::Broken("EOF while parsing".to_owned()), "is no SMART log: EOF while parsing"),
        ] {
            says(&nvme(Err(why)), Verdict::Warning, words, "journalctl -u edge-wear");
        }
    }
}
