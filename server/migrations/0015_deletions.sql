-- Studies that were deleted a short time ago, and can be restored until their deletion ends.
CREATE TABLE deletions (
    study      TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    -- Unix times in milliseconds.
    deleted_at INTEGER NOT NULL,
    until      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Their rows, as they were. Each of these tables has the columns of the one that it is named after; no query but those of a deletion
-- and its undoing sees them.
CREATE TABLE deleted_studies AS SELECT * FROM studies WHERE 0;
CREATE TABLE deleted_study_runs AS SELECT * FROM study_runs WHERE 0;
CREATE TABLE deleted_runs AS SELECT * FROM runs WHERE 0;
CREATE TABLE deleted_run_inputs AS SELECT * FROM run_inputs WHERE 0;
CREATE TABLE deleted_tidied AS SELECT * FROM tidied WHERE 0;
CREATE TABLE deleted_events AS SELECT * FROM events WHERE 0;
CREATE INDEX deleted_study_runs_run ON deleted_study_runs (run, study);
CREATE UNIQUE INDEX deleted_runs_key ON deleted_runs (key);
CREATE INDEX deleted_events_run ON deleted_events (run);
