-- Updates for many units, in waves. What became of each unit stands in `requests`, under an id made of rollout and unit.

CREATE TABLE rollouts (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE, -- lower-case hexadecimal
    plan       TEXT NOT NULL,        -- which update for whom, as JSON
    begun_by   TEXT NOT NULL,
    status     TEXT NOT NULL,        -- running, stopped or done
    words      TEXT NOT NULL,        -- why it was stopped
    wave       INTEGER NOT NULL,     -- the wave at work, from 0
    wave_us    INTEGER NOT NULL,     -- since when
    created_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL
);
