//! What an `NVMe` drive says of its wear: the note that `edge-wear.service` leaves of it, in nvme-cli's own words.
//!
//! Only who may send a drive commands can ask it, and the agent may not. So a note is all there is, and one that is
//! old, half or of nonsense says nothing of the drive.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use edge_protocol::time::WallTime;
use serde::Deserialize;

/// For how long a note is believed: the timer has one made every quarter of an hour.
const FRESH: Duration = Duration::from_hours(1);
/// A note has one kilobyte.
const MOST_BYTES: u64 = 64 << 10;
/// A clock that is corrected a little makes no note one of the future.
const CORRECTION: Duration = Duration::from_secs(5);

/// The SMART log of an `NVMe` drive (NVM Express Base Specification, log page 02h), as far as it tells of wear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Smart {
    /// How much of the rated life is used, per cent; more than 100 is beyond it, and 255 the most that is told.
    pub(super) used: u8,
    /// What is left of the spare cells, per cent.
    pub(super) spare: u8,
    /// Below how much of them the drive calls itself worn out, per cent.
    pub(super) spare_limit: u8,
    /// Critical warnings, a bit each.
    pub(super) warnings: u8,
}

/// Why nothing is known of a drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// There is no note.
    NoNote,
    /// It is so old.
    Old(Duration),
    /// It was made at a time that is not yet.
    Ahead,
    /// It is no SMART log, in words.
    Broken(String),
}

/// The field names of nvme-cli, which have been these since its version 1.
#[derive(Deserialize)]
struct Log {
    percent_used: u8,
    avail_spare: u8,
    spare_thresh: u8,
    critical_warning: Warnings,
}

/// A number, or an object beside whose `value` each bit has a name: versions 2.11 and 2.12 always write that.
#[derive(Deserialize)]
#[serde(untagged)]
enum Warnings {
    Bits(u8),
    Named { value: u8 },
}

/// What the note at `path` tells, if it is believed `now`.
pub(super) fn read(path: &Path, now: WallTime) -> Result<Smart, Unread> {
    let (text, made) = match text(path) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Unread::NoNote),
        Err(error) => return Err(Unread::Broken(error.to_string())),
    };
    let age = now.saturating_since(made);
    if made.saturating_since(now) > CORRECTION {
        Err(Unread::Ahead)
    } else if age > FRESH {
        Err(Unread::Old(age))
    } else {
        told(&text).map_err(Unread::Broken)
    }
}

/// What stands in the file, and when it was written.
fn text(path: &Path) -> io::Result<(String, WallTime)> {
    let file = File::open(path)?;
    let since_1970 = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let made = WallTime::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX));
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok((text, made))
}

fn told(text: &str) -> Result<Smart, String> {
    let log: Log = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Log { percent_used: used, avail_spare: spare, spare_thresh: spare_limit, critical_warning } = log;
    let warnings = match critical_warning {
        Warnings::Bits(bits) | Warnings::Named { value: bits } => bits,
    };
    if spare > 100 || spare_limit > 100 {
        return Err(format!(
            "{spare} % of its spare cells and a limit of {spare_limit} %: nothing has more than 100 %"
        ));
    }
    Ok(Smart { used, spare, spare_limit, warnings })
}

#[cfg(test)]
mod tests {
    use edge_store::disk::{RealDisk, replace};

    use super::*;

    /// By nvme-cli 2.3 of a drive that QEMU 10.0 emulates.
    const EMULATED: &str = include_str!("smart/emulated.json");
    /// As 2.12 writes it.
    const NAMED: &str = r#"{"critical_warning":{"value":9,"available_spare":1,"temp_threshold":0,"ro":1},
        "temperature":310,"avail_spare":4,"spare_thresh":10,"percent_used":255}"#;

    #[test]
    fn the_log_is_read_as_every_version_writes_it() {
        assert_eq!(told(EMULATED), Ok(Smart { used: 0, spare: 0, spare_limit: 0, warnings: 0 }));
        assert_eq!(told(NAMED), Ok(Smart { used: 255, spare: 4, spare_limit: 10, warnings: 9 }));
    }

    #[test]
    fn half_a_note_and_nonsense_are_no_log() {
        for length in 0..EMULATED.trim_end().len() {
            let half: String = EMULATED.chars().take(length).collect();
            assert!(told(&half).is_err(), "{half}");
        }
        for (from, to, words) in [
            ("\"percent_used\"", "\"percentage_used\"", "percent_used"),
            ("\"percent_used\":0", "\"percent_used\":256", "256"),
            ("\"percent_used\":0", "\"percent_used\":-1", "-1"),
            ("\"percent_used\":0", "\"percent_used\":\"low\"", "low"),
            ("\"avail_spare\":0", "\"avail_spare\":101", "101 %"),
            ("\"spare_thresh\":0", "\"spare_thresh\":200", "200 %"),
            ("\"critical_warning\":0", "\"critical_warning\":null", "critical_warning"),
            ("\"critical_warning\":0", "\"critical_warning\":{}", "Warnings"),
        ] {
            let text = EMULATED.replace(from, to);
            assert_ne!(text, EMULATED, "{from}");
            let why = told(&text).unwrap_err();
            assert!(why.contains(words) || why.contains("untagged"), "{text}: {why}");
        }
        assert!(told(&format!("{EMULATED}{EMULATED}")).is_err());
        assert!(told("").is_err());
    }

    #[test]
    fn a_note_that_is_absent_old_of_the_future_or_no_text_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("nvme0.json");
        let epoch = WallTime::from_millis(0);
        assert_eq!(read(&note, epoch), Err(Unread::NoNote));
        replace(&RealDisk, &note, EMULATED.as_bytes()).unwrap();
        let (_, made) = text(&note).unwrap();
        let after = |span| made.saturating_add(span);
        assert!(read(&note, after(Duration::from_mins(59))).is_ok());
        assert!(read(&note, made.saturating_sub(Duration::from_secs(4))).is_ok());
        let age = Duration::from_mins(61);
        assert_eq!(read(&note, after(age)), Err(Unread::Old(age)));
        assert_eq!(read(&note, made.saturating_sub(Duration::from_secs(6))), Err(Unread::Ahead));
        assert_eq!(read(&note, epoch), Err(Unread::Ahead), "a clock that has not been set yet");
        replace(&RealDisk, &note, &[0xff; 1000]).unwrap();
        let (_, made) = (note.metadata().unwrap(), after(Duration::ZERO));
        assert!(matches!(read(&note, made.saturating_add(CORRECTION)), Err(Unread::Broken(_))));
        assert!(matches!(read(folder.path(), made.saturating_add(CORRECTION)), Err(Unread::Broken(_))));
    }
}
