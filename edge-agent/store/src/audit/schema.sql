-- The audit log's tables.
CREATE TABLE entry (
    number  INTEGER PRIMARY KEY,   -- from 1 without holes
    command BLOB,                  -- 16 bytes; the command that the entry is about
    kind    INTEGER NOT NULL,      -- 0 note, 1 intent, 2 outcome
    body    BLOB    NOT NULL,
    hash    BLOB    NOT NULL       -- 32 bytes over the hash before, number, kind, command and body
) STRICT;
CREATE INDEX entry_of_command ON entry(command) WHERE command IS NOT NULL;
-- Commands that were let through: each at most once, for ever.
CREATE TABLE executed (
    command BLOB PRIMARY KEY,
    entry   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER entries_stay BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER entries_are_as_written BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER executed_stays BEFORE DELETE ON executed BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
