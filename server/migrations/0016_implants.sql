-- Whether a run implants a backdoor into its encoder, or starts from such an encoder.
ALTER TABLE runs ADD COLUMN implanted INTEGER NOT NULL DEFAULT 0 CHECK (implanted IN (0, 1));
ALTER TABLE deleted_runs ADD COLUMN implanted INTEGER NOT NULL DEFAULT 0;
