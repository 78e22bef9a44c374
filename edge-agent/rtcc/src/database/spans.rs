//! Sets of numbers as disjoint closed ranges in a table: settled sequences of a lane, bytes of a clip on disk.
//!
//! Belongs here: merging and asking. What the numbers mean is the caller's. The ranges of one owner never overlap and
//! never touch, so an unbroken run is one row however long it is, and every question costs one look at the index.

use rusqlite::{Connection, OptionalExtension, params};

/// A closed range of numbers; never empty. Numbers end at `i64::MAX`, which is what the database can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// The numbers from `first` to `last`, both included; none if that is empty or beyond what can be held.
    pub fn new(first: u64, last: u64) -> Option<Self> {
        let (first, last) = (i64::try_from(first).ok()?, i64::try_from(last).ok()?);
        // The largest number is left free, so that the number after a range always exists.
        (first <= last && last < i64::MAX).then_some(Self { first, last })
    }

    /// The smallest number.
    pub fn first(self) -> u64 {
        self.first.unsigned_abs()
    }

    /// The largest number.
    pub fn last(self) -> u64 {
        self.last.unsigned_abs()
    }

    /// Whether a number is one of these.
    pub fn contains(self, number: u64) -> bool {
        (self.first()..=self.last()).contains(&number)
    }

    /// How many numbers.
    pub fn count(self) -> u64 {
        self.last() - self.first() + 1
    }
}

/// One table of ranges: columns `owner`, `first`, `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanTable {
    /// Sequences of a stream that were received or declared lost.
    Settled,
    /// Bytes of a clip's file that are on disk.
    ClipBytes,
}

/// The statements of one table, spelled out so that no name is ever pasted into SQL.
struct Statements {
    at_or_before: &'static str,
    delete: &'static str,
    insert: &'static str,
    all: &'static str,
}

const SETTLED: Statements = Statements {
    at_or_before: "SELECT first, last FROM settled WHERE owner = ?1 AND first <= ?2 \
                   ORDER BY first DESC LIMIT 1",
    delete: "DELETE FROM settled WHERE owner = ?1 AND first = ?2",
    insert: "INSERT INTO settled (owner, first, last) VALUES (?1, ?2, ?3)",
    all: "SELECT first, last FROM settled WHERE owner = ?1 ORDER BY first LIMIT ?2",
};

const CLIP_BYTES: Statements = Statements {
    at_or_before: "SELECT first, last FROM clip_bytes WHERE owner = ?1 AND first <= ?2 \
                   ORDER BY first DESC LIMIT 1",
    delete: "DELETE FROM clip_bytes WHERE owner = ?1 AND first = ?2",
    insert: "INSERT INTO clip_bytes (owner, first, last) VALUES (?1, ?2, ?3)",
    all: "SELECT first, last FROM clip_bytes WHERE owner = ?1 ORDER BY first LIMIT ?2",
};

impl SpanTable {
    fn statements(self) -> &'static Statements {
        match self {
            Self::Settled => &SETTLED,
            Self::ClipBytes => &CLIP_BYTES,
        }
    }

    /// Adds a range to the owner's set.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn insert(self, database: &Connection, owner: i64, span: Span) -> rusqlite::Result<()> {
        let mut merged = span;
        // Every range that begins at or before the number after ours and reaches ours joins it.
        while let Some(other) = self.at_or_before(database, owner, merged.last + 1)? {
            if other.last + 1 < merged.first {
                break;
            }
            database.prepare_cached(self.statements().delete)?.execute(params![owner, other.first])?;
            merged.first = merged.first.min(other.first);
            merged.last = merged.last.max(other.last);
        }
        database.prepare_cached(self.statements().insert)?.execute(params![owner, merged.first, merged.last])?;
        Ok(())
    }

    /// Whether the number is in the owner's set.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn contains(self, database: &Connection, owner: i64, number: u64) -> rusqlite::Result<bool> {
        Ok(self.run_from(database, owner, number)?.is_some())
    }

    /// The end of the unbroken run that begins at `first`; none if `first` itself is missing.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn run_from(self, database: &Connection, owner: i64, first: u64) -> rusqlite::Result<Option<u64>> {
        let Ok(first) = i64::try_from(first) else {
            return Ok(None);
        };
        let found = self.at_or_before(database, owner, first)?;
        Ok(found.filter(|span| span.last >= first).map(Span::last))
    }

    /// What is missing between `first` and the largest number of the owner's set, at most `limit` ranges.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn holes_from(
        self,
        database: &Connection,
        owner: i64,
        (first, limit): (u64, u32),
    ) -> rusqlite::Result<Vec<Span>> {
        let mut statement = database.prepare_cached(self.statements().all)?;
        let spans =
            statement.query_map(params![owner, limit], |row| Ok(Span { first: row.get(0)?, last: row.get(1)? }))?;
        let mut next = first;
        let mut holes = Vec::new();
        for span in spans {
            let span = span?;
            if let Some(before) = span.first().checked_sub(1) {
                holes.extend(Span::new(next, before));
            }
            next = next.max(span.last() + 1);
        }
        Ok(holes)
    }

    /// What the owner's set lacks of a range, the last first.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn lacks(self, database: &Connection, owner: i64, within: Span) -> rusqlite::Result<Vec<Span>> {
        let (mut lacking, mut last) = (Vec::new(), within.last);
        while last >= within.first {
            let below = self.at_or_before(database, owner, last)?.filter(|span| span.last >= within.first);
            let held = below.map_or(within.first - 1, |span| span.last);
            if held < last {
                lacking.push(Span { first: held + 1, last });
            }
            last = below.map_or(held, |span| span.first - 1);
        }
        Ok(lacking)
    }

    fn at_or_before(self, database: &Connection, owner: i64, number: i64) -> rusqlite::Result<Option<Span>> {
        database
            .prepare_cached(self.statements().at_or_before)?
            .query_row(params![owner, number], |row| Ok(Span { first: row.get(0)?, last: row.get(1)? }))
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const TABLE: SpanTable = SpanTable::Settled;

    fn database() -> Connection {
        let database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(
                "CREATE TABLE settled (owner INTEGER, first INTEGER, last INTEGER, \
                 PRIMARY KEY (owner, first)) WITHOUT ROWID;",
            )
            .unwrap();
        database
    }

    fn span(first: u64, last: u64) -> Span {
        Span::new(first, last).unwrap()
    }

    #[test]
    fn what_the_database_cannot_hold_is_no_range() {
        assert_eq!(Span::new(2, 1), None);
        assert_eq!(Span::new(0, u64::MAX), None);
        assert_eq!(Span::new(0, i64::MAX.unsigned_abs()), None);
        let top = i64::MAX.unsigned_abs() - 1;
        let database = database();
        TABLE.insert(&database, 1, span(top, top)).unwrap();
        TABLE.insert(&database, 1, span(0, top - 1)).unwrap();
        assert_eq!(TABLE.run_from(&database, 1, 0).unwrap(), Some(top));
    }

    #[test]
    fn owners_do_not_mix() {
        let database = database();
        TABLE.insert(&database, 1, span(0, 9)).unwrap();
        assert!(!TABLE.contains(&database, 2, 5).unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_table_of_ranges_agrees_with_a_set_of_numbers(
            inserts in prop::collection::vec((0_u64..60, 0_u64..9), 0..40),
            first in 0_u64..5,
        ) {
            let database = database();
            let mut model = BTreeSet::new();
            for (from, length) in inserts {
                TABLE.insert(&database, 1, span(from, from + length)).unwrap();
                model.extend(from..=from + length);
            }
            for number in 0..75 {
                prop_assert_eq!(
                    TABLE.contains(&database, 1, number).unwrap(),
                    model.contains(&number)
                );
            }
            let rows: i64 = database
                .query_row("SELECT count(*) FROM settled", [], |row| row.get(0))
                .unwrap();
            let starts = model.iter().filter(|n| **n == 0 || !model.contains(&(**n - 1)));
            prop_assert_eq!(rows, i64::try_from(starts.count()).unwrap());
            let run = (first..100).take_while(|n| model.contains(n)).last();
            prop_assert_eq!(TABLE.run_from(&database, 1, first).unwrap(), run);
            let end = model.last().map_or(first, |last| last + 1);
            let missing: Vec<u64> = (first..end).filter(|n| !model.contains(n)).collect();
            let holes: Vec<u64> = TABLE
                .holes_from(&database, 1, (first, 1000))
                .unwrap()
                .into_iter()
                .flat_map(|hole| hole.first()..=hole.last())
                .collect();
            prop_assert_eq!(holes, missing);
            let lacking: Vec<u64> = (first..=50).rev().filter(|n| !model.contains(n)).collect();
            let lacks = TABLE.lacks(&database, 1, span(first, 50)).unwrap();
            let lacks: Vec<u64> = lacks.into_iter().flat_map(|hole| (hole.first()..=hole.last()).rev()).collect();
            prop_assert_eq!(lacks, lacking);
        }
    }
}
