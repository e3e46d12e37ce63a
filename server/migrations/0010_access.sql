-- Who may use the server. Of secrets only the SHA-256 is stored: they are random, so that it cannot be turned back.
CREATE TABLE tokens (
    name       TEXT PRIMARY KEY NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    rights     TEXT NOT NULL CHECK (rights IN ('read', 'run', 'admin')),
    created_at INTEGER NOT NULL,
    -- None: it does not expire.
    expires_at INTEGER
) STRICT, WITHOUT ROWID;

-- Browsers that were let in. One that came with a token goes with it.
CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL,
    rights     TEXT NOT NULL CHECK (rights IN ('read', 'run', 'admin')),
    token      TEXT REFERENCES tokens (name) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_token ON sessions (token);
