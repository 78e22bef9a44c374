-- What was seen and stays on the unit.
CREATE TABLE detection (
    number INTEGER PRIMARY KEY,
    camera TEXT    NOT NULL,
    wall   INTEGER NOT NULL,   -- µs since 1970
    lane   INTEGER NOT NULL,   -- Lane::index
    plate  TEXT,               -- normalised, for reads
    body   BLOB    NOT NULL,
    crc    INTEGER NOT NULL
) STRICT;
CREATE INDEX detection_by_time ON detection(wall);
CREATE INDEX detection_by_plate ON detection(plate, wall) WHERE plate IS NOT NULL;
