//! What the unit itself has made and knows to be settled: its outbox, read beside it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use edge_protocol::lane::Lane;
use rusqlite::{Connection, OpenFlags};

/// By lane: the newest sequence, and up to where the center has acknowledged.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Lanes(BTreeMap<i64, (u64, u64)>);

/// Reads the cursors of an outbox that may be in use.
pub(crate) fn read(outbox: &Path) -> Result<Lanes> {
    let wrong = || format!("cannot read {}", outbox.display());
    let database = Connection::open_with_flags(outbox, OpenFlags::SQLITE_OPEN_READ_ONLY).with_context(wrong)?;
    database.busy_timeout(std::time::Duration::from_secs(5))?;
    let mut rows = database.prepare("SELECT lane, last, settled FROM cursor").with_context(wrong)?;
    let number = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(i64::unsigned_abs);
    let lanes = rows.query_map([], |row| Ok((row.get(0)?, (number(row, 1)?, number(row, 2)?))))?;
    Ok(Lanes(lanes.collect::<rusqlite::Result<_>>()?))
}

impl Lanes {
    /// Sequences given out in the lanes whose records the center keeps as events; the first is 1. Pictures and pieces
    /// of clips become files there.
    pub(crate) fn made(&self) -> u64 {
        let is_event = |lane: i64| usize::try_from(lane).ok().and_then(Lane::from_index).is_some_and(|l| !l.is_bulk());
        self.0.iter().filter(|(lane, _)| is_event(**lane)).map(|(_, (last, _))| last).sum()
    }

    /// Records that the center has not acknowledged.
    pub(crate) fn waiting(&self) -> u64 {
        self.0.values().map(|(last, settled)| last.saturating_sub(*settled)).sum()
    }

    /// Whether everything that `earlier` had made is acknowledged here.
    pub(crate) fn have_settled(&self, earlier: &Self) -> bool {
        earlier.0.iter().all(|(lane, (last, _))| self.0.get(lane).is_some_and(|(_, settled)| settled >= last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(rows: &[(i64, u64, u64)]) -> Lanes {
        Lanes(rows.iter().map(|&(lane, last, settled)| (lane, (last, settled))).collect())
    }

    #[test]
    fn what_was_made_before_is_settled_only_when_every_lane_is() {
        let before = lanes(&[(0, 3, 1), (1, 10, 10)]);
        assert_eq!((before.made(), before.waiting()), (13, 2));
        let thumb = i64::try_from(Lane::Thumb.index()).unwrap();
        assert_eq!(lanes(&[(0, 3, 3), (thumb, 9, 9)]).made(), 3, "pictures are no events");
        assert!(!lanes(&[(0, 5, 2), (1, 11, 11)]).have_settled(&before));
        assert!(lanes(&[(0, 5, 3), (1, 11, 10)]).have_settled(&before));
        assert!(!lanes(&[(1, 11, 11)]).have_settled(&before), "a lane that is gone has settled nothing");
    }
}
