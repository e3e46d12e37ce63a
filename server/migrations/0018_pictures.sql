-- Own pictures, of which Reconstruct shows what a model makes. Their files are in the data folder, named by their SHA-256.
CREATE TABLE pictures (
    sha256   TEXT PRIMARY KEY NOT NULL,
    added_at INTEGER NOT NULL,
    name     TEXT NOT NULL,
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
