-- Images whose true class is among a classifier's five highest scores; none where there are not more than five classes.

ALTER TABLE runs ADD COLUMN top5_hits INTEGER;
ALTER TABLE runs ADD COLUMN top5_total INTEGER;
