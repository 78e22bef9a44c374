//! Requests: what was asked, what became of it, and which bytes of a clip have arrived.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::ingest::Ingest;
use super::spans::{Span, SpanTable};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestStatus {
    /// Handed in; not yet with the unit, or the unit has not answered yet.
    Waiting,
    /// The unit did not take the command, but would take a fresh one for the same request.
    Again,
    /// The unit accepted; it has pinned the range of a clip, and the words say how far an update is.
    Accepted,
    /// Bytes of the clip are arriving.
    Transferring,
    /// Everything arrived and is on disk, or what was asked is done.
    Complete,
    /// The unit refused; the words say why.
    Refused,
    /// The unit has nothing of what was asked for, or could not make the clip.
    Failed,
}

impl RequestStatus {
    const ALL: [Self; 7] =
        [Self::Waiting, Self::Again, Self::Accepted, Self::Transferring, Self::Complete, Self::Refused, Self::Failed];

    /// The word that database and interface use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Again => "again",
            Self::Accepted => "accepted",
            Self::Transferring => "transferring",
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        match self {
            Self::Waiting | Self::Again | Self::Accepted | Self::Transferring => false,
            Self::Complete | Self::Refused | Self::Failed => true,
        }
    }

    fn parse(word: &str) -> Self {
        // The table is written here alone, so another word means a damaged row, and that request has failed.
        Self::ALL.into_iter().find(|status| status.as_str() == word).unwrap_or(Self::Failed)
    }
}

/// A request as people see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    /// The request's id, lower-case hexadecimal.
    pub id: String,
    /// The unit that was asked.
    pub unit: String,
    /// Who asked what and why.
    pub question: serde_json::Value,
    /// What became of it.
    pub status: RequestStatus,
    /// What the unit or the center says about it.
    pub words: String,
    /// How many signed commands were handed in under this id.
    pub attempts: i64,
    /// When the first was handed in, microseconds since 1970.
    pub created_us: i64,
    /// When the status changed last.
    pub changed_us: i64,
    /// Bytes of the clip's media that are on disk.
    pub received_bytes: u64,
    /// What the unit made, once it has made it.
    pub offer: Option<Offer>,
    #[serde(skip)]
    number: i64,
}

impl Request {
    /// Whether the unit's word ends it: nothing but words comes of it.
    pub fn ends_by_word(&self) -> bool {
        let asked = self.question.get("operation");
        asked.is_some_and(|asked| asked == "health" || asked.get("update").is_some() || asked.get("recall").is_some())
    }
}

/// What a unit made of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// Bytes of the MP4 file.
    pub media_bytes: u64,
    /// SHA-256 of the MP4 file, lower-case hexadecimal.
    pub media_hash: String,
    /// Bytes of the signed manifest.
    pub manifest_bytes: u64,
    /// SHA-256 of the signed manifest, lower-case hexadecimal.
    pub manifest_hash: String,
    /// Where the clip begins, microseconds since 1970.
    pub actual_from_us: i64,
    /// Where it ends.
    pub actual_to_us: i64,
    /// How many gaps it has.
    pub gaps: u32,
}

/// One of the two files of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The signed manifest.
    Manifest,
    /// The MP4 file.
    Media,
}

impl Part {
    /// Under which number the part's bytes are kept.
    fn owner(self, request: &Request) -> i64 {
        match self {
            Self::Manifest => 2 * request.number,
            Self::Media => 2 * request.number + 1,
        }
    }

    /// The part's hash, as the unit says.
    fn hash(self, offer: &Offer) -> &str {
        match self {
            Self::Manifest => &offer.manifest_hash,
            Self::Media => &offer.media_hash,
        }
    }

    /// How long the part is, once the unit has said so.
    pub fn length(self, request: &Request) -> Option<u64> {
        let offer = request.offer.as_ref()?;
        Some(match self {
            Self::Manifest => offer.manifest_bytes,
            Self::Media => offer.media_bytes,
        })
    }
}

/// A command that shall go to a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest<'a> {
    /// The request's id, lower-case hexadecimal.
    pub id: &'a str,
    /// The unit that is asked.
    pub unit: &'a str,
    /// Who asks what and why, as JSON: the same for every command of one request.
    pub question: &'a str,
    /// The signed command.
    pub envelope: &'a [u8],
}

/// What happened to a command that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedIn {
    /// A new request, or a fresh command for one that waits.
    Taken,
    /// The id belongs to another unit or another question.
    Other,
    /// The unit has answered this request already.
    Answered,
}

impl Ingest<'_> {
    /// Keeps a signed command. A fresh one for the same question replaces one that the unit has not answered.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn hand_in(&self, request: &NewRequest<'_>) -> rusqlite::Result<HandedIn> {
        let known: Option<(String, String, String)> = self
            .transaction()
            .query_row("SELECT unit, question, status FROM requests WHERE id = ?1", [request.id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        match known {
            None => {
                self.transaction().execute(
                    "INSERT INTO requests (id, unit, question, envelope, attempts, status, words, created_us, \
                     changed_us) VALUES (?1, ?2, ?3, ?4, 1, 'waiting', 'handed to the center', ?5, ?5)",
                    params![request.id, request.unit, request.question, request.envelope, self.now_us()],
                )?;
                Ok(HandedIn::Taken)
            }
            Some((unit, question, _)) if unit != request.unit || question != request.question => Ok(HandedIn::Other),
            Some((_, _, status))
                if matches!(RequestStatus::parse(&status), RequestStatus::Waiting | RequestStatus::Again) =>
            {
                self.transaction().execute(
                    "UPDATE requests SET envelope = ?2, attempts = attempts + 1, changed_us = ?3, \
                     status = 'waiting', words = 'handed to the center again' WHERE id = ?1",
                    params![request.id, request.envelope, self.now_us()],
                )?;
                Ok(HandedIn::Taken)
            }
            Some(_) => Ok(HandedIn::Answered),
        }
    }

    /// Notes what became of a request, unless its end is known already. Unknown requests are ignored: another center
    /// may have asked.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn answer(&self, id: &str, unit: &str, status: RequestStatus, words: &str) -> rusqlite::Result<bool> {
        let changed = self.transaction().execute(
            "UPDATE requests SET status = ?3, words = ?4, changed_us = ?5 WHERE id = ?1 AND unit = ?2 \
             AND status NOT IN ('complete', 'refused', 'failed')",
            params![id, unit, status.as_str(), words, self.now_us()],
        )?;
        Ok(changed == 1)
    }

    /// Has a unit's clips that were on their way asked for again: a part of them will never come by itself.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn ask_clips_again(&self, unit: &str, words: &str) -> rusqlite::Result<()> {
        let on_their_way: Vec<String> = self
            .transaction()
            .prepare_cached("SELECT id FROM requests WHERE unit = ?1 AND status IN ('accepted', 'transferring')")?
            .query_map([unit], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for id in on_their_way {
            if self.request(&id)?.is_some_and(|request| !request.ends_by_word()) {
                self.answer(&id, unit, RequestStatus::Again, words)?;
            }
        }
        Ok(())
    }

    /// Keeps what the unit offers. A clip that was made anew, after the unit was restarted in the middle of the first,
    /// takes the first one's place; bytes of a file that is another now are forgotten.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn offer(&self, id: &str, unit: &str, offer: &Offer) -> rusqlite::Result<()> {
        let Some(known) = self.request(id)?.filter(|known| known.unit == unit && !known.status.is_final()) else {
            return Ok(());
        };
        for part in [Part::Manifest, Part::Media] {
            if known.offer.as_ref().is_some_and(|before| part.hash(before) != part.hash(offer)) {
                let forget = "DELETE FROM clip_bytes WHERE owner = ?1";
                self.transaction().execute(forget, [part.owner(&known)])?;
            }
        }
        self.transaction().execute(
            "UPDATE requests SET media_bytes = ?2, media_hash = ?3, manifest_bytes = ?4, manifest_hash = ?5, \
             actual_from_us = ?6, actual_to_us = ?7, gaps = ?8 WHERE id = ?1",
            params![
                id,
                offer.media_bytes.cast_signed(),
                offer.media_hash,
                offer.manifest_bytes.cast_signed(),
                offer.manifest_hash,
                offer.actual_from_us,
                offer.actual_to_us,
                offer.gaps
            ],
        )?;
        Ok(())
    }

    /// Notes that bytes of a clip are on disk.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn clip_bytes(&self, request: &Request, part: Part, span: Span) -> rusqlite::Result<()> {
        SpanTable::ClipBytes.insert(self.transaction(), part.owner(request), span)
    }

    /// Whether every byte of both files of a request is on disk.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn is_whole(&self, request: &Request) -> rusqlite::Result<bool> {
        for part in [Part::Manifest, Part::Media] {
            let Some(last) = part.length(request).and_then(|length| length.checked_sub(1)) else {
                return Ok(false);
            };
            if SpanTable::ClipBytes.run_from(self.transaction(), part.owner(request), 0)? != Some(last) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The request as this transaction sees it.
    ///
    /// # Errors
    /// Returns what the database says.
    pub fn request(&self, id: &str) -> rusqlite::Result<Option<Request>> {
        request(self.transaction(), id)
    }
}

/// One request.
///
/// # Errors
/// Returns what the database says.
pub fn request(database: &Connection, id: &str) -> rusqlite::Result<Option<Request>> {
    let found = database
        .prepare_cached(
            "SELECT number, id, unit, question, status, words, attempts, created_us, changed_us, media_bytes, \
             media_hash, manifest_bytes, manifest_hash, actual_from_us, actual_to_us, gaps FROM requests WHERE id = ?1",
        )?
        .query_row([id], read_request)
        .optional()?;
    found.map(|request| with_progress(database, request)).transpose()
}

/// The newest requests.
///
/// # Errors
/// Returns what the database says.
pub fn requests(database: &Connection, limit: u32) -> rusqlite::Result<Vec<Request>> {
    database
        .prepare_cached(
            "SELECT number, id, unit, question, status, words, attempts, created_us, changed_us, media_bytes, \
             media_hash, manifest_bytes, manifest_hash, actual_from_us, actual_to_us, gaps FROM requests ORDER BY number DESC LIMIT ?1",
        )?
        .query_map([limit], read_request)?
        .map(|request| with_progress(database, request?))
        .collect()
}

fn read_request(row: &Row<'_>) -> rusqlite::Result<Request> {
    let question: String = row.get(3)?;
    let status: String = row.get(4)?;
    Ok(Request {
        number: row.get(0)?,
        id: row.get(1)?,
        unit: row.get(2)?,
        question: serde_json::from_str(&question).unwrap_or(serde_json::Value::Null),
        status: RequestStatus::parse(&status),
        words: row.get(5)?,
        attempts: row.get(6)?,
        created_us: row.get(7)?,
        changed_us: row.get(8)?,
        received_bytes: 0,
        offer: read_offer(row)?,
    })
}

fn read_offer(row: &Row<'_>) -> rusqlite::Result<Option<Offer>> {
    let Some(media_bytes) = row.get::<_, Option<i64>>(9)? else {
        return Ok(None);
    };
    let manifest_bytes: i64 = row.get(11)?;
    Ok(Some(Offer {
        media_bytes: media_bytes.unsigned_abs(),
        media_hash: row.get(10)?,
        manifest_bytes: manifest_bytes.unsigned_abs(),
        manifest_hash: row.get(12)?,
        actual_from_us: row.get(13)?,
        actual_to_us: row.get(14)?,
        gaps: row.get(15)?,
    }))
}

fn with_progress(database: &Connection, mut request: Request) -> rusqlite::Result<Request> {
    let bytes: i64 = database
        .prepare_cached("SELECT coalesce(sum(last - first + 1), 0) FROM clip_bytes WHERE owner = ?1")?
        .query_row([Part::Media.owner(&request)], |row| row.get(0))?;
    request.received_bytes = bytes.unsigned_abs();
    Ok(request)
}
