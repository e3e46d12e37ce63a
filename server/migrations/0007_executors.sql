-- Where a run works: the device that the queue gave it, and what its executor calls it, once it has started.

ALTER TABLE runs ADD COLUMN device TEXT;
ALTER TABLE runs ADD COLUMN handle TEXT;
