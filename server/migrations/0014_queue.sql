-- The place of a run that waits: the lowest first, 0 for those that nobody has moved. Runs of one place are in the order in which they
-- were queued.
ALTER TABLE runs ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
-- A held run waits until it is released.
ALTER TABLE runs ADD COLUMN held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1));
DROP INDEX runs_queue;
CREATE INDEX runs_queue ON runs (state, place, queued_at, key);
-- Whether the whole queue is paused: one row.
CREATE TABLE queue (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    paused INTEGER NOT NULL CHECK (paused IN (0, 1))
);
INSERT INTO queue VALUES (1, 0);
