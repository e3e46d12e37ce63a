-- Initial weights of a probe's linear layer; the studies before had but one kind.

ALTER TABLE runs ADD COLUMN head_init TEXT NOT NULL DEFAULT 'normal';
