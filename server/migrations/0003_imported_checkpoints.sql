-- Imported checkpoints; the files lie in the data folder under their name, so two names differ by more than capitals.

CREATE TABLE imported_checkpoints (
    name     TEXT PRIMARY KEY NOT NULL COLLATE NOCASE,
    added_at INTEGER NOT NULL,
    info     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
