//! Certificates of units, and whose are good no longer.

use rusqlite::{OptionalExtension, params};

use crate::database::ingest::Ingest;

/// A certificate that was issued to a unit.
#[derive(Debug, Clone, Copy)]
pub struct NewCertificate<'a> {
    /// Its serial number, lower-case hexadecimal.
    pub number: &'a str,
    /// The unit.
    pub unit: &'a str,
    /// The unit's serial number, where the center knows it.
    pub serial: Option<&'a str>,
    /// SHA-256 of its public key, lower-case hexadecimal.
    pub key_hash: &'a str,
    /// The certificate.
    pub der: &'a [u8],
    /// Until when it is good, microseconds since 1970.
    pub until_us: i64,
}

impl Ingest<'_> {
    /// Keeps a certificate that was issued.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn keep_certificate(&self, new: &NewCertificate<'_>) -> rusqlite::Result<()> {
        self.transaction().execute(
            "INSERT INTO certificates (number, unit, serial, key_hash, der, issued_us, until_us) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![new.number, new.unit, new.serial, new.key_hash, new.der, self.now_us(), new.until_us],
        )?;
        Ok(())
    }

    /// The unit's serial number by the number of one of its certificates; none where that was not issued here. The
    /// boolean says whether the certificate was revoked.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn certificate(&self, number: &str) -> rusqlite::Result<Option<(Option<String>, bool)>> {
        self.transaction()
            .query_row("SELECT serial, revoked_us IS NOT NULL FROM certificates WHERE number = ?1", [number], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
    }

    /// The certificate that was issued for a public key, with its unit.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn certificate_of_key(&self, key_hash: &str) -> rusqlite::Result<Option<(String, Vec<u8>)>> {
        self.transaction()
            .query_row("SELECT unit, der FROM certificates WHERE key_hash = ?1", [key_hash], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
    }

    /// The serial numbers of the units that have a good certificate under a name.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn holders(&self, unit: &str) -> rusqlite::Result<Vec<String>> {
        self.transaction()
            .prepare_cached(
                "SELECT DISTINCT coalesce(serial, '') FROM certificates \
                 WHERE unit = ?1 AND revoked_us IS NULL AND until_us > ?2",
            )?
            .query_map(params![unit, self.now_us()], |row| row.get(0))?
            .collect()
    }

    /// Revokes every certificate of a unit; how many that were.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn revoke(&self, unit: &str) -> rusqlite::Result<usize> {
        self.transaction().execute(
            "UPDATE certificates SET revoked_us = ?2 WHERE unit = ?1 AND revoked_us IS NULL",
            params![unit, self.now_us()],
        )
    }

    /// Numbers and times of every revoked certificate.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn revoked(&self) -> rusqlite::Result<Vec<(String, i64)>> {
        self.transaction()
            .prepare_cached("SELECT number, revoked_us FROM certificates WHERE revoked_us IS NOT NULL ORDER BY number")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// Notes that the broker is told to end a unit's session.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn revocation_told(&self, unit: &str) -> rusqlite::Result<()> {
        self.transaction().execute(
            "INSERT INTO revocations (unit, told_us) VALUES (?1, ?2) \
             ON CONFLICT (unit) DO UPDATE SET told_us = excluded.told_us, confirmed_us = NULL, trouble = NULL",
            params![unit, self.now_us()],
        )?;
        Ok(())
    }

    /// Whether the broker was told to end a unit's session and let no other begin.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn is_shut_out(&self, unit: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM revocations WHERE unit = ?1)";
        self.transaction().query_row(sql, [unit], |row| row.get(0))
    }

    /// Notes what the broker said to it.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn revocation_answered(&self, unit: &str, trouble: Option<&str>) -> rusqlite::Result<()> {
        self.transaction().execute(
            "UPDATE revocations SET confirmed_us = iif(?3 IS NULL, ?2, NULL), trouble = ?3 WHERE unit = ?1",
            params![unit, self.now_us(), trouble],
        )?;
        Ok(())
    }

    /// Notes that a unit of this name is let in again.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn let_in_again(&self, unit: &str) -> rusqlite::Result<()> {
        self.transaction().execute("DELETE FROM revocations WHERE unit = ?1", [unit])?;
        Ok(())
    }
}
