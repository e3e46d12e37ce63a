-- Runs belong to the data folder and are named by what they compute; studies list them, and one run may be in several.
--
-- Runs with digest '' were made by version 0.1: opening the data folder fills in what only the program can tell (digest, settings).
-- These statements run without foreign keys, so that dropping a table takes no other with it.

ALTER TABLE studies ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0 CHECK (stopped IN (0, 1));

CREATE TABLE new_runs (
    -- Place in the order of creation; events, inputs and lists name a run by it.
    key          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    -- What it computes: hash of kind, settings, images, inputs and revision of the arithmetic.
    digest       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    -- Its folder below the data folder.
    folder       TEXT NOT NULL,
    -- All settings as the run has them; those that describe it, by path.
    settings     TEXT NOT NULL,
    described    TEXT NOT NULL,
    -- The study that lists of all runs show it under, and copies of what they filter and sort by, so that they need no join.
    study        TEXT NOT NULL,
    study_name   TEXT NOT NULL,
    dataset      TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    trigger_label TEXT NOT NULL,
    strength     REAL NOT NULL,
    -- None where nothing is trained; initial weights of a probe's head only.
    optimizer    TEXT,
    head_init    TEXT,
    ppr          INTEGER NOT NULL,
    lpr          INTEGER NOT NULL,
    seed         INTEGER NOT NULL,
    scratch      INTEGER NOT NULL CHECK (scratch IN (0, 1)),
    state        TEXT NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'done', 'failed', 'interrupted', 'cancelled')),
    -- Counts of a finished classifier's evaluation, and the shares that they make.
    ca_hits      INTEGER,
    ca_total     INTEGER,
    asr_hits     INTEGER,
    asr_total    INTEGER,
    ra_hits      INTEGER,
    ra_total     INTEGER,
    top5_hits    INTEGER,
    top5_total   INTEGER,
    ca           REAL GENERATED ALWAYS AS (CAST(ca_hits AS REAL) / NULLIF(ca_total, 0)) VIRTUAL,
    asr          REAL GENERATED ALWAYS AS (CAST(asr_hits AS REAL) / NULLIF(asr_total, 0)) VIRTUAL,
    ra           REAL GENERATED ALWAYS AS (CAST(ra_hits AS REAL) / NULLIF(ra_total, 0)) VIRTUAL,
    epochs       INTEGER NOT NULL,
    images_per_second REAL,
    created_at   INTEGER NOT NULL,
    -- Place in the queue: the time at which it was queued, then the key.
    queued_at    INTEGER NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER,
    -- Each start is an attempt; a retry begins a new one with a fresh event file.
    attempt      INTEGER NOT NULL DEFAULT 1,
    -- Whether a running run is to be stopped.
    cancel       INTEGER NOT NULL DEFAULT 0,
    -- Bytes of the event file that were taken in, and the place of the last event.
    taken_bytes  INTEGER NOT NULL DEFAULT 0,
    taken_seq    INTEGER NOT NULL DEFAULT 0,
    error        TEXT,
    progress     TEXT NOT NULL DEFAULT '{}'
) STRICT;

INSERT INTO new_runs (
    key, id, digest, kind, folder, settings, described, study, study_name, dataset, trigger_kind, trigger_label, strength,
    optimizer, head_init, ppr, lpr, seed, scratch, state, ca_hits, ca_total, asr_hits, asr_total, ra_hits, ra_total, top5_hits,
    top5_total, epochs, images_per_second, created_at, queued_at, started_at, ended_at, attempt, cancel, taken_bytes, taken_seq,
    error, progress
)
SELECT
    key, id, '', phase, 'runs/' || study || '/' || id, '', '{}', study, study_name, dataset, trigger_kind, trigger_label, strength,
    CASE phase WHEN 'probe' THEN optimizer ELSE 'adamw' END, CASE phase WHEN 'probe' THEN head_init END, ppr, lpr, seed, scratch,
    state, ca_hits, ca_total, asr_hits, asr_total, ra_hits, ra_total, top5_hits, top5_total, epochs, images_per_second, created_at,
    queued_at, started_at, ended_at, attempt, cancel, taken_bytes, taken_seq, error, progress
FROM runs;

-- The runs of a study in their order.
CREATE TABLE study_runs (
    study  TEXT NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    place  INTEGER NOT NULL,
    run    INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    -- The settings that the study varies and that describe the run, by path.
    varied TEXT NOT NULL,
    -- Whether the study found the run in the data folder.
    reused INTEGER NOT NULL DEFAULT 0 CHECK (reused IN (0, 1)),
    PRIMARY KEY (study, place)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX study_runs_run ON study_runs (run, study);

INSERT INTO study_runs (study, place, run, varied) SELECT study, key, key, '{}' FROM runs;

-- What a run starts from.
CREATE TABLE run_inputs (
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    input INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    PRIMARY KEY (run, input)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_inputs_input ON run_inputs (input, run);

INSERT INTO run_inputs (run, input) SELECT r.key, p.key FROM runs r JOIN runs p ON p.id = r.parent;

DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;

CREATE INDEX runs_digest ON runs (digest, key);
CREATE INDEX runs_study ON runs (study, key);
CREATE INDEX runs_queue ON runs (state, queued_at, key);
CREATE INDEX runs_dataset ON runs (dataset, state);
CREATE INDEX runs_kind ON runs (kind);
CREATE INDEX runs_study_name ON runs (study_name);
CREATE INDEX runs_strength ON runs (strength);
CREATE INDEX runs_ppr ON runs (ppr);
CREATE INDEX runs_lpr ON runs (lpr);
CREATE INDEX runs_seed ON runs (seed);
CREATE INDEX runs_ca ON runs (ca);
CREATE INDEX runs_asr ON runs (asr);
CREATE INDEX runs_ra ON runs (ra);
CREATE INDEX runs_best ON runs (asr) WHERE state = 'done' AND asr IS NOT NULL;
CREATE INDEX runs_compare ON runs (key, ended_at) WHERE state = 'done' AND ca IS NOT NULL;
-- All that the table filters and sorts by, so that a filtered part is found without touching the wide rows.
CREATE INDEX runs_filter ON runs (
    kind, state, dataset, trigger_kind, trigger_label, study_name, ppr, lpr, seed, strength, ca, asr, ra
);

CREATE TRIGGER study_runs_count AFTER INSERT ON study_runs BEGIN
    UPDATE studies SET
        queued = queued + (r.state = 'queued'),
        running = running + (r.state = 'running'),
        done = done + (r.state = 'done'),
        failed = failed + (r.state = 'failed'),
        interrupted = interrupted + (r.state = 'interrupted'),
        cancelled = cancelled + (r.state = 'cancelled')
    FROM (SELECT state FROM runs WHERE key = NEW.run) AS r
    WHERE id = NEW.study;
END;

CREATE TRIGGER runs_count_moved AFTER UPDATE OF state ON runs WHEN OLD.state <> NEW.state BEGIN
    UPDATE studies SET
        queued = queued + (NEW.state = 'queued') - (OLD.state = 'queued'),
        running = running + (NEW.state = 'running') - (OLD.state = 'running'),
        done = done + (NEW.state = 'done') - (OLD.state = 'done'),
        failed = failed + (NEW.state = 'failed') - (OLD.state = 'failed'),
        interrupted = interrupted + (NEW.state = 'interrupted') - (OLD.state = 'interrupted'),
        cancelled = cancelled + (NEW.state = 'cancelled') - (OLD.state = 'cancelled')
    WHERE id IN (SELECT study FROM study_runs WHERE run = NEW.key);
END;
