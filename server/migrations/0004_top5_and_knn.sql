-- Images whose true class is among a classifier's five highest scores; none where there are not more than five classes.

ALTER TABLE runs ADD COLUMN top5_hits INTEGER;
ALTER TABLE runs ADD COLUMN top5_total INTEGER;

-- What nearest neighbours find during a pre-training, for the figure by epoch.
CREATE INDEX events_knn ON events (run, seq) WHERE kind = 'knn';
