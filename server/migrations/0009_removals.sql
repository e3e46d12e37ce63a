-- Files and folders below the data folder that belong to nothing any more. They are noted in the transaction that deletes what they
-- belonged to, and removed afterwards, so that a program that is killed in between leaves nothing behind.
CREATE TABLE removals (
    path TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
