-- The outbox's tables. Lane numbers are those of the wire (Lane::index).
CREATE TABLE life (epoch INTEGER NOT NULL) STRICT;
CREATE TABLE cursor (
    lane    INTEGER PRIMARY KEY,
    last    INTEGER NOT NULL,   -- sequence of the newest record
    settled INTEGER NOT NULL,   -- up to here the center has everything, or was told that it is lost
    records INTEGER NOT NULL,   -- waiting
    bytes   INTEGER NOT NULL    -- waiting, with the overhead of each record
) STRICT;
-- Bytes that the uplink has spent on its latest day, which it counts since 1970.
CREATE TABLE spent (day INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
-- Ranges that were dropped; reported is the sequence in the alert lane of the record that says so.
CREATE TABLE lost (
    number   INTEGER PRIMARY KEY,
    lane     INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    cause    INTEGER NOT NULL,  -- as on the wire
    reported INTEGER
) STRICT;
CREATE TABLE lane_hit    (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE lane_answer (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE lane_alert  (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE lane_health (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE lane_audit  (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE lane_read   (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE lane_object (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE lane_thumb  (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE lane_clip   (sequence INTEGER PRIMARY KEY, crc INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
