//! What the receiver writes: records, settled sequences, losses, units and refusals. All within one transaction that
//! the receiver commits before it tells anybody.

use rusqlite::{OptionalExtension, Transaction, params};

use super::spans::{Span, SpanTable};

/// One sequence of records: what the names of records count within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamName<'a> {
    /// The unit.
    pub unit: &'a str,
    /// The unit's epoch.
    pub epoch: u64,
    /// The lane.
    pub lane: &'static str,
}

/// A stream in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Its number.
    pub id: i64,
    /// Whether it is the first that was heard of an epoch of a unit that had another before: the unit has a new outbox,
    /// and what it had not sent of the old one will never come.
    pub begins_epoch: bool,
}

/// What was found of the seal on an entry of a unit's audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealFound {
    /// The unit has signed this entry.
    Signed,
    /// It has not.
    Wrong,
    /// It has none, and an entry of its kind ought to have one.
    Missing,
}

impl SealFound {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Wrong => "wrong",
            Self::Missing => "missing",
        }
    }
}

/// A record as the database keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Its sequence within the stream.
    pub sequence: u64,
    /// The camera it is about.
    pub camera: Option<String>,
    /// The unit's own time of the event, microseconds since 1970.
    pub at_us: Option<i64>,
    /// The plate that was read.
    pub plate: Option<String>,
    /// What was found of its seal, if it has one or ought to.
    pub seal: Option<SealFound>,
    /// The record as JSON.
    pub body: String,
}

/// The writes of one transaction.
#[derive(Debug)]
pub struct Ingest<'a> {
    transaction: &'a Transaction<'a>,
    now_us: i64,
}

impl<'a> Ingest<'a> {
    /// Writes within `transaction`; `now_us` becomes the time of everything written.
    pub fn new(transaction: &'a Transaction<'a>, now_us: i64) -> Self {
        Self { transaction, now_us }
    }

    /// A stream, which is made if it is new. A new epoch of a unit becomes its current one.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn stream(&self, name: StreamName<'_>) -> rusqlite::Result<Stream> {
        let epoch = name.epoch.cast_signed();
        let known = self
            .transaction
            .prepare_cached(
                "UPDATE streams SET heard_us = ?4 WHERE unit = ?1 AND epoch = ?2 AND lane = ?3 RETURNING id",
            )?
            .query_row(params![name.unit, epoch, name.lane, self.now_us], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(Stream { id, begins_epoch: false });
        }
        let begins_epoch = self.epoch(name.unit, epoch)?;
        let id = self.transaction.query_row(
            "INSERT INTO streams (unit, epoch, lane, since_us, heard_us) VALUES (?1, ?2, ?3, ?4, ?4) RETURNING id",
            params![name.unit, epoch, name.lane, self.now_us],
            |row| row.get(0),
        )?;
        Ok(Stream { id, begins_epoch })
    }

    /// Makes an epoch that was never heard the unit's current one; true if the unit had another before.
    fn epoch(&self, unit: &str, epoch: i64) -> rusqlite::Result<bool> {
        let known: bool = self.transaction.query_row(
            "SELECT EXISTS (SELECT 1 FROM streams WHERE unit = ?1 AND epoch = ?2)",
            params![unit, epoch],
            |row| row.get(0),
        )?;
        if known {
            // A message of an earlier epoch that arrives late does not bring that epoch back.
            return Ok(false);
        }
        let epochs: i64 = self.transaction.query_row(
            "INSERT INTO units (unit, heard_us, epoch, epochs) VALUES (?1, ?2, ?3, 1) \
             ON CONFLICT (unit) DO UPDATE SET epoch = excluded.epoch, epochs = epochs + 1 RETURNING epochs",
            params![unit, self.now_us, epoch],
            |row| row.get(0),
        )?;
        Ok(epochs > 1)
    }

    /// Every stream of one life of a unit, with its lane.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn streams(&self, unit: &str, epoch: u64) -> rusqlite::Result<Vec<(i64, String)>> {
        self.transaction
            .prepare_cached("SELECT id, lane FROM streams WHERE unit = ?1 AND epoch = ?2")?
            .query_map(params![unit, epoch.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// Keeps a record; false if it is there already.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn record(
        &self,
        stream: i64,
        name: StreamName<'_>,
        record: &NewRecord,
        received_us: i64,
    ) -> rusqlite::Result<bool> {
        let Ok(sequence) = i64::try_from(record.sequence) else {
            return Ok(false);
        };
        let inserted = self
            .transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO records \
                 (stream, sequence, unit, lane, camera, at_us, received_us, plate, body, seal) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                stream,
                sequence,
                name.unit,
                name.lane,
                record.camera,
                record.at_us,
                received_us,
                record.plate,
                record.body,
                record.seal.map(SealFound::as_str)
            ])?;
        Ok(inserted == 1)
    }

    /// Settles sequences of a stream.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn settle(&self, stream: i64, span: Span) -> rusqlite::Result<()> {
        SpanTable::Settled.insert(self.transaction, stream, span)
    }

    /// Whether a sequence of a stream is settled.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn is_settled(&self, stream: i64, sequence: u64) -> rusqlite::Result<bool> {
        SpanTable::Settled.contains(self.transaction, stream, sequence)
    }

    /// The end of the settled run that begins at `first`, by everything that any receiver has committed.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn settled_prefix(&self, stream: i64, first: u64) -> rusqlite::Result<Option<u64>> {
        SpanTable::Settled.run_from(self.transaction, stream, first)
    }

    /// Notes that the unit declared sequences lost, which settles them; how many were not settled before.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn lose(&self, stream: i64, span: Span, cause: &str) -> rusqlite::Result<u64> {
        let lost = SpanTable::Settled.lacks(self.transaction, stream, span)?;
        for span in &lost {
            self.transaction.execute(
                "INSERT OR IGNORE INTO losses (stream, first, last, received_us, cause) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![stream, span.first().cast_signed(), span.last().cast_signed(), self.now_us, cause],
            )?;
        }
        self.settle(stream, span)?;
        Ok(lost.into_iter().map(Span::count).sum())
    }

    /// What of a span was noted as lost for this cause; it is noted no more.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn find(&self, stream: i64, span: Span, cause: &str) -> rusqlite::Result<Vec<Span>> {
        let (from, to) = (span.first().cast_signed(), span.last().cast_signed());
        let noted: Vec<(i64, i64, i64, i64)> = self
            .transaction
            .prepare_cached(
                "SELECT id, first, last, received_us FROM losses \
                 WHERE stream = ?1 AND cause = ?2 AND first <= ?4 AND last >= ?3",
            )?
            .query_map(params![stream, cause, from, to], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let mut found = Vec::new();
        for (id, first, last, received_us) in noted {
            self.transaction.execute("DELETE FROM losses WHERE id = ?1", [id])?;
            for (first, last) in [(first, from - 1), (to + 1, last)] {
                if first <= last {
                    self.transaction.execute(
                        "INSERT OR IGNORE INTO losses (stream, first, last, received_us, cause) \
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                        params![stream, first, last, received_us, cause],
                    )?;
                }
            }
            found.extend(Span::new(first.max(from).unsigned_abs(), last.min(to).unsigned_abs()));
        }
        Ok(found)
    }

    /// Notes that a unit was heard.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn heard(&self, unit: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO units (unit, heard_us) VALUES (?1, ?2) \
                 ON CONFLICT (unit) DO UPDATE SET heard_us = max(heard_us, excluded.heard_us)",
            )?
            .execute(params![unit, self.now_us])?;
        Ok(())
    }

    /// Keeps a unit's birth, which is `state` as JSON.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn birth(&self, unit: &str, epoch: Option<u64>, state: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO units (unit, heard_us, online, state, state_us, state_epoch) VALUES (?1, ?2, 1, ?3, ?2, ?4) \
             ON CONFLICT (unit) DO UPDATE SET online = 1, state_us = excluded.state_us, state = excluded.state, \
             state_epoch = excluded.state_epoch, heard_us = max(heard_us, excluded.heard_us)",
            params![unit, self.now_us, state, epoch.map(u64::cast_signed)],
        )?;
        Ok(())
    }

    /// Notes a unit's death. The last birth stays readable; a death of an earlier life than that says nothing.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn death(&self, unit: &str, epoch: Option<u64>) -> rusqlite::Result<()> {
        self.transaction.execute(
            "UPDATE units SET online = 0, state_us = ?2 WHERE unit = ?1 AND (?3 IS NULL OR state_epoch IS ?3)",
            params![unit, self.now_us, epoch.map(u64::cast_signed)],
        )?;
        Ok(())
    }

    /// Keeps a unit's newest health record.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn health(&self, unit: &str, body: &str) -> rusqlite::Result<()> {
        self.transaction.execute("UPDATE units SET health = ?2 WHERE unit = ?1", params![unit, body])?;
        Ok(())
    }

    /// Keeps that a picture is on disk under its hash.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn thumb(&self, hash: &str, unit: &str, size_bytes: usize) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT OR IGNORE INTO thumbs (hash, unit, size_bytes, received_us) VALUES (?1, ?2, ?3, ?4)",
            params![hash, unit, i64::try_from(size_bytes).unwrap_or(i64::MAX), self.now_us],
        )?;
        Ok(())
    }

    /// Counts a message that was refused, with the detail of the last one.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn refuse(&self, unit: &str, reason: &str, detail: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO refusals (unit, reason, count, last_us, detail) VALUES (?1, ?2, 1, ?3, ?4) \
             ON CONFLICT (unit, reason) DO UPDATE SET count = count + 1, last_us = excluded.last_us, \
             detail = excluded.detail",
            params![unit, reason, self.now_us, detail],
        )?;
        Ok(())
    }

    /// Adds to a counter that all receivers share.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn count(&self, name: &str, more: u64) -> rusqlite::Result<()> {
        if more == 0 {
            return Ok(());
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO counters (name, value) VALUES (?1, ?2) \
                 ON CONFLICT (name) DO UPDATE SET value = min(value + excluded.value, 9223372036854775807)",
            )?
            .execute(params![name, i64::try_from(more).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    /// The transaction, for the tables that have their own file.
    pub(crate) fn transaction(&self) -> &Transaction<'a> {
        self.transaction
    }

    /// The time of what is written.
    pub(crate) fn now_us(&self) -> i64 {
        self.now_us
    }
}
