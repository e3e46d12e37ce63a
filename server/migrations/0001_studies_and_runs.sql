-- Studies, their runs and the events of those. Times are Unix milliseconds, specifications and progress are JSON.

CREATE TABLE studies (
    id            TEXT PRIMARY KEY NOT NULL,
    created_at    INTEGER NOT NULL,
    name          TEXT NOT NULL,
    dataset       TEXT NOT NULL,
    trigger_label TEXT NOT NULL,
    -- Number of runs in each state, kept by the triggers below so that the list never counts runs.
    queued        INTEGER NOT NULL DEFAULT 0,
    running       INTEGER NOT NULL DEFAULT 0,
    done          INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    interrupted   INTEGER NOT NULL DEFAULT 0,
    cancelled     INTEGER NOT NULL DEFAULT 0,
    spec          TEXT NOT NULL,
    classes       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX studies_created ON studies (created_at DESC, id DESC);
CREATE INDEX studies_dataset ON studies (dataset);

CREATE TABLE runs (
    -- Place in the order of creation; events name a run by it.
    key          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    study        TEXT NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    -- Pre-training that this run starts from.
    parent       TEXT REFERENCES runs (id) ON DELETE CASCADE,
    -- Copied from the study, which never changes, so that lists filter and sort without a join.
    study_name   TEXT NOT NULL,
    dataset      TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    trigger_label TEXT NOT NULL,
    strength     REAL NOT NULL,
    optimizer    TEXT NOT NULL,
    phase        TEXT NOT NULL CHECK (phase IN ('pretrain', 'probe', 'finetune')),
    ppr          INTEGER NOT NULL,
    lpr          INTEGER NOT NULL,
    seed         INTEGER NOT NULL,
    state        TEXT NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'done', 'failed', 'interrupted', 'cancelled')),
    -- Counts of a finished classifier's evaluation, and the shares that they make.
    ca_hits      INTEGER,
    ca_total     INTEGER,
    asr_hits     INTEGER,
    asr_total    INTEGER,
    ra_hits      INTEGER,
    ra_total     INTEGER,
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

CREATE INDEX runs_study ON runs (study, key);
CREATE INDEX runs_parent ON runs (parent);
CREATE INDEX runs_queue ON runs (state, queued_at, key);
CREATE INDEX runs_state ON runs (state);
CREATE INDEX runs_phase ON runs (phase);
CREATE INDEX runs_study_name ON runs (study_name);
CREATE INDEX runs_strength ON runs (strength);
CREATE INDEX runs_ppr ON runs (ppr);
CREATE INDEX runs_lpr ON runs (lpr);
CREATE INDEX runs_seed ON runs (seed);
CREATE INDEX runs_ca ON runs (ca);
CREATE INDEX runs_asr ON runs (asr);
CREATE INDEX runs_ra ON runs (ra);
CREATE INDEX runs_best ON runs (study, asr) WHERE state = 'done' AND asr IS NOT NULL;
CREATE INDEX runs_compare ON runs (key, ended_at) WHERE state = 'done' AND ca IS NOT NULL;
-- All that the table filters and sorts by, so that a filtered part is found without touching the wide rows.
CREATE INDEX runs_filter ON runs (
    phase, state, dataset, trigger_kind, trigger_label, study_name, ppr, lpr, seed, strength, ca, asr, ra
);

CREATE TRIGGER runs_count_new AFTER INSERT ON runs BEGIN
    UPDATE studies SET
        queued = queued + (NEW.state = 'queued'),
        running = running + (NEW.state = 'running'),
        done = done + (NEW.state = 'done'),
        failed = failed + (NEW.state = 'failed'),
        interrupted = interrupted + (NEW.state = 'interrupted'),
        cancelled = cancelled + (NEW.state = 'cancelled')
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
    WHERE id = NEW.study;
END;

-- What a run said (seq, kind and body of the event), or that its state changed (no seq, kind 'state', no body).
-- The id numbers all events of the data folder in the order of their arrival and is never used twice.
CREATE TABLE events (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    seq   INTEGER,
    at    INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    -- State of the run after it.
    state TEXT NOT NULL,
    body  TEXT
) STRICT;

CREATE UNIQUE INDEX events_run ON events (run, seq);
CREATE INDEX events_evaluated ON events (run, seq) WHERE kind = 'evaluated';
CREATE INDEX events_checkpoint ON events (run, seq) WHERE kind = 'checkpoint';

CREATE TABLE datasets (
    name     TEXT PRIMARY KEY NOT NULL,
    added_at INTEGER NOT NULL,
    info     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Uploaded key images; the pixels lie in the data folder under their SHA-256.
CREATE TABLE keys (
    sha256   TEXT PRIMARY KEY NOT NULL,
    added_at INTEGER NOT NULL,
    name     TEXT NOT NULL,
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
