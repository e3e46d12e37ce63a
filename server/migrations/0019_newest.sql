-- The result that came last, which every page asks for again and again.
CREATE INDEX runs_newest ON runs (ended_at, key) WHERE state = 'done' AND ca IS NOT NULL AND kind <> 'knn';
