-- Whether a fine-tuning starts from a model that was not pre-trained; the studies before had no fine-tuning.

ALTER TABLE runs ADD COLUMN scratch INTEGER NOT NULL DEFAULT 0 CHECK (scratch IN (0, 1));
