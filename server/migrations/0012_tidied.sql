-- Finished runs whose checkpoints were removed because nothing needed them any more. Their results stay.
CREATE TABLE tidied (
    run       INTEGER PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE,
    -- Unix time in milliseconds.
    at        INTEGER NOT NULL,
    -- Whether the last checkpoint was kept, from which other runs can start.
    kept_last INTEGER NOT NULL CHECK (kept_last IN (0, 1))
) STRICT;
