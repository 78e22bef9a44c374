-- The center's database. One row of `streams` per (unit, epoch, lane): the names of records count within it.
-- Times are microseconds since 1970 by the center's clock unless the name says otherwise.
-- Epochs are random 64-bit numbers, kept as the signed number with the same bits.

CREATE TABLE units (
    unit        TEXT PRIMARY KEY,
    online      INTEGER NOT NULL DEFAULT 0,
    state       TEXT,             -- the last birth as JSON
    state_us    INTEGER,
    state_epoch INTEGER,          -- the life that the last birth spoke of
    heard_us    INTEGER NOT NULL,
    epoch       INTEGER,          -- the epoch of the last batch
    epochs      INTEGER NOT NULL DEFAULT 0,
    health      TEXT              -- the last health record as JSON
) WITHOUT ROWID;

CREATE TABLE streams (
    id       INTEGER PRIMARY KEY,
    unit     TEXT NOT NULL,
    epoch    INTEGER NOT NULL,
    lane     TEXT NOT NULL,
    since_us INTEGER NOT NULL,
    heard_us INTEGER NOT NULL,
    UNIQUE (unit, epoch, lane)
);

-- Settled sequences as disjoint closed ranges that never touch: received, or said to be lost by the unit itself.
CREATE TABLE settled (
    owner INTEGER NOT NULL REFERENCES streams (id),
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    PRIMARY KEY (owner, first)
) WITHOUT ROWID;

CREATE TABLE losses (
    id          INTEGER PRIMARY KEY,
    stream      INTEGER NOT NULL REFERENCES streams (id),
    first       INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    received_us INTEGER NOT NULL,
    UNIQUE (stream, first, last)
);

CREATE TABLE records (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    stream      INTEGER NOT NULL REFERENCES streams (id),
    sequence    INTEGER NOT NULL,
    unit        TEXT NOT NULL,
    lane        TEXT NOT NULL,
    camera      TEXT,
    at_us       INTEGER,          -- the unit's own time of the event, where it has one
    received_us INTEGER NOT NULL,
    plate       TEXT,
    body        TEXT NOT NULL,    -- the record as JSON
    UNIQUE (stream, sequence)
);
CREATE INDEX records_by_unit ON records (unit, id);
CREATE INDEX records_by_lane ON records (lane, id);
CREATE INDEX records_by_plate ON records (plate, id) WHERE plate IS NOT NULL;

CREATE TABLE refusals (
    unit    TEXT NOT NULL,
    reason  TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    detail  TEXT NOT NULL,
    PRIMARY KEY (unit, reason)
) WITHOUT ROWID;

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE thumbs (
    hash        TEXT PRIMARY KEY, -- lower-case hexadecimal
    unit        TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    received_us INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE requests (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE, -- lower-case hexadecimal
    unit        TEXT NOT NULL,
    question    TEXT NOT NULL,    -- who asks what and why, as JSON
    envelope    BLOB NOT NULL,    -- the signed command as handed in last
    attempts    INTEGER NOT NULL,
    status      TEXT NOT NULL,
    words       TEXT NOT NULL,    -- what the unit or the center says about it
    created_us  INTEGER NOT NULL,
    changed_us  INTEGER NOT NULL,
    -- What the unit offers, once it has made the clip.
    media_bytes    INTEGER,
    media_hash     TEXT,          -- SHA-256, lower-case hexadecimal
    manifest_bytes INTEGER,
    manifest_hash  TEXT,
    actual_from_us INTEGER,
    actual_to_us   INTEGER,
    gaps           INTEGER
);

-- The bytes of a clip's files that are on disk, as disjoint closed ranges. The owner is twice the request's number for
-- the manifest, and one more for the media.
CREATE TABLE clip_bytes (
    owner INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    PRIMARY KEY (owner, first)
) WITHOUT ROWID;
