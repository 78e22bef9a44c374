//! The mark that opens the technician's page of a unit that is not armed: left by a unit that was nobody's yet, and by
//! the service button; taken away by a commissioning report. It survives a power cut, as who works at the unit does.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use edge_protocol::record::{AuditKind, Record};
use edge_protocol::time::{MonoTime, WallStamp};
use edge_store::disk::{self, RealDisk};

use super::auditing;
use crate::control::draft;

const MARK: &str = "commissioning.mark";
/// It opens the page for so long after each start.
const BEGUN: Duration = Duration::from_hours(24);

/// The mark, in the data folder.
#[derive(Debug)]
pub(super) struct Opening {
    mark: PathBuf,
    audit: PathBuf,
    /// Since when this life of the agent sees the mark.
    since: Mutex<Option<MonoTime>>,
}

impl Opening {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { mark: data_dir.join(MARK), audit: data_dir.join("audit.sqlite"), since: Mutex::default() }
    }

    /// Leaves the mark.
    pub(super) fn leave(&self) {
        if let Err(error) = disk::replace(&RealDisk, &self.mark, b"") {
            tracing::error!(%error, "the technician's page is not opened");
        }
    }

    /// Somebody has held the service button: leaves the mark, and gives what is told of it.
    pub(super) fn open(&self, now: WallStamp) -> Option<Record> {
        let words = "the service button was held: the technician's page opens";
        match auditing::write(&self.audit, draft(AuditKind::Local, None, words, now)) {
            Ok(entry) => {
                self.leave();
                Some(Record::Audit(entry))
            }
            Err(error) => {
                tracing::error!(%error, "the technician's page is not opened, because it cannot be written down");
                None
            }
        }
    }

    /// Whether it opens the page. One that has done so for a day goes.
    pub(super) fn is_open(&self, now: MonoTime) -> bool {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.mark.exists() {
            *since = None;
            return false;
        }
        let open = now.saturating_since(*since.get_or_insert(now)) < BEGUN;
        if !open {
            self.close();
        }
        open
    }

    /// Takes the mark away.
    pub(super) fn close(&self) {
        match std::fs::remove_file(&self.mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(%error, "the technician's page is not shut");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

/// Whether the page is open without anybody at the box: a unit that is nobody's waits for its technician. One whose
/// storage is locked may be somebody's, whose name lies in there: that one is armed, or opened by its button.
pub(super) fn is_always_open(is_armed: bool, is_nameless: bool, is_locked: bool) -> bool {
    is_armed || (is_nameless && !is_locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_opens_the_page_for_a_day_or_until_the_report() {
        let folder = tempfile::tempdir().unwrap();
        let opening = Opening::of(folder.path());
        let at = |hours: u64| MonoTime::from_duration(Duration::from_hours(hours));
        assert!(!opening.is_open(at(1)));
        assert!(matches!(opening.open(WallStamp::default()), Some(Record::Audit(entry)) if entry.entry == 1));
        assert!(opening.is_open(at(100)) && opening.is_open(at(123)));
        assert!(!opening.is_open(at(124)) && !opening.mark.exists(), "a day is over");
        opening.leave();
        assert!(Opening::of(folder.path()).is_open(at(0)), "a power cut in between");
        opening.close();
        assert!(!opening.is_open(at(125)));
    }

    #[test]
    fn a_button_that_cannot_be_written_down_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let opening = Opening::of(&folder.path().join("no such folder"));
        assert!(opening.open(WallStamp::default()).is_none() && !opening.is_open(MonoTime::ZERO));
    }

    #[test]
    fn the_page_of_a_unit_whose_name_is_locked_away_waits_to_be_armed_or_for_the_button() {
        assert!(!is_always_open(false, true, true));
        assert!(is_always_open(false, true, false), "it is nobody's");
        assert!(!is_always_open(false, false, false));
        for (is_nameless, is_locked) in [(false, false), (false, true), (true, true)] {
            assert!(is_always_open(true, is_nameless, is_locked));
        }
    }
}
