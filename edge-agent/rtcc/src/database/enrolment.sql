-- How units become the agency's and cease to be. Times as in schema.sql.

-- Serial numbers that may enrol now, each once.
CREATE TABLE expected (
    serial          TEXT PRIMARY KEY,
    unit            TEXT NOT NULL,  -- what the unit will be called
    place           TEXT NOT NULL,  -- where it hangs, in the words of whoever expects it
    proof_key       BLOB NOT NULL,  -- made from the setup code; gone as soon as the unit is enrolled
    until_us        INTEGER NOT NULL,
    wrong           INTEGER NOT NULL DEFAULT 0,
    locked_until_us INTEGER
) WITHOUT ROWID;

-- Requests that came with a good claim certificate for a serial number that was expected.
CREATE TABLE enrolments (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    nonce       BLOB NOT NULL UNIQUE,
    serial      TEXT NOT NULL,
    unit        TEXT NOT NULL,
    place       TEXT NOT NULL,
    key_request BLOB NOT NULL,      -- PKCS#10, DER
    state       TEXT NOT NULL,      -- waiting, granted, refused or superseded
    reason      TEXT NOT NULL,
    asked_us    INTEGER NOT NULL,
    decided_us  INTEGER,
    answer      BLOB                -- what the unit was granted, as it was sent
);
CREATE INDEX enrolments_by_serial ON enrolments (serial, id);

-- Every certificate that was issued to a unit.
CREATE TABLE certificates (
    number     TEXT PRIMARY KEY,    -- the certificate's serial number, lower-case hexadecimal
    unit       TEXT NOT NULL,
    serial     TEXT,                -- the unit's; none where it was issued otherwise and renewed here
    key_hash   TEXT NOT NULL UNIQUE,-- SHA-256 of the public key, lower-case hexadecimal
    der        BLOB NOT NULL,
    issued_us  INTEGER NOT NULL,
    until_us   INTEGER NOT NULL,
    revoked_us INTEGER
) WITHOUT ROWID;
CREATE INDEX certificates_by_unit ON certificates (unit);

-- Units whose sessions the broker was told to end.
CREATE TABLE revocations (
    unit         TEXT PRIMARY KEY,
    told_us      INTEGER NOT NULL,
    confirmed_us INTEGER,           -- when the broker said that it is done
    trouble      TEXT               -- what the broker said instead
) WITHOUT ROWID;

-- When an alarm of a kind was raised last, so that a flood is one line a minute.
CREATE TABLE alarms (
    about     TEXT NOT NULL,
    kind      TEXT NOT NULL,
    raised_us INTEGER NOT NULL,
    PRIMARY KEY (about, kind)
) WITHOUT ROWID;

-- Who decided what. Nothing is changed or taken away.
CREATE TABLE decisions (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us  INTEGER NOT NULL,
    who    TEXT NOT NULL,
    what   TEXT NOT NULL,
    serial TEXT,
    unit   TEXT,
    words  TEXT NOT NULL
);
CREATE TRIGGER decisions_are_not_changed BEFORE UPDATE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are not changed'); END;
CREATE TRIGGER decisions_are_not_removed BEFORE DELETE ON decisions
BEGIN SELECT RAISE(ABORT, 'decisions are not removed'); END;
