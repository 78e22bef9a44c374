-- The index of one camera's ring. Everything but holds and gaps can be rebuilt from the segment files.
CREATE TABLE segment (
    number     INTEGER PRIMARY KEY,
    codec      INTEGER NOT NULL,
    parameters BLOB    NOT NULL,
    bytes      INTEGER NOT NULL,            -- of the file, as far as it is indexed
    wall_from  INTEGER NOT NULL,            -- µs since 1970
    wall_to    INTEGER NOT NULL,
    doomed     INTEGER NOT NULL DEFAULT 0   -- 1: its file is being removed
) STRICT;
CREATE TABLE picture_group (
    segment  INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    offset   INTEGER NOT NULL,
    frames   INTEGER NOT NULL,
    flags    INTEGER NOT NULL,              -- bit 0: decoding can start here; bit 1: new beginning
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    first    INTEGER NOT NULL,              -- ns of media time
    last     INTEGER NOT NULL,
    wall     INTEGER NOT NULL,              -- µs since 1970
    clock    INTEGER NOT NULL,              -- -2 unknown, -1 free, else bound of the error in ms
    duration INTEGER NOT NULL,              -- ns
    leaf     BLOB    NOT NULL,
    crc      INTEGER NOT NULL,
    PRIMARY KEY (segment, number)
) STRICT, WITHOUT ROWID;
-- Segments that must not be evicted.
CREATE TABLE hold (
    number INTEGER PRIMARY KEY,
    name   TEXT    NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL
) STRICT;
-- Times without video, with the reason; those without a row are known from the groups alone.
CREATE TABLE gap (
    number    INTEGER PRIMARY KEY,
    wall_from INTEGER NOT NULL,
    wall_to   INTEGER NOT NULL,
    reason    TEXT    NOT NULL
) STRICT;
