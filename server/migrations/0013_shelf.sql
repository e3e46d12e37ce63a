-- What people put on a study beside its specification, which keeps its name and tags.
ALTER TABLE studies ADD COLUMN notes TEXT NOT NULL DEFAULT '';
ALTER TABLE studies ADD COLUMN starred INTEGER NOT NULL DEFAULT 0 CHECK (starred IN (0, 1));
-- Left out of the list of studies unless it is asked for.
ALTER TABLE studies ADD COLUMN archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1));
-- Number of the last change of a study's name, tags, notes or place, among all studies: what is kept of them in memory is read again.
ALTER TABLE studies ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX studies_changed ON studies (changed);
